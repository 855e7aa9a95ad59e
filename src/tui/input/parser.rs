//! Keys, read from the bytes that a terminal sends.
//!
//! Bytes come in chunks of any size. A sequence that may still grow waits for more ([`Parser::is_open`]) until
//! [`Parser::settle`] after a short silence: an escape alone is the key Esc. Of answers (OSC, DCS, APC) the one about the
//! background is known; the others, which another program asked for, and unknown sequences are dropped whole, so that no part
//! of them is taken for a key.
//!
//! Bounds: a sequence has at most 64 bytes, a paste and an answer 4 KiB. Sources: xterm's ctlseqs ("PC-Style Function Keys",
//! "Bracketed Paste Mode", "Extended coordinates"; older mouse reports are dropped). Other forms of keys: [`super::csi`].

use super::background::is_light;
use super::csi;
use super::key::Key;

const SEQUENCE_MAX: usize = 64;
const PASTE_MAX: usize = 4096;
const PASTE_END: &[u8] = b"\x1b[201~";
const ANSWER_MAX: usize = 4096;
/// An answer that stops in its middle is given up after so many silences, so that keys are heard again.
const ANSWER_SILENCES: usize = 20;

/// Turns bytes into keys.
#[derive(Debug, Default)]
pub struct Parser {
    pending: Vec<u8>,
    paste: Option<Vec<u8>>,
    answer: Option<Answer>,
}

/// An answer of the terminal.
#[derive(Debug, Default)]
struct Answer {
    /// Its beginning, from the escape on.
    text: Vec<u8>,
    bytes: usize,
    silences: usize,
}

impl Parser {
    /// Reads `bytes` and appends the keys that are complete.
    pub fn feed(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        for &byte in bytes {
            if self.paste.is_some() {
                self.feed_paste(byte, keys);
                continue;
            }
            if self.answer.is_some() && self.is_of_answer(byte, keys) {
                continue;
            }
            self.pending.push(byte);
            match read(&self.pending) {
                Read::More if self.pending.len() < SEQUENCE_MAX => {}
                Read::More | Read::Nothing => self.pending.clear(),
                Read::Key(key) => {
                    self.pending.clear();
                    keys.push(key);
                }
                Read::Again(first) => {
                    self.pending.clear();
                    keys.extend(first);
                    self.feed(&[byte], keys);
                }
                Read::PasteBegins => {
                    self.pending.clear();
                    self.paste = Some(Vec::new());
                }
                Read::AnswerBegins => {
                    let text = std::mem::take(&mut self.pending);
                    self.answer = Some(Answer { text, ..Answer::default() });
                }
                Read::Apart => self.take_apart(keys),
            }
        }
    }

    /// Whether something waits for more bytes.
    pub const fn is_open(&self) -> bool {
        !self.pending.is_empty() || self.answer.is_some()
    }

    /// Ends the sequence that waits: nothing followed for a while.
    pub fn settle(&mut self, keys: &mut Vec<Key>) {
        match &self.pending[..] {
            b"\x1b" => keys.push(Key::Esc),
            [0x1b, b'O' | b']' | b'P' | b'_'] => return self.take_apart(keys),
            _ => {}
        }
        self.pending.clear();
        if let Some(answer) = &mut self.answer {
            answer.silences += 1;
            if answer.silences > ANSWER_SILENCES {
                self.answer = None;
            }
        }
    }

    /// What began like a sequence is the key Esc and those after it.
    fn take_apart(&mut self, keys: &mut Vec<Key>) {
        let bytes = std::mem::take(&mut self.pending);
        keys.push(Key::Esc);
        for &byte in &bytes[1..] {
            self.feed(&[byte], keys);
        }
    }

    /// Whether `byte` belongs to the answer. BEL and ESC end one; ESC begins the next sequence, mostly ST. No answer has
    /// another control character, so that is a key, such as Ctrl-C.
    fn is_of_answer(&mut self, byte: u8, keys: &mut Vec<Key>) -> bool {
        let Some(answer) = &mut self.answer else { return false };
        answer.bytes += 1;
        answer.silences = 0;
        let is_text = byte >= 0x20 && byte != 0x7f;
        if matches!(byte, 0x07 | 0x1b) {
            keys.extend(is_light(&answer.text).map(|is_light| Key::Background { is_light }));
        }
        if is_text && answer.text.len() < SEQUENCE_MAX {
            answer.text.push(byte);
        }
        if !is_text || answer.bytes >= ANSWER_MAX {
            self.answer = None;
        }
        is_text || byte == 0x07
    }

    fn feed_paste(&mut self, byte: u8, keys: &mut Vec<Key>) {
        let Some(text) = &mut self.paste else { return };
        text.push(byte);
        if text.ends_with(PASTE_END) {
            text.truncate(text.len() - PASTE_END.len());
            keys.push(Key::Paste(String::from_utf8_lossy(text).into_owned()));
            self.paste = None;
        } else if text.len() > PASTE_MAX + PASTE_END.len() {
            // Keep the end: the mark that ends the paste may begin there.
            text.drain(PASTE_MAX..=PASTE_MAX);
        }
    }
}

enum Read {
    /// Not complete.
    More,
    /// Complete, but no known key.
    Nothing,
    Key(Key),
    /// The last byte begins a new sequence; the bytes before it are this key or nothing.
    Again(Option<Key>),
    /// An escape, then keys.
    Apart,
    PasteBegins,
    AnswerBegins,
}

fn read(bytes: &[u8]) -> Read {
    match bytes {
        [0x1b] | [0x1b, b'[' | b'O' | b']' | b'P' | b'_'] | [0x1b, b'[', b'['] => Read::More,
        // The beginnings of OSC, DCS and APC answers. After any other byte the user has pressed Esc and a letter.
        [0x1b, b']', b'0'..=b'9'] | [0x1b, b'P', b'0'..=b'9' | b'>' | b'!' | b'$' | b'+'] | [0x1b, b'_', b'G'] => {
            Read::AnswerBegins
        }
        // A mouse report of a terminal that does not know the SGR form: three raw bytes follow.
        [0x1b, b'[', b'M', report @ ..] => {
            if report.len() < 3 {
                Read::More
            } else {
                Read::Nothing
            }
        }
        [0x1b, b'[', parameters @ .., last] => match last {
            0x20..=0x3f => Read::More,
            0x40..=0x7e => sequence(parameters, *last),
            _ => Read::Again(None),
        },
        [0x1b, b'O', last @ 0x40..=0x7e] => csi::letter(*last).map_or(Read::Apart, Read::Key),
        // An escape, then another key: two keys, not Alt.
        [0x1b, b'O' | b']' | b'P' | b'_', _] => Read::Apart,
        // ST, the end of an answer, and controls without a key.
        [0x1b, b'\\'] | [0 | 0x1c..=0x1f] => Read::Nothing,
        [0x1b, _] => Read::Again(Some(Key::Esc)),
        [b'\r' | b'\n'] => Read::Key(Key::Enter),
        [b'\t'] => Read::Key(Key::Tab),
        [0x7f | 0x08] => Read::Key(Key::Backspace),
        [byte @ 1..=26] => Read::Key(Key::Ctrl(char::from(byte - 1 + b'a'))),
        _ => character(bytes),
    }
}

fn character(bytes: &[u8]) -> Read {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().next().map_or(Read::Nothing, |c| Read::Key(Key::Char(c))),
        Err(error) if error.error_len().is_none() => Read::More,
        Err(_) if bytes.len() == 1 => Read::Nothing,
        Err(_) => Read::Again(None),
    }
}

fn sequence(parameters: &[u8], last: u8) -> Read {
    match (parameters, last) {
        (b"200", b'~') => Read::PasteBegins,
        _ => csi::key(parameters, last).map_or(Read::Nothing, Read::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::input::key::Mouse;
    use proptest::prelude::*;

    fn keys(chunks: &[&[u8]]) -> Vec<Key> {
        let mut parser = Parser::default();
        let mut keys = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, &mut keys);
        }
        parser.settle(&mut keys);
        keys
    }

    #[test]
    fn sequences_become_keys_however_they_are_cut() {
        let cases: [(&[u8], Vec<Key>); 21] = [
            (b"\x1b[<0;12;3Mq\x1b[<0;12;3m", vec![Key::Mouse(Mouse::Click, 11, 2), Key::Char('q')]),
            (
                b"\x1b[<68;1;1M\x1b[<65;2;2M\x1b[<35;3;3M\x1b[M !!j",
                vec![Key::Mouse(Mouse::WheelUp, 0, 0), Key::Mouse(Mouse::WheelDown, 1, 1), Key::Char('j')],
            ),
            (b"jk", vec![Key::Char('j'), Key::Char('k')]),
            (b"\x1b[A\x1bOB\x1b[1;5C\x1b[D", vec![Key::Up, Key::Down, Key::Right, Key::Left]),
            (b"\x1b[5~\x1b[6~\x1b[H\x1b[4~", vec![Key::PageUp, Key::PageDown, Key::Home, Key::End]),
            (b"\x1b", vec![Key::Esc]),
            (b"\x1b\x1b", vec![Key::Esc, Key::Esc]),
            (
                b"\x03\x04\r\t\x7f\x1b[Z",
                vec![Key::Ctrl('c'), Key::Ctrl('d'), Key::Enter, Key::Tab, Key::Backspace, Key::BackTab],
            ),
            ("é日".as_bytes(), vec![Key::Char('é'), Key::Char('日')]),
            (b"\x1b[200~a\nb\x1b[201~q", vec![Key::Paste("a\nb".to_owned()), Key::Char('q')]),
            (b"\x1b[<0;12;3mq\x1b[15~q\x1b[?1;2cq", vec![Key::Char('q'), Key::Char('q'), Key::Char('q')]),
            (b"\xffq\xc3q", vec![Key::Char('q'), Key::Char('q')]),
            (b"\x1bf\x1b[[Aq", vec![Key::Esc, Key::Char('f'), Key::Char('q')]),
            // Answers to questions of another program.
            (b"\x1bP>|tmux 3.3a\x1b\\q", vec![Key::Char('q')]),
            (b"\x1b]11;rgb:0000/0000/0000\x07q", vec![Key::Background { is_light: false }, Key::Char('q')]),
            (
                b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\q\x1b_Gi=1;OK\x1b\\j",
                vec![Key::Background { is_light: true }, Key::Char('q'), Key::Char('j')],
            ),
            (b"\x1b]11;rgb:00\x03j", vec![Key::Ctrl('c'), Key::Char('j')]),
            // An escape and a letter, also one that begins an answer.
            (b"\x1bo\x1b]jq", vec![Key::Esc, Key::Char('o'), Key::Esc, Key::Char(']'), Key::Char('j'), Key::Char('q')]),
            (b"\x1bOq", vec![Key::Esc, Key::Char('O'), Key::Char('q')]),
            (b"\x1b\x1b[A\x1b]", vec![Key::Esc, Key::Up, Key::Esc, Key::Char(']')]),
            (
                b"\x1b[113u\x1b[99;5u\x1b[27;5;99~\x1b[27u",
                vec![Key::Char('q'), Key::Ctrl('c'), Key::Ctrl('c'), Key::Esc],
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(keys(&[bytes]), expected, "{bytes:?} whole");
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(keys(&single), expected, "{bytes:?} byte by byte");
        }
    }

    #[test]
    fn half_a_sequence_waits_and_is_dropped() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b"\x1b[", &mut out);
        assert!(parser.is_open() && out.is_empty());
        parser.settle(&mut out);
        parser.feed(b"q", &mut out);
        assert_eq!(out, [Key::Char('q')]);
    }

    #[test]
    fn a_long_paste_is_cut_and_still_ends() {
        let mut bytes = b"\x1b[200~".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 100_000));
        bytes.extend(b"\x1b[201~q");
        let keys = keys(&[&bytes]);
        assert!(matches!(&keys[0], Key::Paste(text) if text.len() <= PASTE_MAX + PASTE_END.len()));
        assert_eq!(keys[1], Key::Char('q'));
    }

    #[test]
    fn an_answer_that_never_ends_does_not_take_the_keys_for_ever() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        parser.feed(b"\x1b]11;rgb:", &mut out);
        parser.settle(&mut out);
        parser.feed(b"0000/", &mut out);
        assert!(parser.is_open() && out.is_empty(), "a slow line may bring the rest: {out:?}");
        (0..=ANSWER_SILENCES).for_each(|_| parser.settle(&mut out));
        assert!(!parser.is_open());
        parser.feed(b"q", &mut out);
        assert_eq!(out, [Key::Char('q')]);
        let long = [&b"\x1b]52;"[..], &[b'a'; ANSWER_MAX], b"q"].concat();
        assert_eq!(keys(&[&long]).last(), Some(&Key::Char('q')));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_are_read_the_same(bytes in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..80) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(keys(&[&bytes]), keys(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
