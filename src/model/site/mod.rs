//! A website to watch: the validated form of one entry of sites.yaml.
//!
//! Invariants (`config` holds them): the name is unique and free of control characters; the URL is that of the transport
//! ([`protocol`]), http or https with a host and without userinfo, which became an Authorization header; the interval is 100 ms to 7 days, the timeout 10 ms to 10
//! minutes.

mod connect_to;
pub mod curl;
mod domain;
pub mod http3;
mod pin;
pub mod protocol;
mod proxy;
mod records;
pub mod repeat;
pub mod steps;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use url::{Position, Url};

use super::expect::Expect;
use super::{KnownSecrets, Secret, SecretUrl};

pub use connect_to::ConnectTo;
pub use domain::DomainTerms;
pub use pin::Pin;
pub use protocol::Protocol;
use protocol::Scheme;
pub use proxy::{EnvironmentProxies, Proxy, ProxyKind, ProxyRule};
pub use records::{RecordExpectation, RecordKind, RecordWish};
use steps::Step;

/// What to probe, how often, and which answers are successful.
#[derive(Clone, Debug)]
pub struct Site {
    /// Unique among the sites; shown everywhere.
    pub name: Arc<str>,
    /// What is spoken with it.
    pub protocol: Protocol,
    /// The URL of the first request, http or https for any protocol. Its path may hold a secret: print [`Site::shown`] instead.
    pub url: SecretUrl,
    /// The URL whose origin is the site's own, if that is not [`Site::url`]: for a step of a journey, that of the first step.
    pub home: Option<SecretUrl>,
    /// The network interface of a link-local address; see [`crate::model::zone`].
    pub zone: Option<Arc<str>>,
    /// The printable URL: values of variables, userinfo and the values of the query are `***`.
    pub shown: Arc<str>,
    /// Time between due checks.
    pub interval: Duration,
    /// For a whole probe, redirects and body included.
    pub timeout: Duration,
    /// The request's method.
    pub method: String,
    /// Header names and values in addition to those that webmon sets.
    pub headers: Vec<(String, Secret)>,
    /// The request's body.
    pub body: Option<Secret>,
    /// What to send over a WebSocket or to a bare port, before its answer is read.
    pub send: Option<Secret>,
    /// Which answers are successful.
    pub expect: Expect,
    /// What the DNS must answer for the URL's host, in the order of the types.
    pub records: Vec<RecordExpectation>,
    /// How the registration of its domain is watched, if it is.
    pub domain: Option<DomainTerms>,
    /// Redirects to follow at most; 0 does not follow.
    pub max_redirects: u8,
    /// Where redirects may lead.
    pub redirects: Redirects,
    /// Where a redirect may take the request's body.
    pub redirect_body: RedirectBody,
    /// Bytes of body to read at most; see [`Site::body_max`].
    pub max_body: u64,
    /// The versions of HTTP to offer.
    pub http: HttpOffer,
    /// The addresses to use.
    pub family: Family,
    /// Where to connect instead of the URL's host, for the site's own origin.
    pub connect_to: Option<ConnectTo>,
    /// Which requests go through which proxy; also those to which a redirect leads.
    pub proxy: ProxyRule,
    /// Whether the connection of one check serves the next.
    pub keep_alive: bool,
    /// How to verify a TLS server.
    pub tls: TlsRules,
    /// The requests of a journey, of which the first is to [`Site::url`]; none for a site with one request.
    pub steps: Arc<[Step]>,
    /// Secrets that may be sent to the server and must not appear in any text from it.
    pub secrets: KnownSecrets,
}

/// Bytes of a body that are kept for matching, at most.
pub const BODY_KEPT_MAX: u64 = 16 << 20;

/// The versions of HTTP to offer to a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpOffer {
    /// HTTP/2 where the server chooses it in the TLS handshake, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    V11,
    /// HTTP/2 only; without TLS with prior knowledge.
    V2,
    /// HTTP/3 only, over QUIC; for https alone, and without a proxy.
    V3,
}

/// Which redirects of a site are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// All.
    #[default]
    Any,
    /// Those to the site's own host, on any port; any other fails the check.
    SameHost,
    /// None: the redirecting answer itself is judged.
    None,
}

/// To which hosts a redirect that keeps the method sends the body again. From https to http it never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedirectBody {
    /// The host of the site's URL.
    #[default]
    SameHost,
    /// Any host.
    Any,
}

/// The address families to use for a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether `address` may be used.
    #[must_use]
    pub const fn holds(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// How to verify a TLS server, and how to authenticate to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRules {
    /// Accept any certificate.
    pub insecure: bool,
    /// Warn of a certificate that expires within this time.
    pub warn: Duration,
    /// The public keys of which one certificate of the server's chain must have one; none: any. For the site's own origin.
    pub pins: Vec<Pin>,
    /// The name to ask for (SNI) and to verify in place of the URL's host, a name or an address. For the site's own origin.
    pub server_name: Option<Arc<str>>,
    /// Certificate files, shared by all sites that name the same ones.
    pub files: Option<Arc<TlsFiles>>,
}

impl Default for TlsRules {
    /// Verified by the platform's roots, with a warning 21 days ahead.
    fn default() -> Self {
        let warn = Duration::from_hours(21 * 24);
        Self { insecure: false, warn, pins: Vec::new(), server_name: None, files: None }
    }
}

/// The content of certificate files, DER.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Trusted roots in addition to the platform's.
    pub roots: Arc<Vec<Vec<u8>>>,
    /// The client's chain and key.
    pub identity: Option<Arc<ClientIdentity>>,
}

/// The client certificate for servers that ask for one.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, then its issuers.
    pub chain: Vec<Vec<u8>>,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: Vec<u8>,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles")
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.as_ref().map(|_| "***"))
            .finish()
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(***)")
    }
}

impl Site {
    /// A site of this name and URL, with the default of every key.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, url: Url) -> Self {
        let scheme = Scheme::of(&url);
        let protocol = scheme.map(|scheme| scheme.protocol).unwrap_or_default();
        let url = scheme.and_then(|scheme| scheme.transport(&url).ok()).unwrap_or(url);
        let mut site = Self {
            name: name.into(),
            protocol,
            shown: protocol.shown(&url, shown_url(&url)).into(),
            url: SecretUrl::new(url),
            home: None,
            zone: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            send: None,
            expect: Expect::default(),
            records: Vec::new(),
            domain: None,
            max_redirects: 10,
            redirects: Redirects::default(),
            redirect_body: RedirectBody::default(),
            max_body: 1 << 20,
            http: HttpOffer::default(),
            family: Family::default(),
            connect_to: None,
            proxy: ProxyRule::None,
            keep_alive: false,
            tls: TlsRules::default(),
            steps: Arc::default(),
            secrets: KnownSecrets::default(),
        };
        site.keep_to_protocol();
        site
    }

    /// The URL whose origin is the site's own: what `tls` and `connect_to` say is for it alone.
    #[must_use]
    pub fn home(&self) -> &Url {
        self.home.as_ref().unwrap_or(&self.url).expose()
    }

    /// Whether a request of a probe goes over TLS, before any redirect.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.expose().scheme() == "https" || self.steps.iter().any(Step::is_https)
    }

    /// Whether `other` has the same name and is probed and judged in the same way.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let asked = |site: &Self| (site.interval, site.timeout, site.max_redirects, site.max_body);
        let reached = |site: &Self| (site.http, site.family, site.keep_alive, site.redirects, site.redirect_body);
        (&self.name, &self.url, &self.shown, &self.method) == (&other.name, &other.url, &other.shown, &other.method)
            && (&self.headers, &self.body, &self.send) == (&other.headers, &other.body, &other.send)
            && self.protocol == other.protocol
            && (&self.zone, &self.connect_to, &self.proxy) == (&other.zone, &other.connect_to, &other.proxy)
            && asked(self) == asked(other)
            && reached(self) == reached(other)
            && (&self.expect, &self.records, &self.domain) == (&other.expect, &other.records, &other.domain)
            && self.tls == other.tls
            && self.steps == other.steps
    }

    /// Whether a redirecting answer leads to another request; otherwise it is judged itself.
    #[must_use]
    pub fn follows_redirects(&self) -> bool {
        self.max_redirects > 0 && self.redirects != Redirects::None
    }

    /// Bytes of body that a probe reads at most: no more than can be kept if the body has to be matched.
    #[must_use]
    pub fn body_max(&self) -> u64 {
        if self.expect.asks_for_body() { self.max_body.min(BODY_KEPT_MAX) } else { self.max_body }
    }

    /// Probes of this site that may be in flight at once: ⌈timeout / interval⌉ + 1.
    #[must_use]
    pub fn in_flight_limit(&self) -> usize {
        let limit = self.timeout.as_micros().div_ceil(self.interval.as_micros().max(1)) + 1;
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// The printable form of `target`, to which a probe of this site was redirected. When the site's own path holds a secret,
    /// a redirect may repeat it, so every path is hidden then.
    #[must_use]
    pub fn shown_target(&self, target: &Url) -> String {
        if target == self.url.expose() {
            return self.shown.to_string();
        }
        if *self.shown == *shown_url(self.url.expose()) || target.path() == "/" {
            return self.secrets.hidden_in(&shown_url(target));
        }
        self.secrets.hidden_in(&crate::model::text::clean(&format!("{}/***", &target[..Position::BeforePath])))
    }
}

/// The printable form of `url`: userinfo and the values of the query are `***`.
#[must_use]
pub fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    if !shown.username().is_empty() || shown.password().is_some() {
        // Setting userinfo fails only for URLs without a host, which have none to hide.
        let hidden = shown.set_username("***").and_then(|()| shown.set_password(None));
        debug_assert!(hidden.is_ok(), "a URL with userinfo has a host");
    }
    if let Some(query) = url.query() {
        let parts = query.split('&').filter(|part| !part.is_empty());
        let star = |(part, (key, _)): (&str, (Cow<'_, str>, Cow<'_, str>))| {
            if part.contains('=') || !is_opaque(part) { format!("{key}=***") } else { "***".to_owned() }
        };
        let stars: Vec<String> = parts.zip(url.query_pairs()).map(star).collect();
        shown.set_query(Some(&stars.join("&")));
    }
    // A sign-in may return a token there: `#access_token=…`.
    if let Some(fragment) = url.fragment().filter(|fragment| fragment.contains('=')) {
        let stars: Vec<String> = fragment.split('&').map(hidden).collect();
        shown.set_fragment(Some(&stars.join("&")));
    }
    let path = shown[..Position::BeforePath].len();
    crate::model::text::clean(&crate::model::text::redact::redacted_within(shown.as_str(), path))
}

/// Whether a part of a query that stands alone looks like a token rather than a name such as `wsdl` or `v2`. Names stay
/// visible, since they tell the default names of sites apart.
fn is_opaque(part: &str) -> bool {
    let is_mixed = part.contains(|c: char| c.is_ascii_digit()) && part.contains(|c: char| c.is_ascii_alphabetic());
    part.len() >= 20 || (part.len() >= 6 && is_mixed)
}

/// A part of a fragment without its value, which follows an equals sign.
fn hidden(part: &str) -> String {
    part.split_once('=').map_or_else(|| part.to_owned(), |(key, _)| format!("{key}=***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_flight_rounds_up_and_adds_one() {
        for (timeout, interval, limit) in [(10, 10, 2), (10, 3, 5), (1, 60, 2), (10, 5, 3)] {
            let site = site(timeout, interval);
            assert_eq!(site.in_flight_limit(), limit, "{timeout} s / {interval} s");
        }
    }

    #[test]
    fn a_shown_url_hides_userinfo_and_query_values() {
        for (url, shown) in [
            ("https://ada:pw@example.com/x", "https://***@example.com/x"),
            ("https://example.com/x?token=abc&q=1", "https://example.com/x?token=***&q=***"),
            ("http://example.com/", "http://example.com/"),
            ("http://example.com/hook?T0K3N4&a=1&&b", "http://example.com/hook?***&a=***&b=***"),
            ("http://example.com/?wsdl", "http://example.com/?wsdl=***"),
            ("http://example.com/?abcdefghijklmnopqrst", "http://example.com/?***"),
            ("http://example.com/http://ada:pw@b.test/", "http://example.com/http://***@b.test/"),
            ("http://example.com/#top", "http://example.com/#top"),
            ("http://example.com/#/in?a&token=abc", "http://example.com/#/in?a&token=***"),
        ] {
            assert_eq!(shown_url(&Url::parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn a_secret_path_is_not_shown_by_a_redirect_that_repeats_it() {
        let url = |text| Url::parse(text).unwrap();
        let plain = Site::new("a", url("https://a.test/hook"));
        assert_eq!(plain.shown_target(&url("https://a.test/hook/?k=v")), "https://a.test/hook/?k=***");
        let secret = Site { shown: "https://a.test/***".into(), ..Site::new("a", url("https://a.test/s3cret")) };
        for (target, shown) in [
            ("https://a.test/s3cret", "https://a.test/***"),
            ("https://a.test/s3cret/", "https://a.test/***"),
            ("https://b.test:81/s3cret?x=1", "https://b.test:81/***"),
            ("https://b.test/", "https://b.test/"),
        ] {
            assert_eq!(secret.shown_target(&url(target)), shown);
        }
    }

    #[test]
    fn keys_of_clients_are_not_printed() {
        let identity = ClientIdentity { chain: vec![vec![1]], key: b"hunter2".to_vec() };
        let files = TlsFiles { roots: Arc::new(vec![vec![1]]), identity: Some(Arc::new(identity)) };
        assert_eq!(format!("{files:?}"), r#"TlsFiles { roots: 1, identity: Some("***") }"#);
    }

    fn site(timeout: u64, interval: u64) -> Site {
        Site {
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(timeout),
            ..Site::new("a", Url::parse("http://a/").unwrap())
        }
    }
}
