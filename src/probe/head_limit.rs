//! A bound on what a server may send before its final head, and over HTTP/2 after it as well.
//!
//! hyper bounds one head, but not the number of provisional ones: an endless stream of `103 Early Hints` kept
//! a plain client busy for seconds of CPU and so disturbed the figures of all other sites. This reader lets
//! so many bytes pass until its [`Budget`] is raised, and then fails. A read never takes more than what is
//! left, so a head that ends within the budget is whole even when more follows in the same packet. Over HTTP/2 there are
//! frames that are neither head nor body (PING, SETTINGS, empty DATA), so there the budget goes on.
//!
//! It also takes an end without TLS's `close_notify` for an end: many real servers just close. A body cut short
//! by that is still found out by its length or its last chunk.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may arrive before the final head is complete, provisional heads included.
pub(super) const HEAD_MAX: u64 = 256 * 1024;

/// The error of a read past the bound, inside the `io::Error` of a read.
#[derive(Debug)]
pub(super) struct HeadTooLarge;

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no complete head within {} KiB", HEAD_MAX / 1024)
    }
}

impl std::error::Error for HeadTooLarge {}

/// What may still arrive. Reader and setter run in one task, so any ordering will do.
#[derive(Debug, Default)]
pub(super) struct Budget {
    left: AtomicU64,
    given: AtomicU64,
}

impl Budget {
    /// From now on `bytes` may arrive.
    pub(super) fn give(&self, bytes: u64) {
        self.given.store(bytes, Ordering::Relaxed);
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that may still arrive.
    pub(super) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Whether nothing has arrived since the budget was given.
    pub(super) fn is_untouched(&self) -> bool {
        self.left() == self.given.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        self.left.store(self.left().saturating_sub(bytes as u64), Ordering::Relaxed);
    }
}

/// A connection with a budget.
pub(super) struct HeadLimit<S> {
    stream: S,
    budget: Arc<Budget>,
}

impl<S> HeadLimit<S> {
    /// Bounds `stream` by `budget`.
    pub(super) fn new(stream: S, budget: Arc<Budget>) -> Self {
        Self { stream, budget }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadLimit<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = usize::try_from(self.budget.left()).unwrap_or(usize::MAX);
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        let before = buf.filled().len();
        if buf.remaining() <= left {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf)).or_else(as_end)?;
        } else {
            let mut part = vec![0; left];
            let mut part = ReadBuf::new(&mut part);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part)).or_else(as_end)?;
            buf.put_slice(part.filled());
        }
        self.budget.take(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

fn as_end(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadLimit<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn limited(budget: &Arc<Budget>) -> HeadLimit<tokio::io::Repeat> {
        HeadLimit::new(tokio::io::repeat(b'x'), Arc::clone(budget))
    }

    #[tokio::test]
    async fn the_budget_ends_to_the_byte() {
        let budget = Arc::new(Budget::default());
        budget.give(HEAD_MAX);
        assert!(budget.is_untouched());
        let mut reader = limited(&budget);
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
        let mut reader = limited(&budget);
        let mut part = [0; 16];
        reader.read_exact(&mut part).await.unwrap();
        assert!(reader.read_exact(&mut part).await.is_err());
        budget.give(u64::MAX);
        let mut more = vec![0; 4 * 256 * 1024];
        reader.read_exact(&mut more).await.unwrap();
    }
}
