//! What is remembered of names between lookups.
//!
//! Addresses, for as long as their TTL allows, so that a site known already needs no permit and cannot be held
//! up by names that nobody answers for. One turn a name: probes that wait for a lookup under way take what it comes to,
//! addresses that may not be kept and failures as well, so that no probe waits for more than one lookup. And which
//! names got no answer the last time: those wait in a smaller queue of their own. Failures are not kept for later probes.
//!
//! Limits: the eight addresses of a name that are ever tried, for five minutes at most, or ten seconds when only a redirect
//! led to the name; 16,384 names. Redirects can bring any number of them; past the limit those that are of no
//! use any more are forgotten, and if there are none, all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::probe::failure::Failure;

/// Names that are remembered at most.
const NAMES_MAX: usize = 16_384;

/// The longest that addresses are good for, whatever their TTL.
const GOOD_MAX: Duration = Duration::from_mins(5);
/// The same for names that only a redirect led to.
const GOOD_MAX_REDIRECT: Duration = Duration::from_secs(10);

/// What a lookup came to.
pub(crate) type LookupResult = Result<Arc<[IpAddr]>, Failure>;

/// The turn of one name: its holder may ask.
pub(crate) type NameLock = Arc<tokio::sync::Mutex<()>>;

/// What is remembered. The lock is held for a look at the map, never across a wait.
#[derive(Debug, Default)]
pub(crate) struct NameCache(Mutex<HashMap<Box<str>, CacheEntry>>);

#[derive(Debug, Default)]
struct CacheEntry {
    addresses: Arc<[IpAddr]>,
    until: Option<Instant>,
    silent: bool,
    turn: NameLock,
    /// Lookups that have ended, and what the last one came to.
    ended: (u64, Option<LookupResult>),
}

impl NameCache {
    /// The addresses of `name`, if what was learnt is still good at `now`.
    pub(crate) fn fresh(&self, name: &str, now: Instant) -> Option<Arc<[IpAddr]>> {
        let names = self.lock();
        let known = names.get(name)?;
        known.until.is_some_and(|until| now < until).then(|| Arc::clone(&known.addresses))
    }

    /// The turn of `name`, whether its last lookup got no answer, and how many have ended.
    pub(crate) fn turn(&self, name: &str, now: Instant) -> (NameLock, bool, u64) {
        let mut names = self.lock();
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            names.retain(|_, known| known.until.is_some_and(|until| now < until) || Arc::strong_count(&known.turn) > 1);
            if names.len() >= NAMES_MAX {
                names.clear();
            }
        }
        let known = names.entry(name.into()).or_default();
        (Arc::clone(&known.turn), known.silent, known.ended.0)
    }

    /// What a lookup of `name` came to that has ended since there were `before`.
    pub(crate) fn ended_since(&self, name: &str, before: u64) -> Option<LookupResult> {
        let names = self.lock();
        let (ended, outcome) = &names.get(name)?.ended;
        outcome.clone().filter(|_| *ended > before)
    }

    /// A lookup of `name` came to this; those who wait for their turn take it.
    pub(crate) fn end(&self, name: &str, outcome: &LookupResult) {
        if let Some(known) = self.lock().get_mut(name) {
            // Without anybody who waits it would only take memory.
            let waited_for = Arc::strong_count(&known.turn) > 2;
            known.ended = (known.ended.0 + 1, waited_for.then(|| outcome.clone()));
        }
    }

    /// `name` has these addresses, which are good for `ttl` after `now`. `is_own`: it is the name of a site.
    pub(crate) fn learnt(&self, name: &str, addresses: Arc<[IpAddr]>, now: Instant, ttl: Duration, is_own: bool) {
        if let Some(known) = self.lock().get_mut(name) {
            let most = if is_own { GOOD_MAX } else { GOOD_MAX_REDIRECT };
            (known.addresses, known.until) = (addresses, Some(now + ttl.min(most)));
        }
    }

    /// Addresses that were learnt are good no longer; whose turn it is stays.
    pub(crate) fn forget(&self) {
        for known in self.lock().values_mut() {
            (known.addresses, known.until) = (Arc::default(), None);
        }
    }

    /// Whether the last lookup of `name` got no answer.
    pub(crate) fn silent(&self, name: &str, silent: bool) {
        if let Some(known) = self.lock().get_mut(name) {
            known.silent = silent;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, CacheEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "an origin for scripted time; no test looks at its value")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn addresses_are_good_until_their_time_is_over() {
        let (names, now) = (NameCache::default(), origin());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(names.fresh("a", now), None);
        drop(names.turn("a", now));
        names.learnt("a", [IpAddr::from([127, 0, 0, 1])].into(), now, Duration::from_mins(1), true);
        assert_eq!(names.fresh("a", later(59)).map(|found| found.len()), Some(1));
        assert_eq!(names.fresh("a", later(60)), None);
        assert_eq!(names.fresh("b", now), None);
    }

    #[test]
    fn those_who_wait_for_a_lookup_take_what_it_comes_to_and_no_others_do() {
        let (names, now) = (NameCache::default(), origin());
        let failed: LookupResult = Err(Failure::new(crate::model::Cause::DnsError, "no"));
        let (asking, ..) = names.turn("a", now);
        let (waiting, _, before) = names.turn("a", now);
        names.end("a", &failed);
        assert_eq!(names.ended_since("a", before), Some(failed.clone()));
        let (_, _, later) = names.turn("a", now);
        assert_eq!(names.ended_since("a", later), None, "that one asks again");
        drop(waiting);
        names.end("a", &failed);
        assert_eq!(names.ended_since("a", before), None, "nobody waited");
        drop(asking);
    }

    #[test]
    fn no_ttl_is_taken_at_its_word_for_long() {
        let (names, now) = (NameCache::default(), origin());
        for (is_own, seconds) in [(true, 300), (false, 10)] {
            drop(names.turn("a", now));
            names.learnt("a", [IpAddr::from([127, 0, 0, 1])].into(), now, Duration::from_secs(1 << 31), is_own);
            assert!(names.fresh("a", now + Duration::from_secs(seconds - 1)).is_some());
            assert_eq!(names.fresh("a", now + Duration::from_secs(seconds)), None);
        }
    }

    #[test]
    fn what_was_learnt_can_be_forgotten_and_turns_go_on() {
        let (names, now) = (NameCache::default(), origin());
        let (turn, ..) = names.turn("a", now);
        names.learnt("a", [IpAddr::from([127, 0, 0, 1])].into(), now, Duration::from_mins(1), true);
        names.forget();
        assert_eq!(names.fresh("a", now), None);
        assert!(Arc::ptr_eq(&turn, &names.turn("a", now).0));
    }

    #[test]
    fn a_name_remembers_that_nobody_answered_for_it() {
        let (names, now) = (NameCache::default(), origin());
        assert!(!names.turn("a", now).1);
        names.silent("a", true);
        assert!(names.turn("a", now).1 && !names.turn("b", now).1);
        names.silent("a", false);
        assert!(!names.turn("a", now).1);
    }

    #[test]
    fn what_is_of_no_use_is_forgotten_first() {
        let (names, now) = (NameCache::default(), origin());
        let held = names.turn("held", now);
        drop(names.turn("known", now));
        names.learnt("known", [IpAddr::from([127, 0, 0, 1])].into(), now, Duration::from_mins(1), true);
        for n in 0..NAMES_MAX {
            drop(names.turn(&format!("n{n}"), now));
        }
        assert!(names.lock().len() <= NAMES_MAX);
        assert!(names.fresh("known", now).is_some());
        assert!(Arc::ptr_eq(&held.0, &names.turn("held", now).0));
    }
}
