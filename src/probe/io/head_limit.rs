//! Limits what a server may send before its final head, and over HTTP/2 after it.
//!
//! hyper bounds one head but not the number of provisional ones: an endless stream of `103 Early Hints` kept it busy for seconds
//! of CPU, which disturbed the figures of all other sites. This reader fails when its [`Budget`] is spent. A read takes no more
//! than the budget, so a head that ends within it is whole even if more follows in the same packet. After the head, the budget
//! is for everything but the body: sizes of chunks, frames of HTTP/2 (PING, SETTINGS, empty DATA). It begins again with as much
//! as a head may have; each byte of body gives itself and a quarter back.
//!
//! Nothing is read before something was written. Some servers speak first (a greeting of another protocol, a load balancer that
//! refuses all), and hyper takes that for a broken connection or for an answer, depending on timing. To a probe it is the answer.
//!
//! An end without TLS's `close_notify` is an end: many real servers just close. Length and last chunk still expose a cut body.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::budget::{Budget, HeadTooLarge, poll_read_at_most};
use super::limited_io::{Limited, ReadLimit};

/// A connection with a budget.
pub(crate) type HeadLimit<S> = Limited<S, BudgetLimit>;

pub(crate) struct BudgetLimit {
    budget: Arc<Budget>,
    has_written: AtomicBool,
    /// A read was tried before that.
    is_read_waiting: AtomicBool,
}

impl<S> HeadLimit<S> {
    pub(crate) fn new(stream: S, budget: Arc<Budget>) -> Self {
        Self::with(
            BudgetLimit { budget, has_written: AtomicBool::new(false), is_read_waiting: AtomicBool::new(false) },
            stream,
        )
    }
}

impl ReadLimit for BudgetLimit {
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_written.load(Ordering::Relaxed) {
            self.is_read_waiting.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        let left = usize::try_from(self.budget.left()).unwrap_or(usize::MAX);
        if left == 0 {
            // hyper reads on in the poll in which a head completes, and a head of the full length is allowed: its receiver
            // raises the budget before the next poll.
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
        self.has_written.store(true, Ordering::Relaxed);
        // Reader and writer are one task.
        if self.is_read_waiting.swap(false, Ordering::Relaxed) {
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
        let (read, written) = timeout(Duration::from_mins(1), both).await.expect("the reader is woken");
        assert_eq!((read.unwrap(), written.unwrap(), part), (16, (), [b'x'; 16]));
    }
}
