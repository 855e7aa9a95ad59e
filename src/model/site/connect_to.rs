//! Where to connect instead of the host of a site's URL.
//!
//! Invariant: the text of a target reads back as the same target.

use std::fmt;

use url::{Host, Url};

/// A host and, unless it is that of the URL, a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// A name or an address.
    pub host: Host<String>,
    /// The port, 1 to 65535; `None`: that of the URL.
    pub port: Option<u16>,
}

impl ConnectTo {
    /// Reads `address`, `address:port`, `name` or `name:port`; an IPv6 address with a port is in brackets. `None` if `text` is
    /// anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Some(Self { host: Host::Ipv6(address), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|number| is_number(port) && *number > 0)?),
            None => None,
        };
        // The parser of hosts takes more than names: `a/b` for instance would become a name of the DNS.
        let is_plain = |c: char| !c.is_whitespace() && !"/?#@%\\*".contains(c);
        let host = Some(host).filter(|host| !host.is_empty() && host.chars().all(is_plain))?;
        Some(Self { host: Host::parse(host).ok()?, port })
    }

    /// The port to connect to for a request to `url` by a site at `home`. A port replaces the one of the site's URL; where the
    /// host is asked over https on another port, that port stays.
    #[must_use]
    pub fn port_for(&self, home: &Url, url: &Url) -> Option<u16> {
        let port = url.port_or_known_default();
        if port == home.port_or_known_default() { self.port.or(port) } else { port }
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_or_a_name_with_or_without_a_port() {
        for (text, shown) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:8443", "203.0.113.7:8443"),
            ("2001:db8::7", "[2001:db8::7]"),
            ("[2001:db8::7]", "[2001:db8::7]"),
            ("[2001:db8::7]:443", "[2001:db8::7]:443"),
            ("lb1.example.com", "lb1.example.com"),
            (" LB1.example.com:80 ", "lb1.example.com:80"),
            ("localhost:8080", "localhost:8080"),
        ] {
            assert_eq!(ConnectTo::parse(text).map(|to| to.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:b",
            "https://a",
            "a/b",
            "a@b",
            "a b",
            "1.2.3.4.5",
            "[::1",
            "::1]:80",
            "fe80::1%eth0",
            "*.example.com",
            "a:80:81",
        ] {
            assert_eq!(ConnectTo::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_port_is_for_the_port_of_the_sites_url() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (with, without) = (ConnectTo::parse("a:8080").unwrap(), ConnectTo::parse("a").unwrap());
        for (home, asked, port, other) in [
            ("http://h/", "http://h/x", 8080, 80),
            ("http://h/", "https://h/", 443, 443),
            ("https://h:444/", "https://h:444/", 8080, 444),
        ] {
            let ports = [&with, &without].map(|to| to.port_for(&url(home), &url(asked)));
            assert_eq!(ports, [Some(port), Some(other)], "{home} {asked}");
        }
    }

    proptest! {
        #[test]
        fn the_text_reads_back(ip: std::net::IpAddr, port in prop::option::of(1..=u16::MAX)) {
            let host = match ip {
                std::net::IpAddr::V4(ip) => Host::Ipv4(ip),
                std::net::IpAddr::V6(ip) => Host::Ipv6(ip),
            };
            let to = ConnectTo { host, port };
            prop_assert_eq!(ConnectTo::parse(&to.to_string()), Some(to));
        }
    }
}
