//! Repairs a chunked body.
//!
//! Browsers and curl end a line at its line feed, whatever precedes it: so does this. Blanks and extensions after a size are
//! discarded, and so are trailers, which RFC 9110 §6.5.1 allows: webmon reads none. Sizes are not guessed: a line that does not
//! begin with a digit, or continues with a letter, passes unchanged with all that follows, and hyper refuses it.

use bytes::BytesMut;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Default)]
pub(super) enum Chunks {
    #[default]
    Size,
    /// In a chunk, with this many bytes to come.
    Data(u64),
    DataEnd,
    Trailers,
    /// After the body, or in one that cannot be repaired.
    Done,
}

impl Chunks {
    /// How many of the next bytes pass unchanged.
    pub(super) fn unchanged(&self) -> usize {
        match self {
            Self::Data(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            Self::Done => usize::MAX,
            _ => 0,
        }
    }

    /// Notes that `bytes` passed unchanged.
    pub(super) fn pass(&mut self, bytes: usize) {
        if let Self::Data(left) = self {
            *left = left.saturating_sub(bytes as u64);
            if *left == 0 {
                *self = Self::DataEnd;
            }
        }
    }

    /// Appends what `line` becomes to `repaired`.
    pub(super) fn repair(&mut self, line: &[u8], repaired: &mut BytesMut) {
        let is_empty = line.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        let (kept, next): (&[u8], _) = match self {
            Self::Size => match size(line) {
                Some((digits, 0)) => (digits, Self::Trailers),
                Some((digits, size)) => (digits, Self::Data(size)),
                None => return self.give_up(line, repaired),
            },
            Self::DataEnd if is_empty => (b"", Self::Size),
            Self::Trailers if is_empty => (b"", Self::Done),
            Self::Trailers => return,
            _ => return self.give_up(line, repaired),
        };
        repaired.extend_from_slice(kept);
        repaired.extend_from_slice(b"\r\n");
        *self = next;
    }

    fn give_up(&mut self, line: &[u8], repaired: &mut BytesMut) {
        repaired.extend_from_slice(line);
        *self = Self::Done;
    }
}

/// The size with which `line` begins, as it is written and as a number.
fn size(line: &[u8]) -> Option<(&[u8], u64)> {
    let (digits, rest) = line.split_at(line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count());
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (!rest.first().is_some_and(u8::is_ascii_alphanumeric)).then_some((digits, size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lines::tests::read;
    use crate::probe::body::interrupt::at_once;

    /// The bytes that hyper reads if `sent` arrives in pieces of `size` bytes.
    fn passed(sent: &[u8], size: usize) -> Vec<u8> {
        const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        at_once(read(&[HEAD, sent].concat(), size)).unwrap().split_off(HEAD.len())
    }

    const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";

    /// curl 7.88 and 8.23 accept all of these over a raw socket but a trailer without a colon and one with CR CR LF. Chrome
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

    /// curl and hyper refuse all of them.
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
