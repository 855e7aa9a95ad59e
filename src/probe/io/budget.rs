//! How many bytes a server may send before its final head, over the whole of a connection.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that may arrive before the final head is complete, provisional heads included.
pub(crate) const HEAD_MAX: u64 = 256 * 1024;

/// Bytes that may come over the wire besides twice the content: chains of certificates, the packing of TLS.
pub(crate) const WIRE_FREE: u64 = 512 * 1024;

/// The error of a read past the bound, inside the `io::Error` of a read.
#[derive(Debug)]
pub(crate) struct HeadTooLarge;

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no complete head within {} KiB", HEAD_MAX / 1024)
    }
}

impl std::error::Error for HeadTooLarge {}

/// What may still arrive. Reader and setter run in one task, so any ordering will do.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU64,
    given: AtomicU64,
    /// Somebody wanted to read when nothing was left.
    pub(crate) missed: AtomicBool,
    /// Below TLS: what may still come over the wire.
    wire: AtomicU64,
}

/// Enough for a handshake.
impl Default for Budget {
    fn default() -> Self {
        Self {
            left: AtomicU64::new(0),
            given: AtomicU64::new(0),
            missed: AtomicBool::new(false),
            wire: AtomicU64::new(WIRE_FREE),
        }
    }
}

impl Budget {
    /// From now on `bytes` may arrive, and on the wire as much packing as a handshake may have.
    pub(crate) fn give(&self, bytes: u64) {
        self.given.store(bytes, Ordering::Relaxed);
        self.left.store(bytes, Ordering::Relaxed);
        self.missed.store(false, Ordering::Relaxed);
        self.wire.store(WIRE_FREE, Ordering::Relaxed);
    }

    /// `bytes` of a body came, which may be replaced by as many and a quarter more.
    pub(crate) fn earn(&self, bytes: u64) {
        self.left.store(self.left().saturating_add(bytes).saturating_add(bytes / 4), Ordering::Relaxed);
    }

    /// Whether nothing more may arrive.
    pub(crate) fn is_spent(&self) -> bool {
        self.left() == 0 || self.wire() == 0
    }

    /// Bytes that may still come over the wire.
    pub(crate) fn wire(&self) -> u64 {
        self.wire.load(Ordering::Relaxed)
    }

    /// `bytes` came over the wire.
    pub(crate) fn take_wire(&self, bytes: usize) {
        self.wire.store(self.wire().saturating_sub(bytes as u64), Ordering::Relaxed);
    }

    /// Bytes that may still arrive.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Whether nothing has arrived since the budget was given.
    pub(crate) fn is_untouched(&self) -> bool {
        self.left() == self.given.load(Ordering::Relaxed)
    }

    /// `bytes` of what the wire brought were content, of a head or a body.
    pub(crate) fn take(&self, bytes: usize) {
        self.left.store(self.left().saturating_sub(bytes as u64), Ordering::Relaxed);
        self.wire.store(self.wire().saturating_add(2 * bytes as u64), Ordering::Relaxed);
    }
}

/// Reads at most `most` bytes into `buf`; ready with how many.
pub(crate) fn poll_read_at_most(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<usize>> {
    if buf.remaining() <= most {
        let before = buf.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buf))?;
        return Poll::Ready(Ok(buf.filled().len() - before));
    }
    let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
    ready!(Pin::new(stream).poll_read(cx, &mut part))?;
    let read = part.filled().len();
    buf.advance(read);
    Poll::Ready(Ok(read))
}
