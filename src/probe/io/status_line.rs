//! Repairs the status line of an HTTP/1.1 answer.
//!
//! Clients accept more than `HTTP/1.1 200 OK`: a protocol in lower case, several blanks or a tab around the code, a reason
//! phrase that follows the code directly, control bytes in it, and `HTTP/2` from a gateway that copies the version of another
//! connection. None of these leaves a doubt about the status. hyper judges any other line.

const PROTOCOL: &[u8] = b"HTTP/";

/// The digits of a status.
pub(crate) type StatusDigits = [u8; 3];

/// `line`, which has no line end, as hyper reads it, and its status; none if it is not a status line.
pub(crate) fn repair(line: &[u8]) -> Option<(Vec<u8>, StatusDigits)> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let rest = line.get(PROTOCOL.len()..).filter(|_| may_become_one(line))?;
    let (version, rest) = rest.split_at(rest.iter().position(is_blank)?);
    let version: &[u8] = match version {
        b"1.0" => b"1.0",
        b"1.1" | b"2" | b"2.0" => b"1.1",
        _ => return None,
    };
    let (code, rest) = rest[rest.iter().position(|byte| !is_blank(byte))?..].split_first_chunk::<3>()?;
    let reason = match rest {
        [b' ' | b'\t', reason @ ..] => Some(reason),
        [first, ..] if !first.is_ascii_digit() && !first.is_ascii_control() => Some(rest),
        [] => None,
        _ => return None,
    };
    if !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut repaired = [PROTOCOL, version, b" ", code].concat();
    if let Some(reason) = reason {
        repaired.push(b' ');
        // A zero byte stays, and hyper refuses it.
        repaired.extend(reason.iter().map(|&byte| if byte.is_ascii_control() && byte != 0 { b' ' } else { byte }));
    }
    Some((repaired, *code))
}

/// Whether a line that begins with `beginning` may turn out to be a status line.
pub(crate) fn may_become_one(beginning: &[u8]) -> bool {
    beginning.iter().zip(PROTOCOL).all(|(byte, expected)| byte.eq_ignore_ascii_case(expected))
}

/// Whether another head follows one with this status; the one that switches protocols is final.
pub(crate) fn is_provisional(code: StatusDigits) -> bool {
    code[0] == b'1' && code != *b"101"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(line: &str) -> String {
        repair(line.as_bytes()).map_or(line.to_owned(), |(line, _)| String::from_utf8(line).unwrap())
    }

    /// curl 7.88 accepts each of them over a raw socket but the tab before the code; 8.23 all but several blanks in that
    /// place, which browsers accept, and `HTTP/2` without a minor version.
    #[test]
    fn a_line_with_an_obvious_status_is_repaired() {
        for (line, expected) in [
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
            assert_eq!(repaired(line), expected, "{line:?}");
        }
    }

    /// Neither curl nor hyper accepts these.
    #[test]
    fn any_other_line_is_left_alone() {
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
            "HTTP/1.1",
            "HTTP/1.1 ",
            "SSH-2.0-OpenSSH_9.6",
            "<!doctype html>",
        ] {
            assert_eq!(repaired(line), line);
        }
    }

    #[test]
    fn a_beginning_tells_what_can_be_no_status_line() {
        for (beginning, may) in [("", true), ("h", true), ("HTTP/1.1 200", true), ("I", false), ("HTTPS", false)] {
            assert_eq!(may_become_one(beginning.as_bytes()), may, "{beginning}");
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
            assert_eq!(repair(line.as_bytes()).map(|(_, code)| is_provisional(code)), Some(provisional), "{line}");
        }
    }
}
