//! An answer: its status, its body, and the headers that every answer has.
//!
//! Invariants: no answer sets a cookie or allows another origin to read it; a browser runs nothing of it, and no page can embed it.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};

use super::gate::Refusal;
use super::metrics::{Chunks, Scrape};
use super::source::{Html, Missing};

/// Shorter bodies are not worth compressing, bytes.
const GZIP_MIN: usize = 1_024;

/// It costs a third of the default, and what it makes is a tenth longer.
pub const GZIP_LEVEL: Compression = Compression::fast();

const TEXT: &str = "text/plain; charset=utf-8";
/// JSON.
pub const JSON: &str = "application/json";

/// What is sent after the headers.
#[derive(Clone, Debug)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Metrics too long to be kept as a text: each client has its own, written and compressed as it takes them.
    Scrape(Arc<Scrape>),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, all but those of its length.
    pub headers: HeaderMap,
    /// The body.
    pub content: Content,
}

impl Answer {
    /// A good answer with this body.
    #[must_use]
    pub fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let content = Content::Whole(body.into());
        let mut answer = Self { status: StatusCode::OK, headers: HeaderMap::new(), content };
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

    /// Metrics: one text if that is short.
    #[must_use]
    pub fn metrics(scrape: Scrape) -> Self {
        let (content_type, scrape) = (scrape.exposition.content_type(), Arc::new(scrape));
        let mut chunks = Chunks::new(Arc::clone(&scrape));
        let first = chunks.next().unwrap_or_default();
        if chunks.is_over() {
            return Self::new(content_type, first);
        }
        Self { content: Content::Scrape(scrape), ..Self::new(content_type, "") }
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

    /// The body that is worth compressing and can be kept so.
    #[must_use]
    pub fn long(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Whole(body) => Some(body).filter(|body| body.len() >= GZIP_MIN),
            Content::Scrape(_) => None,
        }
    }

    /// That body, compressed.
    #[must_use]
    pub fn compressed(&self) -> Option<Bytes> {
        let body = self.long()?;
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), GZIP_LEVEL);
        encoder.write_all(body).ok()?;
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
        assert!(compressed.len() < text.len() / 10);
        assert_eq!(read, text);
    }
}
