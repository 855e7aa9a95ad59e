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
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::Name;
use tokio::sync::Semaphore;
use url::Host;

use crate::model::{Cause, Family, Phase, RecordKind, Resolver, is_localhost};
use crate::probe::failure::Failure;
use crate::probe::stopwatch::{Stopwatch, Waiting};
use crate::probe::tcp::connect::{alternate, offline};

use super::cache::{Found, KnownRecords, NameCache};
use super::getaddrinfo;
use super::servers::{NameServers, Resolved, ServerConfig};
use super::system_files::NameFiles;

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

/// What to look up of a name.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// Its addresses; if `whole`, all of them are kept beside those to try.
    Addresses { family: Family, whole: bool },
    /// Its records of these types, at least one. The addresses were `found_as` those of this name.
    Records { kinds: &'a [RecordKind], found_as: Option<&'a Name> },
}

/// A name to look up.
struct Question<'a> {
    name: &'a str,
    wanted: Wanted<'a>,
    /// The name and what is wanted: what is known of one family says nothing of the other.
    key: Cow<'a, str>,
    /// The name is the site's, not that of a redirect.
    is_own: bool,
}

impl<'a> Question<'a> {
    fn new(name: &'a str, wanted: Wanted<'a>, is_own: bool) -> Self {
        let suffix = |family| match family {
            Family::Any => "",
            Family::V4 => " 4",
            Family::V6 => " 6",
        };
        let key = match wanted {
            Wanted::Addresses { family: Family::Any, whole: false } => Cow::Borrowed(name),
            Wanted::Addresses { family, whole } => {
                Cow::Owned(format!("{name}{}{}", suffix(family), if whole { " whole" } else { "" }))
            }
            Wanted::Records { kinds, .. } => {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                Cow::Owned(format!("{name} {}", kinds.join(" ")))
            }
        };
        Self { name, wanted, key, is_own }
    }
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
        let question = Question::new(name, Wanted::Addresses { family, whole: false }, is_own);
        Box::pin(self.look_up(&question, watch)).await.map(|found| found.addresses)
    }

    /// What is `wanted` of the name of a site.
    pub(super) async fn known(&self, name: &str, wanted: Wanted<'_>, watch: &mut Stopwatch) -> Result<Found, Failure> {
        Box::pin(self.look_up(&Question::new(name, wanted, true), watch)).await
    }

    async fn look_up(&self, question: &Question<'_>, watch: &mut Stopwatch) -> Result<Found, Failure> {
        let Question { name, wanted, ref key, is_own } = *question;
        watch.enter(Phase::Resolve);
        let config = self.config();
        if let Some(found) = self.cache.get(key, (self.clock)()) {
            return Ok(found);
        }
        let (lock, is_silent, before) = self.cache.entry(key, (self.clock)());
        let _lock = lock.lock().await;
        if let Some(result) = self.cache.result_since(key, before) {
            return result;
        }
        if let Some(found) = self.cache.get(key, (self.clock)()) {
            return Ok(found);
        }
        let asked = match config {
            None => None,
            Some(config) => {
                let name = Name::from_str_relaxed(name)
                    .map_err(|error| Failure::new(Cause::DnsNotFound, format!("DNS: invalid name: {error}")))?;
                if let Wanted::Addresses { family, whole } = wanted
                    && let Some(resolved) = config.in_hosts_file(&name, family)
                {
                    return Ok(found(resolved.addresses.clone().into(), &resolved, whole));
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
        let result = match (wanted, &asked) {
            (Wanted::Records { kinds, found_as }, asked) => {
                let _permit = permit;
                ask_for_records(asked.as_ref(), kinds, found_as).await
            }
            (Wanted::Addresses { family, whole }, Some((config, name))) => {
                let _permit = permit;
                config.look_up(name, family).await.map(|resolved| to_try(&resolved, whole))
            }
            (Wanted::Addresses { family, whole }, None) => {
                let resolved = getaddrinfo::look_up(name, family, self.clock, permit, watch).await;
                resolved.map(|resolved| to_try(&resolved, whole))
            }
        };
        let is_silent = result.as_ref().is_err_and(|failure| failure.cause == Cause::DnsTimeout);
        self.cache.set_silent(key, is_silent);
        self.slots.answered.fetch_add(u64::from(!is_silent), Ordering::Relaxed);
        self.cache.complete(key, &result.as_ref().map(|(found, _)| found.clone()).map_err(Clone::clone));
        let (found, ttl) = result?;
        // An answer to a question before a file changed counts only this once.
        let is_current = match (&asked, self.config()) {
            (Some((config, _)), Some(current)) => Arc::ptr_eq(config, &current),
            _ => true,
        };
        if is_current {
            self.cache.insert(key, found.clone(), (self.clock)(), ttl, is_own);
        }
        Ok(found)
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

    /// `failure` of a lookup, unless this machine has no network and no way to a name server.
    ///
    /// That a name does not exist stands, and all that a name server has a route to say: a machine without a route to the world may
    /// have one to its name server, as in a closed network. A name server on this machine that fails or is silent may have lacked
    /// a network to ask.
    pub(crate) fn explain_offline(&self, failure: Failure, has_route: fn(IpAddr) -> bool) -> Failure {
        // Other systems than Linux say of any name that it does not exist while the machine is offline.
        let is_told = self.servers.is_some() || cfg!(target_os = "linux");
        let may_be_offline = match failure.cause {
            Cause::DnsTimeout | Cause::DnsError => true,
            Cause::DnsNotFound => !is_told,
            _ => false,
        };
        if !may_be_offline {
            return failure;
        }
        let Some(offline) = offline(&[], has_route) else { return failure };
        let servers: Vec<IpAddr> = match self.config() {
            Some(config) => config.servers().collect(),
            // The same for the system's lookup, as far as that can be known.
            None if cfg!(unix) => {
                NameFiles::default().conf(&[]).servers.iter().map(|server| server.address.ip()).collect()
            }
            None => Vec::new(),
        };
        let is_reached = servers.into_iter().any(|server| !server.is_loopback() && has_route(server));
        if is_reached { failure } else { offline }
    }

    /// The failure of a lookup without an answer in time: `timeout`, or that no name server listens.
    pub(crate) fn explain_silence(&self, timeout: Failure) -> Failure {
        match self.config() {
            Some(config) => config.explain_silence(timeout),
            None => timeout,
        }
    }
}

type Answer = Result<(Found, Duration), Failure>;

/// The addresses of `resolved` that are ever tried, and if `whole` all of them.
fn to_try(resolved: &Resolved, whole: bool) -> (Found, Duration) {
    (found(alternate(&resolved.addresses).into(), resolved, whole), resolved.ttl)
}

fn found(addresses: Arc<[IpAddr]>, resolved: &Resolved, whole: bool) -> Found {
    let records = || Arc::new(KnownRecords { name: resolved.name.clone(), sets: resolved.sets() });
    Found { addresses, records: whole.then(records) }
}

async fn ask_for_records(
    asked: Option<&(Arc<ServerConfig>, Name)>,
    kinds: &[RecordKind],
    found_as: Option<&Name>,
) -> Answer {
    let Some((config, name)) = asked else {
        return Err(Failure::new(Cause::Local, "the system's lookup finds addresses only"));
    };
    let (sets, ttl) = config.records(found_as.unwrap_or(name), kinds).await?;
    let records = Some(Arc::new(KnownRecords { name: None, sets }));
    Ok((Found { addresses: Arc::default(), records }, ttl))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
    fn clock() -> Instant {
        Instant::now()
    }

    /// In a closed network only the name server has a route.
    #[test]
    fn what_a_name_server_says_stands_and_its_silence_if_it_has_a_route() {
        use Cause::{DnsAnswer, DnsError, DnsNotFound, DnsTimeout, Local};
        let nowhere: fn(IpAddr) -> bool = |_| false;
        let closed: fn(IpAddr) -> bool = |ip| ip == IpAddr::from([10, 9, 0, 1]);
        for (servers, has_route, said, cause) in [
            (&["10.9.0.1:53"][..], closed, DnsNotFound, DnsNotFound),
            (&["10.9.0.1:53"], closed, DnsError, DnsError),
            (&["10.9.0.1:53"], closed, DnsTimeout, DnsTimeout),
            (&["127.0.0.11:53", "10.9.0.1:53"], closed, DnsTimeout, DnsTimeout),
            (&["10.9.0.2:53"], closed, DnsTimeout, Local),
            (&["10.9.0.1:53"], nowhere, DnsNotFound, DnsNotFound),
            (&["10.9.0.1:53"], nowhere, DnsAnswer, DnsAnswer),
            // Nobody can have said this: there was no way to send the question.
            (&["10.9.0.1:53"], nowhere, DnsError, Local),
            (&["10.9.0.1:53"], nowhere, DnsTimeout, Local),
            // The name server of a container, or of a laptop that is offline.
            (&["127.0.0.11:53"], nowhere, DnsNotFound, DnsNotFound),
            (&["127.0.0.53:53"], nowhere, DnsError, Local),
            (&["127.0.0.11:53"], nowhere, DnsTimeout, Local),
            (&["10.9.0.2:53"], |ip| ip == IpAddr::from([192, 0, 2, 1]), DnsTimeout, DnsTimeout),
        ] {
            let choice = Resolver::Servers(servers.iter().map(|server| server.parse().unwrap()).collect());
            let told = NameResolver::new(&choice, clock).explain_offline(Failure::new(said, "x"), has_route);
            assert_eq!(told.cause, cause, "{said:?} of {servers:?}");
        }
        let system = NameResolver::new(&Resolver::System, clock);
        assert_eq!(system.explain_offline(Failure::new(DnsNotFound, "x"), nowhere).cause, DnsNotFound);
        assert_eq!(system.explain_offline(Failure::new(DnsTimeout, "x"), nowhere).cause, Local);
    }
}
