//! Names through the system's own lookup, getaddrinfo: whatever nsswitch.conf has (LDAP, mDNS, a local cache).
//!
//! It blocks, and nothing can end it: so each lookup has a thread of its own, and the permit for a lookup in flight
//! goes with the thread, not with the probe: the permits bound the threads. The clock is read on that thread, so a
//! busy machine's wait for it to begin is not taken for a slow name server. getaddrinfo tells no TTL, so what it said
//! is good for a second: enough for a burst of sites on one host to ask once.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::model::{Cause, Family};
use crate::probe::failure::{Failure, shortage};
use crate::probe::stopwatch::Stopwatch;

use super::servers::Resolved;

const GOOD_FOR: Duration = Duration::from_secs(1);
/// Modules of the system's lookup are loaded into it and want more than a few pages.
const STACK: usize = 512 * 1024;

/// The addresses of `name`, found while `watch` runs; `permit` is held as long as the system takes.
pub(crate) async fn look_up(
    name: &str,
    family: Family,
    clock: fn() -> Instant,
    permit: OwnedSemaphorePermit,
    watch: &mut Stopwatch,
) -> Result<Resolved, Failure> {
    let (answer, answered) = oneshot::channel();
    let owned = name.to_owned();
    let ask = move || {
        let begin = clock();
        let found = ask(&owned, family);
        let spent = clock().saturating_duration_since(begin);
        drop(permit);
        // Nobody waits any more when the probe ran out of time.
        drop(answer.send((found, spent)));
    };
    let thread = std::thread::Builder::new().name("webmon-dns".to_owned()).stack_size(STACK).spawn(ask);
    thread.map_err(|error| Failure::new(Cause::Local, format!("cannot start a thread for a lookup: {error}")))?;
    let (found, spent) =
        answered.await.map_err(|_| Failure::new(Cause::Local, "webmon: a lookup failed by a fault"))?;
    watch.book_measured(spent);
    found
}

fn ask(name: &str, family: Family) -> Result<Resolved, Failure> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(explain)?;
    let mut addresses: Vec<IpAddr> = found.flatten().map(|found| found.sockaddr.ip()).collect();
    addresses.retain(|ip| family.holds(*ip));
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Failure::new(Cause::DnsNotFound, "DNS: the name has no address (no data)"));
    }
    Ok(Resolved { addresses, ttl: GOOD_FOR })
}

/// What getaddrinfo's error means; it tells less than a name server does.
fn explain(error: LookupError) -> Failure {
    let dns_error = |detail: &str| Failure::new(Cause::DnsError, detail);
    match error.kind() {
        LookupErrorKind::NoName => Failure::new(Cause::DnsNotFound, "DNS: no such name, or no address of it"),
        LookupErrorKind::NoData => Failure::new(Cause::DnsNotFound, "DNS: the name has no address (no data)"),
        LookupErrorKind::Again => dns_error("DNS: the name servers failed or did not answer (EAI_AGAIN)"),
        LookupErrorKind::Fail => dns_error("DNS: the name servers failed (EAI_FAIL)"),
        LookupErrorKind::Memory => Failure::new(Cause::Local, "no free memory on this machine"),
        _ => {
            let error = io::Error::from(error);
            shortage(&error).unwrap_or_else(|| dns_error(&format!("DNS: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_resolves_to_itself_in_its_family_only() {
        let found = |family| ask("127.0.0.1", family).map(|found| found.addresses);
        assert_eq!(found(Family::Any), Ok(vec!["127.0.0.1".parse().unwrap()]));
        assert_eq!(found(Family::V6).unwrap_err().cause, Cause::DnsNotFound);
    }

    #[test]
    fn errors_of_the_system_have_a_cause() {
        for (name, cause) in [("no such name \u{1}", Cause::DnsNotFound), ("a\0b", Cause::DnsError)] {
            let failure = ask(name, Family::Any).map(|found| found.addresses).unwrap_err();
            // Without a network the name servers cannot be asked.
            assert!(failure.cause == cause || failure.cause == Cause::DnsError, "{name:?}: {failure:?}");
        }
    }
}
