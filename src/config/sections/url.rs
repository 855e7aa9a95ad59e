//! URLs of sites and of other services: their validation, their credentials, and their form for messages.
//!
//! Other services are reached over http and https; sites over every scheme of [`SCHEMES`].

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::syntax::quote::is_sensitive;
use crate::model::protocol::{NotBare, Protocol, SCHEMES, Scheme};
use crate::model::text::redact::redacted_within;
use crate::model::{Secret, SecretUrl, shown_url, text, zone};

/// Longest URL, bytes.
const URL_MAX: usize = 8 << 10;
/// In place of a URL that makes none without its variables.
pub(crate) const UNKNOWN: &str = "http://unknown.invalid/";
pub(crate) const TWO_CREDENTIALS: &str =
    "the URL contains credentials, and the site has an Authorization header; keep one of them";
const NO_URL: &str = "this is not a URL; it must start with http:// or https://";

/// A URL to request, without userinfo and fragment.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) scheme: Scheme,
    /// That of the transport: http or https.
    pub(crate) url: Url,
    /// The interface for a link-local host.
    pub(crate) zone: Option<String>,
    /// The value of an Authorization header, if the URL had userinfo.
    pub(crate) authorization: Option<Secret>,
    /// The password and secret values of the query, masked in a server's answers.
    pub(crate) secrets: Vec<String>,
    /// The name of a site without one: the URL as written, with its secrets as `***`.
    pub(crate) shown: String,
}

/// Where a site is.
pub(crate) struct SitePlace {
    /// Of its URL.
    pub(crate) span: Range<usize>,
    /// All URLs, and where they stand.
    pub(crate) urls: Vec<(Url, Range<usize>)>,
    pub(crate) address: Address,
    /// Its name, if it has no other.
    pub(crate) named: Result<String, String>,
    /// How the URL is printed.
    pub(crate) shown: String,
}

impl Address {
    /// Parses `text`, an http or https URL.
    ///
    /// # Errors
    /// A message that does not quote the text, which may contain a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::with_scheme(text, |scheme| scheme.protocol == Protocol::Http)
    }

    /// Parses `text`, the URL of a site.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub(crate) fn of_site(text: &str) -> Result<Self, String> {
        Self::with_scheme(text, |_| true)
    }

    fn with_scheme(text: &str, is_allowed: impl Fn(&Scheme) -> bool) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > URL_MAX {
            return Err("this URL is longer than 8 KiB".to_owned());
        }
        if text.chars().any(|c| text::is_harmful(c) || c.is_whitespace()) {
            return Err("this URL contains whitespace or a control character".to_owned());
        }
        let split = zone::split(text);
        if split.as_ref().is_some_and(|(_, zone)| !zone::is_zone(zone)) {
            return Err("this URL has no interface name after the %; example: http://[fe80::1%25eth0]/".to_owned());
        }
        let written =
            Url::parse(split.as_ref().map_or(text, |(rest, _)| rest.as_str())).map_err(|error| match error {
                ParseError::RelativeUrlWithoutBase => NO_URL.to_owned(),
                error => format!("this is not a valid URL: {error}"),
            })?;
        let Some(scheme) = Scheme::of(&written).filter(&is_allowed) else {
            return Err(if text.contains("://") { unsupported(&written, is_allowed) } else { NO_URL.to_owned() });
        };
        if written.host_str().is_none_or(str::is_empty) {
            return Err("this URL has no host".to_owned());
        }
        let mut url = scheme.transport(&written).map_err(|fault| bare_fault(scheme, fault))?;
        let has_userinfo = !url.username().is_empty() || url.password().is_some();
        let has_values = url.query().is_some() || url.fragment().is_some_and(|fragment| fragment.contains('='));
        let printed = || scheme.protocol.shown(&url, shown_url(&url));
        let shown = if has_userinfo || has_values { printed() } else { without_inner_userinfo(text) };
        let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
        let authorization =
            has_userinfo.then(|| basic(&decoded(url.username()), &decoded(url.password().unwrap_or_default())));
        let secrets = secrets(&url, authorization.as_ref());
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.expect("a URL with a host can lose its userinfo");
        url.set_fragment(None);
        let zone = split.map(|(_, zone)| zone.to_owned());
        Ok(Self { scheme, url, zone, authorization, secrets, shown })
    }

    /// The URL as it may be printed.
    pub(crate) fn printed(&self) -> String {
        self.scheme.protocol.shown(&self.url, shown_url(&self.url))
    }

    /// The URL as it may be printed; `masked` is its text with stars for what came out of variables.
    pub(crate) fn shown_as(&self, masked: Option<&str>) -> String {
        match masked.map(Self::of_site) {
            None => self.printed(),
            Some(Ok(masked)) => masked.printed(),
            // Stars are not a port, for instance.
            Some(Err(_)) => format!("{}://***", self.scheme.name),
        }
    }

    /// Parses an argument of the command line, which may omit the scheme: http for this machine and for IP addresses, else https.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub(crate) fn parse_typed(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Self::of_site(text);
        }
        // With a host named `http`, an intended password would become part of the path.
        let scheme = text.split(':').next().unwrap_or_default();
        if SCHEMES.iter().any(|known| scheme.trim().eq_ignore_ascii_case(known.name))
            && text[scheme.len()..].starts_with([':'])
            && text[scheme.len() + 1..].starts_with(['/', '\\'])
        {
            return Err(format!("two slashes must follow `{}:` in a URL", scheme.trim().to_ascii_lowercase()));
        }
        // The same after any other word, as in `htp:/user:password@host` and `http//user:password@host`.
        if let Some(slash) = text.find(['/', '\\']) {
            let host = text[slash + 1..].trim_start_matches(['/', '\\']).split(['/', '\\']).next().unwrap_or_default();
            let is_scheme = text[..slash].ends_with(':') || text[slash + 1..].starts_with(['/', '\\']);
            if is_scheme && host.contains(':') && host.contains('@') {
                return Err(NO_URL.to_owned());
            }
        }
        let address = Self::parse(&format!("https://{text}"))?;
        match address.url.host() {
            Some(url::Host::Domain(name)) if name != "localhost" && !name.ends_with(".localhost") => Ok(address),
            _ => Self::parse(&format!("http://{text}")),
        }
    }
}

/// Why the scheme of `url` is none of those that are allowed.
fn unsupported(url: &Url, is_allowed: impl Fn(&Scheme) -> bool) -> String {
    let names: Vec<&str> = SCHEMES.iter().filter(|scheme| is_allowed(scheme)).map(|scheme| scheme.name).collect();
    let (last, others) = names.split_last().expect("http is always allowed");
    format!("the scheme {} is not supported; use {} or {last}", url.scheme(), others.join(", "))
}

/// What is wrong with the URL of a bare port.
fn bare_fault(scheme: Scheme, fault: NotBare) -> String {
    let name = scheme.name;
    match fault {
        NotBare::NoPort => format!("this URL needs a port, as in {name}://host:port"),
        NotBare::More => format!("a {name} URL is {name}://host:port; nothing else may stand there"),
        NotBare::Host => "this URL has no valid host".to_owned(),
    }
}

/// The URL `text` of another service, with its userinfo and without its fragment; none after a fault.
pub(crate) fn secret_url(reader: &ConfigReader<'_>, text: &Scalar) -> Option<SecretUrl> {
    let fault = |message: String| reader.fault(text.fault(message));
    let address = Address::parse(&text.value).map_err(fault).ok()?;
    if address.zone.is_some() {
        fault("a link-local address cannot be used here".to_owned());
        return None;
    }
    let mut url = Url::parse(text.value.trim()).expect("it has just been parsed");
    url.set_fragment(None);
    Some(SecretUrl::new(url))
}

/// The URL `text` as written, with the userinfo of URLs in its path masked.
fn without_inner_userinfo(text: &str) -> String {
    let scheme = text.find(':').map_or(0, |colon| colon + 1);
    let host = text.len() - text[scheme..].trim_start_matches(['/', '\\']).len();
    let path = text[host..].find(['/', '\\', '?', '#']).map_or(text.len(), |at| host + at);
    redacted_within(text, path)
}

/// The secrets in `url`, as written and decoded: its password or lone user name, and query values of keys about credentials.
fn secrets(url: &Url, authorization: Option<&Secret>) -> Vec<String> {
    let mut secrets = Vec::new();
    // A user name without a password is usually a token: `https://ghp_…@host/`.
    let written = url.password().unwrap_or_else(|| url.username());
    if !written.is_empty() {
        secrets.push(written.to_owned());
        secrets.extend(percent_decode_str(written).decode_utf8().map(Cow::into_owned));
        let encoded = authorization.and_then(|value| value.expose().split_once(' '));
        secrets.extend(encoded.map(|(_, encoded)| encoded.to_owned()));
    }
    let parts = url.query().unwrap_or_default().split('&').filter(|part| !part.is_empty());
    for (raw, (key, value)) in parts.zip(url.query_pairs()) {
        if is_secret_field(&key) {
            secrets.extend(raw.split_once('=').map(|(_, raw)| raw.to_owned()));
            secrets.push(value.into_owned());
        }
    }
    secrets
}

/// Whether the value of this key of a query or a form is about credentials.
pub(crate) fn is_secret_field(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    is_sensitive(&key) || ["key", "sig", "auth", "pass", "pwd", "pw", "code"].iter().any(|word| key.contains(word))
}

/// The value of an Authorization header with these credentials (RFC 7617).
pub(crate) fn basic(username: &[u8], password: &[u8]) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode([username, password].join(&b':'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_is_the_url_without_its_secrets() {
        for (text, shown) in [
            ("https://www.rust-lang.org", "https://www.rust-lang.org"),
            ("HTTP://Example.COM/a/../b", "HTTP://Example.COM/a/../b"),
            ("https://example.com/x?key=abc", "https://example.com/x?key=***"),
            ("https://ada:pw@example.com/x", "https://***@example.com/x"),
            ("HTTP://Example.COM:81/http://ada:pw@b.test/", "HTTP://Example.COM:81/http://***@b.test/"),
            ("https://example.com/npm:react@18", "https://example.com/npm:react@18"),
        ] {
            assert_eq!(Address::parse(text).unwrap().shown, shown);
        }
    }

    #[test]
    fn userinfo_becomes_basic_auth_and_leaves_the_url() {
        for (text, credentials) in [
            ("https://ada:pw@example.com/", "ada:pw"),
            ("https://ada@example.com/", "ada:"),
            ("https://a%40b:p%3Aw%zz@example.com/", "a@b:p:w%zz"),
            ("https://:pw@example.com/", ":pw"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.url.as_str(), "https://example.com/");
            let expect = format!("Basic {}", STANDARD.encode(credentials));
            assert_eq!(address.authorization.unwrap().expose(), expect);
        }
    }

    #[test]
    fn a_lone_user_name_and_query_values_are_secrets() {
        let secrets = |text| Address::parse(text).unwrap().secrets;
        for url in ["https://ghp%5Fabc:@h/", "https://ghp%5Fabc@h/"] {
            assert_eq!(secrets(url), ["ghp%5Fabc", "ghp_abc", &STANDARD.encode("ghp_abc:")], "{url}");
        }
        assert_eq!(secrets("https://h/?&lang=german&token=S%2F1&"), ["S%2F1", "S/1"]);
    }

    #[test]
    fn only_http_with_a_host_is_accepted() {
        for text in [
            "",
            "example.com",
            "example.com:80",
            "ftp://example.com",
            "http://",
            "https://:80/",
            "file:///etc/passwd",
            "https://exa mple.com",
            "https://a\tb.example",
            "https://[::1",
            "http://[fe80::1%]/",
            "http://[fe80::1%25a&b]/",
            "http://a%25eth0/",
            "https://example.com:99999",
            "javascript:alert(1)",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sites_have_more_schemes_than_other_services() {
        for (text, url, shown) in [
            ("wss://live.test/ws?key=abc", "https://live.test/ws?key=abc", "wss://live.test/ws?key=***"),
            ("WS://ada:pw@live.test", "http://live.test/", "ws://***@live.test/"),
            ("tls://turn.test:5349", "https://turn.test:5349/", "tls://turn.test:5349"),
            ("tcp://mail.test:25/", "http://mail.test:25/", "tcp://mail.test:25/"),
            ("tcp://[fe80::1%25eth0]:22", "http://[fe80::1]:22/", "tcp://[fe80::1%25eth0]:22"),
        ] {
            let address = Address::of_site(text).unwrap();
            assert_eq!((address.url.as_str(), &*address.shown), (url, shown));
            assert!(Address::parse(text).unwrap_err().ends_with("use http or https"), "{text}");
        }
        for (text, why) in [
            ("tcp://mail.test", "this URL needs a port, as in tcp://host:port"),
            ("tls://a.test:1/x", "a tls URL is tls://host:port; nothing else may stand there"),
            ("tls://ada:pw@a.test:1", "a tls URL is tls://host:port; nothing else may stand there"),
            ("tcp://:25", "this is not a valid URL: empty host"),
            ("udp://a.test:53", "the scheme udp is not supported; use http, https, ws, wss, tcp or tls"),
        ] {
            assert_eq!(Address::of_site(text).unwrap_err(), why, "{text}");
        }
        let printed = |text| Address::of_site(text).unwrap().printed();
        assert_eq!(printed("tcp://A.test:80/"), "tcp://a.test:80");
        assert_eq!(printed("wss://A.test"), "wss://a.test/");
    }

    #[test]
    fn a_typed_address_needs_no_scheme() {
        for (typed, url) in [
            ("example.com", "https://example.com/"),
            ("example.com:8443/x", "https://example.com:8443/x"),
            ("localhost:8080", "http://localhost:8080/"),
            ("127.0.0.1:8080/health", "http://127.0.0.1:8080/health"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("[fe80::1%eth0]:8080", "http://[fe80::1]:8080/"),
            ("http://example.com", "http://example.com/"),
        ] {
            assert_eq!(Address::parse_typed(typed).unwrap().url.as_str(), url);
        }
    }

    #[test]
    fn a_password_after_a_mistyped_scheme_is_not_a_path() {
        for typed in ["http:/a:b@h/", "htp:/a:b@h/", "ftp:\\a:b@h/", "http//a:b@h/"] {
            assert!(Address::parse_typed(typed).is_err(), "{typed}");
        }
        for typed in ["example.com/a:b@c//d", "example.com/@ada", "a:b@example.com//d", "example.com//vue@3"] {
            assert!(Address::parse_typed(typed).is_ok(), "{typed}");
        }
    }

    #[test]
    fn the_zone_of_an_address_leaves_the_url() {
        for text in ["http://[fe80::1%25eth0]:81/x?k=v", "http://[fe80::1%eth0]:81/x?k=v"] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.url.as_str(), address.zone.as_deref()), ("http://[fe80::1]:81/x?k=v", Some("eth0")));
        }
        assert_eq!(Address::parse("http://[fe80::1%25eth0]/").unwrap().shown, "http://[fe80::1%25eth0]/");
        assert_eq!(Address::parse("http://[fe80::1]/").unwrap().zone, None);
    }
}
