//! A bound on what a server may send before its final head.
//!
//! hyper bounds one head, but not the number of provisional ones: an endless stream of `103 Early Hints` kept
//! a plain client busy for seconds of CPU and so disturbed the figures of all other sites. This reader lets
//! 256 KiB pass until it is told that the final head has come, and then fails. A read never takes more than what is
//! left, so a head that ends within the budget is whole even when more follows in the same packet.
//!
//! It also takes an end without TLS's `close_notify` for an end: many real servers just close. A body cut short
//! by that is still found out by its length or its last chunk.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may arrive before the final head is complete, provisional heads included.
pub(super) const HEAD_MAX: usize = 256 * 1024;

/// The error of a head past its bound, inside the `io::Error` of a read.
#[derive(Debug)]
pub(super) struct HeadTooLarge;

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no complete head within {} KiB", HEAD_MAX / 1024)
    }
}

impl std::error::Error for HeadTooLarge {}

/// A connection with a budget for the head.
pub(super) struct HeadLimit<S> {
    stream: S,
    left: usize,
    head_came: Arc<AtomicBool>,
}

impl<S> HeadLimit<S> {
    /// Bounds `stream` until `head_came` is set. Reader and setter run in one task, so any ordering will do.
    pub(super) fn new(stream: S, head_came: Arc<AtomicBool>) -> Self {
        Self { stream, left: HEAD_MAX, head_came }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadLimit<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.head_came.load(Ordering::Relaxed) {
            return end_is_end(ready!(Pin::new(&mut self.stream).poll_read(cx, buf)));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        let before = buf.filled().len();
        if buf.remaining() <= self.left {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf)).or_else(as_end)?;
        } else {
            let mut part = vec![0; self.left];
            let mut part = ReadBuf::new(&mut part);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part)).or_else(as_end)?;
            buf.put_slice(part.filled());
        }
        self.left -= buf.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

fn end_is_end(read: io::Result<()>) -> Poll<io::Result<()>> {
    Poll::Ready(read.or_else(as_end))
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

    fn limited(head_came: &Arc<AtomicBool>) -> HeadLimit<tokio::io::Repeat> {
        HeadLimit::new(tokio::io::repeat(b'x'), Arc::clone(head_came))
    }

    // `Repeat` is no writer, so only the reading half is exercised.
    #[tokio::test]
    async fn exactly_the_budget_passes_and_then_it_fails() {
        let head_came = Arc::new(AtomicBool::new(false));
        let mut stream = limited(&head_came);
        let mut head = vec![0; HEAD_MAX];
        stream.read_exact(&mut head).await.unwrap();
        let error = stream.read_u8().await.unwrap_err();
        assert!(error.downcast::<HeadTooLarge>().is_ok());
    }

    #[tokio::test]
    async fn a_large_read_takes_no_more_than_the_budget() {
        let head_came = Arc::new(AtomicBool::new(false));
        let mut stream = limited(&head_came);
        let mut more = vec![0; HEAD_MAX + 1];
        assert_eq!(stream.read(&mut more).await.unwrap(), HEAD_MAX);
    }

    #[tokio::test]
    async fn after_the_head_nothing_is_bounded() {
        let head_came = Arc::new(AtomicBool::new(false));
        let mut stream = limited(&head_came);
        let mut part = vec![0; HEAD_MAX];
        stream.read_exact(&mut part).await.unwrap();
        head_came.store(true, Ordering::Relaxed);
        stream.read_exact(&mut part).await.unwrap();
    }
}
