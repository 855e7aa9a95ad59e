//! The first line of an answer over HTTP/1.1, as servers send it and as hyper reads it.
//!
//! Clients take more than `HTTP/1.1 200 OK`: the protocol in lower case, several blanks or a tab around the code, a word
//! that begins right after it, control bytes in that word, and `HTTP/2` from a gateway that copies the version of another
//! connection. None of it leaves a doubt of the status, so each is written as hyper wants it. Any other line passes as it is.

const PROTOCOL: &[u8] = b"HTTP/";

/// Where in the line the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum StatusLineState {
    /// In the name of the protocol, after so many bytes.
    #[default]
    Start,
    Protocol(usize),
    Major,
    /// After a major version of 1.
    Point,
    Minor,
    /// After a major version of 2, which is not passed on.
    Two,
    TwoPoint,
    VersionEnd,
    Blanks,
    /// In the code, after so many digits.
    Code(usize),
    Words,
    /// In a line that is none.
    Strange,
}

/// A status line, as far as it came.
#[derive(Default)]
pub(crate) struct StatusLine {
    place: StatusLineState,
    status: [u8; 3],
}

impl StatusLine {
    /// Whether nothing of it has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.place == StatusLineState::Start
    }

    /// Whether another head follows this one; the one that switches protocols is final.
    pub(crate) fn is_provisional(&self) -> bool {
        self.status[0] == b'1' && self.status != *b"101"
    }

    /// Passes on what `byte` becomes, which does not end the line.
    pub(crate) fn see(&mut self, byte: u8, mut put: impl FnMut(&[u8])) {
        let upper = byte.to_ascii_uppercase();
        let is_blank = matches!(byte, b' ' | b'\t');
        let (passed, place): (&[u8], _) = match self.place {
            StatusLineState::Start if upper == PROTOCOL[0] => (&[upper], StatusLineState::Protocol(1)),
            StatusLineState::Protocol(seen) if upper == PROTOCOL[seen] => (
                &[upper],
                if seen + 1 == PROTOCOL.len() { StatusLineState::Major } else { StatusLineState::Protocol(seen + 1) },
            ),
            StatusLineState::Major if byte == b'1' => (b"1", StatusLineState::Point),
            StatusLineState::Major if byte == b'2' => (b"", StatusLineState::Two),
            StatusLineState::Point if byte == b'.' => (b".", StatusLineState::Minor),
            StatusLineState::Minor if matches!(byte, b'0' | b'1') => (&[byte], StatusLineState::VersionEnd),
            StatusLineState::Two if byte == b'.' => (b"", StatusLineState::TwoPoint),
            StatusLineState::Two if is_blank => (b"1.1 ", StatusLineState::Blanks),
            StatusLineState::Two => {
                put(b"2");
                (&[byte], StatusLineState::Strange)
            }
            StatusLineState::TwoPoint if byte == b'0' => (b"1.1", StatusLineState::VersionEnd),
            StatusLineState::TwoPoint => {
                put(b"2.");
                (&[byte], StatusLineState::Strange)
            }
            StatusLineState::VersionEnd if is_blank => (b" ", StatusLineState::Blanks),
            StatusLineState::Blanks if is_blank => (b"", StatusLineState::Blanks),
            StatusLineState::Blanks if byte.is_ascii_digit() => (&[byte], self.digit(0, byte)),
            StatusLineState::Code(seen @ 1..=2) if byte.is_ascii_digit() => (&[byte], self.digit(seen, byte)),
            StatusLineState::Code(3) if is_blank => (b" ", StatusLineState::Words),
            StatusLineState::Code(3) if !byte.is_ascii_digit() && !byte.is_ascii_control() => {
                put(b" ");
                (&[byte], StatusLineState::Words)
            }
            StatusLineState::Words if byte.is_ascii_control() && byte != 0 => (b" ", StatusLineState::Words),
            StatusLineState::Words => (&[byte], StatusLineState::Words),
            _ => (&[byte], StatusLineState::Strange),
        };
        put(passed);
        self.place = place;
    }

    fn digit(&mut self, at: usize, byte: u8) -> StatusLineState {
        self.status[at] = byte;
        StatusLineState::Code(at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(line: &str) -> (String, StatusLine) {
        let (mut out, mut status) = (Vec::new(), StatusLine::default());
        for &byte in line.as_bytes() {
            status.see(byte, |bytes| out.extend_from_slice(bytes));
        }
        (String::from_utf8_lossy(&out).into_owned(), status)
    }

    /// Each was sent to curl over a raw socket. 7.88 takes all but the tab before the code; 8.23 all but several blanks in
    /// that place, which browsers take, and `HTTP/2` without a minor version.
    #[test]
    fn what_names_a_status_without_doubt_is_written_as_it_should_be() {
        for (line, as_it_should_be) in [
            ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.0 200", "HTTP/1.0 200"),
            ("HTTP/1.1 200 ", "HTTP/1.1 200 "),
            ("http/1.1 200 OK", "HTTP/1.1 200 OK"),
            ("Http/1.0 404 ok", "HTTP/1.0 404 ok"),
            ("HTTP/1.1  200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1\t \t200\tOK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 200OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 200-OK", "HTTP/1.1 200 -OK"),
            ("HTTP/1.1 200: O\x01K\x7f", "HTTP/1.1 200 : O K "),
            ("HTTP/2 200", "HTTP/1.1 200"),
            ("HTTP/2.0 200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 200 \u{d6}K", "HTTP/1.1 200 \u{d6}K"),
        ] {
            assert_eq!(passed(line).0, as_it_should_be, "{line:?}");
        }
    }

    /// Neither curl nor hyper takes these, so each passes as it is and hyper says why.
    #[test]
    fn any_other_line_passes_as_it_is() {
        for line in [
            " HTTP/1.1 200 OK",
            "ICY 200 OK",
            "HTTP/1.2 200 OK",
            "HTTP/1 200 OK",
            "HTTP/1.10 200 OK",
            "HTTP/01.1 200 OK",
            "HTTP/3 200 OK",
            "HTTP/2x 200 OK",
            "HTTP/2.1 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 200 O\0K",
            "SSH-2.0-OpenSSH_9.6",
            "<!doctype html>",
        ] {
            assert_eq!(passed(line).0, line);
        }
    }

    #[test]
    fn the_status_says_whether_another_head_follows() {
        for (line, provisional) in [
            ("HTTP/1.1 100 Continue", true),
            ("http/2  103", true),
            ("HTTP/1.1 101 x", false),
            ("HTTP/1.1 200 1", false),
        ] {
            assert_eq!(passed(line).1.is_provisional(), provisional, "{line}");
        }
        assert!(StatusLine::default().is_empty() && !passed("H").1.is_empty());
    }
}
