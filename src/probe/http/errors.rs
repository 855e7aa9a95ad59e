//! Errors of hyper, h2 and TLS in an exchange: their causes, their sentences, and whether a retry may help.

use std::error::Error;
use std::io;

use h2::Reason;

use crate::model::{Cause, figures};
use crate::probe::failure::{Failure, broken_connection, chain, io_error};
use crate::probe::io::budget::HeadTooLarge;
use crate::probe::tls::client_auth::ClientCertRequest;
use crate::probe::tls::errors::alert_words;

use super::repair::head::Ambiguous;

/// Whether another fresh connection may give an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    No,
    /// The server has not seen the request, as far as can be known.
    Unseen,
    /// The connection was closed or reset without a byte of an answer, so a kept one was too old. Whether the server has seen the
    /// request cannot be known.
    Stale,
    /// The server said that it has not processed the request: GOAWAY or `REFUSED_STREAM`.
    Refused,
    /// The server accepts the request over HTTP/1.1 only, be it by GOAWAY or by `RST_STREAM`.
    RequiresHttp1,
}

impl Retry {
    /// What an HTTP/2 server says about the request, if it is this.
    pub(crate) fn said_by(error: &hyper::Error) -> Option<Self> {
        let error = find::<h2::Error>(error).filter(|error| error.is_remote())?;
        match error.reason()? {
            Reason::HTTP_1_1_REQUIRED => Some(Self::RequiresHttp1),
            Reason::NO_ERROR if error.is_go_away() => Some(Self::Refused),
            Reason::REFUSED_STREAM if error.is_reset() => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Why no head came; `over_budget` if the server sent more than it may without one.
pub(crate) fn explain_head(error: &hyper::Error, over_budget: bool, request: ClientCertRequest) -> Failure {
    if over_budget || find::<HeadTooLarge>(error).is_some() {
        return Failure::new(Cause::BadResponse, HeadTooLarge.to_string());
    }
    if let Some(ambiguous) = find::<Ambiguous>(error) {
        return Failure::new(Cause::BadResponse, format!("not HTTP: {ambiguous}"));
    }
    if let Some(failure) = known_failure(error, "before the answer", request) {
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

/// Why a body did not arrive whole, after `bytes` of it.
pub(crate) fn explain_body(error: &hyper::Error, bytes: u64, over_budget: bool, request: ClientCertRequest) -> Failure {
    if over_budget || find::<HeadTooLarge>(error).is_some() {
        let bytes = figures::count(bytes);
        let detail = format!("the server sends too much data outside the body (after {bytes} bytes of it)");
        return Failure::new(Cause::BadResponse, detail);
    }
    if let Some(failure) = known_failure(error, "during the body", request) {
        return failure;
    }
    let has_ended = io_error(error)
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe));
    if has_ended || error.is_incomplete_message() || error.is_closed() {
        return Failure::new(Cause::Truncated, format!("the body ended early, after {bytes} bytes"));
    }
    broken_connection(error, "during the body")
        .unwrap_or_else(|| Failure::new(Cause::BadResponse, format!("not HTTP: {}", sentence(error))))
}

/// The failure of a TLS alert after the handshake or of an HTTP/2 error that is more than the connection's end.
fn known_failure(error: &hyper::Error, when: &str, request: ClientCertRequest) -> Option<Failure> {
    // With TLS 1.3 a server refuses or misses a client certificate only now.
    if let Some(error) = find::<rustls::Error>(error) {
        let detail = match error {
            rustls::Error::AlertReceived(alert) => alert_words(*alert, request),
            other => other.to_string(),
        };
        return Some(Failure::new(Cause::TlsError, format!("TLS: {detail}")));
    }
    let requires_http1 = Retry::said_by(error) == Some(Retry::RequiresHttp1);
    let error = find::<h2::Error>(error)?;
    let code = error.reason().map_or_else(String::new, |reason| format!(": {}", reason.description()));
    if !error.is_remote() {
        let is_ours = error.is_library() || error.reason().is_some();
        return is_ours.then(|| Failure::new(Cause::BadResponse, format!("not HTTP/2{code}")));
    }
    let (cause, frame, what) = if error.is_go_away() {
        (Cause::Closed, "GOAWAY", "ended the connection")
    } else {
        (Cause::Reset, "RST_STREAM", "reset the stream")
    };
    Some(Failure::new(
        cause,
        if requires_http1 {
            format!("the server requires HTTP/1.1 ({frame} {when}: HTTP_1_1_REQUIRED)")
        } else {
            format!("the server {what} {when} ({frame}{code})")
        },
    ))
}

fn find<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The error and its sources in one line.
fn sentence(error: &hyper::Error) -> String {
    let mut parts: Vec<String> = chain(error).map(ToString::to_string).collect();
    // A wrapper often says the same as its source.
    parts.dedup();
    parts.join(": ")
}
