//! An answer: its status, its body, and the headers that every answer has.
//!
//! Invariants: no answer sets a cookie or allows another origin to read it; a browser runs nothing of it, and no page can embed it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};

use super::gate::Refusal;
use super::source::{Html, Missing};

/// Shorter bodies are not worth compressing, bytes.
const GZIP_MIN: usize = 1_024;

const TEXT: &str = "text/plain; charset=utf-8";
/// JSON.
pub const JSON: &str = "application/json";

/// See the module.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, all but those of its length.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A good answer with this body.
    #[must_use]
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
        answer.set(CONTENT_TYPE, content_type);
        answer.set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        answer.set(REFERRER_POLICY, "no-referrer");
        answer.set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        answer.set(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
        answer.set(CACHE_CONTROL, "no-store");
        answer
    }

    /// A sentence with another status.
    #[must_use]
    pub fn said(status: StatusCode, sentence: &str) -> Self {
        Self { status, ..Self::new(TEXT, format!("{sentence}\n")) }
    }

    /// A page.
    #[must_use]
    pub fn page(html: Html) -> Self {
        let policy = format!(
            "default-src 'none'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            html.style
        );
        let mut answer = Self::new("text/html; charset=utf-8", html.text);
        answer.set(CONTENT_SECURITY_POLICY, policy);
        answer.set(CACHE_CONTROL, "no-cache");
        answer
    }

    /// A badge, which other sites may embed.
    #[must_use]
    pub fn badge(content_type: &'static str, text: String) -> Self {
        let mut answer = Self::new(content_type, text);
        answer.set(HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
        answer.set(CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        answer.set(CACHE_CONTROL, "no-cache");
        answer
    }

    /// Sets a header whose value has no control characters.
    pub fn set(&mut self, name: HeaderName, value: impl TryInto<HeaderValue>) {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
    }

    /// Adds where the rest of a list is.
    #[must_use]
    pub fn linking(mut self, next: Option<&str>) -> Self {
        if let Some(next) = next {
            self.set(LINK, format!("<{next}>; rel=\"next\""));
        }
        self
    }

    /// Whether a compressed form is worth making.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.body.len() >= GZIP_MIN
    }

    /// The body, compressed.
    #[must_use]
    pub fn compressed(&self) -> Option<Bytes> {
        // Level 1 costs a third of the default and is a tenth longer.
        let mut encoder = GzEncoder::new(Vec::with_capacity(self.body.len() / 8), Compression::fast());
        encoder.write_all(&self.body).ok()?;
        encoder.finish().ok().map(Bytes::from)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let (status, sentence) = match refusal {
            Refusal::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "webmon does not answer to this host; `listen.hosts` names those it does",
            ),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"),
            Refusal::Body => (StatusCode::PAYLOAD_TOO_LARGE, "a request has no body here"),
            Refusal::NotFound => (StatusCode::NOT_FOUND, "there is nothing here"),
            Refusal::Parameter(name) => {
                return Self::said(StatusCode::BAD_REQUEST, &format!("the parameter `{name}` is not valid"));
            }
            Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, "this needs the token of `listen.token`"),
            Refusal::Forbidden => {
                (StatusCode::FORBIDDEN, "only this machine may ask for it, because there is no `listen.token`")
            }
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens; try again in a minute"),
        };
        let mut answer = Self::said(status, sentence);
        match refusal {
            Refusal::Method => answer.set(ALLOW, "GET, HEAD"),
            Refusal::Unauthorized => answer.set(WWW_AUTHENTICATE, "Basic realm=\"webmon\", charset=\"UTF-8\""),
            Refusal::TooMany => answer.set(RETRY_AFTER, "60"),
            _ => {}
        }
        answer
    }
}

impl From<Missing> for Answer {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Unknown => Self::said(StatusCode::NOT_FOUND, "there is no such site"),
            Missing::Parameter(name, why) => {
                Self::said(StatusCode::BAD_REQUEST, &format!("the parameter `{name}` is not valid: {why}"))
            }
            Missing::Unavailable(why) => {
                let mut answer = Self::said(StatusCode::SERVICE_UNAVAILABLE, &why);
                answer.set(RETRY_AFTER, "1");
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn every_answer_is_closed_to_other_origins() {
        let html = Html { text: "<p>".to_owned(), style: "sha256-x".to_owned() };
        let answers = [
            Answer::new(JSON, "[]"),
            Answer::page(html),
            Answer::badge("image/svg+xml", String::new()),
            Refusal::Unauthorized.into(),
            Refusal::Method.into(),
            Missing::Unavailable("starting".to_owned()).into(),
        ];
        for answer in &answers {
            let value = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(
                (value("x-content-type-options"), value("referrer-policy")),
                (Some("nosniff"), Some("no-referrer"))
            );
            assert!(value("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
            assert!(value("cross-origin-resource-policy").is_some());
            assert_eq!((value("set-cookie"), value("access-control-allow-origin")), (None, None));
        }
        assert!(
            answers[1].headers[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("style-src 'sha256-x'; img-src data:")
        );
        assert_eq!(answers[4].headers[ALLOW], "GET, HEAD");
        assert_eq!(answers[4].status, 405);
    }

    #[test]
    fn a_compressed_body_is_the_body() {
        let text = "webmon_checks_total 17\n".repeat(1_000);
        let answer = Answer::new(JSON, text.clone());
        let compressed = answer.compressed().unwrap();
        let mut read = String::new();
        flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut read).unwrap();
        assert!(answer.is_long() && compressed.len() < text.len() / 10);
        assert_eq!(read, text);
    }
}
