//! A connection over HTTP/2 whose server requires HTTP/1.1 by a GOAWAY, read as what that means.
//!
//! Such a GOAWAY (`HTTP_1_1_REQUIRED`, RFC 9113 §7) often names the very request that it refuses as the last one that was
//! looked at: many libraries write the highest stream there, whatever becomes of it. Taken at its word, it promises an
//! answer that never comes. Browsers ask again at once; so here, while no answer has begun to end, the frame is made to say
//! that no stream was looked at, and h2 fails the request with the reason.
//!
//! Frames are followed by their heads alone, in place. Limit: a GOAWAY of which the first 8 bytes of payload come in two reads passes as it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use h2::Reason;
use tokio::io::{AsyncRead, ReadBuf};

use crate::probe::io::limited_io::{ReadLimit, Ruled};

/// Length, type, flags and stream of a frame (RFC 9113 §4.1).
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
/// The flag of HEADERS that no body follows.
const END_STREAM: u8 = 1;

/// A connection that is read so.
pub(crate) type Farewell<S> = Ruled<S, FrameReader>;

/// Where in the frames the reader is.
pub(crate) struct FrameReader {
    /// Whether another request was sent. Reader and setter run in one task, so any ordering will do.
    expects_head: Arc<AtomicBool>,
    is_answered: bool,
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    come: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
    /// Whether the payload that begins is that of a GOAWAY.
    is_farewell: bool,
}

impl<S> Farewell<S> {
    /// Reads what comes over `stream`; `expects_head` is set when a request is sent.
    pub(crate) fn new(stream: S, expects_head: Arc<AtomicBool>) -> Self {
        let frames =
            FrameReader { expects_head, is_answered: false, head: [0; HEAD], come: 0, left: 0, is_farewell: false };
        Self::by(frames, stream)
    }
}

impl ReadLimit for FrameReader {
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.expects_head.swap(false, Ordering::Relaxed) {
            self.is_answered = false;
        }
        let before = buf.filled().len();
        ready!(Pin::new(stream).poll_read(cx, buf))?;
        self.follow(&mut buf.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl FrameReader {
    fn follow(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                if std::mem::take(&mut self.is_farewell) {
                    look_at_nothing(bytes);
                }
                let (payload, rest) = bytes.split_at_mut(self.left.min(bytes.len()));
                self.left -= payload.len();
                bytes = rest;
                continue;
            }
            let (part, rest) = bytes.split_at_mut((HEAD - self.come).min(bytes.len()));
            self.head[self.come..self.come + part.len()].copy_from_slice(part);
            self.come += part.len();
            bytes = rest;
            if self.come == HEAD {
                self.come = 0;
                self.begin();
            }
        }
    }

    /// A frame begins whose head has come.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        self.is_answered |= kind == DATA || kind == HEADERS && flags & END_STREAM != 0;
        self.is_farewell = kind == GOAWAY && !self.is_answered && self.left >= 8;
    }
}

/// Makes a GOAWAY whose payload begins `bytes` name no stream, if it requires HTTP/1.1.
fn look_at_nothing(bytes: &mut [u8]) {
    let required = u32::from(Reason::HTTP_1_1_REQUIRED).to_be_bytes();
    if let Some((last, code)) = bytes.get_mut(..8).map(|payload| payload.split_at_mut(4))
        && *code == required
    {
        last.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn goaway(last: u32, code: u32) -> Vec<u8> {
        frame(GOAWAY, 0, &[&last.to_be_bytes()[..], &code.to_be_bytes(), b"debug"].concat())
    }

    /// What becomes of `frames` when they come in pieces of `size`.
    fn read(frames: &[u8], size: usize) -> Vec<u8> {
        let stream = Farewell::new((), Arc::default());
        let (mut rule, mut bytes) = (stream.rule, frames.to_vec());
        bytes.chunks_mut(size).for_each(|piece| rule.follow(piece));
        bytes
    }

    #[test]
    fn a_goaway_that_requires_http1_has_looked_at_nothing() {
        let settings = frame(4, 0, b"123456");
        for (case, before, sent, passed) in [
            ("it comes first", Vec::new(), goaway(1, 13), goaway(0, 13)),
            ("after other frames", settings.clone(), goaway(7, 13), goaway(0, 13)),
            ("after a provisional head", frame(HEADERS, 4, b"x"), goaway(1, 13), goaway(0, 13)),
            ("another reason", settings, goaway(1, 2), goaway(1, 2)),
            ("after a body", frame(DATA, 0, b"x"), goaway(1, 13), goaway(1, 13)),
            ("after an answer without one", frame(HEADERS, END_STREAM | 4, b"x"), goaway(1, 13), goaway(1, 13)),
            ("too short to be one", Vec::new(), frame(GOAWAY, 0, b"1234"), frame(GOAWAY, 0, b"1234")),
            ("within a payload", Vec::new(), frame(DATA, 0, &goaway(1, 13)), frame(DATA, 0, &goaway(1, 13))),
        ] {
            let all = [&before[..], &sent].concat();
            assert_eq!(read(&all, all.len()), [&before[..], &passed].concat(), "{case}");
        }
    }

    #[test]
    fn frames_in_pieces_are_followed_all_the_same() {
        let before = [frame(4, 0, b"123456"), frame(6, 0, b"12345678")].concat();
        for size in 1..=before.len() {
            let mut rule = Farewell::new((), Arc::default()).rule;
            before.clone().chunks_mut(size).for_each(|piece| rule.follow(piece));
            let (mut head, mut rest) = (goaway(3, 13), goaway(3, 13).split_off(HEAD));
            rule.follow(&mut head[..HEAD]);
            rule.follow(&mut rest);
            assert_eq!(rest, goaway(0, 13).split_off(HEAD), "by {size}");
        }
        // Whatever comes passes in its length, and never panics.
        let noise: Vec<u8> = (0..=255).cycle().take(4_000).collect();
        assert_eq!(read(&noise, 7).len(), noise.len());
    }
}
