//! A body in chunks, as servers send it and as hyper reads it.
//!
//! Browsers and curl end a line at its line feed, whatever stands before it: so do these chunks. What follows a size
//! (blanks, extensions) is dropped, and so is everything between the last chunk and the empty line at the end: webmon
//! looks at no trailer, and RFC 9110 (6.5.1) lets a recipient discard all of them. Sizes are not guessed at: a line
//! that begins with no digit, or goes on with a letter, passes as it is, with all that follows, and hyper refuses it.
//!
//! Nothing is kept but the place in the body. What is dropped counts as what packs a body (`head_limit`).

/// Where in the body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    /// In a size, at its first digit or behind it.
    Size {
        begun: bool,
    },
    /// Behind a size, up to the end of the line.
    Extension,
    Data,
    /// Behind the bytes of a chunk.
    DataEnd,
    /// Behind the last chunk, in a line that has something in it or not.
    Trailer {
        empty: bool,
    },
    /// Behind the body, or in one that is not understood.
    Done,
}

/// A body in chunks, as far as it came.
#[derive(Debug)]
pub(crate) struct Chunks {
    place: ChunkState,
    /// The size as far as it was read, then the bytes of the chunk that are still to come.
    left: u64,
}

impl Chunks {
    /// A body of which nothing has come.
    pub(crate) fn new() -> Self {
        Self { place: ChunkState::Size { begun: false }, left: 0 }
    }

    /// Bytes that pass as they are, whatever they are.
    pub(crate) fn plain(&self) -> u64 {
        match self.place {
            ChunkState::Data => self.left,
            ChunkState::Done => u64::MAX,
            _ => 0,
        }
    }

    /// So many bytes passed without being shown to [`Chunks::see`].
    pub(crate) fn passed(&mut self, bytes: usize) {
        if self.place == ChunkState::Data {
            self.left = self.left.saturating_sub(bytes as u64);
            if self.left == 0 {
                self.place = ChunkState::DataEnd;
            }
        }
    }

    /// Passes on what `bytes` become.
    pub(crate) fn see(&mut self, mut bytes: &[u8], mut put: impl FnMut(&[u8])) {
        while let Some((&byte, rest)) = bytes.split_first() {
            let plain = usize::try_from(self.plain()).unwrap_or(usize::MAX).min(bytes.len());
            if plain > 0 {
                put(&bytes[..plain]);
                self.passed(plain);
                bytes = &bytes[plain..];
                continue;
            }
            bytes = rest;
            put(self.step(byte).unwrap_or(&[byte]));
        }
    }

    /// What `byte` becomes, which is none of a chunk; itself if none is said.
    fn step(&mut self, byte: u8) -> Option<&'static [u8]> {
        const DROPPED: Option<&[u8]> = Some(b"");
        const LINE_END: Option<&[u8]> = Some(b"\r\n");
        let (place, passed) = match (self.place, byte) {
            (ChunkState::Size { begun: true } | ChunkState::Extension, b'\n') => {
                let is_last = self.left == 0;
                (if is_last { ChunkState::Trailer { empty: true } } else { ChunkState::Data }, LINE_END)
            }
            (ChunkState::Size { begun }, _) => match char::from(byte).to_digit(16) {
                Some(digit) => match self.left.checked_mul(16) {
                    Some(size) => {
                        self.left = size + u64::from(digit);
                        (ChunkState::Size { begun: true }, None)
                    }
                    None => (ChunkState::Done, None),
                },
                None if begun && !byte.is_ascii_alphanumeric() => (ChunkState::Extension, DROPPED),
                None => (ChunkState::Done, None),
            },
            (ChunkState::DataEnd, b'\n') => (ChunkState::Size { begun: false }, LINE_END),
            (ChunkState::Trailer { empty: true }, b'\n') => (ChunkState::Done, LINE_END),
            (ChunkState::Trailer { .. }, b'\n') => (ChunkState::Trailer { empty: true }, DROPPED),
            (ChunkState::Extension | ChunkState::DataEnd | ChunkState::Trailer { .. }, b'\r') => (self.place, DROPPED),
            (ChunkState::Extension, _) => (ChunkState::Extension, DROPPED),
            (ChunkState::Trailer { .. }, _) => (ChunkState::Trailer { empty: false }, DROPPED),
            (ChunkState::DataEnd | ChunkState::Data | ChunkState::Done, _) => (ChunkState::Done, None),
        };
        self.place = place;
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passed(sent: &[u8], size: usize) -> Vec<u8> {
        let (mut chunks, mut out) = (Chunks::new(), Vec::new());
        for piece in sent.chunks(size) {
            chunks.see(piece, |bytes| out.extend_from_slice(bytes));
        }
        out
    }

    const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";

    /// curl 7.88 and 8.23 take all of these over a raw socket, but a trailer without a colon and one with CR CR LF. Chrome
    /// ends a line at its line feed and reads no trailer.
    #[test]
    fn what_clients_take_is_written_as_it_should_be() {
        for sent in [
            BODY,
            "5 \r\nhello\r\n0  \r\n\r\n",
            "5\t\r\nhello\r\n00\r\n\r\n",
            "5;a=b\r\nhello\r\n0;c\r\n\r\n",
            "5 ;a=\"\u{e9}\x01\"\r\nhello\r\n0\r\n\r\n",
            "5;a\rb\r\nhello\r\n0\r\n\r\n",
            "5 or so\r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5;a\nhello\r\n0\r\n\r\n",
            "5\r\r\nhello\r\r\n0\r\n\r\r\n",
            "5\r\nhello\r\n0\r\nX : a\r\n\r\n",
            "5\r\nhello\r\n0\r\nFoo Bar: a\r\n: b\r\n c\r\n\r\n",
            "5\r\nhello\r\n0\r\nno colon\r\n\r\n",
            "5\r\nhello\r\n0\r\nX-\u{e9}: \x01\u{e9}\r\r\n\n",
            "5\r\nhello\r\n0\r\nContent-Length: 9\r\nContent Length: 9\r\n\r\n",
        ] {
            let sizes = sent.replace("00\r", "0\r");
            for size in 1..sent.len() {
                let all = passed(sent.as_bytes(), size);
                let all = String::from_utf8_lossy(&all).replace("00\r", "0\r");
                assert_eq!(all, BODY, "{sizes:?} by {size}");
            }
        }
        let long = format!("5\r\nhello\r\n0\r\n{}\r\n", "X: a\r\n".repeat(20_000));
        assert_eq!(passed(long.as_bytes(), 4_096), BODY.as_bytes());
    }

    /// curl refuses them all, and so does hyper.
    #[test]
    fn a_size_is_not_guessed_at() {
        for sent in [
            " 5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5g\r\nhello\r\n0\r\n\r\n",
            "\r\nhello",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello!\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nhello",
        ] {
            for size in 1..sent.len() {
                assert_eq!(String::from_utf8_lossy(&passed(sent.as_bytes(), size)), sent, "by {size}");
            }
        }
    }

    #[test]
    fn what_is_behind_the_body_is_not_touched() {
        let sent = format!("{BODY}HTTP/1.1  200\n\n");
        assert_eq!(passed(sent.as_bytes(), 3), sent.as_bytes());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(sent in "([0-9a-fA-F]{1,2}|[ ;xX\t]|\r|\n|[a-z]{0,9}){0,40}", size in 1usize..30) {
            prop_assert_eq!(passed(sent.as_bytes(), size), passed(sent.as_bytes(), usize::MAX));
        }
    }
}
