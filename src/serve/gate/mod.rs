//! Who may ask for what: the checks before anything is made.
//!
//! Invariants: the host is looked at first, then the method, then the path, then the token. Nothing here depends on what is
//! stored. A token is compared in constant time, comes in a header and never in a URL, and is in no answer.

mod attempts;
mod hosts;

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::http::request::Parts;

use crate::model::web::listen::is_loopback;
use crate::model::{ListenAccess, ListenAddress, Secret};

use super::route::{Asked, RouteError};

pub use attempts::Attempts;

/// The two ends of a connection; none of a Unix socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The address that it connected to.
    pub local: Option<IpAddr>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is for another host.
    Misdirected,
    /// It is neither GET nor HEAD.
    Method,
    /// It has a body.
    Body,
    /// There is no such path.
    NotFound,
    /// A parameter is not valid.
    Parameter(&'static str),
    /// It needs a token, or another one.
    Unauthorized,
    /// There is no token, and only this machine may ask for it.
    Forbidden,
    /// There were too many wrong tokens.
    TooMany,
}

/// What `request` asks for, if it may.
///
/// # Errors
/// [`Refusal`].
pub fn admit(
    request: &Parts,
    ends: Ends,
    (address, access): (&ListenAddress, &ListenAccess),
    (attempts, now): (&mut Attempts, Duration),
) -> Result<Asked, Refusal> {
    if !is_for_us(request, ends, access) {
        return Err(Refusal::Misdirected);
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Refusal::Method);
    }
    if has_body(&request.headers) {
        return Err(Refusal::Body);
    }
    let asked = Asked::parse(&request.uri, &request.headers);
    let part = match &asked {
        Ok(asked) => asked.route.part(),
        // A client that may not see a part learns nothing of its parameters.
        Err(RouteError::Parameter(_, part)) => Some(*part),
        Err(RouteError::NotFound) => None,
    };
    if part.is_some_and(|part| !access.is_public(part, address)) {
        authorize(request, ends, access.token.as_ref(), (attempts, now))?;
    }
    asked.map_err(|error| match error {
        RouteError::NotFound => Refusal::NotFound,
        RouteError::Parameter(name, _) => Refusal::Parameter(name),
    })
}

/// One host, in the request line or in the header, and both if both are there.
fn is_for_us(request: &Parts, ends: Ends, access: &ListenAccess) -> bool {
    let mut headers = request.headers.get_all(HOST).iter();
    let header = headers.next().and_then(|host| host.to_str().ok());
    let line = request.uri.authority().map(hyper::http::uri::Authority::as_str);
    let is_ours = |host: &str| hosts::is_ours(host, ends.local, &access.hosts);
    headers.next().is_none() && header.is_some_and(is_ours) && line.is_none_or(is_ours)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    length || headers.contains_key(TRANSFER_ENCODING)
}

fn authorize(
    request: &Parts,
    ends: Ends,
    token: Option<&Secret>,
    (attempts, now): (&mut Attempts, Duration),
) -> Result<(), Refusal> {
    let Some(token) = token else {
        return if ends.client.is_none_or(is_loopback) { Ok(()) } else { Err(Refusal::Forbidden) };
    };
    let Some(presented) = request.headers.get(AUTHORIZATION) else { return Err(Refusal::Unauthorized) };
    if !attempts.may_try(ends.client, now) {
        return Err(Refusal::TooMany);
    }
    let presented = presented_token(presented.as_bytes());
    let is_right =
        presented.is_some_and(|presented| verify_slices_are_equal(&presented, token.expose().as_bytes()).is_ok());
    if is_right {
        return Ok(());
    }
    attempts.note_wrong(ends.client, now);
    Err(Refusal::Unauthorized)
}

/// The token of `Bearer TOKEN`, or of `Basic` with any user.
fn presented_token(header: &[u8]) -> Option<Vec<u8>> {
    let space = header.iter().position(|&byte| byte == b' ')?;
    let (scheme, rest) = (&header[..space], header[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Part;
    use hyper::Request;

    const FAR: &str = "0.0.0.0:80";

    /// Headers, and what comes of them.
    type Try<'a> = (&'a [(&'a str, &'a str)], Result<(), Refusal>);

    fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn access(token: Option<&str>, public: Option<Vec<Part>>) -> ListenAccess {
        let hosts = vec!["status.example.org".to_owned()];
        ListenAccess { hosts, token: token.map(Secret::new), public, tls: None }
    }

    fn verdict(request: &Parts, client: &str, (address, access): (&str, &ListenAccess)) -> Result<(), Refusal> {
        let address = ListenAddress::parse(address).unwrap();
        let ends = Ends { client: Some(client.parse().unwrap()), local: Some("192.0.2.7".parse().unwrap()) };
        admit(request, ends, (&address, access), (&mut Attempts::default(), Duration::ZERO)).map(drop)
    }

    #[test]
    fn the_host_comes_before_everything() {
        for path in ["/", "/metrics", "/healthz", "/nothing", "/api/v1/samples?limit=x"] {
            for method in ["GET", "POST", "OPTIONS"] {
                for headers in [&[("host", "evil.test")][..], &[], &[("host", "localhost"), ("host", "evil.test")]] {
                    let found = verdict(&asked(method, path, headers), "127.0.0.1", (FAR, &access(None, None)));
                    assert_eq!(found, Err(Refusal::Misdirected), "{method} {path} {headers:?}");
                }
            }
        }
        let absolute = asked("GET", "http://evil.test/metrics", &[("host", "localhost")]);
        assert_eq!(verdict(&absolute, "127.0.0.1", (FAR, &access(None, None))), Err(Refusal::Misdirected));
    }

    #[test]
    fn methods_bodies_and_paths_are_refused_in_this_order() {
        let host = ("host", "localhost");
        for (request, refusal) in [
            (asked("POST", "/metrics", &[host]), Refusal::Method),
            (asked("DELETE", "/nothing", &[host]), Refusal::Method),
            (asked("TRACE", "/", &[host]), Refusal::Method),
            (asked("GET", "/metrics", &[host, ("content-length", "3")]), Refusal::Body),
            (asked("GET", "/metrics", &[host, ("transfer-encoding", "chunked")]), Refusal::Body),
            (asked("GET", "/metricsx", &[host]), Refusal::NotFound),
            (asked("GET", "/%2e%2e/etc/passwd", &[host]), Refusal::NotFound),
        ] {
            assert_eq!(verdict(&request, "127.0.0.1", ("127.0.0.1:1", &access(None, None))), Err(refusal));
        }
        for method in ["GET", "HEAD"] {
            let found = verdict(&asked(method, "/metrics", &[host]), "127.0.0.1", ("127.0.0.1:1", &access(None, None)));
            assert_eq!(found, Ok(()), "{method}");
        }
    }

    #[test]
    fn who_may_ask_for_what() {
        let host = ("host", "status.example.org");
        let basic = format!("basic {}", STANDARD.encode("anybody:a-long-token"));
        let tries: [Try<'_>; 7] = [
            (&[host], Err(Refusal::Unauthorized)),
            (&[host, ("authorization", "Bearer a-long-token")], Ok(())),
            (&[host, ("authorization", &basic)], Ok(())),
            (&[host, ("authorization", "Bearer a-long-tokem")], Err(Refusal::Unauthorized)),
            (&[host, ("authorization", "Bearer a-long-token2")], Err(Refusal::Unauthorized)),
            (&[host, ("authorization", "a-long-token")], Err(Refusal::Unauthorized)),
            (&[host, ("authorization", "Basic !!!")], Err(Refusal::Unauthorized)),
        ];
        for (headers, expected) in tries {
            let request = asked("GET", "/metrics", headers);
            let (with_token, open) = (access(Some("a-long-token"), None), access(None, Some(vec![Part::Page])));
            assert_eq!(verdict(&request, "127.0.0.1", (FAR, &with_token)), expected, "{headers:?}");
            assert_eq!(verdict(&request, "192.0.2.9", (FAR, &with_token)), expected, "{headers:?}");
            // Without a token only this machine may ask for what is not public.
            assert_eq!(verdict(&request, "192.0.2.9", (FAR, &open)), Err(Refusal::Forbidden));
            assert_eq!(verdict(&request, "127.0.0.1", (FAR, &open)), Ok(()));
            let page = asked("GET", "/", headers);
            assert_eq!(verdict(&page, "192.0.2.9", (FAR, &open)), Ok(()));
            let public = access(Some("a-long-token"), Some(vec![Part::Metrics]));
            assert_eq!(verdict(&request, "192.0.2.9", (FAR, &public)), Ok(()));
        }
        // A token in the URL is none, and signs of life need none.
        let closed = access(Some("a-long-token"), None);
        let in_url = asked("GET", "/metrics?token=a-long-token", &[host]);
        assert_eq!(verdict(&in_url, "192.0.2.9", (FAR, &closed)), Err(Refusal::Unauthorized));
        assert_eq!(verdict(&asked("GET", "/healthz", &[host]), "192.0.2.9", (FAR, &closed)), Ok(()));
        let odd = asked("GET", "/api/v1/samples?limit=x", &[host]);
        assert_eq!(verdict(&odd, "192.0.2.9", (FAR, &closed)), Err(Refusal::Unauthorized));
    }

    #[test]
    fn ten_wrong_tokens_a_minute_are_enough() {
        let (access, mut attempts) = (access(Some("a-long-token"), None), Attempts::default());
        let address = ListenAddress::default();
        let mut ask = |token: &str, second: u64| {
            let request = asked("GET", "/metrics", &[("host", "localhost"), ("authorization", token)]);
            let now = Duration::from_secs(second);
            admit(&request, Ends::default(), (&address, &access), (&mut attempts, now)).map(drop)
        };
        for second in 0..10 {
            assert_eq!(ask("Bearer wrong-token", second), Err(Refusal::Unauthorized));
        }
        assert_eq!(ask("Bearer a-long-token", 10), Err(Refusal::TooMany));
        assert_eq!(ask("Bearer a-long-token", 60), Ok(()));
    }
}
