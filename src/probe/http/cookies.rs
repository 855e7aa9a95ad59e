//! Keeps the cookies that servers set during one probe.
//!
//! Login, consent and geo pages set a cookie and redirect to a page that requires it. A [`Jar`] keeps the cookies of the hops by
//! RFC 6265 (`cookie_store` has the rules), and goes with the probe: two checks of a site never share a cookie. The site's own
//! `Cookie` header comes first, and servers cannot replace its cookies. As in browsers (RFC 6265bis), cookies are refused that
//! are `Secure` from a server without TLS on another machine, or whose name promises (`__Secure-`, `__Host-`) more than their
//! attributes keep.
//!
//! There is no list of public suffixes: a `Domain` counts only if it is the host itself or a parent of two labels or more. One
//! for `co.uk` reaches no further than the redirects of its probe. Addresses have no parents.
//!
//! Bounds: per probe 256 cookies and 64 KiB of them, each at most 4 KiB; others are ignored, and so are malformed ones.

use std::borrow::Cow;

use cookie_store::{CookieStore, RawCookie};
use hyper::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::{Host, Url};

/// Accepted cookies of one probe, replacements included.
const COOKIES_MAX: usize = 256;
/// Bytes of all of them.
const BYTES_MAX: usize = 64 * 1024;
/// Bytes of the name and value of one cookie (RFC 6265 §6.1).
const COOKIE_MAX: usize = 4096;
/// Bytes of one Set-Cookie header.
const LINE_MAX: usize = 8192;
/// A byte above ASCII in a text that is not UTF-8 becomes this plus itself, a character for private use.
const RAW: u32 = 0xf700;

#[derive(Default)]
pub(crate) struct Jar {
    store: CookieStore,
    cookies: usize,
    bytes: usize,
}

impl Jar {
    /// Keeps the cookies that an answer from `url` sets.
    pub(crate) fn keep(&mut self, headers: &HeaderMap, url: &Url) {
        for line in headers.get_all(SET_COOKIE).iter().filter(|line| line.len() <= LINE_MAX) {
            let text = text(line.as_bytes());
            let Ok(mut cookie) = RawCookie::parse(text.as_ref()) else { continue };
            let size = cookie.name().len() + cookie.value().len();
            let is_full = self.cookies == COOKIES_MAX || self.bytes + size > BYTES_MAX;
            if size > COOKIE_MAX || is_full || !is_secure_enough(&cookie, url) || !is_in_domain(&mut cookie, url) {
                continue;
            }
            if self.store.insert_raw(&cookie, url).is_ok() {
                self.cookies += 1;
                self.bytes += size;
            }
        }
    }

    /// The Cookie header for a request to `url`: the cookies in `own`, the site's headers, and kept ones with other names. None
    /// if no kept one belongs to `url`.
    pub(crate) fn header<'a>(&self, url: &Url, own: impl Iterator<Item = &'a HeaderValue>) -> Option<HeaderValue> {
        let mut kept = self.store.matches(url);
        // The longest path first (RFC 6265 §5.4); the rest makes the order stable.
        kept.sort_by(|a, b| (b.path.len(), a.name(), &a.domain).cmp(&(a.path.len(), b.name(), &b.domain)));
        let mut header: Vec<u8> = own.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
        let own = header.clone();
        let is_own = |name: &str| own.split(|byte| *byte == b';').any(|pair| name_of(pair) == bytes(name));
        let mut found = false;
        for cookie in kept.into_iter().filter(|cookie| !is_own(cookie.name())) {
            found = true;
            if !header.is_empty() {
                header.extend(b"; ");
            }
            header.extend(bytes(cookie.name()));
            header.push(b'=');
            header.extend(bytes(cookie.value()));
        }
        let mut header = found.then(|| HeaderValue::from_bytes(&header).ok()).flatten()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// Whether the attributes of `cookie` keep what its name promises, and its server may set a secure one.
fn is_secure_enough(cookie: &RawCookie<'_>, url: &Url) -> bool {
    let is_secure = cookie.secure() == Some(true);
    if is_secure && url.scheme() != "https" && !is_this_machine(url) {
        return false;
    }
    // Servers may ignore the case of a name.
    let begins = |prefix: &str| {
        cookie.name().get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
    };
    let is_of_host = cookie.path() == Some("/") && cookie.domain().is_none_or(str::is_empty);
    (is_secure || !begins("__Secure-")) && (is_secure && is_of_host || !begins("__Host-"))
}

/// Whether the host of `url` is this machine: its servers count as secure, as in browsers.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether a server at `url` may set `cookie`; removes a `Domain` that is a single label or an address.
fn is_in_domain(cookie: &mut RawCookie<'_>, url: &Url) -> bool {
    let Some(domain) = cookie.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase()) else {
        return true;
    };
    match url.host() {
        Some(Host::Domain(host)) if host != domain => {
            domain.contains('.') && host.strip_suffix(domain.as_str()).is_some_and(|below| below.ends_with('.'))
        }
        Some(Host::Domain(host)) => {
            if !host.contains('.') {
                cookie.unset_domain();
            }
            true
        }
        Some(host) => {
            cookie.unset_domain();
            host.to_string() == domain
        }
        None => false,
    }
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

/// `line` as a text that [`bytes`] turns back.
fn text(line: &[u8]) -> Cow<'_, str> {
    let raw =
        |byte: &u8| if byte.is_ascii() { Some(char::from(*byte)) } else { char::from_u32(RAW + u32::from(*byte)) };
    std::str::from_utf8(line).map_or_else(|_| line.iter().filter_map(raw).collect(), Cow::Borrowed)
}

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(RAW).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| !byte.is_ascii()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn setting(lines: &[&[u8]]) -> HeaderMap {
        lines.iter().map(|line| (SET_COOKIE, HeaderValue::from_bytes(line).unwrap())).collect()
    }

    fn jar(from: &str, lines: &[&str]) -> Jar {
        let mut jar = Jar::default();
        jar.keep(&setting(&lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>()), &url(from));
        jar
    }

    fn sent(jar: &Jar, to: &str) -> String {
        let header = jar.header(&url(to), std::iter::empty());
        header.map_or_else(String::new, |header| String::from_utf8_lossy(header.as_bytes()).into_owned())
    }

    #[test]
    fn a_cookie_goes_where_its_attributes_let_it() {
        for (from, line, to, goes) in [
            ("http://a.test/x/y", "s=1", "http://a.test/x/z", true),
            ("http://a.test/x/y", "s=1", "http://a.test/", false),
            ("http://a.test/x/y", "s=1; Path=/", "http://a.test/", true),
            ("http://a.test/", "s=1", "http://b.test/", false),
            ("http://a.test/", "s=1", "http://sub.a.test/", false),
            ("http://a.test/", "s=1", "http://a.test:8080/", true),
            ("http://a.test/", "s=1", "https://a.test/", true),
            ("https://a.test/", "s=1; Secure", "http://a.test/", false),
            ("https://a.test/", "s=1; Secure; HttpOnly", "https://a.test/", true),
            ("http://www.a.test/", "s=1; Domain=a.test", "http://shop.a.test/", true),
            ("http://www.a.test/", "s=1; Domain=.A.test", "http://a.test/", true),
            ("http://www.a.test/", "s=1; Domain=test", "http://b.test/", false),
            ("http://www.a.test/", "s=1; Domain=.test.", "http://www.a.test/", false),
            ("http://www.a.test/", "s=1; Domain=b.test", "http://b.test/", false),
            ("http://www.a.test/", "s=1; Domain=w.a.test", "http://www.a.test/", false),
            ("http://www.a.test/", "s=1; Domain=", "http://www.a.test/", true),
            ("http://localhost/", "s=1; Domain=localhost", "http://localhost/", true),
            ("http://localhost/", "s=1; Domain=localhost", "http://a.localhost/", false),
            ("http://127.0.0.1/", "s=1", "http://127.0.0.1:81/", true),
            ("http://127.0.0.1/", "s=1; Domain=127.0.0.1", "http://127.0.0.1/", true),
            ("http://127.0.0.1/", "s=1; Domain=0.0.1", "http://127.0.0.1/", false),
            ("http://[::1]/", "s=1", "http://[::1]/", true),
            ("http://a.test/", "s=1; Max-Age=60", "http://a.test/", true),
            ("http://a.test/", "s=1; Max-Age=0", "http://a.test/", false),
            ("http://a.test/", "s=1; Max-Age=-1", "http://a.test/", false),
            ("http://a.test/", "s=1; Max-Age=99999999999999999999", "http://a.test/", true),
            ("http://a.test/", "s=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.test/", false),
            ("http://a.test/", "s=1; Expires=Fri, 31-Dec-9999 23:59:59 GMT", "http://a.test/", true),
        ] {
            assert_eq!(sent(&jar(from, &[line]), to) == "s=1", goes, "{line} of {from} to {to}");
        }
    }

    /// The rules of RFC 6265bis (4.1.3, 5.7) by which browsers drop a cookie.
    #[test]
    fn a_cookie_keeps_what_its_name_promises_or_is_dropped() {
        for (from, line, kept) in [
            ("https://a.test/", "__Secure-s=1; Secure", true),
            ("https://www.a.test/", "__Secure-s=1; Secure; Domain=a.test", true),
            ("https://a.test/", "__Secure-s=1", false),
            ("https://a.test/", "__secure-s=1", false),
            ("http://a.test/", "__Secure-s=1; Secure", false),
            ("http://a.test/", "__Secure-s=1", false),
            ("https://a.test/", "__Host-s=1; Secure; Path=/", true),
            ("https://a.test/", "__Host-s=1; Secure; Path=/; Domain=", true),
            ("https://a.test/", "__Host-s=1; Path=/", false),
            ("https://a.test/", "__HOST-s=1; Path=/", false),
            ("https://a.test/", "__Host-s=1; Secure", false),
            ("https://a.test/", "__Host-s=1; Secure; Path=/x", false),
            ("https://a.test/", "__Host-s=1; Secure; Path=/; Domain=a.test", false),
            ("https://127.0.0.1/", "__Host-s=1; Secure; Path=/; Domain=127.0.0.1", false),
            ("http://a.test/", "__Host-s=1; Path=/", false),
            ("http://a.test/", "s=1; Secure", false),
            ("http://localhost/", "s=1; Secure", true),
            ("http://127.0.0.1:8080/", "s=1; Secure", true),
            ("http://[::1]/", "__Host-s=1; Secure; Path=/", true),
            ("http://localhost/", "__Secure-s=1; Secure", true),
            ("http://localhost/", "__Secure-s=1", false),
            ("http://localhost.a.test/", "s=1; Secure", false),
            ("http://128.0.0.1/", "s=1; Secure", false),
            ("http://a.test/", "__Hosts=1", true),
            ("http://a.test/", "_\u{e9}_Host-s=1", true),
        ] {
            let to = from.replace("http:", "https:");
            assert_eq!(!sent(&jar(from, &[line]), &to).is_empty(), kept, "{line} of {from}");
        }
    }

    #[test]
    fn a_secure_cookie_of_this_machine_comes_back_to_it_without_tls() {
        for url in ["http://localhost:8080/", "http://127.0.0.1/", "http://[::1]/"] {
            assert_eq!(
                sent(&jar(url, &["s=1; Secure", "__Host-t=2; Secure; Path=/"]), url),
                "__Host-t=2; s=1",
                "{url}"
            );
        }
    }

    #[test]
    fn lines_are_kept_one_by_one_and_the_last_of_a_name_counts() {
        let mut jar = jar("http://a.test/x/", &["a=1", "b=\"two words\"", "a=3", "c=4; Path=/", "none", "=5", "d="]);
        assert_eq!(sent(&jar, "http://a.test/x/"), "a=3; b=\"two words\"; d=; c=4");
        jar.keep(
            &setting(&[b"a=; Max-Age=0", b"b=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]),
            &url("http://a.test/x/"),
        );
        assert_eq!(sent(&jar, "http://a.test/x/"), "d=; c=4");
    }

    #[test]
    fn a_cookie_of_the_site_stays() {
        let jar = jar("http://a.test/", &["session=theirs", "geo=de"]);
        let own = [HeaderValue::from_static("session=mine; x=1"), HeaderValue::from_static("y=2")];
        let header = jar.header(&url("http://a.test/"), own.iter()).unwrap();
        assert_eq!(header.to_str().unwrap(), "session=mine; x=1; y=2; geo=de");
        assert!(header.is_sensitive());
        assert_eq!(jar.header(&url("http://b.test/"), own.iter()), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = format!("long={}", "x".repeat(COOKIE_MAX));
        let padded = format!("padded=1; x={}", "x".repeat(LINE_MAX));
        assert_eq!(sent(&jar("http://a.test/", &[&long, &padded]), "http://a.test/"), "");
        let many: Vec<String> = (0..400).map(|n| format!("n{n}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(sent(&jar("http://a.test/", &many), "http://a.test/").split("; ").count(), COOKIES_MAX);
        let large: Vec<String> = (0..40).map(|n| format!("n{n}={}", "x".repeat(4_000))).collect();
        let large: Vec<&str> = large.iter().map(String::as_str).collect();
        assert!(sent(&jar("http://a.test/", &large), "http://a.test/").len() <= BYTES_MAX + 100);
    }

    #[test]
    fn bytes_come_back_as_they_came() {
        for line in ["é=à".as_bytes(), b"name=caf\xe9\xa0", b"\xff\xfe=\x80"] {
            let mut jar = Jar::default();
            jar.keep(&setting(&[line]), &url("http://a.test/"));
            let header = jar.header(&url("http://a.test/"), std::iter::empty()).unwrap();
            assert_eq!(header.as_bytes(), line);
        }
    }

    proptest! {
        #[test]
        fn no_line_does_harm(line in proptest::collection::vec(prop_oneof![9 => 32u8..127, 1 => 128u8..=255], 0..200),
                             attribute in "(Expires|Max-Age|Domain|Path)=[ -~]{0,40}") {
            let line = [&line[..], b";", attribute.as_bytes()].concat();
            let mut jar = Jar::default();
            jar.keep(&setting(&[&line]), &url("http://www.a.test/x"));
            drop(jar.header(&url("https://www.a.test/x/y"), std::iter::empty()));
        }
    }
}
