//! Decides whether an answer leads to another request, and to which.
//!
//! Redirects are 301, 302, 303, 307 and 308 with a Location; an answer without one, or with a `Refresh`, is final. At most
//! `max_redirects` are followed; with 0, or `redirects: none`, the first answer is final. From https to http is followed; the
//! hops show it. An identical request is a loop; one with other cookies may be answered differently.
//!
//! Refused are targets that are not http or https, that HTTP cannot express, that are longer than 16 KiB, and that the site does
//! not allow: another host with `redirects: same-host`; another host for a body, unless `redirect_body: any`; a body from https
//! to http. Without the body it would be another request. So are targets that a site with `http: 3` cannot reach over QUIC: those
//! without TLS, and those behind a proxy.

use std::borrow::Cow;

use hyper::Uri;
use hyper::header::{HeaderMap, LOCATION};
use url::Url;

use crate::model::{Cause, HttpOffer, RedirectBody, Redirects, Site, Status, figures, zone};
use crate::probe::failure::Failure;

use super::cookies::Jar;
use super::request::Request;

/// Longest URL of a redirect, bytes: twice what most servers accept in a request.
const TARGET_MAX: usize = 16 << 10;

/// The redirects of one probe, or of one step of it, so far.
#[derive(Default)]
pub(crate) struct RedirectChain {
    requests: Vec<Request>,
    /// None before the first redirect, unless there were steps before.
    jar: Option<Box<Jar>>,
}

impl RedirectChain {
    /// A chain that begins with the cookies of the steps before.
    pub(crate) fn with_cookies(jar: Option<Box<Jar>>) -> Self {
        Self { requests: Vec::new(), jar }
    }

    /// The first request, with its cookies.
    pub(crate) fn begin(&self, first: Request) -> Request {
        match &self.jar {
            Some(jar) => first.with_cookies(jar),
            None => first,
        }
    }

    /// The cookies after the final answer, with `headers`, to `request`.
    pub(crate) fn end(mut self, request: &Request, headers: Option<&HeaderMap>) -> Option<Box<Jar>> {
        if let (Some(jar), Some(headers)) = (&mut self.jar, headers) {
            jar.keep(headers, &request.url);
        }
        self.jar
    }

    /// The request that the answer to `request` with `status` and `headers` leads to, if it redirects.
    pub(crate) fn next(
        &mut self,
        request: &Request,
        status: Status,
        headers: &HeaderMap,
        site: &Site,
    ) -> Result<Option<Request>, Failure> {
        if !matches!(status.get(), 301 | 302 | 303 | 307 | 308) || !site.follows_redirects() {
            return Ok(None);
        }
        let Some(location) = location(headers)? else { return Ok(None) };
        // A zone would belong to the server's machine; the site's own host has the site's zone.
        let location = zone::split(&location).map(|(rest, _)| rest.into()).unwrap_or(location);
        let target = request
            .url
            .join(&location)
            .map_err(|_| refused(format!("redirect to an invalid URL (status {})", status.get())))?;
        let target = presentable(target)?;
        let jar = self.jar.get_or_insert_default();
        jar.keep(headers, &request.url);
        self.requests.push(request.clone());
        let shown = |target: &Url| site.shown_target(target);
        if self.requests.len() > usize::from(site.max_redirects) {
            let most = site.max_redirects;
            return Err(refused(format!("more than {most} redirects, the last to {}", shown(&target))));
        }
        if site.redirects == Redirects::SameHost && !is_same_host(site.url.expose(), &target) {
            return Err(refused(format!("redirect to another host, {}; `redirects: any` follows it", shown(&target))));
        }
        if site.http == HttpOffer::V3 {
            may_take_quic(&target, site)?;
        }
        let next = request.clone().follow(target, status.get()).with_cookies(jar);
        if next.has_body() {
            may_take_body(request, &next, status, site)?;
        }
        if self.requests.contains(&next) {
            return Err(refused(format!("redirect loop, back to {}", shown(&next.url))));
        }
        Ok(Some(next))
    }
}

fn refused(detail: impl AsRef<str>) -> Failure {
    Failure::new(Cause::Redirect, detail)
}

/// Whether HTTP/3 leads to `target`.
fn may_take_quic(target: &Url, site: &Site) -> Result<(), Failure> {
    let shown = || site.shown_target(target);
    if target.scheme() != "https" {
        return Err(refused(format!("redirect to {}, where HTTP/3 does not lead: it is always encrypted", shown())));
    }
    match site.proxy.for_url(target) {
        Some(_) => Err(refused(format!("redirect to {}, which has a proxy; HTTP/3 goes through none", shown()))),
        None => Ok(()),
    }
}

/// The reference in the Location header, if there is one; bytes outside UTF-8 are escaped.
fn location(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Failure> {
    let all = headers.get_all(LOCATION).iter().map(|value| value.as_bytes().trim_ascii());
    let mut named = all.filter(|value| !value.is_empty());
    let Some(first) = named.next() else { return Ok(None) };
    if named.any(|other| other != first) {
        return Err(refused("several Location headers with different URLs"));
    }
    Ok(Some(std::str::from_utf8(first).map_or_else(|_| escaped(first).into(), Cow::Borrowed)))
}

/// `reference` with each byte above ASCII as `%XX`.
fn escaped(reference: &[u8]) -> String {
    let escape = |byte: &u8| {
        if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    reference.iter().map(escape).collect()
}

/// Whether `next` may have the body of `request`.
fn may_take_body(request: &Request, next: &Request, status: Status, site: &Site) -> Result<(), Failure> {
    let (status, shown) = (status.get(), || site.shown_target(&next.url));
    if request.url.scheme() == "https" && next.url.scheme() == "http" {
        return Err(refused(format!("{status} to {} would send the body unencrypted; not followed", shown())));
    }
    if site.redirect_body == RedirectBody::SameHost && !is_same_host(&request.url, &next.url) {
        let hint = "`redirect_body: any` allows it";
        return Err(refused(format!("{status} to {} would send the body to another host; {hint}", shown())));
    }
    Ok(())
}

/// Whether both have the same host, whatever the ports: cookies do not separate ports either (RFC 6265 §8.5), and most
/// redirects between two ports lead from http to https.
fn is_same_host(a: &Url, b: &Url) -> bool {
    let host = |url| Url::host_str(url).map(|host| host.strip_suffix('.').unwrap_or(host));
    host(a) == host(b)
}

/// `target` without userinfo and fragment, if webmon can request it.
fn presentable(target: Url) -> Result<Url, Failure> {
    let scheme = target.scheme();
    if !matches!(scheme, "http" | "https") || !target.has_host() {
        return Err(refused(format!("redirect to {scheme}:, which webmon does not follow")));
    }
    let mut target = target;
    target.set_fragment(None);
    let cleared = target.set_username("").and_then(|()| target.set_password(None));
    debug_assert!(cleared.is_ok(), "an http URL has a host");
    let length = target.as_str().len();
    if length > TARGET_MAX {
        let (length, most) = (figures::count(length as u64), figures::count(TARGET_MAX as u64));
        return Err(refused(format!("redirect to a URL of {length} bytes; webmon follows at most {most}")));
    }
    if Uri::try_from(target.as_str()).is_err() {
        // A host name may have characters that a URI may not.
        return Err(refused("redirect to a URL that HTTP cannot express"));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn site(url: &str, max_redirects: u8) -> Site {
        Site { max_redirects, ..Site::new("a", Url::parse(url).unwrap()) }
    }

    fn location(value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(value).unwrap())])
    }

    fn next(status: u16, headers: &HeaderMap, max: u8) -> Result<Option<String>, Failure> {
        let status = Status::new(status).unwrap();
        let site = site("http://a.test/x/y?q", max);
        let answer = RedirectChain::default().next(&Request::first(&site).unwrap(), status, headers, &site);
        answer.map(|request| request.map(|request| request.url.to_string()))
    }

    #[test]
    fn targets_are_resolved_and_cleared() {
        for (target, url) in [
            (&b"/z"[..], "http://a.test/z"),
            (b"z", "http://a.test/x/z"),
            (b"//b.test/z", "http://b.test/z"),
            (b"http://[fe80::1%25eth0]/z", "http://[fe80::1]/z"),
            (b"/z?next=http://[fe80::1%25eth0]/", "http://a.test/z?next=http://[fe80::1%25eth0]/"),
            (b"https://b.test", "https://b.test/"),
            (b"http://ada:pw@b.test/#top", "http://b.test/"),
            (b" ?r\t ", "http://a.test/x/y?r"),
            (b"?", "http://a.test/x/y?"),
            (b"/z#a", "http://a.test/z"),
            (b"HTTP:z", "http://a.test/x/z"),
            (b"\\\\b.test\\z", "http://b.test/z"),
            ("/\u{fc}?\u{fc}".as_bytes(), "http://a.test/%C3%BC?%C3%BC"),
            ("//b\u{fc}.test/".as_bytes(), "http://xn--b-eha.test/"),
            (b"/caf\xe9?\xff", "http://a.test/caf%E9?%FF"),
        ] {
            assert_eq!(next(302, &location(target), 10).unwrap().as_deref(), Some(url));
        }
    }

    #[test]
    fn http3_leads_to_https_without_a_proxy_alone() {
        let proxies = |name: &str| match name {
            "https_proxy" => Some("http://proxy.test:3128".to_owned()),
            "no_proxy" => Some("a.test".to_owned()),
            _ => None,
        };
        let proxies = crate::model::EnvironmentProxies::read(&proxies).unwrap();
        let proxy = crate::model::ProxyRule::Environment(std::sync::Arc::new(proxies));
        let site = Site { http: HttpOffer::V3, proxy, ..site("https://a.test/", 10) };
        let status = Status::new(302).unwrap();
        for (target, refusal) in [
            (&b"/z"[..], None),
            (b"https://a.test:444/", None),
            (b"http://a.test/", Some("where HTTP/3 does not lead")),
            (b"https://b.test/", Some("which has a proxy")),
        ] {
            let request = Request::first(&site).unwrap();
            let next = RedirectChain::default().next(&request, status, &location(target), &site);
            let refused = next.err().map(|failure| (failure.cause, failure.detail));
            assert_eq!(refused.is_some(), refusal.is_some(), "{refused:?}");
            if let (Some((cause, detail)), Some(part)) = (refused, refusal) {
                assert!(cause == Cause::Redirect && detail.contains(part), "{detail}");
            }
        }
    }

    #[test]
    fn plain_answers_lead_nowhere() {
        assert_eq!(next(302, &HeaderMap::new(), 10), Ok(None));
        assert_eq!(next(302, &location(b"/z"), 0), Ok(None));
        assert_eq!(next(302, &location(b" "), 10), Ok(None));
        let refresh = HeaderMap::from_iter([(hyper::header::REFRESH, HeaderValue::from_static("0; url=/z"))]);
        assert_eq!(next(302, &refresh, 10), Ok(None));
        assert_eq!(next(200, &refresh, 10), Ok(None));
        for status in [200, 201, 300, 304, 305, 306, 309, 404] {
            assert_eq!(next(status, &location(b"/z"), 10), Ok(None), "{status}");
        }
    }

    #[test]
    fn targets_that_are_not_followed_say_why() {
        for (target, part) in [
            (&b"file:///etc/passwd"[..], "redirect to file:"),
            (b"ftp://a.test/", "redirect to ftp:"),
            (b"javascript:alert(1)", "redirect to javascript:"),
            (b"http://", "an invalid URL"),
            (b"http://a.test:99999/", "an invalid URL"),
            (b"//\xff.test/", "an invalid URL"),
            (format!("/{}", "x".repeat(70_000)).as_bytes(), "a URL of 70"),
            (b"https://{host}.test/", "a URL that HTTP cannot express"),
            (b"/x/y?q", "redirect loop"),
            (b"/x/y?q#other", "redirect loop"),
        ] {
            let failure = next(302, &location(target), 10).unwrap_err();
            assert_eq!(failure.cause, Cause::Redirect);
            assert!(failure.detail.contains(part), "{}", failure.detail);
        }
    }

    #[test]
    fn an_address_is_followed_up_to_a_length() {
        let target = |length: usize| format!("/{}", "x".repeat(length - "http://a.test/".len()));
        assert!(next(302, &location(target(TARGET_MAX).as_bytes()), 10).is_ok_and(|next| next.is_some()));
        let failure = next(302, &location(target(TARGET_MAX + 1).as_bytes()), 10).unwrap_err();
        assert!(failure.detail.contains("bytes; webmon follows at most 16"), "{}", failure.detail);
        // Escaped, each byte is three.
        let failure = next(302, &location(&[b'/', b'\xff'].repeat(TARGET_MAX / 4)), 10).unwrap_err();
        assert!(failure.detail.contains("bytes; webmon follows at most 16"), "{}", failure.detail);
    }

    #[test]
    fn the_last_redirect_allowed_is_followed_and_the_next_is_not() {
        let mut way = RedirectChain::default();
        let site = site("http://a.test/0", 3);
        let mut request = Request::first(&site).unwrap();
        let found = Status::new(302).unwrap();
        for hop in 1..=3 {
            request = way.next(&request, found, &location(format!("/{hop}").as_bytes()), &site).unwrap().unwrap();
        }
        let failure = way.next(&request, found, &location(b"/4"), &site).unwrap_err();
        assert!(failure.detail.contains("more than 3 redirects"), "{}", failure.detail);
    }

    #[test]
    fn several_locations_have_to_agree() {
        for (values, to) in [
            (&["/z", "/z"][..], Some("http://a.test/z")),
            (&["", "/z"], Some("http://a.test/z")),
            (&["/z", "/Z"], None),
        ] {
            let values = values.iter().map(|value| (LOCATION, HeaderValue::from_static(value)));
            let answer = next(302, &values.collect(), 10);
            assert_eq!(answer.as_ref().ok().and_then(|to| to.as_deref()), to, "{answer:?}");
            let says = |failure: &Failure| failure.detail.contains("several Location headers");
            assert!(answer.is_ok() || answer.as_ref().is_err_and(says), "{answer:?}");
        }
    }

    #[test]
    fn a_site_says_how_far_redirects_are_followed() {
        let found = Status::new(302).unwrap();
        for (redirects, target, outcome) in [
            (Redirects::Any, "http://b.test/", Ok(true)),
            (Redirects::SameHost, "http://b.test/", Err("redirect to another host, http://b.test/; `redirects: any`")),
            (Redirects::SameHost, "http://www.a.test/", Err("redirect to another host")),
            (Redirects::SameHost, "https://a.test:8443/", Ok(true)),
            (Redirects::SameHost, "//A.test./x", Ok(true)),
            (Redirects::None, "/other", Ok(false)),
            (Redirects::None, "http://[", Ok(false)),
        ] {
            let site = Site { redirects, ..site("http://a.test/", 10) };
            let request = Request::first(&site).unwrap();
            let next = RedirectChain::default().next(&request, found, &location(target.as_bytes()), &site);
            match (next, outcome) {
                (Ok(next), Ok(followed)) => assert_eq!(next.is_some(), followed, "{redirects:?} {target}"),
                (Err(failure), Err(part)) => assert!(failure.detail.contains(part), "{}", failure.detail),
                (next, _) => panic!("{redirects:?} {target}: {next:?}"),
            }
        }
    }

    #[test]
    fn a_body_stays_with_its_host_unless_it_may_leave() {
        for (from, status, target, redirect_body, refusal) in [
            ("http://a.test/", 307, "http://a.test/x", RedirectBody::SameHost, ""),
            ("http://a.test/", 308, "http://a.test:81/", RedirectBody::SameHost, ""),
            ("http://a.test/", 308, "https://a.test/", RedirectBody::SameHost, ""),
            ("http://a.test/", 308, "https://b.test/", RedirectBody::SameHost, "another host; `redirect_body: any`"),
            ("http://a.test/", 303, "https://b.test/", RedirectBody::SameHost, ""),
            ("http://a.test/", 302, "https://b.test/", RedirectBody::SameHost, ""),
            ("http://a.test/", 308, "https://b.test/", RedirectBody::Any, ""),
            ("https://a.test/", 307, "http://a.test/", RedirectBody::SameHost, "unencrypted"),
            ("https://a.test/", 307, "http://b.test/", RedirectBody::Any, "unencrypted"),
            ("https://a.test/", 303, "http://a.test/", RedirectBody::SameHost, ""),
        ] {
            let (method, body) = ("POST".to_owned(), Some(crate::model::Secret::new("ping")));
            let site = Site { method, body, redirect_body, ..site(from, 10) };
            let request = Request::first(&site).unwrap();
            let status = Status::new(status).unwrap();
            let next = RedirectChain::default().next(&request, status, &location(target.as_bytes()), &site);
            let said = next.as_ref().err().map_or("", |failure| failure.detail.as_str());
            assert_eq!(next.is_err(), !refusal.is_empty(), "{from} {status:?} {target}: {said}");
            assert!(said.contains(refusal), "{said}");
        }
    }

    #[test]
    fn the_same_address_is_a_loop_only_when_nothing_else_changed() {
        let (site, found) = (site("http://a.test/", 20), Status::new(302).unwrap());
        let setting = |cookie: &str| {
            let mut headers = location(b"/");
            headers.insert(hyper::header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
            headers
        };
        let (mut way, mut request) = (RedirectChain::default(), Request::first(&site).unwrap());
        for cookie in ["visits=1", "visits=2", "visits=3"] {
            request = way.next(&request, found, &setting(cookie), &site).unwrap().unwrap();
        }
        let failure = way.next(&request, found, &setting("visits=2"), &site).unwrap_err();
        assert_eq!(failure.detail, "redirect loop, back to http://a.test/");
        // Endless and each different: the bound ends it.
        let (mut way, mut request) = (RedirectChain::default(), Request::first(&site).unwrap());
        let failure = loop {
            let cookie = format!("visits={}", way.requests.len());
            match way.next(&request, found, &setting(&cookie), &site) {
                Ok(next) => request = next.unwrap(),
                Err(failure) => break failure,
            }
        };
        assert!(failure.detail.contains("more than 20 redirects"), "{}", failure.detail);
    }
}
