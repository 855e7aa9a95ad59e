//! Errors of QUIC and HTTP/3: their causes, their sentences, and whether a retry may help.

use std::error::Error;
use std::io;

use h3::error::{Code, ConnectionError, LocalError, StreamError};
use h3::quic::ConnectionErrorIncoming;
use quinn::{ConnectionError as QuicError, TransportErrorCode};
use rustls::AlertDescription;

use crate::model::{Cause, Phase, figures};
use crate::probe::failure::{Failure, chain};
use crate::probe::http::errors::Retry;
use crate::probe::io::budget::HeadTooLarge;
use crate::probe::tls::client_auth::ClientCertRequest;
use crate::probe::tls::errors::alert_words;

use super::metered::Meter;

/// Codes of QUIC from here on are alerts of TLS (RFC 9001 §4.8).
const ALERTS: u64 = 0x100;

/// How far an exchange had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the handshake.
    Handshake,
    /// No head has come.
    Head,
    /// So many bytes of the body have come.
    Body(u64),
}

impl Stage {
    const fn when(self) -> &'static str {
        match self {
            Self::Handshake => "during the TLS handshake",
            Self::Head => "before the answer",
            Self::Body(_) => "during the body",
        }
    }

    const fn phase(self) -> Phase {
        match self {
            Self::Handshake => Phase::Tls,
            Self::Head => Phase::Processing,
            Self::Body(_) => Phase::Transfer,
        }
    }
}

/// The failure of a body that the server ended after `bytes` of it.
pub(super) fn truncated(bytes: u64) -> Failure {
    Failure::new(Cause::Truncated, format!("the body ended early, after {bytes} bytes"))
}

fn too_much(stage: Stage) -> Failure {
    let detail = match stage {
        Stage::Body(bytes) => {
            let bytes = figures::count(bytes);
            format!("the server sends too much data outside the body (after {bytes} bytes of it)")
        }
        _ => HeadTooLarge.to_string(),
    };
    Failure::new(Cause::BadResponse, detail)
}

/// Whether nothing more can come over an open connection after `error`.
pub(super) fn is_final(error: &io::Error) -> bool {
    is_too_much(error) || error.kind() == io::ErrorKind::ConnectionRefused
}

/// The failure of an open connection after `error`, which is final.
pub(super) fn broken_socket(error: &io::Error, stage: Stage) -> Failure {
    if is_too_much(error) {
        return too_much(stage);
    }
    Failure::new(Cause::Reset, format!("the server's UDP port was closed {}", stage.when()))
}

fn is_too_much(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.downcast_ref::<HeadTooLarge>().is_some())
}

/// The failure of a connection that QUIC gave up.
pub(super) fn broken_connection(error: &QuicError, stage: Stage, request: ClientCertRequest) -> Failure {
    let when = stage.when();
    match error {
        QuicError::VersionMismatch => Failure::new(Cause::TlsError, "the server speaks another version of QUIC"),
        QuicError::TransportError(error) if u64::from(error.code) >= ALERTS => {
            Failure::new(Cause::TlsError, format!("TLS: {}", error.reason))
        }
        QuicError::TransportError(error) => Failure::new(Cause::BadResponse, format!("not QUIC: {error}")),
        QuicError::ConnectionClosed(closed) => match u64::from(closed.error_code) {
            code @ ALERTS..0x200 => {
                let alert = AlertDescription::from(code.to_le_bytes()[0]);
                Failure::new(Cause::TlsError, format!("TLS: {}", alert_words(alert, request)))
            }
            _ if closed.error_code == TransportErrorCode::CONNECTION_REFUSED => {
                Failure::new(Cause::ConnectRefused, "the server refuses QUIC connections")
            }
            // The server speaks of its own protocol only after the handshake.
            _ if closed.error_code == TransportErrorCode::APPLICATION_ERROR || is_harmless(closed.error_code) => {
                closed_by_server(stage, None)
            }
            _ => closed_by_server(stage, Some(&format!("QUIC: {}", closed.error_code))),
        },
        QuicError::ApplicationClosed(closed) => closed_with(u64::from(closed.error_code), stage),
        QuicError::Reset => Failure::new(Cause::Reset, format!("connection reset {when}")),
        QuicError::TimedOut => silent(stage),
        QuicError::LocallyClosed | QuicError::CidsExhausted => Failure::new(Cause::Closed, format!("{error} {when}")),
    }
}

fn is_harmless(code: TransportErrorCode) -> bool {
    code == TransportErrorCode::NO_ERROR
}

/// The failure of a connection that the server closed by `code` of HTTP/3.
fn closed_with(code: u64, stage: Stage) -> Failure {
    let is_error = code != Code::H3_NO_ERROR.value() && code != 0;
    let named = is_error.then(|| Code::from(code).to_string());
    closed_by_server(stage, named.as_deref())
}

/// The failure of a connection that the server closed, because of `reason` if it gives one.
fn closed_by_server(stage: Stage, reason: Option<&str>) -> Failure {
    let when = stage.when();
    match (reason, stage) {
        (None, Stage::Body(bytes)) => truncated(bytes),
        (None, _) => Failure::new(Cause::Closed, format!("connection closed {when}")),
        (Some(reason), _) => Failure::new(Cause::Closed, format!("the server ended the connection {when} ({reason})")),
    }
}

/// The failure of a server from which no packet comes any more, not even in answer to one.
fn silent(stage: Stage) -> Failure {
    let cause = Cause::timeout_in(stage.phase());
    Failure::new(cause, format!("the server fell silent {}; its own idle timeout passed", stage.when()))
}

/// Why an exchange over `meter` failed at `stage`.
pub(super) fn broken_exchange(
    error: &StreamError,
    stage: Stage,
    meter: &Meter,
    request: ClientCertRequest,
) -> (Failure, Retry) {
    let when = stage.when();
    let failure = match error {
        StreamError::RemoteTerminate { code } => return reset(*code, when),
        StreamError::RemoteClosing => {
            let detail = "the server takes no more requests on this connection (GOAWAY)";
            return (Failure::new(Cause::Closed, detail), Retry::Refused);
        }
        StreamError::ConnectionError(error) => broken_http3(error, stage, meter, request),
        StreamError::HeaderTooBig { .. } => too_much(stage),
        StreamError::StreamError { code, reason } => not_http3(*code, reason),
        StreamError::Undefined(error) if is_too_much(&**error) => too_much(stage),
        error => Failure::new(Cause::Closed, format!("the stream broke {when}: {error}")),
    };
    (failure, Retry::No)
}

fn reset(code: Code, when: &str) -> (Failure, Retry) {
    if code == Code::H3_VERSION_FALLBACK {
        let detail = format!("the server requires HTTP/1.1 ({code} {when}); `http: auto` allows it");
        return (Failure::new(Cause::Reset, detail), Retry::No);
    }
    let retry = if code == Code::H3_REQUEST_REJECTED { Retry::Refused } else { Retry::No };
    (Failure::new(Cause::Reset, format!("the server reset the stream {when} ({code})")), retry)
}

fn not_http3(code: Code, reason: &str) -> Failure {
    Failure::new(Cause::BadResponse, format!("not HTTP/3: {code}: {reason}"))
}

/// The failure of a connection that HTTP/3 gave up.
pub(super) fn broken_http3(
    error: &ConnectionError,
    stage: Stage,
    meter: &Meter,
    request: ClientCertRequest,
) -> Failure {
    match error {
        ConnectionError::Timeout => silent(stage),
        ConnectionError::Remote(ConnectionErrorIncoming::ApplicationClose { error_code }) => {
            closed_with(*error_code, stage)
        }
        ConnectionError::Remote(ConnectionErrorIncoming::Undefined(error)) => match error.downcast_ref::<QuicError>() {
            Some(error) => broken_connection(error, stage, request),
            None if is_too_much(&**error) => too_much(stage),
            None => Failure::new(Cause::Closed, format!("the connection broke {}: {error}", stage.when())),
        },
        // h3 says so of a frame that is cut off by the end of its stream, and of a stream without a head.
        ConnectionError::Local { error: LocalError::Application { code, .. } }
            if meter.has_ended() && matches!(*code, Code::H3_FRAME_ERROR | Code::H3_FRAME_UNEXPECTED) =>
        {
            match stage {
                Stage::Body(bytes) => truncated(bytes),
                _ => Failure::new(Cause::Closed, "the server ended the stream before the answer"),
            }
        }
        ConnectionError::Local { error: LocalError::Application { code, reason, .. } } => not_http3(*code, reason),
        error => Failure::new(Cause::Closed, format!("the connection broke {}: {error}", stage.when())),
    }
}
