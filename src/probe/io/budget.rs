//! Counts the bytes that a server may still send over one connection.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// Bytes that may arrive before the final head is complete, provisional heads included.
pub(crate) const HEAD_MAX: u64 = 256 * 1024;

/// Bytes over the wire that may exceed twice the content: certificate chains, the overhead of TLS.
pub(crate) const WIRE_FREE: u64 = 512 * 1024;

/// A read past the bound, inside its `io::Error`.
#[derive(Debug)]
pub(crate) struct HeadTooLarge;

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no complete head within {} KiB", HEAD_MAX / 1024)
    }
}

impl std::error::Error for HeadTooLarge {}

/// Reader and setter run in one task, so any ordering will do.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU64,
    given: AtomicU64,
    /// A read was tried when nothing was left.
    pub(crate) missed: AtomicBool,
    /// The same below TLS.
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
    /// Lets `bytes` arrive from now on, with as much overhead as a handshake may have.
    pub(crate) fn give(&self, bytes: u64) {
        self.given.store(bytes, Ordering::Relaxed);
        self.left.store(bytes, Ordering::Relaxed);
        self.missed.store(false, Ordering::Relaxed);
        self.wire.store(WIRE_FREE, Ordering::Relaxed);
    }

    /// Gives back `bytes` of a body and a quarter more.
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

    /// Notes `bytes` over the wire.
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

    /// Notes `bytes` of content, of a head or a body.
    pub(crate) fn take(&self, bytes: usize) {
        self.left.store(self.left().saturating_sub(bytes as u64), Ordering::Relaxed);
        self.wire.store(self.wire().saturating_add(2 * bytes as u64), Ordering::Relaxed);
    }
}

/// Reads at most `most` bytes into `buf`, and returns how many.
pub(crate) fn poll_read_at_most(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<usize>> {
    let before = buf.filled().len();
    ready!(Pin::new(&mut stream.take(most as u64)).poll_read(cx, buf))?;
    Poll::Ready(Ok(buf.filled().len() - before))
}
