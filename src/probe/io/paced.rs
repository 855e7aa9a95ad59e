//! A TCP connection that leaves everybody else their turn, and does not bring packing without end.
//!
//! All probes share one thread. What hyper, h2 and rustls do for a server is done for bytes that came through here, so
//! bounding the bytes of one turn bounds the work of it, whatever the server makes of them: provisional heads, PINGs, tiny
//! records. (Pieces of a body are counted besides, where they arrive: in 8 KiB there is room for 1,365 chunks of one byte.) A read takes at most 8 KiB and is charged to the budget that tokio gives a
//! task for each poll; when that is spent, everything the task waits for is pending until the other tasks have been
//! polled and the system has been asked for news.
//!
//! TLS may pack a byte of content in a record of its own, which costs a hundred times the CPU of a large one. So there is
//! a second bound: what came over the wire, at most 512 KiB more than twice the content ([`Budget`] counts it).

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::{has_budget_remaining, poll_proceed};

use crate::probe::io::budget::poll_read_at_most;

use super::budget::{Budget, HeadTooLarge};
use super::limited_io::{ReadLimit, Ruled};

/// Bytes of one turn, at most; one read may take all of them.
const TURN_BYTES: usize = 8 * 1024;
/// tokio gives a task 128 units for each poll.
const UNIT_BYTES: usize = TURN_BYTES / 128;

/// See the module.
pub(crate) type Paced<S> = Ruled<S, Pace>;

/// How a paced connection is read.
pub(crate) struct Pace {
    budget: Arc<Budget>,
}

impl<S> Paced<S> {
    /// Paces `stream`, with a budget of its own.
    pub(crate) fn new(stream: S) -> Self {
        Self::by(Pace { budget: Arc::default() }, stream)
    }

    /// What may still arrive.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.rule.budget
    }
}

impl ReadLimit for Pace {
    /// hyper and TLS drop a connection as soon as they have ended it, and closing it sends the same packet.
    const TELLS_END: bool = false;

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
        let read = ready!(poll_read_at_most(stream, cx, buf, TURN_BYTES.min(wire)))?;
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

    /// Reads `reads` times into `size` bytes; the most bytes that came in one poll of the task.
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

    /// Found with a server that sent chunks of one byte: a million of them were read in one poll, half a second long.
    #[tokio::test]
    async fn one_poll_reads_a_turn_and_no_more() {
        // The last read of a turn may begin with a unit left.
        for (reads, size, most) in
            [(1_000, 128, TURN_BYTES), (100, 5_000, 2 * TURN_BYTES), (20, 1 << 20, TURN_BYTES), (3, 1, 3)]
        {
            let found = most_in_one_poll(reads, size).await;
            assert!(found <= most, "{reads} reads of {size}: {found}");
        }
    }

    /// What comes over the wire without being content is bounded, and content pays for its packing.
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
