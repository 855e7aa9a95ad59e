//! Repairs the head of an HTTP/1.1 answer where that cannot mislead.
//!
//! Servers send header lines that browsers and curl accept. hyper discards a line that it cannot read and tolerates blanks
//! before the colon, but refuses a carriage return without a line feed. RFC 9112 §2.2 lets a recipient replace it by a space:
//! so does this, but for those at the beginning of a line, which disappear.
//! A body in chunks does not belong to HTTP/1.0, and hyper refuses it; curl and browsers read it. Such a head becomes one of
//! HTTP/1.1, for which a head of HTTP/1.0 is held back until it has ended.
//!
//! Invariant: what tells where a body ends is never guessed. A line that hyper would discard is an error if its name, odd
//! characters aside, is Content-Length or Transfer-Encoding: other readers might obey it and find another body.

use std::fmt;

use bytes::BytesMut;

use crate::probe::io::status_line::{self, StatusDigits};

const TRANSFER_ENCODING: &str = "Transfer-Encoding";
/// Headers that tell where a body ends.
const FRAMING: [&str; 2] = ["Content-Length", TRANSFER_ENCODING];

/// The version before chunks, and that with them.
const OLD: &[u8; 8] = b"HTTP/1.0";
const NEW: &[u8; 8] = b"HTTP/1.1";

/// Readers can understand a header line in more than one way.
#[derive(Debug)]
pub(crate) struct Ambiguous(&'static str);

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} header is malformed, so readers can disagree where the body ends", self.0)
    }
}

impl std::error::Error for Ambiguous {}

/// The state after a line of a head.
pub(super) enum AfterLine {
    Line,
    ChunkedBody,
    /// Bytes that pass unchanged.
    Anything,
}

/// The lines of a head so far.
#[derive(Default)]
pub(super) struct Head {
    status: Option<StatusDigits>,
    has_header: bool,
    /// The last header, if it tells where the body ends.
    framing: Option<Framing>,
    is_chunked: bool,
    /// The repaired lines of a head of HTTP/1.0.
    held: Vec<u8>,
}

struct Framing {
    name: &'static str,
    is_transfer_encoding: bool,
    value: Vec<u8>,
}

impl Head {
    /// Whether a line that begins with `beginning` cannot belong to a head.
    pub(super) fn excludes(&self, beginning: &[u8]) -> bool {
        self.status.is_none() && !status_line::may_become_one(without_returns(beginning))
    }

    /// Appends what `line` becomes to `repaired`.
    pub(super) fn repair(&mut self, line: &[u8], repaired: &mut BytesMut) -> Result<AfterLine, Ambiguous> {
        let (text, end) = line.split_at(line.len() - line_end(line));
        let begins_odd = text.starts_with(b"\r");
        let text = without_returns(text);
        match self.status {
            None if text.is_empty() => {}
            None => {
                let spaced: Vec<u8> = text.iter().copied().map(spaced).collect();
                let Some((line, status)) = status_line::repair(&spaced) else {
                    repaired.extend_from_slice(line);
                    return Ok(AfterLine::Anything);
                };
                self.status = Some(status);
                if line.starts_with(OLD) {
                    self.held = line;
                } else {
                    repaired.extend_from_slice(&line);
                }
            }
            Some(status) if text.is_empty() => {
                let is_chunked = self.is_chunked;
                let mut held = self.held();
                if is_chunked && let Some(version) = held.get_mut(..OLD.len()) {
                    version.copy_from_slice(NEW);
                }
                repaired.extend_from_slice(&held);
                repaired.extend_from_slice(end);
                return Ok(if status_line::is_provisional(status) {
                    *self = Self::default();
                    AfterLine::Line
                } else if is_chunked {
                    AfterLine::ChunkedBody
                } else {
                    AfterLine::Anything
                });
            }
            Some(_) => {
                self.read_header(text, begins_odd)?;
                self.pass(text.iter().copied().map(spaced), repaired);
            }
        }
        self.pass(end.iter().copied(), repaired);
        Ok(AfterLine::Line)
    }

    /// Appends `bytes` to `repaired`, or to what is held back.
    fn pass(&mut self, bytes: impl Iterator<Item = u8>, repaired: &mut BytesMut) {
        if self.held.is_empty() {
            repaired.extend(bytes);
        } else {
            self.held.extend(bytes);
        }
    }

    /// What was held back of a head that has ended, or does not.
    pub(super) fn held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn read_header(&mut self, text: &[u8], begins_odd: bool) -> Result<(), Ambiguous> {
        let continues = self.has_header && matches!(text, [b' ' | b'\t', ..]);
        let (mut is_odd, mut value) = (begins_odd, text);
        if !continues {
            let colon = text.iter().position(|&byte| byte == b':');
            let mut name = &text[..colon.unwrap_or(text.len())];
            let known = FRAMING.into_iter().find(|known| letters(known.as_bytes()).eq(letters(name)));
            while let [shorter @ .., b' ' | b'\t'] = name {
                name = shorter;
            }
            is_odd |= colon.is_none() || !name.iter().copied().all(is_of_name);
            value = colon.map_or(b"", |colon| &text[colon + 1..]);
            let is_transfer_encoding = name.eq_ignore_ascii_case(TRANSFER_ENCODING.as_bytes());
            self.has_header = true;
            self.framing = known.map(|name| Framing { name, is_transfer_encoding, value: Vec::new() });
        }
        let Some(framing) = &mut self.framing else { return Ok(()) };
        if is_odd || value.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r')) {
            return Err(Ambiguous(framing.name));
        }
        framing.value.extend_from_slice(value);
        if framing.is_transfer_encoding {
            // Of several such lines the last one counts. hyper understands no value with a byte above ASCII.
            let coding = framing.value.rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
            self.is_chunked = framing.value.is_ascii() && coding.eq_ignore_ascii_case(b"chunked");
        }
        Ok(())
    }
}

fn line_end(line: &[u8]) -> usize {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// `text` without the carriage returns at its beginning.
fn without_returns(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|&&byte| byte == b'\r').count()..]
}

fn spaced(byte: u8) -> u8 {
    if byte == b'\r' { b' ' } else { byte }
}

fn letters(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
}

/// Whether a header name may have `byte` (RFC 9110 §5.6.2).
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
