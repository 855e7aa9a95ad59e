//! The name servers, asked through hickory-resolver.
//!
//! A and AAAA are asked at once. When A has come, AAAA gets 50 ms more (the resolution delay of RFC 8305 §3), since many
//! name servers drop questions for it; the other way round A gets a second, since where IPv6 leads nowhere a site
//! without its IPv4 addresses would be reported as down. One try takes at most 2 s and there are at
//! most three, so that a dead server cannot hold up a lookup for long. hickory's own cache is off: the
//! memory of names is ours.
//!
//! The system's files are read again when they have changed, so that another network is taken up without a restart.
//! Not having a resolv.conf, or having one without a server, is no error: then the name server is the one on
//! this machine, as resolv.conf(5) says.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use tokio::time::timeout;

use super::ProbeError;
use super::failure::{Failure, shortage};
use crate::model::{Cause, Family};

/// For one try of one lookup.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// Tries after the first.
const RETRIES_MAX: usize = 2;
/// How long addresses of IPv6 are waited for when those of IPv4 are there.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// The same the other way round.
const RESOLUTION_DELAY_V4: Duration = Duration::from_secs(1);
/// The files that say whom to ask.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

type Stamps = [Option<SystemTime>; FILES.len()];

/// Whom to ask for names.
pub(super) struct Servers {
    /// Given ones; none: the system's.
    given: Vec<SocketAddr>,
    /// Swapped as a whole; the lock is held for that only.
    current: Mutex<(Stamps, Arc<Asking>)>,
}

/// What lookups share until a file of the system changes.
pub(super) struct Asking {
    resolver: TokioResolver,
    hosts: Hosts,
    ndots: usize,
    servers: Vec<SocketAddr>,
}

/// The answer of a lookup.
pub(super) struct Found {
    /// IPv6 first; at least one.
    pub(super) addresses: Vec<IpAddr>,
    /// For how long it is good.
    pub(super) ttl: Duration,
}

impl Servers {
    /// `given` are asked, or the system's if there are none.
    pub(super) fn new(given: &[SocketAddr]) -> Result<Self, ProbeError> {
        let asking = Asking::new(given).map_err(|error| ProbeError::Resolver(error.to_string()))?;
        Ok(Self { given: given.to_vec(), current: Mutex::new((stamps(), Arc::new(asking))) })
    }

    /// Whom to ask now. While a changed file cannot be used, that is whom we asked before.
    pub(super) fn current(&self) -> Arc<Asking> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps();
        if current.0 != now {
            current.0 = now;
            if let Ok(asking) = Asking::new(&self.given) {
                current.1 = Arc::new(asking);
            }
        }
        Arc::clone(&current.1)
    }
}

impl Asking {
    fn new(given: &[SocketAddr]) -> Result<Self, NetError> {
        let of_system = if given.is_empty() { system_conf::read_system_conf().ok() } else { None };
        let (config, mut options) = of_system.unwrap_or_else(|| {
            let here = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let here = here.map(|ip: IpAddr| SocketAddr::new(ip, 53));
            (asking(if given.is_empty() { &here } else { given }), ResolverOpts::default())
        });
        options.timeout = options.timeout.min(TRY_TIMEOUT);
        options.attempts = options.attempts.min(RETRIES_MAX);
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let ndots = options.ndots;
        let first_port = |server: &NameServerConfig| Some(SocketAddr::new(server.ip, server.connections.first()?.port));
        let servers = config.name_servers().iter().filter_map(first_port).collect();
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Ok(Self { resolver: builder.build()?, hosts: Hosts::from_system().unwrap_or_default(), ndots, servers })
    }

    /// The addresses of `name` in the hosts file, if it stands there for either family.
    pub(super) fn in_hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|lookup| ips(&lookup))
            .collect()
    }

    /// Asks for the addresses of `family`.
    pub(super) async fn look_up(&self, mut name: Name, family: Family) -> Result<Found, Failure> {
        // Only short names go through the search list, or a wildcard there would stand in for a name that is gone.
        if usize::from(name.num_labels()) > self.ndots {
            name.set_fqdn(true);
        }
        let answers = match family {
            Family::Any => self.ask_for_both(name).await,
            Family::V4 => [None, Some(self.resolver.ipv4_lookup(name).await)],
            Family::V6 => [Some(self.resolver.ipv6_lookup(name).await), None],
        };
        let lookups = || answers.iter().flatten().flatten();
        let addresses: Vec<IpAddr> = lookups().flat_map(ips).collect();
        if addresses.is_empty() {
            return Err(self.unless_nobody_listens(worst(answers.into_iter().flatten())));
        }
        let ttl = lookups().flat_map(Lookup::answers).map(|record| record.ttl).min().unwrap_or(0);
        Ok(Found { addresses, ttl: Duration::from_secs(ttl.into()) })
    }

    /// Asks for IPv6 and IPv4 at once; at least one has answered.
    async fn ask_for_both(&self, name: Name) -> [Option<Result<Lookup, NetError>>; 2] {
        let mut v6 = pin!(self.resolver.ipv6_lookup(name.clone()));
        let mut v4 = pin!(self.resolver.ipv4_lookup(name));
        let (mut v6_answer, mut v4_answer) = (None, None);
        let both = poll_fn(|cx| {
            if v6_answer.is_none()
                && let Poll::Ready(answer) = v6.as_mut().poll(cx)
            {
                v6_answer = Some(answer);
            }
            if v4_answer.is_none()
                && let Poll::Ready(answer) = v4.as_mut().poll(cx)
            {
                v4_answer = Some(answer);
            }
            match (&v6_answer, &v4_answer) {
                (Some(_), Some(_)) => Poll::Ready(true),
                (Some(Ok(_)), None) | (None, Some(Ok(_))) => Poll::Ready(false),
                _ => Poll::Pending,
            }
        });
        if !both.await {
            // Whether it comes in time or not, the other one is good.
            if v6_answer.is_none() {
                v6_answer = timeout(RESOLUTION_DELAY, v6).await.ok();
            } else {
                v4_answer = timeout(RESOLUTION_DELAY_V4, v4).await.ok();
            }
        }
        [v6_answer, v4_answer]
    }

    /// `silence`, unless there is nobody who could have answered.
    ///
    /// Lookups go over unconnected sockets, which do not hear that a port is closed. A connected one does, at
    /// once for a server on this machine. What is sent is no question: a server ignores it or calls it malformed.
    pub(super) fn unless_nobody_listens(&self, silence: Failure) -> Failure {
        let refuses = |server: &SocketAddr| -> io::Result<bool> {
            let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0))?;
            socket.set_nonblocking(true)?;
            socket.connect(server)?;
            socket.send(&[0; 12])?;
            Ok(socket.recv(&mut [0; 12]).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
        };
        let nobody = |server: &SocketAddr| server.ip().is_loopback() && refuses(server).unwrap_or(false);
        match self.servers.as_slice() {
            [first, ..] if silence.cause == Cause::DnsTimeout && self.servers.iter().all(nobody) => {
                Failure::new(Cause::DnsError, format!("DNS: no name server listens at {first}"))
            }
            _ => silence,
        }
    }
}

fn stamps() -> Stamps {
    FILES.map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
}

fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|address| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        NameServerConfig::new(address.ip(), true, connections.into())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

fn ips(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

/// The failure that says most of the answers for the two families, neither of which had an address.
fn worst(answers: impl Iterator<Item = Result<Lookup, NetError>>) -> Failure {
    let failures = answers.map(|answer| match answer {
        Ok(_) => (0, no_data()),
        Err(error) => explain(&error),
    });
    failures.max_by_key(|&(weight, _)| weight).map_or_else(no_data, |(_, failure)| failure)
}

fn no_data() -> Failure {
    Failure::new(Cause::DnsNotFound, "DNS: the name has no address (no data)")
}

/// What `error` means, and its weight: a name that does not exist says more than a server that failed, that more
/// than none that answered, that more than the lack of one address family.
fn explain(error: &NetError) -> (u8, Failure) {
    let failed = |detail: String| (2, Failure::new(Cause::DnsError, detail));
    match error {
        _ if error.is_nx_domain() => (4, Failure::new(Cause::DnsNotFound, "DNS: no such name (NXDOMAIN)")),
        _ if error.is_no_records_found() => (0, no_data()),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => {
            failed("DNS: the name server failed (SERVFAIL)".to_owned())
        }
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => {
            failed("DNS: the name server refused to answer (REFUSED)".to_owned())
        }
        NetError::Dns(DnsError::ResponseCode(code)) => failed(format!("DNS: the name server answered: {code}")),
        NetError::Timeout => (1, Failure::new(Cause::DnsTimeout, "DNS: no answer from the name servers")),
        NetError::Io(io) => match shortage(io) {
            Some(shortage) => (3, shortage),
            None => failed(format!("DNS: cannot reach a name server: {io}")),
        },
        NetError::NoConnections => failed("DNS: no name server can be reached".to_owned()),
        other => failed(format!("DNS: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failure_that_says_most_wins() {
        let refused = || Err(NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)));
        let timeout = || Err(NetError::Timeout);
        let emfile = || Err(NetError::from(io::Error::from_raw_os_error(24)));
        for (answers, cause) in [
            ([timeout(), refused()], Cause::DnsError),
            ([refused(), timeout()], Cause::DnsError),
            ([timeout(), timeout()], Cause::DnsTimeout),
            ([emfile(), timeout()], Cause::Local),
        ] {
            assert_eq!(worst(answers.into_iter()).cause, cause);
        }
    }

    #[test]
    fn the_hosts_file_answers_for_whole_names_only() {
        let mut asking = Asking::new(&[SocketAddr::from(([127, 0, 0, 1], 9))]).unwrap();
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(&b"127.0.0.9 box.test box\n::9 box.test\n127.0.0.8 other\n"[..]).unwrap();
        asking.hosts = hosts;
        let found = |name| asking.in_hosts_file(&Name::from_utf8(name).unwrap());
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(found("box.test"), ips(&["::9", "127.0.0.9"]));
        assert_eq!(found("BOX"), ips(&["127.0.0.9"]));
        assert_eq!(found("a.box.test"), ips(&[]));
    }

    #[test]
    fn who_is_asked_stays_the_same_while_no_file_changes() {
        let servers = Servers::new(&[SocketAddr::from(([127, 0, 0, 1], 9))]).unwrap();
        assert!(Arc::ptr_eq(&servers.current(), &servers.current()));
    }
}
