//! Looks names up by the system's getaddrinfo: whatever nsswitch.conf has (LDAP, mDNS, a local cache).
//!
//! It blocks and cannot be interrupted, so each lookup has its own thread, which holds the permit: the permits bound the
//! threads. The clock is read on that thread, so a busy machine does not make the name server seem slow. getaddrinfo tells no
//! TTL; its result is good for a second, so that many sites on one host ask once.

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
/// nsswitch modules need more than a few pages.
const STACK: usize = 512 * 1024;

/// The addresses of `name`, timed by `watch`; `permit` is held as long as the system takes.
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
        // The receiver is gone if the probe ran out of time.
        drop(answer.send((found, spent)));
    };
    let thread = std::thread::Builder::new().name("webmon-dns".to_owned()).stack_size(STACK).spawn(ask);
    thread.map_err(|error| Failure::new(Cause::Local, format!("cannot start a thread for the lookup: {error}")))?;
    let (found, spent) =
        answered.await.map_err(|_| Failure::new(Cause::Local, "the lookup failed because of an error in webmon"))?;
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
    Ok(Resolved { addresses, families: Resolved::asked(family), name: None, ttl: GOOD_FOR })
}

/// The failure of getaddrinfo, which tells less than a name server.
fn explain(error: LookupError) -> Failure {
    let dns_error = |detail: &str| Failure::new(Cause::DnsError, detail);
    match error.kind() {
        LookupErrorKind::NoName => Failure::new(Cause::DnsNotFound, "DNS: no such name, or the name has no address"),
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
