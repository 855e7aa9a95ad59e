//! Where webmon listens for HTTP, and who may ask for what.
//!
//! Invariants: the token never prints. An address that other machines reach needs the names it answers to, and either a token or
//! a list of what is public ([`ListenAccess::check`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{ClientIdentity, Secret};

/// A part of what is served, for which access is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The status page and the page of each site.
    Page,
    /// Badges.
    Badge,
    /// `/metrics`, `/probe` and `/sd`.
    Metrics,
    /// `/api/v1`.
    Api,
}

impl Part {
    /// All parts, in the order of their names in sites.yaml.
    pub const ALL: [Self; 4] = [Self::Page, Self::Badge, Self::Metrics, Self::Api];

    /// Its name in sites.yaml.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Badge => "badge",
            Self::Metrics => "metrics",
            Self::Api => "api",
        }
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, Self::PORT)))
    }
}

impl ListenAddress {
    /// The default port, that of `blackbox_exporter`.
    pub const PORT: u16 = 9115;

    /// Parses `127.0.0.1:9115`, `[::1]:9115`, `localhost:9115`, or `unix:PATH`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.ends_with('/') || path.contains('\0') {
                return Err(format!("{path:?} is not the path of a socket; example: unix:webmon.sock"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = local.as_deref().unwrap_or(text).parse().map(Self::Tcp);
        address.map_err(|_| {
            format!("{text:?} is not an address to listen on; examples: 127.0.0.1:9115, [::1]:9115, unix:webmon.sock")
        })
    }

    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => is_loopback(address.ip()),
            Self::Unix(_) => true,
        }
    }
}

/// Whether `ip` is of this machine alone, also when written as an IPv6 address.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip == Ipv6Addr::LOCALHOST || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", crate::model::text::shown_path(path)),
        }
    }
}

/// Who may ask for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenAccess {
    /// Names that it answers to, lower case, besides `localhost` and its own address.
    pub hosts: Vec<String>,
    /// What a client must present for a part that is not public.
    pub token: Option<Secret>,
    /// The parts that need no token, if they are written.
    pub public: Option<Vec<Part>>,
    /// The certificate and its key, with TLS.
    pub tls: Option<Arc<ClientIdentity>>,
}

/// Where to listen, and who may ask for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenTarget {
    /// The address; `None`: only if the command line asks for it.
    pub address: Option<ListenAddress>,
    /// Who may ask for what.
    pub access: ListenAccess,
}

impl ListenAccess {
    /// Whether `part` needs no token at `address`. A token that is written without a list protects everything.
    #[must_use]
    pub fn is_public(&self, part: Part, address: &ListenAddress) -> bool {
        match &self.public {
            Some(public) => public.contains(&part),
            None => address.is_local() && self.token.is_none(),
        }
    }

    /// Whether it is fit for `address`.
    ///
    /// # Errors
    /// What is missing for an address that other machines reach.
    pub fn check(&self, address: &ListenAddress) -> Result<(), String> {
        if address.is_local() {
            return Ok(());
        }
        let mut missing = Vec::new();
        if self.hosts.is_empty() {
            missing.push("`listen.hosts`, the names that it answers to");
        }
        if self.token.is_none() && self.public.is_none() {
            missing.push("`listen.token`, or `listen.public` with what anybody may see");
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("other machines reach {address}, so it needs {}", missing.join(" and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown, is_local) in [
            ("127.0.0.1:9115", "127.0.0.1:9115", true),
            (" [::1]:0 ", "[::1]:0", true),
            ("localhost:80", "127.0.0.1:80", true),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:443", "0.0.0.0:443", false),
            ("[::]:443", "[::]:443", false),
            ("unix:/run/webmon.sock", "unix:/run/webmon.sock", true),
        ] {
            let address = ListenAddress::parse(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.is_local()), (shown, is_local), "{text}");
        }
        for text in
            ["", "9115", ":9115", "example.org:80", "127.0.0.1", "127.0.0.1:99999", "unix:", "unix:a/", "::1:80"]
        {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_that_others_reach_needs_names_and_a_token_or_what_is_public() {
        let (near, far) = (ListenAddress::default(), ListenAddress::parse("0.0.0.0:80").unwrap());
        let access = |hosts: &[&str], token: Option<&str>, public: Option<Vec<Part>>| ListenAccess {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            token: token.map(Secret::new),
            public,
            tls: None,
        };
        for (access, is_fit, missing) in [
            (access(&[], None, None), false, "`listen.hosts`"),
            (access(&["a"], None, None), false, "`listen.token`"),
            (access(&[], Some("t"), None), false, "`listen.hosts`"),
            (access(&["a"], Some("t"), None), true, ""),
            (access(&["a"], None, Some(vec![])), true, ""),
        ] {
            assert!(access.check(&near).is_ok());
            let refused = access.check(&far).err();
            assert_eq!(refused.is_none(), is_fit);
            assert!(refused.unwrap_or_default().contains(missing));
        }
        let public = |access: &ListenAccess, address| Part::ALL.map(|part| access.is_public(part, address));
        assert_eq!(public(&access(&[], None, None), &near), [true; 4]);
        assert_eq!(public(&access(&[], Some("t"), None), &near), [false; 4]);
        assert_eq!(public(&access(&["a"], Some("t"), None), &far), [false; 4]);
        assert_eq!(public(&access(&["a"], None, Some(vec![Part::Badge])), &far), [false, true, false, false]);
        assert!(!format!("{:?}", access(&[], Some("hunter2"), None)).contains("hunter2"));
    }
}
