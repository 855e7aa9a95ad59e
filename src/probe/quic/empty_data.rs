//! Takes empty DATA frames out of the stream of an answer: h3 takes one for the end of the body, and some servers send them. It
//! also knows whether the stream ends within a frame, which h3 does not always notice.
//!
//! The bytes of all other frames pass unchanged, those of an incomplete head of a frame as soon as it is complete, or with the end.
//! Cost: the head of each frame is copied. Bounds: 16 bytes are held back.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};

/// The type of a DATA frame (RFC 9114 §7.2.1).
const DATA: u64 = 0;

#[derive(Debug, Default)]
pub(super) struct WithoutEmptyData {
    /// The beginning of a frame: its type and its length, as far as they have come.
    head: Vec<u8>,
    /// Bytes of the present frame that are still to come.
    left: u64,
    passed: VecDeque<Bytes>,
}

impl WithoutEmptyData {
    /// Adds the next bytes of the stream.
    pub(super) fn push(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.passed.push_back(bytes.split_to(here));
                self.left -= here as u64;
                continue;
            }
            self.head.push(bytes.get_u8());
            let Some((kind, length)) = kind_and_length(&self.head) else { continue };
            if (kind, length) == (DATA, 0) {
                self.head.clear();
            } else {
                self.pass_head();
            }
            self.left = length;
        }
    }

    /// Ends the stream. Returns whether that cuts a frame.
    pub(super) fn finish(&mut self) -> bool {
        let is_cut = self.left > 0 || !self.head.is_empty();
        self.pass_head();
        is_cut
    }

    fn pass_head(&mut self) {
        if !self.head.is_empty() {
            self.passed.push_back(Bytes::copy_from_slice(&self.head));
            self.head.clear();
        }
    }

    /// The next bytes that have passed.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.passed.pop_front()
    }
}

/// The two numbers at the front of a frame, if both are complete.
fn kind_and_length(mut head: &[u8]) -> Option<(u64, u64)> {
    let kind = number(&mut head)?;
    Some((kind, number(&mut head)?))
}

/// The next number of variable length (RFC 9000 §16).
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let (number, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    *bytes = rest;
    Some(number[1..].iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `value` in 1, 2, 4 or 8 bytes.
    fn encoded(value: u64, size: u32) -> Vec<u8> {
        let bytes = (value | u64::from(size) << (8 * (1 << size) - 2)).to_be_bytes();
        bytes[8 - (1 << size)..].to_vec()
    }

    proptest! {
        #[test]
        fn all_passes_but_empty_data_however_it_comes(
            frames in prop::collection::vec((0u64..3, 0u32..4, 1u32..4, prop::collection::vec(any::<u8>(), 0..70)), 0..9),
            cuts in prop::collection::vec(1usize..40, 1..200), missing in 0usize..3,
        ) {
            let (mut sent, mut expected, mut passes) = (Vec::new(), Vec::new(), false);
            for (kind, size_of_kind, size_of_length, payload) in frames {
                let frame = [encoded(kind, size_of_kind), encoded(payload.len() as u64, size_of_length), payload.clone()].concat();
                sent.extend(&frame);
                passes = kind > 0 || !payload.is_empty();
                if passes {
                    expected.extend(frame);
                }
            }
            // The last one may be cut off, if it is one that passes.
            let missing = if passes { missing } else { 0 };
            sent.truncate(sent.len() - missing);
            expected.truncate(expected.len() - missing);
            let (mut filter, mut found, mut rest, mut cuts) = (WithoutEmptyData::default(), Vec::new(), &*sent, cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                filter.push(Bytes::copy_from_slice(piece));
                found.extend(std::iter::from_fn(|| filter.pop()).flatten());
                prop_assert!(filter.head.len() < 16);
                rest = after;
            }
            prop_assert_eq!(filter.finish(), missing > 0);
            found.extend(std::iter::from_fn(|| filter.pop()).flatten());
            prop_assert_eq!(found, expected);
        }
    }
}
