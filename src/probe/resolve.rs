//! The phase *resolve*: a host to addresses.
//!
//! Address literals and localhost need no lookup, so for them the phase does not take place. Otherwise: what is
//! still known, then the hosts file (a name that stands there for one family is not asked for in the other, as
//! getaddrinfo has it), then the name servers.
//!
//! Limits: 128 lookups in flight over all probes, because a burst beyond what name servers bear would report
//! outages of sites that are fine. Who waits for a permit does so off the clock of the phase. Names that got no
//! answer the last time may take 32 of the permits and no more: they hold them for seconds, and would otherwise
//! hold up everybody else. Their waiting is on the clock, for to them it is the name servers' silence that goes on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use hickory_resolver::proto::rr::Name;
use tokio::sync::Semaphore;
use url::Host;

use super::failure::Failure;
use super::names::Names;
use super::servers::Servers;
use super::stopwatch::Stopwatch;
use super::{ProbeError, Waiting};
use crate::model::{Cause, Phase};

/// Lookups in flight at once, over all probes.
const IN_FLIGHT_MAX: usize = 128;
/// Of these, for names that got no answer the last time.
const SILENT_MAX: usize = 32;

/// One shared resolver.
pub(super) struct Resolve {
    servers: Servers,
    names: Names,
    clock: fn() -> Instant,
    in_flight: Semaphore,
    silent: Semaphore,
}

impl Resolve {
    /// A resolver that asks `name_servers`, or the system's if there are none.
    pub(super) fn new(name_servers: &[SocketAddr], clock: fn() -> Instant) -> Result<Self, ProbeError> {
        Ok(Self {
            servers: Servers::new(name_servers)?,
            names: Names::default(),
            clock,
            in_flight: Semaphore::new(IN_FLIGHT_MAX),
            silent: Semaphore::new(SILENT_MAX),
        })
    }

    /// The addresses of `host`, at least one; the phase is entered only when a lookup takes place.
    pub(super) async fn addresses(
        &self,
        host: &Host<&str>,
        watch: &mut Stopwatch,
        waiting: &mut Option<Waiting>,
    ) -> Result<Arc<[IpAddr]>, Failure> {
        let name = match *host {
            Host::Ipv4(ip) => return Ok([ip.into()].into()),
            Host::Ipv6(ip) => return Ok([ip.into()].into()),
            Host::Domain(name) if is_localhost(name) => {
                return Ok([Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()].into());
            }
            Host::Domain(name) => name,
        };
        watch.enter(Phase::Resolve);
        if let Some(known) = self.names.fresh(name, (self.clock)()) {
            return Ok(known);
        }
        let (turn, silent) = self.names.turn(name, (self.clock)());
        let _turn = turn.lock().await;
        if let Some(known) = self.names.fresh(name, (self.clock)()) {
            return Ok(known);
        }
        let asking = self.servers.current();
        let question = Name::from_utf8(name)
            .map_err(|error| Failure::new(Cause::DnsNotFound, format!("DNS: not a name that can be asked: {error}")))?;
        let in_hosts_file = asking.in_hosts_file(&question);
        if !in_hosts_file.is_empty() {
            return Ok(in_hosts_file.into());
        }
        let never_closed = "these semaphores are never closed";
        let _silent = if silent {
            Some(self.silent.acquire().await.expect(never_closed))
        } else {
            watch.stop();
            *waiting = Some(Waiting::Lookup);
            None
        };
        let _permit = self.in_flight.acquire().await.expect(never_closed);
        *waiting = None;
        if !silent {
            watch.enter(Phase::Resolve);
        }
        // Until there is an answer there is none, and the probe may be given up at any moment.
        self.names.silent(name, true);
        let found = asking.look_up(question).await;
        self.names.silent(name, found.as_ref().is_err_and(|failure| failure.cause == Cause::DnsTimeout));
        let found = found?;
        let addresses: Arc<[IpAddr]> = found.addresses.into();
        self.names.learnt(name, Arc::clone(&addresses), (self.clock)() + found.ttl);
        Ok(addresses)
    }

    /// What running out of time in this phase was: the silence of name servers, or their absence.
    pub(super) fn silence(&self, timeout: Failure) -> Failure {
        self.servers.current().unless_nobody_listens(timeout)
    }
}

/// Whether `name` stands for this machine without any lookup (RFC 6761 §6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
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
}
