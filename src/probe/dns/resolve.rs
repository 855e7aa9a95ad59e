//! The phase *resolve*: a host to addresses.
//!
//! Address literals and localhost need no lookup, so for them the phase does not take place. Otherwise: what is
//! still known, then the hosts file (a name that stands there for one family is not asked for in the other, as
//! getaddrinfo has it), then the name servers; or instead of these two the system's getaddrinfo.
//!
//! Limits: 128 lookups in flight over all probes, because a burst beyond what name servers bear would report
//! outages of sites that are fine. Who waits for a permit does so off the clock of the phase. Names that got no
//! answer the last time may take 32 of the permits and no more: they hold them for seconds, and would otherwise
//! hold up everybody else. Their waiting is on the clock, for to them it is the name servers' silence that goes on.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hickory_resolver::proto::rr::Name;
use tokio::sync::Semaphore;
use url::Host;

use crate::model::Resolver;
use crate::model::{Cause, Family, Phase};
use crate::probe::failure::Failure;
use crate::probe::stopwatch::{Stopwatch, Waiting};
use crate::probe::tcp::connect::alternate;

use super::cache::NameCache;
use super::getaddrinfo;
use super::servers::{Asking, Servers};

/// Lookups in flight at once, over all probes.
const IN_FLIGHT_MAX: usize = 128;
/// Of these, for names that got no answer the last time.
const SILENT_MAX: usize = 32;

/// Who is asked.
enum ResolverSource {
    Servers(Box<Servers>),
    System,
}

/// One shared resolver.
pub(crate) struct Resolve {
    source: ResolverSource,
    names: NameCache,
    clock: fn() -> Instant,
    in_flight: Arc<Semaphore>,
    silent: Semaphore,
    /// Lookups that got an answer, of whatever kind. It only grows, so any ordering will do.
    answered: AtomicU64,
}

impl Resolve {
    /// A resolver by `choice`.
    pub(crate) fn new(choice: &Resolver, clock: fn() -> Instant) -> Self {
        let source = match choice {
            Resolver::Auto if cfg!(unix) => ResolverSource::Servers(Box::new(Servers::new(&[]))),
            Resolver::Servers(servers) => ResolverSource::Servers(Box::new(Servers::new(servers))),
            // Where there is no resolv.conf only the system knows its name servers.
            Resolver::Auto | Resolver::System => ResolverSource::System,
        };
        Self {
            source,
            names: NameCache::default(),
            clock,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            silent: Semaphore::new(SILENT_MAX),
            answered: AtomicU64::new(0),
        }
    }

    /// The addresses of `host`, at least one; the phase is entered only when a lookup takes place. `is_own`: it is the
    /// site's, not that of a redirect.
    pub(crate) async fn addresses(
        &self,
        host: &Host<&str>,
        family: Family,
        is_own: bool,
        watch: &mut Stopwatch,
        waiting: &mut Option<Waiting>,
    ) -> Result<Arc<[IpAddr]>, Failure> {
        let name = match *host {
            Host::Ipv4(ip) => return literal(&[ip.into()], family),
            Host::Ipv6(ip) => return literal(&[ip.into()], family),
            Host::Domain(name) if is_localhost(name) => {
                return literal(&[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()], family);
            }
            Host::Domain(name) => name,
        };
        // What is known of a name in one family says nothing of the other.
        let key = match family {
            Family::Any => Cow::Borrowed(name),
            Family::V4 => Cow::Owned(format!("{name} 4")),
            Family::V6 => Cow::Owned(format!("{name} 6")),
        };
        Box::pin(self.look_up(name, (&key, is_own), family, watch, waiting)).await
    }

    /// The addresses of `name`, remembered under `key`.
    async fn look_up(
        &self,
        name: &str,
        (key, is_own): (&str, bool),
        family: Family,
        watch: &mut Stopwatch,
        waiting: &mut Option<Waiting>,
    ) -> Result<Arc<[IpAddr]>, Failure> {
        watch.enter(Phase::Resolve);
        let asking = self.asking();
        if let Some(known) = self.names.fresh(key, (self.clock)()) {
            return Ok(known);
        }
        let (turn, silent, before) = self.names.turn(key, (self.clock)());
        let _turn = turn.lock().await;
        if let Some(outcome) = self.names.ended_since(key, before) {
            return outcome;
        }
        if let Some(known) = self.names.fresh(key, (self.clock)()) {
            return Ok(known);
        }
        let asking = match asking {
            None => None,
            Some(asking) => {
                let question = Name::from_str_relaxed(name).map_err(|error| {
                    Failure::new(Cause::DnsNotFound, format!("DNS: not a name that can be asked: {error}"))
                })?;
                let mut in_hosts_file = asking.in_hosts_file(&question);
                in_hosts_file.retain(|ip| family.holds(*ip));
                if !in_hosts_file.is_empty() {
                    return Ok(in_hosts_file.into());
                }
                Some((asking, question))
            }
        };
        let never_closed = "these semaphores are never closed";
        let _silent = if silent {
            Some(self.silent.acquire().await.expect(never_closed))
        } else {
            watch.stop();
            *waiting = Some(Waiting::Lookup((self.clock)(), self.answered()));
            None
        };
        let permit = Arc::clone(&self.in_flight).acquire_owned().await.expect(never_closed);
        *waiting = None;
        if !silent {
            watch.enter(Phase::Resolve);
        }
        // Until there is an answer there is none, and the probe may be given up at any moment.
        self.names.silent(key, true);
        let found = match &asking {
            Some((asking, question)) => {
                let _permit = permit;
                asking.look_up(question, family).await
            }
            None => getaddrinfo::look_up(name, family, self.clock, permit, watch).await,
        };
        let silent = found.as_ref().is_err_and(|failure| failure.cause == Cause::DnsTimeout);
        self.names.silent(key, silent);
        self.answered.fetch_add(u64::from(!silent), Ordering::Relaxed);
        let outcome = found.map(|found| (Arc::<[IpAddr]>::from(alternate(&found.addresses)), found.ttl));
        self.names.end(key, &outcome.as_ref().map(|(addresses, _)| Arc::clone(addresses)).map_err(Clone::clone));
        let (addresses, ttl) = outcome?;
        // An answer that was asked for before a file changed is good for this once.
        let is_current = match (&asking, self.asking()) {
            (Some((asking, _)), Some(current)) => Arc::ptr_eq(asking, &current),
            _ => true,
        };
        if is_current {
            self.names.learnt(key, Arc::clone(&addresses), (self.clock)(), ttl, is_own);
        }
        Ok(addresses)
    }

    /// Whom to ask, if not the system. When that has changed, nothing that was learnt before is good any more.
    fn asking(&self) -> Option<Arc<Asking>> {
        let ResolverSource::Servers(servers) = &self.source else { return None };
        let (asking, has_changed) = servers.current();
        if has_changed {
            self.names.forget();
        }
        Some(asking)
    }

    /// Lookups that got an answer so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// What running out of time in this phase was: the silence of name servers, or their absence.
    pub(crate) fn silence(&self, timeout: Failure) -> Failure {
        match self.asking() {
            Some(asking) => asking.unless_nobody_listens(timeout),
            None => timeout,
        }
    }
}

/// `addresses` of `family`, which were not looked up.
fn literal(addresses: &[IpAddr], family: Family) -> Result<Arc<[IpAddr]>, Failure> {
    if addresses.iter().all(|ip| family.holds(*ip)) {
        return Ok(addresses.into());
    }
    let held: Arc<[IpAddr]> = addresses.iter().copied().filter(|ip| family.holds(*ip)).collect();
    if held.is_empty() {
        let version = if family == Family::V4 { "4" } else { "6" };
        return Err(Failure::new(Cause::DnsNotFound, format!("the address is none of IPv{version}, as `ip` asks for")));
    }
    Ok(held)
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
