//! Errors of hyper, h2 and TLS in the middle of an exchange: which cause, and in which words.
//!
//! Over HTTP/2 an error is the server's own word (GOAWAY, `RST_STREAM`), what our side has against the server's frames, or
//! the connection's end.

use std::error::Error;
use std::io;

use h2::Reason;

use crate::model::Cause;
use crate::probe::failure::{Failure, broken_connection, chain, io_error};
use crate::probe::io::budget::HeadTooLarge;
use crate::probe::tls::alert_words;
use crate::probe::tls::client_auth::Asked;

use super::head_repair::Ambiguous;

/// Why no head came; `over_budget` when the server sent more than it may without one, `asked` as in the handshake.
pub(crate) fn explain_head(error: &hyper::Error, over_budget: bool, asked: Asked) -> Failure {
    if over_budget || find::<HeadTooLarge>(error).is_some() {
        return Failure::new(Cause::BadResponse, HeadTooLarge.to_string());
    }
    if let Some(ambiguous) = find::<Ambiguous>(error) {
        return Failure::new(Cause::BadResponse, format!("not HTTP: {ambiguous}"));
    }
    if let Some(failure) = tls_failure(error, asked).or_else(|| http2_failure(error, "before the answer")) {
        return failure;
    }
    if let Some(failure) = broken_connection(error, "before the answer") {
        return failure;
    }
    if error.is_parse() {
        return Failure::new(Cause::BadResponse, format!("not HTTP: {}", sentence(error)));
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Failure::new(Cause::Closed, "connection closed before the answer");
    }
    Failure::new(Cause::BadResponse, sentence(error))
}

/// Why a body did not come whole, after `bytes` of it.
pub(crate) fn explain_body(error: &hyper::Error, bytes: u64, over_budget: bool, asked: Asked) -> Failure {
    if over_budget || find::<HeadTooLarge>(error).is_some() {
        return Failure::new(Cause::BadResponse, format!("the server sends much besides the body ({bytes} bytes)"));
    }
    if let Some(failure) = tls_failure(error, asked).or_else(|| http2_failure(error, "during the body")) {
        return failure;
    }
    let ended = io_error(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe));
    if ended || error.is_incomplete_message() || error.is_closed() {
        return Failure::new(Cause::Truncated, format!("the body ended early, after {bytes} bytes"));
    }
    broken_connection(error, "during the body")
        .unwrap_or_else(|| Failure::new(Cause::BadResponse, format!("not HTTP: {}", sentence(error))))
}

/// Whether an HTTP/2 server says that it has not looked at the request: it is going away, or refused the stream.
pub(crate) fn is_refusal(error: &hyper::Error) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && ((error.is_go_away() && reason == Some(Reason::NO_ERROR))
                || (error.is_reset() && reason == Some(Reason::REFUSED_STREAM)))
    })
}

/// Whether an HTTP/2 server says that it takes the request over HTTP/1.1 only, be it by GOAWAY or by `RST_STREAM`.
pub(crate) fn requires_http1(error: &hyper::Error) -> bool {
    find::<h2::Error>(error).is_some_and(is_http1_required)
}

fn is_http1_required(error: &h2::Error) -> bool {
    error.is_remote() && error.reason() == Some(Reason::HTTP_1_1_REQUIRED)
}

/// What an HTTP/2 error means that is not just the connection's end.
fn http2_failure(error: &hyper::Error, when: &str) -> Option<Failure> {
    let error = find::<h2::Error>(error)?;
    if is_http1_required(error) {
        let (cause, frame) = if error.is_go_away() { (Cause::Closed, "GOAWAY") } else { (Cause::Reset, "RST_STREAM") };
        return Some(Failure::new(cause, format!("the server requires HTTP/1.1 ({frame} {when}: HTTP_1_1_REQUIRED)")));
    }
    let code = error.reason().map_or_else(String::new, |reason| format!(": {}", reason.description()));
    if error.is_remote() && error.is_go_away() {
        return Some(Failure::new(Cause::Closed, format!("the server ended the connection {when} (GOAWAY{code})")));
    }
    if error.is_remote() {
        return Some(Failure::new(Cause::Reset, format!("the server reset the stream {when} (RST_STREAM{code})")));
    }
    let ours = error.is_library() || error.reason().is_some();
    ours.then(|| Failure::new(Cause::BadResponse, format!("not HTTP/2{code}")))
}

/// An alert that came after the handshake: with TLS 1.3 only then does a server say that it refuses the client certificate,
/// or that it misses one.
fn tls_failure(error: &hyper::Error, asked: Asked) -> Option<Failure> {
    find::<rustls::Error>(error).map(|error| {
        let detail = match error {
            rustls::Error::AlertReceived(alert) => alert_words(*alert, asked),
            other => other.to_string(),
        };
        Failure::new(Cause::TlsError, format!("TLS: {detail}"))
    })
}

fn find<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The error and what is behind it, in one line.
fn sentence(error: &hyper::Error) -> String {
    let mut parts: Vec<String> = chain(error).map(ToString::to_string).collect();
    // What wraps an error often says the same.
    parts.dedup();
    parts.join(": ")
}
