//! The phase *resolve*: a host to addresses.
//!
//! Address literals and localhost need no lookup, so for them the phase does not take place. Then comes the hosts
//! file: a name that stands there for one family is not asked for in the other, as getaddrinfo has it. Then the
//! system's name servers, through one shared resolver with a cache that honours the TTL. A and AAAA are asked
//! at once; when one has come, the other gets 50 ms more (the resolution delay of RFC 8305 §3), since many
//! name servers drop questions for AAAA.
//!
//! Limits: 128 lookups in flight over all probes. A burst beyond what name servers bear would report
//! outages of sites that are fine. Who waits for a permit does so before the clock of the phase starts.
//! One try takes at most 2 s and there are at most three, so that a dead server cannot hold a permit for long.
//!
//! Not having a resolv.conf, or having one without a server, is no error here: then the name server is the one
//! on this machine, as resolv.conf(5) says.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use tokio::sync::Semaphore;
use url::Host;

use super::failure::{Failure, shortage};
use super::stopwatch::Stopwatch;
use super::{ProbeError, Waiting};
use crate::model::{Cause, Phase};

/// Lookups in flight at once, over all probes.
const IN_FLIGHT_MAX: usize = 128;
/// For one try of one lookup.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// Tries after the first.
const RETRIES_MAX: usize = 2;
/// Names that are remembered until their TTL ends.
const CACHE_NAMES: u64 = 16_384;
/// How long the answer for the other address family is waited for.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// One shared resolver.
pub(super) struct Resolve {
    resolver: TokioResolver,
    hosts: Hosts,
    ndots: usize,
    in_flight: Semaphore,
}

impl Resolve {
    /// A resolver that asks `name_servers`, or the system's if there are none.
    pub(super) fn new(name_servers: &[SocketAddr]) -> Result<Self, ProbeError> {
        let (config, mut options) = if name_servers.is_empty() {
            system_conf::read_system_conf().unwrap_or_else(|_| (servers(&this_machine()), ResolverOpts::default()))
        } else {
            (servers(name_servers), ResolverOpts::default())
        };
        options.timeout = options.timeout.min(TRY_TIMEOUT);
        options.attempts = options.attempts.min(RETRIES_MAX);
        options.cache_size = CACHE_NAMES;
        options.use_hosts_file = ResolveHosts::Never;
        let ndots = options.ndots;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|error| ProbeError::Resolver(error.to_string()))?;
        let hosts = Hosts::from_system().unwrap_or_default();
        Ok(Self { resolver, hosts, ndots, in_flight: Semaphore::new(IN_FLIGHT_MAX) })
    }

    /// The addresses of `host`, at least one; the phase is entered only when a lookup takes place.
    pub(super) async fn addresses(
        &self,
        host: &Host<&str>,
        watch: &mut Stopwatch,
        waiting: &mut Option<Waiting>,
    ) -> Result<Vec<IpAddr>, Failure> {
        let name = match *host {
            Host::Ipv4(ip) => return Ok(vec![ip.into()]),
            Host::Ipv6(ip) => return Ok(vec![ip.into()]),
            Host::Domain(name) if is_localhost(name) => {
                return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
            }
            Host::Domain(name) => name,
        };
        *waiting = Some(Waiting::Lookup);
        let _permit = self.in_flight.acquire().await.expect("this semaphore is never closed");
        *waiting = None;
        watch.enter(Phase::Resolve);
        self.look_up(name).await
    }

    async fn look_up(&self, text: &str) -> Result<Vec<IpAddr>, Failure> {
        let mut name = Name::from_utf8(text)
            .map_err(|error| Failure::new(Cause::DnsNotFound, format!("DNS: not a name that can be asked: {error}")))?;
        let hosts = self.in_hosts_file(&name);
        if !hosts.is_empty() {
            return Ok(hosts);
        }
        // Only short names go through the search list, or a wildcard there would stand in for a name that is gone.
        if text.matches('.').count() >= self.ndots {
            name.set_fqdn(true);
        }
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
                (Some(_), Some(_)) => Poll::Ready(None),
                (Some(Ok(_)), None) | (None, Some(Ok(_))) => Poll::Ready(Some(())),
                _ => Poll::Pending,
            }
        });
        let one_is_missing = both.await.is_some();
        if one_is_missing {
            // Whether it comes in time or not, the other one is good.
            let other = poll_fn(|cx| if v6_answer.is_none() { v6.as_mut().poll(cx) } else { v4.as_mut().poll(cx) });
            let late = tokio::time::timeout(RESOLUTION_DELAY, other).await.ok();
            if v6_answer.is_none() { v6_answer = late } else { v4_answer = late }
        }
        let answers = [v6_answer, v4_answer];
        let found: Vec<IpAddr> = answers.iter().flatten().flatten().flat_map(ips).collect();
        if found.is_empty() { Err(worst(answers.into_iter().flatten())) } else { Ok(found) }
    }

    fn in_hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|lookup| ips(&lookup))
            .collect()
    }
}

/// Whether `name` stands for this machine without any lookup (RFC 6761 §6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

fn this_machine() -> [SocketAddr; 2] {
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(|ip: IpAddr| SocketAddr::new(ip, 53))
}

fn servers(addresses: &[SocketAddr]) -> ResolverConfig {
    let servers = addresses.iter().map(|address| {
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
        NetError::Dns(DnsError::ResponseCode(code)) => failed(format!("DNS: the name server {}", answered(*code))),
        NetError::Timeout => (1, Failure::new(Cause::DnsTimeout, "DNS: no answer from the name servers")),
        NetError::Io(io) => {
            if let Some(shortage) = shortage(io) {
                return (3, shortage);
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused => failed("DNS: no name server listens there".to_owned()),
                _ => failed(format!("DNS: cannot reach a name server: {io}")),
            }
        }
        NetError::NoConnections => failed("DNS: no name server can be reached".to_owned()),
        other => failed(format!("DNS: {other}")),
    }
}

fn answered(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "failed (SERVFAIL)".to_owned(),
        ResponseCode::Refused => "refused to answer (REFUSED)".to_owned(),
        other => format!("answered: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_this_machine_under_all_its_names() {
        for (name, local) in
            [("localhost", true), ("a.localhost", true), ("localhost.", true), ("notlocalhost", false), ("a", false)]
        {
            assert_eq!(is_localhost(name), local, "{name}");
        }
    }

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
}
