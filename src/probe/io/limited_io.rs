//! A connection with a limit on what is read; writing is passed through.
//!
//! Servers must be limited; what webmon sends is short. So a limit is a [`ReadLimit`], and the writing side is here once for all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Limits what is read.
pub(crate) trait ReadLimit: Unpin {
    /// Whether to shut down the stream when writing ends; otherwise only closing it tells the server.
    const SHUTS_DOWN: bool = true;

    /// Reads from `stream` into `buf` as [`AsyncRead::poll_read`] does.
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;

    /// Notes that something was written.
    fn note_written(&self, _: &Context<'_>) {}
}

pub(crate) struct Limited<S, L> {
    stream: S,
    pub(crate) limit: L,
}

impl<S, L> Limited<S, L> {
    pub(crate) fn with(limit: L, stream: S) -> Self {
        Self { stream, limit }
    }
}

/// The TLS connector requires it but never asks.
impl<S, L> Connection for Limited<S, L> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<S: AsyncRead + Unpin, L: ReadLimit> AsyncRead for Limited<S, L> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, limit } = self.get_mut();
        limit.poll_read(stream, cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, L: ReadLimit> AsyncWrite for Limited<S, L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.limit.note_written(cx);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if L::SHUTS_DOWN { Pin::new(&mut self.stream).poll_shutdown(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.limit.note_written(cx);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
