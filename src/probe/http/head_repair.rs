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
//! The first line and a body in chunks have rules of their own (`status_line`, `chunks`). Any other body passes as it is.
//!
//! Limits: what was read is passed on at once, but for a carriage return that came last, and for what a reader with
//! little room leaves: some KiB at most.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use tokio::io::{AsyncRead, ReadBuf};

use crate::probe::io::budget::poll_read_at_most;
use crate::probe::io::limited_io::{ReadLimit, Ruled};

use super::chunks::Chunks;
use super::status_line::StatusLine;

/// What says where a body ends: the name, and its letters alone.
const FRAMING: [(&str, &[u8]); 2] = [("Content-Length", b"contentlength"), ("Transfer-Encoding", b"transferencoding")];
/// Letters of a name that are looked at; none of [`FRAMING`] has so many.
const NAME_MAX: usize = 17;
/// Where the hyphen of `Transfer-Encoding` stands.
const HYPHEN: usize = 8;
/// The coding that says where a body ends.
const CHUNKED: &[u8; 7] = b"chunked";
/// Bytes that are looked at in one go.
const PIECE: usize = 4 << 10;

/// The error of a read, inside its `io::Error`: a line that readers could understand in more than one way.
#[derive(Debug)]
pub(crate) struct Ambiguous(&'static str);

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} header is malformed, so readers can disagree where the body ends", self.0)
    }
}

impl std::error::Error for Ambiguous {}

/// A connection with mended heads.
pub(crate) type Mended<S> = Ruled<S, Mend>;

/// How it is read.
pub(crate) struct Mend {
    /// Whether the head of another answer is to come. Reader and setter run in one task, so any ordering will do.
    expects_head: Arc<AtomicBool>,
    part: MessagePart,
    /// Whether a carriage return of a head came last, and waits for what follows it.
    held: bool,
    /// What a reader had no room for.
    rest: Vec<u8>,
}

/// What comes next.
enum MessagePart {
    HeadRepair(Head),
    Chunks(Chunks),
    /// A body that passes as it is.
    Plain,
}

impl<S> Mended<S> {
    /// Mends what comes over `stream`: a head and its body at the start, and again whenever `expects_head` has been set.
    pub(crate) fn new(stream: S, expects_head: Arc<AtomicBool>) -> Self {
        Self::by(
            Mend { expects_head, part: MessagePart::HeadRepair(Head::default()), held: false, rest: Vec::new() },
            stream,
        )
    }
}

impl ReadLimit for Mend {
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.expects_head.swap(false, Ordering::Relaxed) {
            (self.part, self.held) = (MessagePart::HeadRepair(Head::default()), false);
        }
        loop {
            if !self.rest.is_empty() {
                let rest = std::mem::take(&mut self.rest);
                self.put(buf, &rest);
                return Poll::Ready(Ok(()));
            }
            let plain = match &self.part {
                MessagePart::HeadRepair(_) => 0,
                MessagePart::Chunks(chunks) => usize::try_from(chunks.plain()).unwrap_or(usize::MAX),
                MessagePart::Plain => usize::MAX,
            };
            if plain >= PIECE {
                let read = ready!(poll_read_at_most(stream, cx, buf, plain))?;
                if let MessagePart::Chunks(chunks) = &mut self.part {
                    chunks.passed(read);
                }
                return Poll::Ready(Ok(()));
            }
            // A line feed may become two bytes, so as much as may be is passed on at once.
            let (mut piece, most) = ([0; PIECE], (buf.remaining() * 2 / 3).max(1));
            let mut piece = ReadBuf::new(&mut piece[..most.min(PIECE)]);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
            let before = buf.filled().len();
            let ends = piece.filled().is_empty();
            if ends && std::mem::take(&mut self.held) {
                self.put(buf, b"\r");
            }
            let mended = self.mend(piece.filled(), buf);
            if let Err(ambiguous) = mended {
                buf.set_filled(before);
                return Poll::Ready(Err(io::Error::other(ambiguous)));
            }
            // Nothing to pass on would look like the end.
            if ends || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Mend {
    fn put(&mut self, buf: &mut ReadBuf<'_>, bytes: &[u8]) {
        let (now, later) = bytes.split_at(bytes.len().min(buf.remaining()));
        if self.rest.is_empty() {
            buf.put_slice(now);
            self.rest.extend_from_slice(later);
        } else {
            self.rest.extend_from_slice(bytes);
        }
    }

    /// Passes on what `bytes` become.
    fn mend(&mut self, bytes: &[u8], buf: &mut ReadBuf<'_>) -> Result<(), Ambiguous> {
        for (at, &byte) in bytes.iter().enumerate() {
            let mut part = std::mem::replace(&mut self.part, MessagePart::Plain);
            match &mut part {
                MessagePart::HeadRepair(head) => {
                    let returned = std::mem::replace(&mut self.held, byte == b'\r');
                    if returned && byte != b'\n' {
                        head.bare_return(|bytes| self.put(buf, bytes))?;
                    }
                    if returned && byte == b'\n' {
                        self.put(buf, b"\r");
                    }
                    if byte != b'\r' {
                        head.see(byte, |bytes| self.put(buf, bytes))?;
                    }
                    self.part = if head.place != HeadState::Body {
                        part
                    } else if head.is_chunked {
                        MessagePart::Chunks(Chunks::new())
                    } else {
                        MessagePart::Plain
                    };
                }
                MessagePart::Chunks(chunks) => {
                    chunks.see(&bytes[at..], |bytes| self.put(buf, bytes));
                    self.part = part;
                    return Ok(());
                }
                MessagePart::Plain => {
                    self.put(buf, &bytes[at..]);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Where in a head the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HeadState {
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
    place: HeadState,
    status: StatusLine,
    name: Name,
    /// A header line came, so that one with a space in front continues it.
    begun: bool,
    /// The line is none that a header should have.
    odd: bool,
    /// The last coding of the line, should it be one of Transfer-Encoding.
    coding: LastCoding,
    /// The body comes in chunks.
    is_chunked: bool,
}

impl Head {
    /// Passes on what a carriage return without a line feed becomes.
    fn bare_return(&mut self, put: impl FnMut(&[u8])) -> Result<(), Ambiguous> {
        match self.place {
            HeadState::Status if self.status.is_empty() => return Ok(()),
            HeadState::Line => {
                self.odd = true;
                return Ok(());
            }
            HeadState::Name => self.odd = true,
            _ => {}
        }
        self.see(b' ', put)
    }

    /// Passes on what `byte` becomes.
    fn see(&mut self, byte: u8, mut put: impl FnMut(&[u8])) -> Result<(), Ambiguous> {
        if self.place == HeadState::Status && byte != b'\n' {
            self.status.see(byte, put);
            return Ok(());
        }
        match (self.place, byte) {
            (HeadState::Status, _) if self.status.is_empty() => {}
            (HeadState::Status, _) => self.place = HeadState::Line,
            // A provisional head is followed by another.
            (HeadState::Line, b'\n') if self.status.is_provisional() => *self = Self::default(),
            (HeadState::Line, b'\n') => self.place = HeadState::Body,
            (HeadState::Line, b' ' | b'\t') if self.begun => {
                self.place = HeadState::Value;
                self.coding.see(byte);
            }
            (HeadState::Line, _) => {
                self.odd |= matches!(byte, b' ' | b'\t');
                (self.place, self.begun, self.name) = (HeadState::Name, true, Name::default());
                return self.see(byte, put);
            }
            (HeadState::Name, b':') => (self.place, self.coding) = (HeadState::Value, LastCoding::default()),
            (HeadState::Name, b'\n') => {
                self.odd = true;
                self.end_line()?;
            }
            (HeadState::Name, _) => self.odd |= !self.name.see(byte),
            (HeadState::Value, b'\n') => self.end_line()?,
            (HeadState::Value, _) => {
                self.odd |= byte != b'\t' && byte.is_ascii_control();
                self.coding.see(byte);
            }
            (HeadState::Body, _) => {}
        }
        put(&[byte]);
        Ok(())
    }

    /// A line that hyper drops may say nothing of the body.
    fn end_line(&mut self) -> Result<(), Ambiguous> {
        self.place = HeadState::Line;
        if self.odd
            && let Some((name, _)) = FRAMING.iter().find(|(_, letters)| *letters == self.name.letters())
        {
            return Err(Ambiguous(name));
        }
        // Where there are several lines, the last one counts.
        if !self.odd && self.name.is_transfer_encoding() {
            self.is_chunked = self.coding.is_chunked();
        }
        self.odd = false;
        Ok(())
    }
}

/// The name of a header, as far as it came.
#[derive(Default)]
struct Name {
    /// Its letters and digits, in lower case.
    word: [u8; NAME_MAX],
    length: usize,
    /// All of its bytes.
    bytes: usize,
    /// After so many letters a hyphen came last.
    hyphen: usize,
    /// White space has followed it.
    gap: bool,
}

impl Name {
    /// Whether `byte` may come next in a name.
    fn see(&mut self, byte: u8) -> bool {
        if matches!(byte, b' ' | b'\t') {
            self.gap = true;
            return true;
        }
        self.bytes += 1;
        if byte == b'-' {
            self.hyphen = self.length;
        }
        if byte.is_ascii_alphanumeric() && self.length < NAME_MAX {
            self.word[self.length] = byte.to_ascii_lowercase();
            self.length += 1;
        }
        !self.gap && (byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    }

    fn letters(&self) -> &[u8] {
        &self.word[..self.length]
    }

    fn is_transfer_encoding(&self) -> bool {
        let (name, letters) = FRAMING[1];
        self.letters() == letters && (self.bytes, self.hyphen) == (name.len(), HYPHEN)
    }
}

/// What stands behind the last comma of a value.
#[derive(Default)]
struct LastCoding {
    word: [u8; CHUNKED.len()],
    /// Too long if it is more than there is room for.
    length: usize,
    gap: bool,
    /// hyper understands no value with a byte above ASCII.
    strange: bool,
}

impl LastCoding {
    fn see(&mut self, byte: u8) {
        match byte {
            b',' => (self.length, self.gap) = (0, false),
            b' ' | b'\t' => self.gap = self.length > 0,
            _ => {
                self.strange |= !byte.is_ascii();
                match self.word.get_mut(self.length) {
                    Some(place) if !self.gap => {
                        *place = byte.to_ascii_lowercase();
                        self.length += 1;
                    }
                    _ => self.length = CHUNKED.len() + 1,
                }
            }
        }
    }

    fn is_chunked(&self) -> bool {
        !self.strange && self.length == CHUNKED.len() && self.word == *CHUNKED
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

    #[tokio::test]
    async fn a_body_in_chunks_is_mended_and_no_other() {
        let chunks = "5 ;x\nhello\n0\nFoo Bar: x\n\n";
        for (head, mended) in [
            ("Transfer-Encoding: chunked\r\n", true),
            ("transfer-encoding : Chunked \r\n", true),
            ("Transfer-Encoding: gzip, chunked\r\n", true),
            ("Transfer-Encoding: gzip,\r\n\tchunked\r\nX: y\r\n", true),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", true),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", false),
            ("Transfer-Encoding: chunked, identity\r\n", false),
            ("Transfer-Encoding: chunked chunked\r\n", false),
            ("Transfer-Encoding: unchunked\r\n", false),
            ("Transfer-Encoding: chunkedly\r\n", false),
            ("Transfer-Encoding: \u{e9}, chunked\r\n", false),
            ("TransferEncoding: chunked\r\n", false),
            ("Transfer-Encodings: chunked\r\n", false),
            ("X: Transfer-Encoding: chunked\r\n", false),
            ("Content-Length: 5\r\n", false),
            ("", false),
        ] {
            for size in [1, 2, 7, 1_000] {
                let all = read(format!("{OK}{head}\r\n{chunks}").as_bytes(), size).await.unwrap();
                let body = if mended { "5\r\nhello\r\n0\r\n\r\n" } else { chunks };
                assert_eq!(String::from_utf8_lossy(&all), format!("{OK}{head}\r\n{body}"), "by {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_large_chunk_passes_as_it_is() {
        let data = "\rx\n".repeat(PIECE);
        let head = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
        let sent = format!("{head}{:x}\n{data}\n0\n\n", data.len());
        for size in [1_000, 10_000, 100_000] {
            let all = String::from_utf8(read(sent.as_bytes(), size).await.unwrap()).unwrap();
            assert_eq!(all, format!("{head}{:x}\r\n{data}\r\n0\r\n\r\n", data.len()), "by {size}");
        }
    }

    #[tokio::test]
    async fn the_next_answer_of_a_connection_has_a_head_again() {
        let (expects_head, odd) = (Arc::new(AtomicBool::new(false)), "http/1.1  200\r\nX: a\rb\r\n");
        let answer = format!("{odd}Transfer-Encoding: chunked\r\n\r\n2\nok\n0\nx\n\n");
        let pieces = [&answer, &answer].map(|piece| Ok(bytes::Bytes::copy_from_slice(piece.as_bytes())));
        let mut mended = Mended::new(Pieces(pieces.into()), Arc::clone(&expects_head));
        let right = "HTTP/1.1 200\r\nX: a b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        for _ in 0..2 {
            expects_head.store(true, Ordering::Relaxed);
            let mut one = vec![0; right.len()];
            mended.read_exact(&mut one).await.unwrap();
            assert_eq!(String::from_utf8(one).unwrap(), right);
        }
    }

    #[tokio::test]
    async fn a_reader_with_little_room_gets_everything() {
        let sent = format!("HTTP/2 200\r\nX: a\r\r\nTransfer-Encoding: chunked\r\n\r\n{}0\n\n", "1\nx\n".repeat(99));
        let pieces = [Ok(bytes::Bytes::copy_from_slice(sent.as_bytes()))].into();
        let mut mended = Mended::new(Pieces(pieces), Arc::default());
        let (mut all, mut byte) = (Vec::new(), [0]);
        while mended.read(&mut byte).await.unwrap() == 1 {
            all.push(byte[0]);
        }
        let right =
            format!("HTTP/1.1 200\r\nX: a \r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\nx\r\n".repeat(99));
        assert_eq!(String::from_utf8(all).unwrap(), right);
    }
}
