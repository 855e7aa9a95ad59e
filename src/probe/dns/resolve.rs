//! The phase *resolve*: a host becomes addresses.
//!
//! Address literals and localhost skip the phase. Otherwise the cache decides, then the hosts file (a name that it has in one
//! family is not looked up in the other, as with getaddrinfo), then the name servers; or getaddrinfo instead of these two.
//!
//! Bounds: 128 lookups in flight over all probes, because a larger burst overwhelms name servers and would report outages of
//! good sites. Waiting for a permit is off the clock. Names without an answer last time share 32 of the permits: they hold them
//! for seconds, and would hold up all others. Their waiting is on the clock, because the name servers' silence continues.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hickory_resolver::proto::rr::Name;
use tokio::sync::Semaphore;
use url::Host;

use crate::model::{Cause, Family, Phase, Resolver};
use crate::probe::failure::Failure;
use crate::probe::stopwatch::{Stopwatch, Waiting};
use crate::probe::tcp::connect::alternate;

use super::cache::NameCache;
use super::getaddrinfo;
use super::servers::{NameServers, ServerConfig};

const IN_FLIGHT_MAX: usize = 128;
/// Of these, for names without an answer last time.
const SILENT_MAX: usize = 32;

/// Resolves the names of all probes of one runtime.
pub(crate) struct NameResolver {
    choice: Resolver,
    /// None: getaddrinfo.
    servers: Option<NameServers>,
    cache: NameCache,
    clock: fn() -> Instant,
    slots: Arc<LookupSlots>,
}

/// Bounds the lookups of all runtimes.
struct LookupSlots {
    in_flight: Arc<Semaphore>,
    silent: Semaphore,
    /// Lookups that had an answer, of whatever kind. It only grows, so any ordering will do.
    answered: AtomicU64,
}

/// A name to look up.
struct Question<'a> {
    name: &'a str,
    /// The name and the family: what is known of one family says nothing of the other.
    key: Cow<'a, str>,
    family: Family,
    /// The name is the site's, not that of a redirect.
    is_own: bool,
}

impl NameResolver {
    pub(crate) fn new(choice: &Resolver, clock: fn() -> Instant) -> Self {
        let slots = LookupSlots {
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            silent: Semaphore::new(SILENT_MAX),
            answered: AtomicU64::new(0),
        };
        Self::with(choice, clock, Arc::new(slots))
    }

    /// A resolver for another runtime, with the same bounds over both.
    pub(crate) fn sibling(&self) -> Self {
        Self::with(&self.choice, self.clock, Arc::clone(&self.slots))
    }

    fn with(choice: &Resolver, clock: fn() -> Instant, slots: Arc<LookupSlots>) -> Self {
        let servers = match choice {
            Resolver::Auto if cfg!(unix) => Some(NameServers::new(&[])),
            Resolver::Servers(servers) => Some(NameServers::new(servers)),
            // Without a resolv.conf only the system knows its name servers.
            Resolver::Auto | Resolver::System => None,
        };
        Self { choice: choice.clone(), servers, cache: NameCache::default(), clock, slots }
    }

    /// The addresses of `host`, at least one. Enters the phase only for a lookup. `is_own` if it is the site's host.
    pub(crate) async fn addresses(
        &self,
        host: &Host<&str>,
        family: Family,
        is_own: bool,
        watch: &mut Stopwatch,
    ) -> Result<Arc<[IpAddr]>, Failure> {
        let name = match *host {
            Host::Ipv4(ip) => return literal(&[ip.into()], family),
            Host::Ipv6(ip) => return literal(&[ip.into()], family),
            Host::Domain(name) if is_localhost(name) => {
                return literal(&[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()], family);
            }
            Host::Domain(name) => name,
        };
        let key = match family {
            Family::Any => Cow::Borrowed(name),
            Family::V4 => Cow::Owned(format!("{name} 4")),
            Family::V6 => Cow::Owned(format!("{name} 6")),
        };
        Box::pin(self.look_up(&Question { name, key, family, is_own }, watch)).await
    }

    async fn look_up(&self, question: &Question<'_>, watch: &mut Stopwatch) -> Result<Arc<[IpAddr]>, Failure> {
        let Question { name, ref key, family, is_own } = *question;
        watch.enter(Phase::Resolve);
        let config = self.config();
        if let Some(addresses) = self.cache.get(key, (self.clock)()) {
            return Ok(addresses);
        }
        let (lock, is_silent, before) = self.cache.entry(key, (self.clock)());
        let _lock = lock.lock().await;
        if let Some(result) = self.cache.result_since(key, before) {
            return result;
        }
        if let Some(addresses) = self.cache.get(key, (self.clock)()) {
            return Ok(addresses);
        }
        let asked = match config {
            None => None,
            Some(config) => {
                let name = Name::from_str_relaxed(name)
                    .map_err(|error| Failure::new(Cause::DnsNotFound, format!("DNS: invalid name: {error}")))?;
                let mut in_hosts_file = config.in_hosts_file(&name);
                in_hosts_file.retain(|ip| family.holds(*ip));
                if !in_hosts_file.is_empty() {
                    return Ok(in_hosts_file.into());
                }
                Some((config, name))
            }
        };
        let never_closed = "these semaphores are never closed";
        let _silent = if is_silent {
            Some(self.slots.silent.acquire().await.expect(never_closed))
        } else {
            watch.wait_for(Waiting::Lookup((self.clock)(), self.answered()));
            None
        };
        let permit = Arc::clone(&self.slots.in_flight).acquire_owned().await.expect(never_closed);
        if !is_silent {
            watch.enter(Phase::Resolve);
        }
        // Silent until there is an answer: the probe may be dropped at any moment.
        self.cache.set_silent(key, true);
        let found = match &asked {
            Some((config, name)) => {
                let _permit = permit;
                config.look_up(name, family).await
            }
            None => getaddrinfo::look_up(name, family, self.clock, permit, watch).await,
        };
        let is_silent = found.as_ref().is_err_and(|failure| failure.cause == Cause::DnsTimeout);
        self.cache.set_silent(key, is_silent);
        self.slots.answered.fetch_add(u64::from(!is_silent), Ordering::Relaxed);
        let found = found.map(|found| (Arc::<[IpAddr]>::from(alternate(&found.addresses)), found.ttl));
        self.cache.complete(key, &found.as_ref().map(|(addresses, _)| Arc::clone(addresses)).map_err(Clone::clone));
        let (addresses, ttl) = found?;
        // An answer to a question before a file changed counts only this once.
        let is_current = match (&asked, self.config()) {
            (Some((config, _)), Some(current)) => Arc::ptr_eq(config, &current),
            _ => true,
        };
        if is_current {
            self.cache.insert(key, Arc::clone(&addresses), (self.clock)(), ttl, is_own);
        }
        Ok(addresses)
    }

    /// How to ask name servers; none for getaddrinfo. Clears the cache when that has changed.
    fn config(&self) -> Option<Arc<ServerConfig>> {
        let (config, has_changed) = self.servers.as_ref()?.current();
        if has_changed {
            self.cache.clear();
        }
        Some(config)
    }

    /// Lookups that had an answer so far.
    pub(crate) fn answered(&self) -> u64 {
        self.slots.answered.load(Ordering::Relaxed)
    }

    /// The failure of a lookup without an answer in time: `timeout`, or that no name server listens.
    pub(crate) fn explain_silence(&self, timeout: Failure) -> Failure {
        match self.config() {
            Some(config) => config.explain_silence(timeout),
            None => timeout,
        }
    }
}

/// Those of `addresses` that `family` has; they need no lookup.
fn literal(addresses: &[IpAddr], family: Family) -> Result<Arc<[IpAddr]>, Failure> {
    if addresses.iter().all(|ip| family.holds(*ip)) {
        return Ok(addresses.into());
    }
    let held: Arc<[IpAddr]> = addresses.iter().copied().filter(|ip| family.holds(*ip)).collect();
    if held.is_empty() {
        let version = if family == Family::V4 { "4" } else { "6" };
        return Err(Failure::new(
            Cause::DnsNotFound,
            format!("the address is not an IPv{version} address, which `ip` requires"),
        ));
    }
    Ok(held)
}

/// Whether `name` is this machine without any lookup (RFC 6761 §6.3).
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
