//! A connection that reads by a rule of ours and writes as it did before.
//!
//! What webmon bounds is what servers send; what it sends itself is short. So a bound is a [`ReadLimit`] for reading, and the
//! way out is passed through here, once for all rules; but for its end, where closing the connection says the same.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How to read.
pub(crate) trait ReadLimit: Unpin {
    /// Whether an end of writing is told to the stream, and not only by closing it.
    const TELLS_END: bool = true;

    /// Reads from `stream` into `buf`; as [`AsyncRead::poll_read`].
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Something was written to the stream.
    fn note_written(&self, _: &Context<'_>) {}
}

/// See the module.
pub(crate) struct Ruled<S, R> {
    stream: S,
    pub(crate) rule: R,
}

impl<S, R> Ruled<S, R> {
    /// `stream`, read by `rule`.
    pub(crate) fn by(rule: R, stream: S) -> Self {
        Self { stream, rule }
    }
}

/// A connection is not asked for what it is by anybody, but the connector of TLS wants to be able to.
impl<S, R> Connection for Ruled<S, R> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<S: AsyncRead + Unpin, R: ReadLimit> AsyncRead for Ruled<S, R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, rule } = self.get_mut();
        rule.poll_read(stream, cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, R: ReadLimit> AsyncWrite for Ruled<S, R> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.rule.note_written(cx);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if R::TELLS_END { Pin::new(&mut self.stream).poll_shutdown(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.rule.note_written(cx);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
