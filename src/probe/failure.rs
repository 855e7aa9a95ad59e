//! Why a probe failed: one cause and one sentence.
//!
//! Errors of the network are read here, by kind and not by text. Invariant: a detail is one clean line of at most
//! [`DETAIL_MAX`] bytes, whatever the server or the error put into it.
//!
//! Source of the shortage codes: errno(3); they are the same on Linux, the BSDs and macOS unless distinguished here.

use std::error::Error;
use std::io;

use crate::model::Cause;
use crate::model::text::{DETAIL_MAX, clean_line};

/// Why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// In words.
    pub(crate) detail: String,
}

impl Failure {
    /// A failure of `cause`; the detail is cleaned and cut.
    pub(crate) fn new(cause: Cause, detail: impl AsRef<str>) -> Self {
        Self { cause, detail: clean_line(detail.as_ref(), DETAIL_MAX) }
    }
}

/// `error` and its sources, outermost first. Also those that an `io::Error` or an error of h2 wraps and hides from `source`.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return Some(inner as &(dyn Error + 'static));
        }
        match error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io) {
            Some(io) => Some(io as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The innermost `io::Error` in `error`: the system's.
pub(crate) fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).last()
}

/// The failure of a broken connection; none if `error` is about something else. `when` completes the sentence: "during the TLS
/// handshake".
pub(crate) fn broken_connection(error: &(dyn Error + 'static), when: &str) -> Option<Failure> {
    let error = io_error(error)?;
    if let Some(shortage) = shortage(error) {
        return Some(shortage);
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Some(Failure::new(Cause::Reset, format!("connection reset {when}")))
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => {
            Some(Failure::new(Cause::Closed, format!("connection closed {when}")))
        }
        _ => None,
    }
}

/// The failure of a machine that ran out of a resource, if `error` says so.
pub(crate) fn shortage(error: &io::Error) -> Option<Failure> {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    let what = match error.raw_os_error() {
        Some(EMFILE) => "no free file descriptor in this process",
        Some(ENFILE) => "no free file descriptor on this machine",
        Some(ENOBUFS) => "no free network buffers on this machine",
        _ if error.kind() == io::ErrorKind::OutOfMemory => "no free memory on this machine",
        _ if error.kind() == io::ErrorKind::AddrNotAvailable => "no free local port or address on this machine",
        _ => return None,
    };
    Some(Failure::new(Cause::Local, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_recognised_through_any_wrapping() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let wrapped = io::Error::other(io::Error::other(reset()));
        for error in [reset(), wrapped] {
            let failure = broken_connection(&error, "while testing").unwrap();
            assert_eq!(failure, Failure::new(Cause::Reset, "connection reset while testing"));
        }
        assert_eq!(broken_connection(&io::Error::other("odd"), "x"), None);
    }

    #[test]
    fn shortages_of_our_own_are_local() {
        for code in [24, 23] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(shortage(&error).map(|failure| failure.cause), Some(Cause::Local), "{error}");
        }
        assert_eq!(shortage(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }

    #[test]
    fn a_detail_is_one_harmless_line() {
        assert_eq!(Failure::new(Cause::Status, "a\r\n\x1b[2Jb").detail, "a \u{fffd}[2Jb");
    }
}
