//! Repairs the GOAWAY of an HTTP/2 server that requires HTTP/1.1.
//!
//! Such a GOAWAY (`HTTP_1_1_REQUIRED`, RFC 9113 §7) often names the refused request as the last one that was processed: many
//! libraries write the highest stream there. Taken literally, it promises an answer that never comes. Browsers ask again at
//! once. So until an answer has ended, the frame is made to say that no stream was processed, and h2 fails the request with the
//! reason. Bounds: a GOAWAY whose first 8 bytes of payload arrive in two reads passes unchanged.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use h2::Reason;
use tokio::io::{AsyncRead, ReadBuf};

use crate::probe::io::limited_io::{Limited, ReadLimit};

/// Length, type, flags and stream of a frame (RFC 9113 §4.1).
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
/// The flag of HEADERS that no body follows.
const END_STREAM: u8 = 1;

/// A connection that is repaired.
pub(crate) type GoAwayRepaired<S> = Limited<S, FrameReader>;

/// Follows the frames of a connection.
pub(crate) struct FrameReader {
    /// Set when a request is sent. Reader and setter run in one task, so any ordering will do.
    expects_head: Arc<AtomicBool>,
    is_answered: bool,
    head: [u8; HEAD],
    /// Bytes of the head that have arrived.
    head_len: usize,
    /// Bytes of the payload that have not arrived.
    payload_left: usize,
    /// The payload of a GOAWAY begins.
    is_goaway: bool,
}

impl<S> GoAwayRepaired<S> {
    /// Repairs `stream`; `expects_head` is set when a request is sent.
    pub(crate) fn new(stream: S, expects_head: Arc<AtomicBool>) -> Self {
        let frames = FrameReader {
            expects_head,
            is_answered: false,
            head: [0; HEAD],
            head_len: 0,
            payload_left: 0,
            is_goaway: false,
        };
        Self::with(frames, stream)
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
            if self.payload_left > 0 {
                if std::mem::take(&mut self.is_goaway) {
                    deny_all_streams(bytes);
                }
                let (payload, rest) = bytes.split_at_mut(self.payload_left.min(bytes.len()));
                self.payload_left -= payload.len();
                bytes = rest;
                continue;
            }
            let (part, rest) = bytes.split_at_mut((HEAD - self.head_len).min(bytes.len()));
            self.head[self.head_len..self.head_len + part.len()].copy_from_slice(part);
            self.head_len += part.len();
            bytes = rest;
            if self.head_len == HEAD {
                self.head_len = 0;
                self.begin();
            }
        }
    }

    /// Begins the frame whose head has arrived.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.payload_left = u32::from_be_bytes([0, a, b, c]) as usize;
        self.is_answered |= kind == DATA || kind == HEADERS && flags & END_STREAM != 0;
        self.is_goaway = kind == GOAWAY && !self.is_answered && self.payload_left >= 8;
    }
}

/// Makes the GOAWAY with this `payload` name no stream, if it requires HTTP/1.1.
fn deny_all_streams(payload: &mut [u8]) {
    let required = u32::from(Reason::HTTP_1_1_REQUIRED).to_be_bytes();
    if let Some((last, code)) = payload.get_mut(..8).map(|payload| payload.split_at_mut(4))
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

    /// The repaired `frames` if they arrive in pieces of `size`.
    fn read(frames: &[u8], size: usize) -> Vec<u8> {
        let stream = GoAwayRepaired::new((), Arc::default());
        let (mut limit, mut bytes) = (stream.limit, frames.to_vec());
        bytes.chunks_mut(size).for_each(|piece| limit.follow(piece));
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
            let mut limit = GoAwayRepaired::new((), Arc::default()).limit;
            before.clone().chunks_mut(size).for_each(|piece| limit.follow(piece));
            let (mut head, mut rest) = (goaway(3, 13), goaway(3, 13).split_off(HEAD));
            limit.follow(&mut head[..HEAD]);
            limit.follow(&mut rest);
            assert_eq!(rest, goaway(0, 13).split_off(HEAD), "by {size}");
        }
        // Noise keeps its length, and never panics.
        let noise: Vec<u8> = (0..=255).cycle().take(4_000).collect();
        assert_eq!(read(&noise, 7).len(), noise.len());
    }
}
