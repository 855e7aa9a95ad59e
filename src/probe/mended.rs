//! A connection over HTTP/1.1 whose heads are mended where that cannot mislead.
//!
//! Real servers send header lines that are none, and browsers and curl take them. hyper drops a line that it cannot read
//! and bears with space before the colon, but a carriage return on its own ends its patience. RFC 9112 (2.2) lets a
//! recipient replace that by a space, and so does this reader; before a line feed, and at the beginning of a line that is
//! otherwise empty, any number of them is one.
//!
//! What says where a body ends may not be guessed at: a line that hyper would drop is refused here when its name, odd
//! characters aside, is Content-Length or Transfer-Encoding. Somebody else would read it, and find another body.
//!
//! It looks at the bytes of heads only, in place and one at a time, and keeps at most one of them back: a carriage return
//! that came last. After the final head everything passes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::ruled::{Rule, Ruled};

/// What says where a body ends: the name, and its letters alone.
const FRAMING: [(&str, &[u8]); 2] = [("Content-Length", b"contentlength"), ("Transfer-Encoding", b"transferencoding")];
/// Letters of a name that are looked at; none of [`FRAMING`] has so many.
const NAME_MAX: usize = 17;
/// The first digit of the status in `HTTP/1.1 200`, and the end of it.
const STATUS: std::ops::Range<usize> = 9..12;

/// The error of a read, inside its `io::Error`: a line that readers could understand in more than one way.
#[derive(Debug)]
pub(super) struct Ambiguous(&'static str);

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} header is malformed, so readers can disagree where the body ends", self.0)
    }
}

impl std::error::Error for Ambiguous {}

/// A connection with mended heads.
pub(super) type Mended<S> = Ruled<S, Mend>;

/// How it is read.
pub(super) struct Mend {
    /// Whether the head of another answer is to come. Reader and setter run in one task, so any ordering will do.
    expects_head: Arc<AtomicBool>,
    head: Head,
    /// Whether a carriage return came last, and waits for what follows it.
    held: bool,
}

impl<S> Mended<S> {
    /// Mends the heads that come over `stream`: one at the start, and one whenever `expects_head` has been set.
    pub(super) fn new(stream: S, expects_head: Arc<AtomicBool>) -> Self {
        Self::by(Mend { expects_head, head: Head::default(), held: false }, stream)
    }
}

impl Rule for Mend {
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.expects_head.swap(false, Ordering::Relaxed) {
            self.head = Head::default();
        }
        let start = buf.filled().len();
        loop {
            if self.head.place == Place::Body {
                return Pin::new(&mut *stream).poll_read(cx, buf);
            }
            let held = self.held && buf.remaining() > 0;
            if held {
                buf.put_slice(b"\r");
            }
            let before = buf.filled().len();
            // Without room for what follows, what was held goes on as it came; no reader of ours has so little.
            if buf.remaining() > 0 {
                let read = Pin::new(&mut *stream).poll_read(cx, buf);
                if !matches!(read, Poll::Ready(Ok(()))) {
                    buf.set_filled(start);
                    return read;
                }
            }
            self.held = self.held && !held;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            let mended = self.head.mend(&mut buf.filled_mut()[start..]);
            buf.set_filled(start + mended.as_ref().map_or(0, |passed| passed.length));
            let Passed { length, holds } = mended.map_err(io::Error::other)?;
            self.held = holds;
            // Nothing to pass on would look like the end.
            if length > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// What became of some bytes.
struct Passed {
    length: usize,
    holds: bool,
}

/// Where in a head the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In the status line, after so many bytes.
    #[default]
    Status,
    /// At the beginning of a line.
    Line,
    Name,
    Value,
    /// After the head.
    Body,
}

/// The head of an answer, as far as it came.
#[derive(Default)]
struct Head {
    place: Place,
    /// Bytes of the status line.
    seen: usize,
    status: [u8; 3],
    /// The letters and digits of the last line's name, in lower case.
    name: [u8; NAME_MAX],
    length: usize,
    /// A header line came, so that one with a space in front continues it.
    begun: bool,
    /// White space has followed the name.
    gap: bool,
    /// The line is none that a header should have.
    odd: bool,
}

impl Head {
    /// Mends `bytes`, which may become fewer, up to the end of the head.
    fn mend(&mut self, bytes: &mut [u8]) -> Result<Passed, Ambiguous> {
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() && self.place != Place::Body {
            let byte = bytes[from];
            from += 1;
            let passed = match (byte, bytes.get(from)) {
                (b'\r', None) => return Ok(Passed { length: to, holds: true }),
                (b'\r', Some(b'\n')) => Some(byte),
                (b'\r', Some(_)) => self.bare_return(),
                _ => {
                    self.see(byte)?;
                    Some(byte)
                }
            };
            if let Some(passed) = passed {
                bytes[to] = passed;
                to += 1;
            }
        }
        if from != to {
            bytes.copy_within(from.., to);
        }
        Ok(Passed { length: to + bytes.len() - from, holds: false })
    }

    /// What a carriage return without a line feed becomes.
    fn bare_return(&mut self) -> Option<u8> {
        match self.place {
            Place::Status if self.seen == 0 => return None,
            Place::Line => {
                self.odd = true;
                return None;
            }
            Place::Name => self.odd = true,
            _ => {}
        }
        Some(b' ')
    }

    fn see(&mut self, byte: u8) -> Result<(), Ambiguous> {
        match (self.place, byte) {
            (Place::Status, b'\n') if self.seen == 0 => {}
            (Place::Status, b'\n') => self.place = Place::Line,
            (Place::Status, _) => {
                if STATUS.contains(&self.seen) {
                    self.status[self.seen - STATUS.start] = byte;
                }
                self.seen += 1;
            }
            // A provisional head is followed by another; switching protocols is final.
            (Place::Line, b'\n') if self.status[0] == b'1' && self.status != *b"101" => *self = Self::default(),
            (Place::Line, b'\n') => self.place = Place::Body,
            (Place::Line, b' ' | b'\t') if self.begun => self.place = Place::Value,
            (Place::Line, _) => {
                self.odd |= matches!(byte, b' ' | b'\t');
                (self.place, self.length, self.begun, self.gap) = (Place::Name, 0, true, false);
                self.see(byte)?;
            }
            (Place::Name, b':') => self.place = Place::Value,
            (Place::Name, b'\n') => {
                self.odd = true;
                self.end_line()?;
            }
            (Place::Name, b' ' | b'\t') => self.gap = true,
            (Place::Name, _) => {
                let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
                self.odd |= self.gap || !is_token;
                if byte.is_ascii_alphanumeric() && self.length < NAME_MAX {
                    self.name[self.length] = byte.to_ascii_lowercase();
                    self.length += 1;
                }
            }
            (Place::Value, b'\n') => self.end_line()?,
            (Place::Value, _) => self.odd |= byte != b'\t' && byte.is_ascii_control(),
            (Place::Body, _) => {}
        }
        Ok(())
    }

    /// A line that hyper drops may say nothing of the body.
    fn end_line(&mut self) -> Result<(), Ambiguous> {
        self.place = Place::Line;
        let name = &self.name[..self.length];
        match FRAMING.iter().find(|(_, letters)| *letters == name) {
            Some((name, _)) if self.odd => Err(Ambiguous(name)),
            _ => {
                self.odd = false;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What comes through when `sent` arrives in pieces of `size` bytes.
    async fn read(sent: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let pieces = sent.chunks(size).map(|piece| Ok::<_, io::Error>(bytes::Bytes::copy_from_slice(piece)));
        let pieces: std::collections::VecDeque<_> = pieces.collect();
        let mut mended = Mended::new(Pieces(pieces), Arc::default());
        let mut all = Vec::new();
        mended.read_to_end(&mut all).await?;
        Ok(all)
    }

    struct Pieces(std::collections::VecDeque<io::Result<bytes::Bytes>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let Some(piece) = self.0.pop_front() else { return Poll::Ready(Ok(())) };
            let mut piece = piece?;
            buf.put_slice(&piece.split_to(piece.len().min(buf.remaining())));
            if !piece.is_empty() {
                self.0.push_front(Ok(piece));
            }
            Poll::Ready(Ok(()))
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\n";

    #[tokio::test]
    async fn a_bare_return_becomes_a_space_or_nothing() {
        for (sent, passed) in [
            ("X: a\r\n\r\nb\rc\r\r\n", "X: a\r\n\r\nb\rc\r\r\n"),
            ("X: a\r\r\n\r\r\nbody", "X: a \r\n\r\nbody"),
            ("X: a\rb\n\r\r\r\n\r", "X: a b\n\r\n\r"),
            ("X\r: a\r\n\rY: b\r\n\r\n", "X : a\r\nY: b\r\n\r\n"),
            ("X: a\r\n b\rc\r\n\r\n", "X: a\r\n b c\r\n\r\n"),
            ("X: a\r", "X: a\r"),
        ] {
            for size in 1..60 {
                let all = read(format!("{OK}{sent}").as_bytes(), size).await.unwrap();
                assert_eq!(String::from_utf8_lossy(&all), format!("{OK}{passed}"), "{sent:?} by {size}");
            }
        }
    }

    #[tokio::test]
    async fn heads_end_where_they_end() {
        let provisional = "HTTP/1.1 103 Early Hints\r\nLink: x\r\r\n\r\n";
        for (sent, passed) in [
            (format!("{provisional}{OK}X: a\r\r\n\r\n\r\r\n"), Some("X: a \r\n\r\n\r\r\n")),
            (format!("\r\n\r\r\n{OK}\r\n\rx\r\r\n"), Some("\r\n\rx\r\r\n")),
            ("HTTP/1.1 101 Over\r\n\r\n\rx\r\r\n".to_owned(), Some("\r\n\rx\r\r\n")),
            (format!("{OK}\r\nTransfer\x01-Encoding: x\r\n"), Some("\r\nTransfer\x01-Encoding: x\r\n")),
            (format!("{provisional}{OK}Transfer Encoding: x\r\n\r\n"), None),
        ] {
            let all = read(sent.as_bytes(), 7).await;
            match passed {
                Some(end) => assert!(String::from_utf8(all.unwrap()).unwrap().ends_with(end), "{sent:?}"),
                None => assert!(all.is_err(), "{sent:?}"),
            }
        }
    }

    #[tokio::test]
    async fn what_says_where_the_body_ends_is_not_guessed() {
        for (line, refused) in [
            ("Content-Length: 2", false),
            ("Content-Length : 2", false),
            ("content-length:\t2\r", false),
            ("Content-Length:\r\n 2", false),
            ("Foo Bar: Content-Length: 2", false),
            ("X: \x01", false),
            ("Content-Lengths: \x01", false),
            ("Content-Length: 2\x01", true),
            ("Content-Length:\r\n \x7f2", true),
            ("Content-Length\r: 2", true),
            ("\rContent-Length: 2", true),
            (" Content-Length: 2", true),
            ("Content Length: 2", true),
            ("Content-Length\x0b: 2", true),
            ("Content-Length", true),
            ("Transfer-Encoding\u{a0}: chunked", true),
            ("TRANSFER-ENCODING: chunked\x0b", true),
        ] {
            let answer = read(format!("{OK}{line}\r\n\r\n").as_bytes(), 1_000).await;
            assert_eq!(answer.is_err(), refused, "{line:?}: {answer:?}");
        }
    }
}
