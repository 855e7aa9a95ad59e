//! Limits how much of a server's data is processed at once, and the overhead of TLS.
//!
//! All probes share one thread. Everything that hyper, h2 and rustls do for a server is done for bytes that came through here, so
//! a bound on the bytes per poll bounds the work, whatever they are: provisional heads, PINGs, tiny records. (Pieces of a body
//! are counted where they arrive: 8 KiB hold 1,365 chunks of one byte.) A read takes at most 8 KiB and uses up the budget that
//! tokio gives a task for each poll; then the task waits until the other tasks have been polled.
//!
//! TLS may wrap each byte in its own record, which costs a hundred times the CPU of a large one. So the wire may carry at most
//! 512 KiB more than twice the content; the [`Budget`] counts both.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::{has_budget_remaining, poll_proceed};

use super::budget::{Budget, HeadTooLarge, poll_read_at_most};
use super::limited_io::{Limited, ReadLimit};

/// Bytes per poll; one read may take all of them.
const POLL_BYTES: usize = 8 * 1024;
/// tokio gives a task 128 units for each poll.
const UNIT_BYTES: usize = POLL_BYTES / 128;

/// A paced connection.
pub(crate) type Paced<S> = Limited<S, Pace>;

pub(crate) struct Pace {
    budget: Arc<Budget>,
}

impl<S> Paced<S> {
    /// Paces `stream`, with its own budget.
    pub(crate) fn new(stream: S) -> Self {
        Self::with(Pace { budget: Arc::default() }, stream)
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.limit.budget
    }
}

impl ReadLimit for Pace {
    /// hyper and TLS drop a connection when they have ended it, and closing it sends the same packet.
    const SHUTS_DOWN: bool = false;

    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = usize::try_from(self.budget.wire()).unwrap_or(usize::MAX);
        if wire == 0 {
            return Poll::Ready(Err(io::Error::other(HeadTooLarge)));
        }
        let read = ready!(poll_read_at_most(stream, cx, buf, POLL_BYTES.min(wire)))?;
        self.budget.take_wire(read);
        for _ in 0..read / UNIT_BYTES {
            if !has_budget_remaining() {
                break;
            }
            if let Poll::Ready(unit) = poll_proceed(cx) {
                unit.made_progress();
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::rc::Rc;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::probe::io::budget::WIRE_FREE;

    /// Reads `reads` times into `size` bytes; returns the most bytes in one poll of the task.
    async fn most_in_one_poll(reads: usize, size: usize) -> usize {
        let mut endless = Paced::new(tokio::io::repeat(b'x'));
        endless.budget().give(0);
        let (mut into, mut left) = (vec![0; size], reads);
        let most = Rc::new(Cell::new(0));
        poll_fn(|cx| {
            let mut now = 0;
            let done = loop {
                let mut buf = ReadBuf::new(&mut into);
                match Pin::new(&mut endless).poll_read(cx, &mut buf) {
                    Poll::Pending => break Poll::Pending,
                    Poll::Ready(read) => read.expect("it never fails"),
                }
                now += buf.filled().len();
                left -= 1;
                if left == 0 {
                    break Poll::Ready(());
                }
            };
            most.set(most.get().max(now));
            done
        })
        .await;
        most.get()
    }

    /// Of a server that sent chunks of one byte, one poll once read a million in half a second.
    #[tokio::test]
    async fn one_poll_reads_a_turn_and_no_more() {
        // The last read of a poll may begin with one unit left.
        for (reads, size, most) in
            [(1_000, 128, POLL_BYTES), (100, 5_000, 2 * POLL_BYTES), (20, 1 << 20, POLL_BYTES), (3, 1, 3)]
        {
            let found = most_in_one_poll(reads, size).await;
            assert!(found <= most, "{reads} reads of {size}: {found}");
        }
    }

    /// Overhead on the wire is bounded, and content pays for its own.
    #[tokio::test]
    async fn the_wire_brings_no_more_than_its_content_allows() {
        for (content, allowed) in [(0, WIRE_FREE), (1_000, WIRE_FREE + 2_000), (1 << 20, WIRE_FREE + (2 << 20))] {
            let mut endless = Paced::new(tokio::io::repeat(b'x'));
            endless.budget().give(u64::MAX);
            endless.budget().take(content);
            let (mut into, mut came) = (vec![0; 1_000], 0);
            let error = loop {
                match endless.read(&mut into).await {
                    Ok(read) => came += read as u64,
                    Err(error) => break error,
                }
            };
            assert_eq!(came, allowed, "{content} bytes of content");
            assert!(error.downcast::<HeadTooLarge>().is_ok());
            assert!(endless.budget().is_spent() && endless.budget().left() > 0);
        }
    }
}
