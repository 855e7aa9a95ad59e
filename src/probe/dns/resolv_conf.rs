//! Reads resolv.conf(5): which name servers to ask in which order, and which names a short name may stand for.
//!
//! A malformed line is skipped, as in the C library: a file that another program writes must not stop the monitor. `sortlist`,
//! options that are not in [`ResolverOptions`], and the variables `LOCALDOMAIN` and `RES_OPTIONS` have no effect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::rr::Name;

use crate::model::Cause;
use crate::probe::tcp::zone;

use super::answer::{NoRecords, Weight};

/// As in the C library.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 16;
const NDOTS_MAX: usize = 15;
/// For one question to one server.
const TIMEOUT_MAX: Duration = Duration::from_secs(2);
/// Rounds through all servers.
const ATTEMPTS_MAX: usize = 3;

/// The `options` that have an effect.
#[allow(clippy::struct_excessive_bools, reason = "the file has a word for each")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolverOptions {
    /// Names with at least so many dots are tried as they are first.
    pub(crate) ndots: usize,
    /// For one question to one server.
    pub(crate) timeout: Duration,
    /// Rounds through all servers.
    pub(crate) attempts: usize,
    /// Each lookup begins with another server.
    pub(crate) rotate: bool,
    pub(crate) edns: bool,
    pub(crate) tcp_only: bool,
    /// Ask for one address family after the other.
    pub(crate) one_by_one: bool,
    /// Do not ask for IPv6 addresses.
    pub(crate) v4_only: bool,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            ndots: 1,
            timeout: TIMEOUT_MAX,
            attempts: ATTEMPTS_MAX,
            rotate: false,
            edns: false,
            tcp_only: false,
            one_by_one: false,
            v4_only: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The interface of a link-local address.
    zone: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    /// In order; at least one.
    pub(crate) servers: Vec<Server>,
    /// Domains that may follow a name.
    pub(crate) search: Vec<Name>,
    pub(crate) options: ResolverOptions,
}

impl ResolvConf {
    /// Parses `text`. `host` is the name of this machine, whose domain is searched if the file names none.
    pub(crate) fn parse(text: &str, host: &str) -> Self {
        let mut conf = Self::default();
        let mut search: Option<Vec<Name>> = None;
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(server)),
                // The last of these lines counts, unless it is empty.
                Some(key @ ("domain" | "search")) => {
                    let mut names = words.take(if key == "domain" { 1 } else { SEARCH_MAX }).peekable();
                    if names.peek().is_some() {
                        search = Some(names.filter_map(domain).collect());
                    }
                }
                Some("options") => words.for_each(|word| conf.options.take(word)),
                _ => {}
            }
        }
        conf.servers.truncate(SERVERS_MAX);
        if conf.servers.is_empty() {
            let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            conf.servers.extend(here.map(|ip| SocketAddr::new(ip, 53).into()));
        }
        let of_host = || host.trim().split_once('.').and_then(|(_, name)| domain(name)).into_iter().collect();
        conf.search = search.unwrap_or_else(of_host);
        conf
    }

    /// The names that `name` may stand for, in the order in which to try them.
    pub(crate) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut as_it_is = name.clone();
        as_it_is.set_fqdn(true);
        if name.is_fqdn() {
            return vec![as_it_is];
        }
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        let mut names: Vec<Name> =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        names.insert(if dots >= self.options.ndots { 0 } else { names.len() }, as_it_is);
        names
    }
}

impl ResolverOptions {
    fn take(&mut self, word: &str) {
        let (name, value) = word.split_once(':').map_or((word, None), |(name, value)| (name, value.parse().ok()));
        match (name, value) {
            ("ndots", Some(value)) => self.ndots = NDOTS_MAX.min(value),
            ("timeout", Some(value)) => self.timeout = Duration::from_secs(value.max(1) as u64).min(TIMEOUT_MAX),
            ("attempts", Some(value)) => self.attempts = value.clamp(1, ATTEMPTS_MAX),
            ("rotate", None) => self.rotate = true,
            ("edns0", None) => self.edns = true,
            ("use-vc", None) => self.tcp_only = true,
            ("single-request" | "single-request-reopen", None) => self.one_by_one = true,
            ("no-aaaa", None) => self.v4_only = true,
            _ => {}
        }
    }
}

impl Server {
    /// The address to send to. Interfaces come and go and change their index, so the system is asked each time.
    pub(crate) fn current_address(&self) -> Result<SocketAddr, NoRecords> {
        let Some(zone) = &self.zone else { return Ok(self.address) };
        let mut address = self.address;
        if let (SocketAddr::V6(v6), Some(index)) = (&mut address, zone::index(zone)) {
            v6.set_scope_id(index);
            return Ok(address);
        }
        let missing = format!("DNS: this machine has no network interface {zone}, which the name server {self} needs");
        Err(NoRecords::new(Weight::Local, Cause::Local, missing))
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self { address, zone: None }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "{}%{zone}", self.address.ip()),
            None => self.address.fmt(f),
        }
    }
}

fn server(text: &str) -> Option<Server> {
    let (ip, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone.into())));
    let ip: IpAddr = ip.parse().ok()?;
    // Elsewhere a zone means nothing.
    let zone = zone.filter(|_| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
    Some(Server { address: SocketAddr::new(ip, 53), zone })
}

fn domain(text: &str) -> Option<Name> {
    let mut name = Name::from_str_relaxed(text).ok()?;
    name.set_fqdn(true);
    (!name.is_root()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_the_c_library_reads_it() {
        let text = "# by a program\r\nnameserver 10.0.0.1 # first\r\n nameserver\tfe80::1%eth0\nnameserver nonsense\n\
            nameserver 10.0.0.3\nnameserver 10.0.0.4\ndomain gone.test\nsearch a.test b.test. --\nsearch\n; more\n\
            options ndots:2 timeout:30 attempts:9 rotate edns0\noptions use-vc single-request no-aaaa unknown ndots:x\n";
        let conf = ResolvConf::parse(text, "box.office.test");
        let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "fe80::1%eth0", "10.0.0.3:53"]);
        assert_eq!(conf.search[..2], ["a.test.", "b.test."].map(|name| Name::from_ascii(name).unwrap()));
        let ResolverOptions { ndots, timeout, attempts, rotate, edns, tcp_only, one_by_one, v4_only } = conf.options;
        assert_eq!((ndots, timeout, attempts), (2, TIMEOUT_MAX, ATTEMPTS_MAX));
        assert!(rotate && edns && tcp_only && one_by_one && v4_only);
    }

    #[test]
    fn bounds_hold_whatever_the_options_say() {
        for (text, ndots, timeout, attempts) in [
            ("options ndots:0 timeout:0 attempts:0", 0, 1, 1),
            ("options ndots:99 timeout:99999 attempts:99", NDOTS_MAX, 2, ATTEMPTS_MAX),
            ("options ndots:-1 timeout: attempts:1x", 1, 2, ATTEMPTS_MAX),
            ("options timeout:1 attempts:2", 1, 1, 2),
        ] {
            let options = ResolvConf::parse(text, "").options;
            let seconds = options.timeout.as_secs();
            assert_eq!((options.ndots, seconds, options.attempts), (ndots, timeout, attempts), "{text}");
        }
    }

    #[test]
    fn a_link_local_server_is_reached_through_its_interface() {
        let reached = |text: &str| server(text).unwrap().current_address().map(|address| address.to_string());
        assert_eq!(reached("fe80::1%7"), Ok("[fe80::1%7]:53".to_owned()));
        assert_eq!(reached("fe80::1"), Ok("[fe80::1]:53".to_owned()));
        assert_eq!(reached("2001:db8::1%no-such-if0"), Ok("[2001:db8::1]:53".to_owned()));
        let lack = reached("fe80::1%no-such-if0").unwrap_err();
        assert!(
            lack.failure.cause == Cause::Local && lack.failure.detail.contains("interface no-such-if0"),
            "{lack:?}"
        );
        #[cfg(target_os = "linux")]
        assert!(reached("fe80::1%lo").is_ok_and(|address| address.starts_with("[fe80::1%")));
    }

    #[test]
    fn no_file_means_this_machine() {
        for text in ["", "# nothing\n", "nameserver\n", "nameserver x\n", "\0\u{fffd}\n\r\n"] {
            let conf = ResolvConf::parse(text, "box\n");
            assert!(
                conf.servers.iter().all(|Server { address, .. }| address.ip().is_loopback() && address.port() == 53)
            );
            assert_eq!((conf.servers.len(), conf.search.len()), (2, 0), "{text:?}");
        }
    }

    #[test]
    fn a_short_name_stands_for_others_and_an_absolute_one_for_itself() {
        let candidates = |text: &str, name: &str| -> Vec<String> {
            let conf = ResolvConf::parse(text, "box.office.test");
            conf.candidates(&Name::from_str_relaxed(name).unwrap()).iter().map(ToString::to_string).collect()
        };
        let search = "search a.test b.test\n";
        for (text, name, names) in [
            (search, "web", vec!["web.a.test.", "web.b.test.", "web."]),
            (search, "web.team", vec!["web.team.", "web.team.a.test.", "web.team.b.test."]),
            (search, "web.team.", vec!["web.team."]),
            (
                &format!("{search}options ndots:2\n"),
                "web.team",
                vec!["web.team.a.test.", "web.team.b.test.", "web.team."],
            ),
            ("", "web", vec!["web.office.test.", "web."]),
            ("search .\n", "web", vec!["web."]),
            ("search a.test\ndomain b.test c.test\n", "web", vec!["web.b.test.", "web."]),
            ("domain b.test\nsearch a.test\n", "web", vec!["web.a.test.", "web."]),
            (&format!("{search}options ndots:0\n"), "web", vec!["web.", "web.a.test.", "web.b.test."]),
        ] {
            assert_eq!(candidates(text, name), names, "{text:?} {name}");
        }
    }
}
