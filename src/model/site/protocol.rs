//! What is spoken with a site, by the scheme of its URL.
//!
//! A site holds the URL of its transport, which is http or https: `wss://a/x` is reached like `https://a/x`, `tcp://a:25` like
//! `http://a:25/`. So names, ports, proxies, and TLS know two schemes only. People see the scheme that they wrote.
//!
//! Invariants: a URL of a bare port has a host and a port and nothing else; what is shown reads back as the same place.

use std::sync::Arc;

use url::{Position, Url};

use crate::model::StatusSet;

use super::{HttpOffer, Proxy, ProxyRule, RedirectBody, Redirects, Site, TlsRules};

/// What is spoken with a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP: `http`, `https`.
    #[default]
    Http,
    /// WebSocket (RFC 6455): `ws`, `wss`.
    WebSocket,
    /// None that webmon knows: `tcp`, `tls`. The port is reached, and what the server says may be read.
    Bare,
}

/// A scheme of site URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// In lower case.
    pub name: &'static str,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub is_encrypted: bool,
}

/// The schemes of sites; those of the web come first.
pub const SCHEMES: [Scheme; 6] = [
    Scheme { name: "http", protocol: Protocol::Http, is_encrypted: false },
    Scheme { name: "https", protocol: Protocol::Http, is_encrypted: true },
    Scheme { name: "ws", protocol: Protocol::WebSocket, is_encrypted: false },
    Scheme { name: "wss", protocol: Protocol::WebSocket, is_encrypted: true },
    Scheme { name: "tcp", protocol: Protocol::Bare, is_encrypted: false },
    Scheme { name: "tls", protocol: Protocol::Bare, is_encrypted: true },
];

/// Why a URL of a bare port cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBare {
    /// There is no port.
    NoPort,
    /// A user, a path, a query or a fragment stands there.
    More,
    /// The host cannot be reached by that name.
    Host,
}

impl Scheme {
    /// The scheme of `url`, if sites may have it.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        SCHEMES.into_iter().find(|scheme| scheme.name == url.scheme())
    }

    /// The URL of the transport of a site at `url`, which has this scheme; userinfo stays.
    ///
    /// # Errors
    /// What a URL of a bare port may not have.
    pub fn transport(self, url: &Url) -> Result<Url, NotBare> {
        let web = if self.is_encrypted { "https" } else { "http" };
        if self.protocol != Protocol::Bare {
            let mut url = url.clone();
            let set = url.set_scheme(web);
            debug_assert!(set.is_ok(), "all of them are schemes of the web");
            return Ok(url);
        }
        if url.port().is_none_or(|port| port == 0) {
            return Err(NotBare::NoPort);
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        let has_path = !matches!(url.path(), "" | "/");
        if has_user || has_path || url.query().is_some() || url.fragment().is_some() {
            return Err(NotBare::More);
        }
        // The parser reads hosts by the rules of the web only behind one of its schemes.
        let place = &url[Position::BeforeHost..Position::AfterPort];
        Url::parse(&format!("{web}://{place}/")).map_err(|_| NotBare::Host)
    }
}

impl Protocol {
    /// Its scheme over the transport of `url`.
    #[must_use]
    pub fn scheme(self, url: &Url) -> &'static str {
        let is_encrypted = url.scheme() == "https";
        let scheme = SCHEMES.iter().find(|scheme| (scheme.protocol, scheme.is_encrypted) == (self, is_encrypted));
        scheme.expect("each protocol has both").name
    }

    /// `printed`, which is the printable form of the transport's `url`, in the scheme of this protocol.
    #[must_use]
    pub fn shown(self, url: &Url, printed: String) -> String {
        let scheme = self.scheme(url);
        match self {
            Self::Http => printed,
            Self::WebSocket => match printed.strip_prefix(url.scheme()) {
                Some(rest) => format!("{scheme}{rest}"),
                None => printed,
            },
            Self::Bare => {
                let (host, port) =
                    (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
                format!("{scheme}://{host}:{port}")
            }
        }
    }
}

impl Site {
    /// Resets what its protocol has no use for: `defaults` are for all sites.
    pub fn keep_to_protocol(&mut self) {
        if self.protocol == Protocol::Http {
            self.send = None;
            return;
        }
        "GET".clone_into(&mut self.method);
        (self.body, self.max_redirects, self.keep_alive) = (None, 0, false);
        (self.redirects, self.redirect_body) = (Redirects::default(), RedirectBody::default());
        if self.protocol == Protocol::WebSocket {
            self.http = HttpOffer::V11;
            self.expect.status = StatusSet::from_ranges(vec![(101, 101)]);
        } else {
            self.http = HttpOffer::default();
            self.headers.clear();
            self.expect.status = StatusSet::default();
            self.expect.headers.clear();
        }
        if self.url.expose().scheme() == "http" {
            self.tls = TlsRules { warn: self.tls.warn, ..TlsRules::default() };
        }
    }

    /// The proxy for `url`. No variable of the environment names one for bare ports, so they take that of https.
    #[must_use]
    pub fn proxy_for(&self, url: &Url) -> Option<&Arc<Proxy>> {
        match (&self.proxy, self.protocol) {
            (ProxyRule::Environment(proxies), Protocol::Bare) => proxies.for_host(url, true),
            (rule, _) => rule.for_url(url),
        }
    }

    /// Whether an answer is read: the head of one over HTTP aside, only if sites.yaml asks for it.
    #[must_use]
    pub fn awaits_message(&self) -> bool {
        self.send.is_some() || self.expect.asks_for_body()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn transport(text: &str) -> Result<String, NotBare> {
        let url = Url::parse(text).unwrap();
        Scheme::of(&url).unwrap().transport(&url).map(|url| url.to_string())
    }

    #[test]
    fn each_scheme_is_reached_like_one_of_the_web() {
        for (text, url) in [
            ("http://a.test/x", "http://a.test/x"),
            ("wss://a.test/x?y=1", "https://a.test/x?y=1"),
            ("wss://a.test:443/", "https://a.test/"),
            ("WS://ada:pw@a.test:80", "http://ada:pw@a.test/"),
            ("ws://a.test:443/", "http://a.test:443/"),
            ("tcp://mail.test:25", "http://mail.test:25/"),
            ("tcp://a.test:80/", "http://a.test/"),
            ("tls://a.test:80", "https://a.test:80/"),
            ("tls://127.1:5349", "https://127.0.0.1:5349/"),
            ("tls://[::1]:443", "https://[::1]/"),
            ("tls://b\u{fc}cher.test:1", "https://xn--bcher-kva.test:1/"),
        ] {
            assert_eq!(transport(text).as_deref(), Ok(url), "{text}");
        }
        for (text, fault) in [
            ("tcp://a.test", NotBare::NoPort),
            ("tls://a.test:", NotBare::NoPort),
            ("tls://a.test:0", NotBare::NoPort),
            ("tcp://a.test:1/x", NotBare::More),
            ("tcp://a.test:1?x", NotBare::More),
            ("tcp://a.test:1#x", NotBare::More),
            ("tcp://ada@a.test:1", NotBare::More),
            ("tls://:pw@a.test:1", NotBare::More),
            ("tcp://1.2.3.4.5:1", NotBare::Host),
        ] {
            assert_eq!(transport(text), Err(fault), "{text}");
        }
        assert_eq!(Scheme::of(&Url::parse("ftp://a.test/").unwrap()), None);
    }

    #[test]
    fn what_a_protocol_has_no_use_for_is_reset() {
        let given = |url: &str| {
            let mut site = Site::new("a", Url::parse(url).unwrap());
            (site.method, site.body, site.keep_alive) = ("POST".to_owned(), Some(crate::model::Secret::new("x")), true);
            (site.send, site.http, site.tls.insecure) = (Some(crate::model::Secret::new("x")), HttpOffer::V2, true);
            site.headers = vec![("A".to_owned(), crate::model::Secret::new("b"))];
            site.keep_to_protocol();
            site
        };
        let kept = |url: &str| {
            let site = given(url);
            let asked = [site.body.is_some(), site.keep_alive, !site.headers.is_empty(), site.send.is_some()];
            (site.method, asked, site.http, site.tls.insecure, site.expect.status.to_string())
        };
        let (get, post) = (|| "GET".to_owned(), "POST".to_owned());
        let (usual, switched) = (|| "200-299".to_owned(), || "101".to_owned());
        for (url, left) in [
            ("https://a.test", (post, [true, true, true, false], HttpOffer::V2, true, usual())),
            ("wss://a.test", (get(), [false, false, true, true], HttpOffer::V11, true, switched())),
            ("ws://a.test", (get(), [false, false, true, true], HttpOffer::V11, false, switched())),
            ("tls://a.test:1", (get(), [false, false, false, true], HttpOffer::Auto, true, usual())),
            ("tcp://a.test:1", (get(), [false, false, false, true], HttpOffer::Auto, false, usual())),
        ] {
            assert_eq!(kept(url), left, "{url}");
        }
    }

    #[test]
    fn bare_ports_take_the_proxy_of_https() {
        let env = |name: &str| match name {
            "http_proxy" => Some("http://one.test:1".to_owned()),
            "https_proxy" => Some("http://other.test:2".to_owned()),
            "no_proxy" => Some("near.test".to_owned()),
            _ => None,
        };
        let proxies = super::super::EnvironmentProxies::read(&env).unwrap();
        let proxies = ProxyRule::Environment(Arc::new(proxies));
        for (url, port) in [
            ("http://a.test", Some(1)),
            ("ws://a.test", Some(1)),
            ("wss://a.test", Some(2)),
            ("tls://a.test:1", Some(2)),
            ("tcp://a.test:1", Some(2)),
            ("tcp://near.test:1", None),
        ] {
            let site = Site { proxy: proxies.clone(), ..Site::new("a", Url::parse(url).unwrap()) };
            assert_eq!(site.proxy_for(site.url.expose()).map(|proxy| proxy.port), port, "{url}");
        }
    }

    proptest! {
        /// Sites are named and found by what is shown.
        #[test]
        fn what_is_shown_reads_back(
            scheme in prop::sample::select(SCHEMES.to_vec()),
            host in prop::sample::select(vec!["a.test", "10.0.0.7", "[::1]", "xn--bcher-kva.test"]),
            port in 1..=u16::MAX,
        ) {
            let written = Url::parse(&format!("{}://{host}:{port}", scheme.name)).unwrap();
            let url = scheme.transport(&written).unwrap();
            let shown = scheme.protocol.shown(&url, url.to_string());
            let again = Url::parse(&shown).unwrap();
            prop_assert_eq!((Scheme::of(&again), scheme.transport(&again)), (Some(scheme), Ok(url)));
        }
    }
}
