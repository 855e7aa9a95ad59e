//! Decodes the frames of a server, and encodes those of a client (RFC 6455 §5).
//!
//! Pure: bytes in, events out, however they are cut. A message is the joined payload of its frames; control frames may come
//! between them. Invariants: what the RFC forbids a server is [`Malformed`], and nothing panics. Bounds: the `max` first bytes of
//! a message are kept, 125 of a control frame.

use std::fmt;

/// Payload of a control frame.
const CONTROL_MAX: u64 = 125;
/// A header without a mask: two bytes and eight of length.
const HEADER_MAX: usize = 10;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// In place of a length: it follows in two bytes, or in eight.
const WIDE: u8 = 0x7e;
const WIDEST: u8 = 0x7f;

/// The kinds of frames that webmon sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Text = 0x1,
    Close = 0x8,
    Pong = 0xa,
}

/// A whole frame of a client: final, and masked with `mask`.
pub(crate) fn encode(kind: Sent, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_MAX + mask.len() + payload.len());
    frame.push(FINAL | kind as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..WIDE), _) => frame.push(MASKED | length),
        (_, Ok(length)) => {
            frame.push(MASKED | WIDE);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | WIDEST);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What a server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, in [`Decoder::message`], is complete or longer than is kept.
    Message {
        /// Otherwise it is binary.
        is_text: bool,
        /// Only its beginning is kept.
        is_cut: bool,
    },
    /// It wants this back.
    Ping(Vec<u8>),
    /// It ends the connection, and may say why.
    Close {
        /// Why, as a number of RFC 6455 §7.4.
        code: Option<u16>,
        /// Why, in words as they came.
        reason: String,
    },
}

/// What a server must not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Only extensions give them a meaning.
    ReservedBits,
    /// A kind of frame that the RFC reserves.
    Kind(u8),
    /// Only clients mask.
    Masked,
    /// Its length has a sign, or a shorter form.
    Length,
    /// A control frame with so many bytes.
    LongControl(u64),
    /// A control frame in fragments.
    CutControl,
    /// A continuation without a message.
    NothingToContinue,
    /// A message that begins within another one.
    Unfinished,
    /// A text in another encoding.
    NotUtf8,
    /// Half of a code.
    CloseOfOneByte,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "a frame has reserved bits set, without an extension that gives them a meaning",
            Self::Kind(kind) => return write!(f, "a frame has the unknown kind {kind:#x}"),
            Self::Masked => "a frame is masked, which is for clients",
            Self::Length => "the length of a frame is not encoded as it must be",
            Self::LongControl(length) => {
                return write!(f, "a control frame has {length} bytes; the limit is {CONTROL_MAX}");
            }
            Self::CutControl => "a control frame is fragmented",
            Self::NothingToContinue => "a frame continues no message",
            Self::Unfinished => "a message begins within another one",
            Self::NotUtf8 => "a text message is not valid UTF-8",
            Self::CloseOfOneByte => "a close frame has half a code",
        })
    }
}

/// A data or control frame whose header is known.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: u8,
    is_final: bool,
    /// Bytes of payload that have not come yet.
    left: u64,
}

impl Frame {
    const CONTINUES: u8 = 0x0;
    const TEXT: u8 = 0x1;
    const BINARY: u8 = 0x2;
    const CLOSE: u8 = 0x8;
    const PING: u8 = 0x9;
    const PONG: u8 = 0xa;

    const fn is_control(self) -> bool {
        self.kind >= Self::CLOSE
    }
}

/// The state between two pieces of what a server sends.
#[derive(Debug)]
pub struct Decoder {
    max: usize,
    header: Vec<u8>,
    frame: Option<Frame>,
    /// Whether the message that has begun is a text.
    begun: Option<bool>,
    message: Vec<u8>,
    control: Vec<u8>,
}

impl Decoder {
    /// Keeps the first `max` bytes of a message.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { max, header: Vec::new(), frame: None, begun: None, message: Vec::new(), control: Vec::new() }
    }

    /// The payload of the present message as far as it came.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the payload.
    pub fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.message)
    }

    /// Reads from the front of `bytes` up to the next event; without one, all of them.
    ///
    /// # Errors
    /// What a server must not send; nothing is to be read after that, nor after a message that is cut.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, Malformed> {
        loop {
            let Some(frame) = self.frame else {
                let Some((&byte, rest)) = bytes.split_first() else { return Ok(None) };
                *bytes = rest;
                self.header.push(byte);
                self.frame = self.begin()?;
                if self.frame.is_some() {
                    self.header.clear();
                }
                continue;
            };
            let here = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at(here);
            *bytes = rest;
            let left = frame.left - here as u64;
            self.frame = Some(Frame { left, ..frame });
            if frame.is_control() {
                self.control.extend_from_slice(payload);
            } else {
                let room = self.max - self.message.len();
                self.message.extend_from_slice(&payload[..here.min(room)]);
                if here > room {
                    return self.end_message(true).map(Some);
                }
            }
            if left > 0 {
                return Ok(None);
            }
            self.frame = None;
            if let Some(event) = self.end_frame(frame)? {
                return Ok(Some(event));
            }
        }
    }

    /// The frame whose header is complete, if it is.
    fn begin(&mut self) -> Result<Option<Frame>, Malformed> {
        let &[first, ref rest @ ..] = self.header.as_slice() else { return Ok(None) };
        let frame = Frame { kind: first & 0x0f, is_final: first & FINAL != 0, left: 0 };
        if first & RESERVED != 0 {
            return Err(Malformed::ReservedBits);
        }
        match frame.kind {
            Frame::CONTINUES if self.begun.is_none() => return Err(Malformed::NothingToContinue),
            Frame::TEXT | Frame::BINARY if self.begun.is_some() => return Err(Malformed::Unfinished),
            Frame::CLOSE | Frame::PING | Frame::PONG if !frame.is_final => return Err(Malformed::CutControl),
            Frame::CONTINUES | Frame::TEXT | Frame::BINARY | Frame::CLOSE | Frame::PING | Frame::PONG => {}
            other => return Err(Malformed::Kind(other)),
        }
        let &[second, ref length @ ..] = rest else { return Ok(None) };
        if second & MASKED != 0 {
            return Err(Malformed::Masked);
        }
        // The width of the length, and the least that is not written in a narrower one.
        let (width, least) = match second {
            WIDE => (2, u64::from(WIDE)),
            WIDEST => (8, 1 << 16),
            _ => (0, 0),
        };
        if length.len() < width {
            return Ok(None);
        }
        let left = match width {
            0 => u64::from(second),
            _ => length.iter().fold(0, |left, byte| left << 8 | u64::from(*byte)),
        };
        if left < least || left >> 63 != 0 {
            return Err(Malformed::Length);
        }
        if frame.is_control() && left > CONTROL_MAX {
            return Err(Malformed::LongControl(left));
        }
        if !frame.is_control() && frame.kind != Frame::CONTINUES {
            self.begun = Some(frame.kind == Frame::TEXT);
        }
        Ok(Some(Frame { left, ..frame }))
    }

    fn end_frame(&mut self, frame: Frame) -> Result<Option<Event>, Malformed> {
        let control = std::mem::take(&mut self.control);
        match frame.kind {
            Frame::PING => Ok(Some(Event::Ping(control))),
            Frame::PONG => Ok(None),
            Frame::CLOSE => match *control.as_slice() {
                [] => Ok(Some(Event::Close { code: None, reason: String::new() })),
                [_] => Err(Malformed::CloseOfOneByte),
                [high, low, ref reason @ ..] => Ok(Some(Event::Close {
                    code: Some(u16::from_be_bytes([high, low])),
                    reason: String::from_utf8_lossy(reason).into_owned(),
                })),
            },
            _ if frame.is_final => self.end_message(false).map(Some),
            _ => Ok(None),
        }
    }

    fn end_message(&mut self, is_cut: bool) -> Result<Event, Malformed> {
        let is_text = self.begun.take().unwrap_or_default();
        let wrong = std::str::from_utf8(&self.message).err();
        // What is cut may end within a character.
        if is_text && wrong.is_some_and(|wrong| !is_cut || wrong.error_len().is_some()) {
            return Err(Malformed::NotUtf8);
        }
        Ok(Event::Message { is_text, is_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame of a server, by the letter of the RFC.
    fn frame(is_final: bool, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![if is_final { FINAL } else { 0 } | kind];
        match payload.len() {
            length @ 0..=125 => frame.push(u8::try_from(length).unwrap()),
            length @ 126..=0xffff => {
                frame.push(WIDE);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                frame.push(WIDEST);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    /// All events of `bytes`, which come in pieces of these sizes in turn, with the messages; then the fault, if there is one.
    fn decoded(bytes: &[u8], sizes: &[usize], max: usize) -> (Vec<(Event, Vec<u8>)>, Option<Malformed>) {
        let (mut decoder, mut events, mut rest) = (Decoder::new(max), Vec::new(), bytes);
        let mut sizes = sizes.iter().copied().cycle();
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
            rest = after;
            loop {
                match decoder.next(&mut piece) {
                    Ok(Some(event)) => {
                        let is_message = matches!(event, Event::Message { .. });
                        let is_cut = event == Event::Message { is_text: true, is_cut: true }
                            || event == Event::Message { is_text: false, is_cut: true };
                        events.push((event, if is_message { decoder.take_message() } else { Vec::new() }));
                        if is_cut {
                            return (events, None);
                        }
                    }
                    Ok(None) => break,
                    Err(malformed) => return (events, Some(malformed)),
                }
            }
            assert!(piece.is_empty(), "without an event everything is read");
        }
        (events, None)
    }

    fn message(is_text: bool, is_cut: bool, payload: &[u8]) -> (Event, Vec<u8>) {
        (Event::Message { is_text, is_cut }, payload.to_vec())
    }

    #[test]
    fn what_a_server_must_not_send_is_malformed() {
        for (bytes, malformed) in [
            (vec![0xc1, 0], Malformed::ReservedBits),
            (vec![0x91, 0], Malformed::ReservedBits),
            (vec![0x83], Malformed::Kind(3)),
            (vec![0x8f], Malformed::Kind(15)),
            (vec![0x81, 0x82, 1, 2, 3, 4, 5, 6], Malformed::Masked),
            (vec![0x80, 0], Malformed::NothingToContinue),
            ([frame(false, 1, b"a"), frame(true, 1, b"b")].concat(), Malformed::Unfinished),
            (
                [frame(false, 1, b"a"), frame(true, 0, b"b"), frame(true, 0, b"c")].concat(),
                Malformed::NothingToContinue,
            ),
            (vec![0x09, 0], Malformed::CutControl),
            (vec![0x08], Malformed::CutControl),
            (frame(true, 9, &[0; 126]), Malformed::LongControl(126)),
            (vec![0x89, 127, 0, 0, 0, 0, 0, 1, 0, 0], Malformed::LongControl(65_536)),
            (vec![0x82, 126, 0, 125], Malformed::Length),
            (vec![0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255], Malformed::Length),
            (vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Malformed::Length),
            (vec![0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255], Malformed::Length),
            (frame(true, 1, b"caf\xe9"), Malformed::NotUtf8),
            (frame(true, 1, "ü".as_bytes().split_at(1).0), Malformed::NotUtf8),
            (frame(true, 8, &[3]), Malformed::CloseOfOneByte),
        ] {
            for size in [1, 2, 1_000] {
                let (_, fault) = decoded(&bytes, &[size], 1_000);
                assert_eq!(fault, Some(malformed), "{bytes:x?} by {size}");
                assert!(!malformed.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_message_is_joined_and_what_comes_between_is_told() {
        let bytes = [
            frame(true, 0xa, b"unasked"),
            frame(false, 1, "gr\u{fc}".as_bytes().split_at(3).0),
            frame(true, 9, b"are you there?"),
            frame(false, 0, b""),
            frame(true, 0, "\u{fc}n".as_bytes().split_at(1).1),
            frame(true, 2, &vec![0xff; 70_000]),
            frame(true, 8, b"\x03\xf0too \xffmuch"),
            frame(true, 8, b""),
        ]
        .concat();
        let events = [
            (Event::Ping(b"are you there?".to_vec()), Vec::new()),
            message(true, false, "gr\u{fc}n".as_bytes()),
            message(false, false, &vec![0xff; 70_000]),
            (Event::Close { code: Some(1008), reason: "too \u{fffd}much".to_owned() }, Vec::new()),
            (Event::Close { code: None, reason: String::new() }, Vec::new()),
        ];
        assert_eq!(decoded(&bytes, &[4_096], 100_000), (events.to_vec(), None));
    }

    #[test]
    fn of_a_message_without_end_the_beginning_is_kept() {
        let endless = [vec![0x81, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255], "aü".repeat(9).into_bytes()].concat();
        for (max, kept) in [(4, "aüa"), (5, "aüa\u{fc}")] {
            let kept = &kept.as_bytes()[..max];
            assert_eq!(decoded(&endless, &[3], max), (vec![message(true, true, kept)], None));
        }
        let (events, fault) = decoded(&endless, &[3], 1_000);
        assert_eq!((events, fault), (Vec::new(), None), "it has not ended");
    }

    /// What a server may send, in the simplest words.
    #[derive(Clone, Debug)]
    enum Part {
        Message { is_text: bool, pieces: Vec<String>, ping_after: Option<(usize, Vec<u8>)> },
        Pong(Vec<u8>),
    }

    fn part() -> impl Strategy<Value = Part> {
        let control = || prop::collection::vec(any::<u8>(), 0..=125);
        let pieces = prop::collection::vec("[a-z\u{fc}\u{1f600}]{0,90}", 1..4);
        prop_oneof![
            4 => (any::<bool>(), pieces, prop::option::of((0..3_usize, control())))
                .prop_map(|(is_text, pieces, ping_after)| Part::Message { is_text, pieces, ping_after }),
            1 => control().prop_map(Part::Pong),
        ]
    }

    proptest! {
        /// However the bytes are cut, the events are those of the model.
        #[test]
        fn events_do_not_depend_on_the_pieces(
            parts in prop::collection::vec(part(), 0..5),
            sizes in prop::collection::vec(1..40_usize, 1..9),
        ) {
            let (mut bytes, mut model) = (Vec::new(), Vec::new());
            for part in parts {
                match part {
                    Part::Pong(payload) => bytes.extend(frame(true, 0xa, &payload)),
                    Part::Message { is_text, pieces, ping_after } => {
                        let (whole, last) = (pieces.concat(), pieces.len() - 1);
                        for (at, piece) in pieces.iter().enumerate() {
                            let kind = if at > 0 { 0 } else if is_text { 1 } else { 2 };
                            bytes.extend(frame(at == last, kind, piece.as_bytes()));
                            if let Some((after, payload)) = &ping_after && at == *after && at < last {
                                bytes.extend(frame(true, 9, payload));
                                model.push((Event::Ping(payload.clone()), Vec::new()));
                            }
                        }
                        model.push(message(is_text, false, whole.as_bytes()));
                    }
                }
            }
            prop_assert_eq!(decoded(&bytes, &sizes, 10_000), (model, None));
        }

        /// Any bytes are read in any pieces with the same result, and without a panic.
        #[test]
        fn nonsense_is_read_the_same_in_any_pieces(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..4, 0x80_u8..0x84], 0..300),
            sizes in prop::collection::vec(1..9_usize, 1..5),
            max in 0..50_usize,
        ) {
            prop_assert_eq!(decoded(&bytes, &sizes, max), decoded(&bytes, &[usize::MAX], max));
        }

        /// The peer unmasks what was masked.
        #[test]
        fn what_is_sent_reads_back(payload in prop::collection::vec(any::<u8>(), 0..70_000), mask: [u8; 4]) {
            let sent = encode(Sent::Text, &payload, mask);
            let length = match sent[1] & 0x7f { 126 => 4, 127 => 10, _ => 2 };
            prop_assert_eq!((sent[0], sent[1] & MASKED, &sent[length..length + 4]), (0x81, MASKED, &mask[..]));
            let unmasked: Vec<u8> = sent[length + 4..].iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
            // As a frame of a server it is read by the decoder.
            let bare = [&[0x82, sent[1] & 0x7f], &sent[2..length], &unmasked].concat();
            prop_assert_eq!(decoded(&bare, &[1_000], 70_000), (vec![message(false, false, &payload)], None));
        }
    }
}
