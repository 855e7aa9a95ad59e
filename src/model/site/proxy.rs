//! The proxy through which a site is reached: always the same one, or by the variables of the environment.
//!
//! Invariants: user and password are printed nowhere; [`Proxy::shown`] holds neither, and no host that came out of a variable of
//! sites.yaml. What `proxy: env` means follows curl: <https://everything.curl.dev/usingcurl/proxies/env.html>; in capitals, `HTTP_PROXY`
//! counts as well.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::model::Secret;

/// How a proxy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT over TLS.
    Https,
    /// SOCKS5, which resolves the names of sites.
    Socks5,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// How it is asked.
    pub kind: ProxyKind,
    /// Its name or address.
    pub host: Host<String>,
    /// Its port.
    pub port: u16,
    /// User and password, at most 255 bytes each.
    pub credentials: Option<(Secret, Secret)>,
    /// What messages call it: `the proxy proxy.example:3128`.
    pub shown: Arc<str>,
}

/// What a proxy is called whose host is not to be seen.
const HIDDEN: &str = "the proxy";

impl Proxy {
    /// Reads `http://user:password@host:port`; also https, socks5 and socks5h, where 80, 443 and 1080 are the default ports.
    ///
    /// # Errors
    /// What is wrong and what to write, without the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write http://proxy.example:3128, or https, socks5 or socks5h";
        let Some((scheme, rest)) = text.trim().split_once("://") else {
            return Err(format!("this is not the URL of a proxy; {EXAMPLE}"));
        };
        let (kind, default) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 80),
            "https" => (ProxyKind::Https, 443),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            _ => return Err(format!("this is not a kind of proxy that webmon knows; {EXAMPLE}")),
        };
        // Hosts are read by the rules of the web only behind one of its schemes; this one hides no port that is written.
        let wrong = |why: String| format!("this is not a valid URL of a proxy: {why}; {EXAMPLE}");
        let url = Url::parse(&format!("ws://{rest}")).map_err(|error| wrong(error.to_string()))?;
        let host = url.host().ok_or_else(|| wrong("it has no host".to_owned()))?.to_owned();
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("nothing may follow host and port".to_owned()));
        }
        let authority = rest.rsplit('@').next().unwrap_or(rest);
        let names_80 = authority.trim_end_matches('/').ends_with(":80");
        let port = url.port().unwrap_or(if names_80 { 80 } else { default });
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let has_user = !url.username().is_empty() || url.password().is_some();
        let (user, password) = (plain(url.username()), plain(url.password().unwrap_or_default()));
        if user.len() > 255 || password.len() > 255 {
            return Err("the user and the password of a proxy have at most 255 bytes each".to_owned());
        }
        let credentials = has_user.then(|| (Secret::new(user), Secret::new(password)));
        let shown = format!("{HIDDEN} {host}:{port}").into();
        Ok(Self { kind, host, port, credentials, shown })
    }

    /// The same, called just "the proxy".
    #[must_use]
    pub fn hidden(self) -> Self {
        Self { shown: HIDDEN.into(), ..self }
    }

    /// Its URL for curl, without what is not to be seen.
    #[must_use]
    pub fn for_curl(&self) -> String {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            // curl would resolve names itself with socks5.
            ProxyKind::Socks5 => "socks5h",
        };
        let user = if self.credentials.is_some() { "***@" } else { "" };
        let at = self.shown.strip_prefix(HIDDEN).map(str::trim_start).filter(|at| !at.is_empty()).unwrap_or("***");
        format!("{scheme}://{user}{at}")
    }

    /// The value of `Proxy-Authorization`, if there are credentials.
    #[must_use]
    pub fn authorization(&self) -> Option<Secret> {
        self.credentials.as_ref().map(|(user, password)| {
            let pair = format!("{}:{}", user.expose(), password.expose());
            Secret::new(format!("Basic {}", STANDARD.encode(pair)))
        })
    }

    /// What may not appear in any text: the password, or a user without one, as it is and in Base64.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let Some((user, password)) = &self.credentials else { return Vec::new() };
        let secret = if password.expose().is_empty() { user } else { password };
        let pair = format!("{}:{}", user.expose(), password.expose());
        vec![secret.expose().to_owned(), STANDARD.encode(pair)]
    }
}

/// Which requests go through which proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyRule {
    /// None: webmon connects itself.
    #[default]
    None,
    /// All through this one.
    One(Arc<Proxy>),
    /// As the variables of the environment say.
    Environment(Arc<EnvironmentProxies>),
}

impl ProxyRule {
    /// The proxy for a request to `url`.
    #[must_use]
    pub fn for_url(&self, url: &Url) -> Option<&Arc<Proxy>> {
        match self {
            Self::None => None,
            Self::One(proxy) => Some(proxy),
            Self::Environment(proxies) => proxies.for_url(url),
        }
    }

    /// What may not appear in any text.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::One(proxy) => proxy.secrets(),
            Self::Environment(proxies) => {
                [&proxies.http, &proxies.https].into_iter().flatten().flat_map(|proxy| proxy.secrets()).collect()
            }
        }
    }
}

/// The proxies that the environment names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentProxies {
    http: Option<Arc<Proxy>>,
    https: Option<Arc<Proxy>>,
    /// Hosts that are reached without a proxy.
    exempt: Vec<Exempt>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exempt {
    All,
    /// A name, and all names below it.
    Domain(String),
    /// An address and the number of its bits that count.
    Network(IpAddr, u8),
}

impl EnvironmentProxies {
    /// Reads the variables from `env`: `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy`, or the same in capitals.
    ///
    /// # Errors
    /// The name of a variable, and what is wrong with it.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = |name: &str| {
            let names = [name.to_owned(), name.to_ascii_uppercase()];
            names.into_iter().find_map(|name| Some((env(&name).filter(|value| !value.trim().is_empty())?, name)))
        };
        let proxy = |name: &str| {
            let Some((value, name)) = variable(name).or_else(|| variable("all_proxy")) else { return Ok(None) };
            // curl takes a host alone for a proxy of HTTP.
            let value = if value.contains("://") { value } else { format!("http://{value}") };
            Proxy::parse(&value).map(|proxy| Some(Arc::new(proxy))).map_err(|why| format!("{name}: {why}"))
        };
        let (http, https) = (proxy("http_proxy")?, proxy("https_proxy")?);
        let listed = variable("no_proxy").map(|(value, _)| value).unwrap_or_default();
        let parts = listed.split([',', ' ']).filter(|part| !part.is_empty());
        Ok(Self { http, https, exempt: parts.map(Exempt::parse).collect() })
    }

    fn for_url(&self, url: &Url) -> Option<&Arc<Proxy>> {
        self.for_host(url, url.scheme() == "https")
    }

    /// The proxy for the host of `url`.
    pub(super) fn for_host(&self, url: &Url, is_encrypted: bool) -> Option<&Arc<Proxy>> {
        let host = url.host()?;
        let proxy = if is_encrypted { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.exempt.iter().any(|exempt| exempt.holds(&host)))
    }
}

impl Exempt {
    fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::All;
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(all), |bits| bits.parse().ok().filter(|bits| *bits <= all));
            // What no address can match exempts nothing.
            return bits.map_or_else(|| Self::Domain(text.to_owned()), |bits| Self::Network(address, bits));
        }
        Self::Domain(text.trim_matches('.').to_ascii_lowercase())
    }

    fn holds(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Domain(domain), Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                let above = name.strip_suffix(domain.as_str());
                !domain.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (Self::Network(IpAddr::V4(network), bits), Host::Ipv4(ip)) => {
                let shift = 32 - u32::from(*bits);
                u32::from(*network).checked_shr(shift) == u32::from(*ip).checked_shr(shift)
            }
            (Self::Network(IpAddr::V6(network), bits), Host::Ipv6(ip)) => {
                let shift = 128 - u32::from(*bits);
                u128::from(*network).checked_shr(shift) == u128::from(*ip).checked_shr(shift)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_scheme_a_host_and_maybe_a_port_and_credentials() {
        for (text, kind, shown, user) in [
            ("http://proxy.example:3128", ProxyKind::Http, "the proxy proxy.example:3128", None),
            ("HTTP://proxy.example", ProxyKind::Http, "the proxy proxy.example:80", None),
            ("https://proxy.example/", ProxyKind::Https, "the proxy proxy.example:443", None),
            ("https://proxy.example:80", ProxyKind::Https, "the proxy proxy.example:80", None),
            ("socks5://[::1]", ProxyKind::Socks5, "the proxy [::1]:1080", None),
            ("socks5h://ada:p%40w@10.0.0.1:9", ProxyKind::Socks5, "the proxy 10.0.0.1:9", Some(("ada", "p@w"))),
            ("http://t0ken@a:1", ProxyKind::Http, "the proxy a:1", Some(("t0ken", ""))),
        ] {
            let proxy = Proxy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let credentials = proxy.credentials.as_ref().map(|(user, password)| (user.expose(), password.expose()));
            assert_eq!((proxy.kind, &*proxy.shown, credentials), (kind, shown, user), "{text}");
            assert!(!format!("{proxy:?}").contains("p@w"));
        }
        for text in [
            "",
            "proxy:3128",
            "ftp://a",
            "socks4://a",
            "http://",
            "http://a:b",
            "http://a/x",
            "http://a?b",
            "http://a b",
        ] {
            assert!(Proxy::parse(text).is_err(), "{text}");
        }
        let error = Proxy::parse("http://ada:hunter2@a/x").unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("nothing may follow"), "{error}");
        assert!(Proxy::parse(&format!("http://{}@a", "x".repeat(256))).is_err());
        assert_eq!(&*Proxy::parse("http://a").unwrap().hidden().shown, "the proxy");
    }

    #[test]
    fn passwords_and_lone_users_are_secrets() {
        let secrets = |text| Proxy::parse(text).unwrap().secrets();
        assert_eq!(secrets("http://ada:hunter2@a"), ["hunter2", &STANDARD.encode("ada:hunter2")]);
        assert_eq!(secrets("http://t0ken@a"), ["t0ken", &STANDARD.encode("t0ken:")]);
        assert!(secrets("http://a").is_empty());
        let proxy = Proxy::parse("http://ada:hunter2@a").unwrap();
        assert_eq!(proxy.authorization().unwrap().expose(), format!("Basic {}", STANDARD.encode("ada:hunter2")));
    }

    type Variables = &'static [(&'static str, &'static str)];

    fn read(variables: &[(&str, &str)]) -> Result<EnvironmentProxies, String> {
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        EnvironmentProxies::read(&env)
    }

    #[test]
    fn the_environment_names_a_proxy_per_scheme() {
        let cases: [(Variables, Option<&str>, Option<&str>); 6] = [
            (&[], None, None),
            (&[("https_proxy", "http://s:1"), ("HTTPS_PROXY", "http://t:1")], None, Some("s:1")),
            (&[("HTTP_PROXY", "http://h:1"), ("https_proxy", " ")], Some("h:1"), None),
            (&[("ALL_PROXY", "socks5h://all")], Some("all:1080"), Some("all:1080")),
            (&[("all_proxy", "socks5h://all"), ("http_proxy", "h:3128")], Some("h:3128"), Some("all:1080")),
            (&[("all_proxy", "http://all:1"), ("no_proxy", "*")], None, None),
        ];
        for (variables, http, https) in cases {
            let proxies = read(variables).unwrap();
            for (url, wanted) in [("http://a.test/", http), ("https://a.test/", https)] {
                let found = proxies.for_url(&url.parse().unwrap()).map(|proxy| proxy.shown.to_string());
                assert_eq!(found, wanted.map(|at| format!("the proxy {at}")), "{variables:?} {url}");
            }
        }
        let error = read(&[("HTTPS_PROXY", "gopher://ada:hunter2@a")]).unwrap_err();
        assert!(error.starts_with("HTTPS_PROXY: ") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn hosts_are_exempt_by_name_domain_address_and_network() {
        let list = "a.test, .b.test,10.1.0.0/16 192.168.1.7,[::1],2001:db8::/32,0.0.0.0/33,C.Test.";
        let proxies = read(&[("all_proxy", "http://p"), ("no_proxy", list)]).unwrap();
        for (host, is_exempt) in [
            ("a.test", true),
            ("A.test.", true),
            ("x.a.test", true),
            ("xa.test", false),
            ("test", false),
            ("b.test", true),
            ("x.b.test", true),
            ("c.test", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("[::1]", true),
            ("[::2]", false),
            ("[2001:db8:7::1]", true),
            ("[2001:db9::1]", false),
        ] {
            let url = format!("https://{host}/").parse().unwrap();
            assert_eq!(proxies.for_url(&url).is_none(), is_exempt, "{host}");
        }
        let all = read(&[("all_proxy", "http://p"), ("no_proxy", "0.0.0.0/0")]).unwrap();
        assert!(all.for_url(&"https://8.8.8.8/".parse().unwrap()).is_none());
        assert!(all.for_url(&"https://a.test/".parse().unwrap()).is_some());
    }
}
