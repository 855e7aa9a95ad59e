//! Repairs an HTTP/1.1 connection line by line while hyper reads it.
//!
//! A head ([`super::head`]) and the lines between chunks ([`super::chunks`]) are repaired; data of chunks and other bodies pass
//! unchanged. Bounds: only a line or a head of HTTP/1.0 that has not ended is held back; the budget of the connection limits its
//! length.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use memchr::memchr;
use tokio::io::{AsyncRead, ReadBuf};

use crate::probe::io::budget::poll_read_at_most;
use crate::probe::io::limited_io::{Limited, ReadLimit};

use super::chunks::Chunks;
use super::head::{AfterLine, Ambiguous, Head};

/// Bytes that are read and repaired at once.
const PIECE: usize = 4 << 10;

/// A connection that is repaired.
pub(crate) type RepairedLines<S> = Limited<S, LineRepair>;

pub(crate) struct LineRepair {
    /// Set when a request is sent. Reader and setter run in one task, so any ordering will do.
    expects_head: Arc<AtomicBool>,
    part: Part,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    /// Repaired bytes that hyper has not read yet.
    repaired: BytesMut,
}

enum Part {
    Head(Head),
    Chunks(Chunks),
    /// Whatever comes passes unchanged.
    Plain,
}

impl<S> RepairedLines<S> {
    /// Repairs a head and its body at the start of `stream`, and again whenever `expects_head` has been set.
    pub(crate) fn new(stream: S, expects_head: Arc<AtomicBool>) -> Self {
        let part = Part::Head(Head::default());
        Self::with(LineRepair { expects_head, part, line: Vec::new(), repaired: BytesMut::new() }, stream)
    }
}

impl ReadLimit for LineRepair {
    fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.expects_head.swap(false, Ordering::Relaxed) {
            self.part = Part::Head(Head::default());
            self.line.clear();
        }
        // A read that gives hyper nothing would look like the end.
        while self.repaired.is_empty() {
            let unchanged = self.part.unchanged();
            if unchanged >= PIECE {
                let read = ready!(poll_read_at_most(stream, cx, buf, unchanged))?;
                self.part.pass(read);
                return Poll::Ready(Ok(()));
            }
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
            self.repair(piece.filled()).map_err(io::Error::other)?;
            if piece.filled().is_empty() {
                if let Part::Head(head) = &mut self.part {
                    self.repaired.extend(head.held());
                }
                self.repaired.extend(self.line.drain(..));
                break;
            }
        }
        buf.put_slice(&self.repaired.split_to(self.repaired.len().min(buf.remaining())));
        Poll::Ready(Ok(()))
    }
}

impl LineRepair {
    /// Appends what `bytes` become to `repaired`.
    fn repair(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        while !bytes.is_empty() {
            let unchanged = self.part.unchanged().min(bytes.len());
            if unchanged > 0 {
                self.repaired.extend_from_slice(&bytes[..unchanged]);
                self.part.pass(unchanged);
                bytes = &bytes[unchanged..];
                continue;
            }
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end..];
            match &mut self.part {
                Part::Head(head) if self.line.ends_with(b"\n") || head.excludes(&self.line) => {
                    match head.repair(&self.line, &mut self.repaired)? {
                        AfterLine::Line => {}
                        AfterLine::ChunkedBody => self.part = Part::Chunks(Chunks::default()),
                        AfterLine::Anything => self.part = Part::Plain,
                    }
                    self.line.clear();
                }
                Part::Chunks(chunks) if self.line.ends_with(b"\n") => {
                    chunks.repair(&self.line, &mut self.repaired);
                    self.line.clear();
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Part {
    /// How many of the next bytes pass unchanged.
    fn unchanged(&self) -> usize {
        match self {
            Self::Head(_) => 0,
            Self::Chunks(chunks) => chunks.unchanged(),
            Self::Plain => usize::MAX,
        }
    }

    fn pass(&mut self, bytes: usize) {
        if let Self::Chunks(chunks) = self {
            chunks.pass(bytes);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// The bytes that hyper reads if `sent` arrives in pieces of `size` bytes.
    pub(in crate::probe::http::repair) async fn read(sent: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let pieces = sent.chunks(size).map(|piece| Ok::<_, io::Error>(bytes::Bytes::copy_from_slice(piece)));
        let pieces: std::collections::VecDeque<_> = pieces.collect();
        let mut repaired = RepairedLines::new(Pieces(pieces), Arc::default());
        let mut all = Vec::new();
        repaired.read_to_end(&mut all).await?;
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
    async fn a_body_in_chunks_is_repaired_and_no_other() {
        let chunks = "5 ;x\nhello\n0\nFoo Bar: x\n\n";
        for (head, repaired) in [
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
                let body = if repaired { "5\r\nhello\r\n0\r\n\r\n" } else { chunks };
                assert_eq!(String::from_utf8_lossy(&all), format!("{OK}{head}\r\n{body}"), "by {size}");
            }
        }
    }

    #[tokio::test]
    async fn chunks_of_an_old_server_are_read_and_its_other_answers_stay() {
        for (sent, passed) in [
            (
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            ),
            ("HTTP/1.0 200 OK\r\nX: a\rb\r\n\r\n2\nok", "HTTP/1.0 200 OK\r\nX: a b\r\n\r\n2\nok"),
            ("HTTP/1.0 100 Go\r\n\r\nHTTP/1.0  204\n\n", "HTTP/1.0 100 Go\r\n\r\nHTTP/1.0 204\n\n"),
            ("HTTP/1.0 200 OK\r\nX: a\r\nY", "HTTP/1.0 200 OK\r\nX: a\r\nY"),
            ("HTTP/1.0 200 OK\r\n", "HTTP/1.0 200 OK\r\n"),
        ] {
            for size in [1, 7, 1_000] {
                let all = read(sent.as_bytes(), size).await.unwrap();
                assert_eq!(String::from_utf8_lossy(&all), passed, "{sent:?} by {size}");
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
        let mut repaired = RepairedLines::new(Pieces(pieces.into()), Arc::clone(&expects_head));
        let right = "HTTP/1.1 200\r\nX: a b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        for _ in 0..2 {
            expects_head.store(true, Ordering::Relaxed);
            let mut one = vec![0; right.len()];
            repaired.read_exact(&mut one).await.unwrap();
            assert_eq!(String::from_utf8(one).unwrap(), right);
        }
    }

    #[tokio::test]
    async fn a_reader_with_little_room_gets_everything() {
        let sent = format!("HTTP/2 200\r\nX: a\r\r\nTransfer-Encoding: chunked\r\n\r\n{}0\n\n", "1\nx\n".repeat(99));
        let pieces = [Ok(bytes::Bytes::copy_from_slice(sent.as_bytes()))].into();
        let mut repaired = RepairedLines::new(Pieces(pieces), Arc::default());
        let (mut all, mut byte) = (Vec::new(), [0]);
        while repaired.read(&mut byte).await.unwrap() == 1 {
            all.push(byte[0]);
        }
        let right =
            format!("HTTP/1.1 200\r\nX: a \r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\nx\r\n".repeat(99));
        assert_eq!(String::from_utf8(all).unwrap(), right);
    }
}
