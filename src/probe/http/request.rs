//! One request of a hop: method, URL, headers and body.
//!
//! The headers of a site are its secrets: once a redirect leaves their origin (scheme, host and port), only harmless ones stay,
//! and the others do not come back when a later hop returns. A step from http to https of the same host does not leave it, if
//! both ports are the usual ones: they are one website, and what went in the clear before now goes over TLS. Behind
//! any other port may be another service, which gets no password. Headers that describe the body go with it. A method that becomes
//! GET loses both (RFC 9110 §15.4; 301 and 302 as in every browser). Each hop gets the cookies for its URL.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
    InvalidHeaderName, InvalidHeaderValue, TE, UPGRADE, USER_AGENT,
};
use hyper::{Method, Uri};
use url::{Position, Url};

use crate::model::{Cause, Site};
use crate::probe::failure::Failure;

use super::cookies::Jar;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("webmon/", env!("CARGO_PKG_VERSION")));
/// Headers of a site that another origin may get.
const HARMLESS: [HeaderName; 3] = [USER_AGENT, ACCEPT, ACCEPT_LANGUAGE];

/// Methods whose requests have a Content-Length even without a body (RFC 9110 §8.6).
const EXPECTS_BODY: [Method; 3] = [Method::POST, Method::PUT, Method::PATCH];

/// One request. Two are equal when a server cannot tell one from the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Without userinfo and fragment.
    pub(crate) url: Url,
    headers: HeaderMap,
    /// Replaces the Cookie header in `headers` if servers have set cookies.
    cookies: Option<HeaderValue>,
    body: Bytes,
}

impl Request {
    /// The first request of a probe of `site`.
    pub(crate) fn first(site: &Site) -> Result<Self, Failure> {
        // Sites are validated, so these are faults of webmon and never the site's downtime.
        let wrong = |what: String| Failure::new(Cause::Local, format!("cannot send the request: {what}"));
        let method = Method::from_bytes(site.method.as_bytes())
            .map_err(|_| wrong(format!("{:?} is not a method", site.method)))?;
        let mut headers = HeaderMap::with_capacity(site.headers.len() + 4);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if !site.keep_alive {
            // The server then closes first, and no local port stays in TIME_WAIT.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in &site.headers {
            let bad_name = |_: InvalidHeaderName| wrong(format!("{name:?} is not a header name"));
            let bad_value = |_: InvalidHeaderValue| wrong(format!("the value of header {name:?} cannot be sent"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(bad_name)?;
            let mut value = HeaderValue::from_bytes(value.expose().as_bytes()).map_err(bad_value)?;
            value.set_sensitive(true);
            // The site's headers replace the defaults; a name that it has twice is sent twice.
            if headers.get(&key).is_some_and(|before| !before.is_sensitive()) {
                headers.insert(key, value);
            } else {
                headers.append(key, value);
            }
        }
        let body = site.body.as_ref().map(|body| Bytes::copy_from_slice(body.expose().as_bytes())).unwrap_or_default();
        let mut url = site.url.expose().clone();
        url.set_fragment(None);
        if let Some(host) = host(&url).filter(|_| !headers.contains_key(HOST)) {
            headers.insert(HOST, host);
        }
        Ok(Self { method, url, headers, cookies: None, body })
    }

    /// The request of the next hop, after an answer with `status` that redirects to `target`.
    pub(crate) fn follow(mut self, target: Url, status: u16) -> Self {
        let becomes_get = match status {
            301 | 302 => self.method == Method::POST,
            303 => self.method != Method::GET && self.method != Method::HEAD,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.keep_headers(|name| !describes_body(name));
        }
        if target.origin() != self.url.origin() && !is_upgrade(&self.url, &target) {
            let has_body = self.has_body();
            let is_harmless = |name: &HeaderName| HARMLESS.contains(name) || name == CONNECTION;
            self.keep_headers(|name| is_harmless(name) || has_body && describes_body(name));
        }
        self.url = target;
        self.cookies = None;
        self
    }

    /// The request with those cookies of `jar` that belong to its URL.
    pub(crate) fn with_cookies(mut self, jar: &Jar) -> Self {
        self.cookies = jar.header(&self.url, self.headers.get_all(COOKIE).iter());
        self
    }

    /// Replaces the header `name`, or removes it.
    pub(crate) fn set_header(&mut self, name: HeaderName, value: Option<HeaderValue>) {
        self.headers.remove(&name);
        if let Some(value) = value {
            self.headers.insert(name, value);
        }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether it sends a body.
    pub(crate) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// The request as hyper sends it. HTTP/1.1 takes the path and a Host header, HTTP/2 the whole URL with the Host header in
    /// it, and no header about the connection.
    pub(crate) fn message(&self, http2: bool) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let wrong = || Failure::new(Cause::Local, "cannot send the request: its URL has a part that HTTP forbids");
        let target = &self.url[Position::BeforePath..Position::AfterQuery];
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        let mut headers = self.headers.clone();
        if let Some(cookies) = &self.cookies {
            headers.insert(COOKIE, cookies.clone());
        }
        if !self.has_body() && EXPECTS_BODY.contains(&self.method) {
            // Many servers answer 411 without it; hyper sends no length of an absent body.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let own_host = headers.get(HOST).cloned();
        *request.uri_mut() = if http2 {
            let url_host = &self.url[Position::BeforeHost..Position::AfterPort];
            let authority = own_host.as_ref().map_or(url_host, |host| host.to_str().unwrap_or_default());
            for name in [HOST, CONNECTION, UPGRADE, TE, HeaderName::from_static("keep-alive")] {
                headers.remove(name);
            }
            *request.version_mut() = hyper::Version::HTTP_2;
            let uri = Uri::builder().scheme(self.url.scheme()).authority(authority).path_and_query(target);
            uri.build().map_err(|_| wrong())?
        } else {
            if own_host.is_none() {
                headers.insert(HOST, host(&self.url).ok_or_else(wrong)?);
            }
            Uri::try_from(target).map_err(|_| wrong())?
        };
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The request as h3 sends it, and its body: as over HTTP/2, with the length of the body and no header about its transfer.
    #[cfg(feature = "http3")]
    pub(crate) fn message_for_http3(&self) -> Result<(hyper::Request<()>, Bytes), Failure> {
        let (mut head, _) = self.message(true)?.into_parts();
        for name in [hyper::header::TRANSFER_ENCODING, HeaderName::from_static("proxy-connection")] {
            head.headers.remove(name);
        }
        head.version = hyper::Version::HTTP_3;
        if self.has_body() && !head.headers.contains_key(CONTENT_LENGTH) {
            head.headers.insert(CONTENT_LENGTH, self.body.len().into());
        }
        Ok((hyper::Request::from_parts(head, ()), self.body.clone()))
    }

    /// Whether sending it twice does what sending it once does (RFC 9110 §9.2.2).
    pub(crate) fn may_be_repeated(&self) -> bool {
        self.method.is_idempotent()
    }

    fn keep_headers(&mut self, keep: impl Fn(&HeaderName) -> bool) {
        let dropped: Vec<HeaderName> = self.headers.keys().filter(|name| !keep(name)).cloned().collect();
        for name in dropped {
            self.headers.remove(name);
        }
    }
}

/// Whether `to` is the website at `from` over https instead of http.
fn is_upgrade(from: &Url, to: &Url) -> bool {
    // The usual port of a scheme is not part of a URL.
    (from.scheme(), to.scheme()) == ("http", "https")
        && (from.port(), to.port()) == (None, None)
        && from.host() == to.host()
}

/// Whether a header describes the body and not the site: its type, coding, language, digest.
fn describes_body(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("content-") || matches!(name, "transfer-encoding" | "digest" | "repr-digest")
}

/// The Host header of a request for `url`.
fn host(url: &Url) -> Option<HeaderValue> {
    HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn site(method: &str, headers: &[(&str, &str)]) -> Site {
        Site {
            method: method.to_owned(),
            headers: headers.iter().map(|&(name, value)| (name.to_owned(), Secret::new(value))).collect(),
            body: Some(Secret::new("ping")),
            ..Site::new("a", Url::parse("http://a.test:8080/path?q=1#part").unwrap())
        }
    }

    fn sent(request: &Request) -> Vec<(String, String)> {
        let request = request.message(false).unwrap();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
    }

    fn names(request: &Request) -> Vec<String> {
        let mut names: Vec<String> = sent(request).into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_defaults_are_sent_and_give_way() {
        let request = Request::first(&site("GET", &[])).unwrap();
        assert_eq!(request.message(false).unwrap().uri(), "/path?q=1");
        assert_eq!(names(&request), ["accept", "connection", "host", "user-agent"]);
        assert!(sent(&request).contains(&("host".to_owned(), "a.test:8080".to_owned())));
        let own = [("User-Agent", "me"), ("Accept", "text/html"), ("Host", "b.test"), ("X-A", "1"), ("X-A", "2")];
        let request = Request::first(&site("GET", &own)).unwrap();
        for (name, value) in own {
            assert!(sent(&request).contains(&(name.to_lowercase(), value.to_owned())), "{name}: {value}");
        }
        assert_eq!(sent(&request).len(), 6);
    }

    #[test]
    fn http2_takes_the_host_into_the_address_and_no_word_about_the_connection() {
        for (own, uri) in [
            (&[][..], "http://a.test:8080/path?q=1"),
            (&[("Host", "b.test"), ("Upgrade", "x"), ("TE", "gzip")], "http://b.test/path?q=1"),
        ] {
            let request = Request::first(&site("GET", own)).unwrap().message(true).unwrap();
            assert_eq!(request.uri(), uri);
            let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["accept", "user-agent"]);
        }
    }

    #[test]
    fn a_connection_that_is_kept_is_not_asked_to_close() {
        let kept = Site { keep_alive: true, ..site("GET", &[]) };
        assert_eq!(names(&Request::first(&kept).unwrap()), ["accept", "host", "user-agent"]);
    }

    #[test]
    fn secrets_stay_with_their_origin_and_do_not_come_back() {
        let secrets =
            [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("X-Key", "k"), ("Host", "h"), ("Accept", "*")];
        let request = Request::first(&site("GET", &secrets)).unwrap();
        let harmless = ["accept", "connection", "host", "user-agent"];
        for target in ["https://a.test:8080/", "http://b.test:8080/", "http://a.test/", "http://sub.a.test:8080/"] {
            let away = request.clone().follow(Url::parse(target).unwrap(), 302);
            assert_eq!(names(&away), harmless, "{target}");
            assert!(!sent(&away).contains(&("host".to_owned(), "h".to_owned())), "{target}");
            let back = away.follow(Url::parse("http://a.test:8080/").unwrap(), 302);
            assert_eq!(names(&back), harmless, "back from {target}");
        }
        let same = request.follow(Url::parse("http://a.test:8080/other").unwrap(), 302);
        assert!(names(&same).contains(&"authorization".to_owned()));
    }

    #[test]
    fn secrets_go_along_to_https_of_the_same_website() {
        let own = [("Authorization", "Bearer x"), ("X-Key", "k")];
        let headers = site("GET", &own).headers;
        let usual = Site { headers, ..Site::new("a", Url::parse("http://a.test/path").unwrap()) };
        let request = Request::first(&usual).unwrap();
        for (target, keeps) in [
            ("https://a.test/", true),
            ("https://A.test:443/login", true),
            ("https://a.test:8443/", false),
            ("https://www.a.test/", false),
            ("https://b.test/", false),
            ("http://a.test:8080/", false),
        ] {
            let next = request.clone().follow(Url::parse(target).unwrap(), 301);
            for name in ["authorization", "x-key"] {
                assert_eq!(names(&next).contains(&name.to_owned()), keeps, "{name} to {target}");
            }
        }
        let upgraded = request.follow(Url::parse("https://a.test/").unwrap(), 301);
        let same = upgraded.clone().follow(Url::parse("https://a.test/in").unwrap(), 302);
        assert!(names(&same).contains(&"x-key".to_owned()));
        assert!(sent(&same).contains(&("host".to_owned(), "a.test".to_owned())));
        // Back in the clear.
        let back = upgraded.follow(Url::parse("http://a.test/").unwrap(), 302);
        assert!(!names(&back).contains(&"x-key".to_owned()));
        let odd = Request::first(&site("GET", &own)).unwrap();
        assert!(!names(&odd.follow(Url::parse("https://a.test/").unwrap(), 301)).contains(&"x-key".to_owned()));
    }

    #[test]
    fn a_method_changes_only_where_the_status_says_so() {
        for (method, status, then) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("POST", 303, "GET"),
            ("POST", 307, "POST"),
            ("POST", 308, "POST"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
        ] {
            let request = Request::first(&site(method, &[("Content-Type", "text/plain")])).unwrap();
            let next = request.follow(Url::parse("http://a.test:8080/").unwrap(), status);
            assert_eq!(next.method.as_str(), then, "{method} after {status}");
            assert_eq!(next.body.is_empty(), method != then, "{method} after {status}");
            assert_eq!(names(&next).contains(&"content-type".to_owned()), method == then, "{method} after {status}");
        }
    }

    /// `redirect` keeps bodies from other hosts; their headers are not secrets of the site.
    #[test]
    fn headers_of_a_body_go_with_it_and_leave_with_it() {
        let own = [("Content-Type", "text/plain"), ("Content-Language", "de"), ("Digest", "x"), ("X-Key", "k")];
        let with_body = Request::first(&site("PUT", &own)).unwrap();
        let without = Request::first(&Site { body: None, ..site("PUT", &own) }).unwrap();
        for (target, status, method, described) in [
            ("http://a.test:81/", 308, "PUT", true),
            ("https://a.test/", 307, "PUT", true),
            ("https://a.test/", 302, "PUT", true),
            ("http://a.test:8080/", 303, "GET", false),
            ("http://a.test:81/", 303, "GET", false),
        ] {
            let next = with_body.clone().follow(Url::parse(target).unwrap(), status);
            let sent = names(&next);
            let says = ["content-type", "content-language", "digest"].map(|name| sent.contains(&name.to_owned()));
            assert_eq!((next.method.as_str(), says, next.has_body()), (method, [described; 3], described), "{target}");
            assert_eq!(sent.contains(&"x-key".to_owned()), target == "http://a.test:8080/", "{target}");
        }
        let away = without.follow(Url::parse("http://a.test:81/").unwrap(), 308);
        assert!(!names(&away).contains(&"content-type".to_owned()));
    }

    #[test]
    fn a_method_that_expects_a_body_tells_the_length_of_none() {
        for (method, length) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)] {
            let request = Request::first(&Site { body: None, ..site(method, &[]) }).unwrap();
            for message in [request.message(false).unwrap(), request.message(true).unwrap()] {
                let said = message.headers().get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
                assert_eq!(said, length.then_some(&b"0"[..]), "{method}");
            }
            let url = Url::parse("http://a.test:8080/").unwrap();
            assert!(!names(&request.follow(url, 303)).contains(&"content-length".to_owned()), "{method}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_our_own_fault() {
        for (method, name, value) in [("G T", "a", "b"), ("GET", "a b", "c"), ("GET", "a", "b\nc")] {
            assert_eq!(Request::first(&site(method, &[(name, value)])).unwrap_err().cause, Cause::Local);
        }
    }
}
