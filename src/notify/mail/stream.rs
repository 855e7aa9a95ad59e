//! A connection in the form that lettre reads.
//!
//! After STARTTLS a server does not greet again, but lettre waits for a greeting; so the stream begins with one. It notes
//! when the text of a message begins: before that no server can have taken it.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::{fmt, io};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The command before the text of a message.
const DATA: &[u8] = b"DATA";

/// The greeting of a server that has greeted before TLS.
const GREETING: &[u8] = b"220 tls\r\n";

trait Line: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Line for S {}

pub(super) struct SmtpStream {
    line: Box<dyn Line>,
    /// What is read before anything from the line.
    unread: &'static [u8],
    /// Set when the text begins.
    has_text: Arc<AtomicBool>,
}

impl SmtpStream {
    /// A server that is going to greet.
    pub(super) fn new(
        line: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
        has_text: Arc<AtomicBool>,
    ) -> Self {
        Self { line: Box::new(line), unread: b"", has_text }
    }

    /// A server that has greeted.
    pub(super) fn greeted(
        line: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
        has_text: Arc<AtomicBool>,
    ) -> Self {
        Self { unread: GREETING, ..Self::new(line, has_text) }
    }
}

impl AsyncRead for SmtpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.line).poll_read(cx, buf);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buf.remaining()));
        buf.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SmtpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // lettre writes each command at once. Credentials that look like the command err on the safe side.
        if bytes.starts_with(DATA) {
            self.has_text.store(true, Ordering::Relaxed);
        }
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for SmtpStream {
    /// Not known here, and not needed: lettre does not ask.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::UNSPECIFIED, 0).into())
    }
}

impl fmt::Debug for SmtpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpStream")
    }
}
