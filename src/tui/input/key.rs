//! Keys, read from the bytes that a terminal sends.
//!
//! Bytes come in chunks of any size. A sequence that may still grow waits for more ([`Parser::is_open`]) until
//! [`Parser::settle`] after a short silence: an escape alone is the key Esc. Unknown sequences are dropped whole, so that
//! their ends are not taken for keys.
//!
//! Bounds: a sequence has at most 64 bytes, a paste 4 KiB; the rest is dropped. Sources: xterm's ctlseqs, "PC-Style
//! Function Keys", "Bracketed Paste Mode" and "Extended coordinates" (SGR mouse reports; older ones are dropped). The Linux
//! console and rxvt send other sequences for Home and End.

/// A key, or a text that was pasted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character.
    Char(char),
    /// A letter with Ctrl, in lower case.
    Ctrl(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift and Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// A pasted text, control characters included.
    Paste(String),
    /// A click or a turn of the wheel at this column and row, counted from 0.
    Mouse(Mouse, u16, u16),
}

/// An action of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mouse {
    /// The left button was pressed.
    Click,
    /// The wheel was turned away from the user.
    WheelUp,
    /// The wheel was turned towards the user.
    WheelDown,
}

const SEQUENCE_MAX: usize = 64;
const PASTE_MAX: usize = 4096;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Turns bytes into keys.
#[derive(Debug, Default)]
pub struct Parser {
    pending: Vec<u8>,
    paste: Option<Vec<u8>>,
}

impl Parser {
    /// Reads `bytes` and appends the keys that are complete.
    pub fn feed(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        for &byte in bytes {
            if self.paste.is_some() {
                self.feed_paste(byte, keys);
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
            }
        }
    }

    /// Whether a sequence waits for more bytes.
    pub const fn is_open(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Ends the sequence that waits: nothing follows.
    pub fn settle(&mut self, keys: &mut Vec<Key>) {
        if self.pending == b"\x1b" {
            keys.push(Key::Esc);
        }
        self.pending.clear();
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
    PasteBegins,
}

fn read(bytes: &[u8]) -> Read {
    match bytes {
        [0x1b] | [0x1b, b'[' | b'O'] | [0x1b, b'[', b'['] => Read::More,
        // An escape, then another key: two keys, not Alt.
        [0x1b, 0x1b | 0x80..=0xff] => Read::Again(Some(Key::Esc)),
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
        [0x1b, b'O', last] => letter(*last),
        [0x1b, _] | [0 | 0x1c..=0x1f] => Read::Nothing,
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
        (_, b'~') => match parameters.split(|byte| *byte == b';').next() {
            Some(b"1" | b"7") => Read::Key(Key::Home),
            Some(b"4" | b"8") => Read::Key(Key::End),
            Some(b"5") => Read::Key(Key::PageUp),
            Some(b"6") => Read::Key(Key::PageDown),
            _ => Read::Nothing,
        },
        ([b'<', report @ ..], b'M') => mouse(report).map_or(Read::Nothing, Read::Key),
        (b"", b'Z') => Read::Key(Key::BackTab),
        // Answers and mouse reports begin with a private mark, function keys of the Linux console with a second `[`.
        (b"" | [b'1', b';', ..], _) => letter(last),
        _ => Read::Nothing,
    }
}

/// `button;column;row`, both counted from 1. Modifier keys are ignored, motion and other buttons dropped.
fn mouse(report: &[u8]) -> Option<Key> {
    let mut numbers = std::str::from_utf8(report).ok()?.split(';').map(str::parse::<u16>);
    let (button, column, row) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let what = match button & !0b1_1100 {
        0 => Mouse::Click,
        64 => Mouse::WheelUp,
        65 => Mouse::WheelDown,
        _ => return None,
    };
    Some(Key::Mouse(what, column.checked_sub(1)?, row.checked_sub(1)?))
}

const fn letter(last: u8) -> Read {
    match last {
        b'A' => Read::Key(Key::Up),
        b'B' => Read::Key(Key::Down),
        b'C' => Read::Key(Key::Right),
        b'D' => Read::Key(Key::Left),
        b'H' => Read::Key(Key::Home),
        b'F' => Read::Key(Key::End),
        b'M' => Read::Key(Key::Enter),
        _ => Read::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let cases: [(&[u8], Vec<Key>); 13] = [
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
            (b"\x1bf\x1b[[Aq", vec![Key::Char('q')]),
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

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_are_read_the_same(bytes in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..80) {
            let cut = cut.min(bytes.len());
            prop_assert_eq!(keys(&[&bytes]), keys(&[&bytes[..cut], &bytes[cut..]]));
        }
    }
}
