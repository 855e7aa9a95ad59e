//! A bound on what a server may send before its final head, and over HTTP/2 after it as well.
//!
//! hyper bounds one head, but not the number of provisional ones: an endless stream of `103 Early Hints` kept
//! a plain client busy for seconds of CPU and so disturbed the figures of all other sites. This reader lets
//! so many bytes pass until its [`Budget`] is raised, and then fails. A read never takes more than what is
//! left, so a head that ends within the budget is whole even when more follows in the same packet. After the head the
//! budget goes on for everything that is not body: the sizes of chunks, frames of HTTP/2 (PING, SETTINGS, empty DATA). It
//! begins anew with as much as a head may have, and each byte of body pays for itself and a quarter more.
//!
//! Nothing is read before something was written. Some servers speak first (a greeting of another protocol, a load balancer
//! that turns everybody away), and whether that came before our request would be a matter of luck: hyper takes it for a
//! broken connection then, and for an answer a moment later. To a probe it is always the answer.
//!
//! It also takes an end without TLS's `close_notify` for an end: many real servers just close. A body cut short
//! by that is still found out by its length or its last chunk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::probe::io::budget::{Budget, HeadTooLarge};

use super::budget::poll_read_at_most;
use super::limited_io::{ReadLimit, Ruled};

/// A connection with a budget.
pub(crate) type HeadLimit<S> = Ruled<S, Limit>;

/// How a connection with a budget is read.
pub(crate) struct Limit {
    budget: Arc<Budget>,
    /// Something was written.
    spoke: AtomicBool,
    /// Somebody wanted to read before that.
    hushed: AtomicBool,
}

impl<S> HeadLimit<S> {
    /// Bounds `stream` by `budget`.
    pub(crate) fn new(stream: S, budget: Arc<Budget>) -> Self {
        Self::by(Limit { budget, spoke: AtomicBool::new(false), hushed: AtomicBool::new(false) }, stream)
    }
}

impl ReadLimit for Limit {
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.spoke.load(Ordering::Relaxed) {
            self.hushed.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        let left = usize::try_from(self.budget.left()).unwrap_or(usize::MAX);
        if left == 0 {
            // hyper reads on in the same turn in which a head is complete, and one that is as long as may be is no fault:
            // who waits for it raises the budget before the next turn.
            if !self.budget.missed.swap(true, Ordering::Relaxed) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        let read = ready!(poll_read_at_most(stream, cx, buf, left)).or_else(as_end)?;
        self.budget.take(read);
        Poll::Ready(Ok(()))
    }

    fn note_written(&self, cx: &Context<'_>) {
        self.spoke.store(true, Ordering::Relaxed);
        // Reader and writer are one task.
        if self.hushed.swap(false, Ordering::Relaxed) {
            cx.waker().wake_by_ref();
        }
    }
}

fn as_end(error: io::Error) -> io::Result<usize> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::io::budget::HEAD_MAX;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, join, repeat, sink};
    use tokio::time::timeout;

    /// An endless stream that has been written to.
    async fn limited(budget: &Arc<Budget>) -> HeadLimit<impl AsyncRead + AsyncWrite + Unpin> {
        let mut limited = HeadLimit::new(join(repeat(b'x'), sink()), Arc::clone(budget));
        limited.write_all(b"?").await.unwrap();
        limited
    }

    #[tokio::test]
    async fn the_budget_ends_to_the_byte() {
        let budget = Arc::new(Budget::default());
        budget.give(HEAD_MAX);
        assert!(budget.is_untouched());
        let mut reader = limited(&budget).await;
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(all.len() as u64, HEAD_MAX);
        assert!(error.downcast::<HeadTooLarge>().is_ok());
        assert!(budget.left() == 0 && !budget.is_untouched());
    }

    #[tokio::test]
    async fn a_raised_budget_lets_more_pass() {
        let budget = Arc::new(Budget::default());
        budget.give(16);
        let mut reader = limited(&budget).await;
        let mut part = [0; 16];
        reader.read_exact(&mut part).await.unwrap();
        assert!(reader.read_exact(&mut part).await.is_err());
        budget.give(u64::MAX);
        let mut more = vec![0; 4 * 256 * 1024];
        reader.read_exact(&mut more).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_read_before_something_was_written() {
        let budget = Arc::new(Budget::default());
        budget.give(16);
        let mut stream = HeadLimit::new(join(repeat(b'x'), sink()), Arc::clone(&budget));
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let mut part = [0; 16];
        let both = async {
            tokio::join!(reader.read_exact(&mut part), async {
                assert!(budget.is_untouched());
                writer.write_all(b"?").await
            })
        };
        let (read, written) = timeout(Duration::from_mins(1), both).await.expect("who waits is woken");
        assert_eq!((read.unwrap(), written.unwrap(), part), (16, (), [b'x'; 16]));
    }
}
