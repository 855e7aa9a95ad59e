//! The requests of an export: lines for the write API of one target.
//!
//! Invariants: no error contains a header. A request may be sent twice, since a point that is stored twice is the same point.
//! Bounds: those of [`http::Client`].

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use url::Position;

use crate::http::{self, Outgoing, Reply, RequestError, SetupError, Terms};
use crate::model::{ExportTarget, Secret};

/// Why no request can be made to a target.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The credentials are not valid in a header.
    #[error("the export's token or password contains a character that no HTTP header can have")]
    Credentials,
    /// The host cannot be verified by a certificate.
    #[error("no certificate can name the host of the export's URL: {host}")]
    Host {
        /// As written in the URL.
        host: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for the export: {0}")]
    Tls(String),
}

/// See the module.
pub struct Client {
    server: http::Client,
    path_and_query: Uri,
    headers: HeaderMap,
}

impl Client {
    /// A client for `target`; does not connect yet.
    ///
    /// # Errors
    /// [`ExportError`]: a retry would not help.
    pub fn new(target: &ExportTarget) -> Result<Self, ExportError> {
        let url = target.write_url();
        let server = http::Client::new(&url, &Terms::default()).map_err(|error| match error {
            SetupError::Host { host } => ExportError::Host { host },
            SetupError::Tls(reason) => ExportError::Tls(reason),
            other => ExportError::Tls(other.to_string()),
        })?;
        let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
        let path_and_query = path_and_query.parse().expect("a URL's path and query are a request's target");
        Ok(Self { server, path_and_query, headers: headers(target)? })
    }

    /// Sends these credentials from now on. If they changed, returns true and disconnects.
    ///
    /// # Errors
    /// [`ExportError::Credentials`]; the old ones stay.
    pub fn authorize(&mut self, authorization: Option<&Secret>) -> Result<bool, ExportError> {
        let before = self.headers.get(AUTHORIZATION).cloned();
        authorize(&mut self.headers, authorization)?;
        let has_changed = self.headers.get(AUTHORIZATION) != before.as_ref();
        if has_changed {
            self.server.disconnect();
        }
        Ok(has_changed)
    }

    /// Closes the connection. The next request resolves the name again.
    pub fn disconnect(&mut self) {
        self.server.disconnect();
    }

    /// Sends `lines`, which [`compress`] made.
    ///
    /// # Errors
    /// Why there is no answer, in one clean line. The lines may or may not be stored.
    pub async fn post(&mut self, lines: Vec<u8>) -> Result<Reply, String> {
        let request = Outgoing {
            method: Method::POST,
            target: self.path_and_query.clone(),
            headers: self.headers.clone(),
            body: Bytes::from(lines),
            is_repeatable: true,
        };
        self.server.send(&request).await.map_err(RequestError::into_reason)
    }
}

/// `lines` as gzip, at a cheap level; the lines are so repetitive that they shrink to a tenth.
#[must_use]
pub fn compress(lines: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
    gzip.write_all(lines).and_then(|()| gzip.finish()).expect("writing to a Vec cannot fail")
}

fn headers(target: &ExportTarget) -> Result<HeaderMap, ExportError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("webmon/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    authorize(&mut headers, target.authorization.as_ref())?;
    Ok(headers)
}

/// Replaces the credentials. On an error the old ones stay.
fn authorize(headers: &mut HeaderMap, authorization: Option<&Secret>) -> Result<(), ExportError> {
    let value = authorization.map(|secret| HeaderValue::from_bytes(secret.expose().as_bytes())).transpose();
    let value = value.map_err(|_| ExportError::Credentials)?;
    headers.remove(AUTHORIZATION);
    if let Some(mut value) = value {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(())
}
