//! Remembers names between lookups.
//!
//! What was found is valid for its TTL, so a known site needs no permit, and names that no server answers cannot delay it.
//! Each name has a lock: probes that wait for its holder's lookup take its result, failures included, so no probe waits for
//! more than one lookup. Failures are not kept for later probes. Names without an answer last time share a smaller queue.
//!
//! Bounds: eight addresses per name, for five minutes, or ten seconds when only a redirect led to the name; 16,384 names. Past
//! that, names of no use are discarded, or all if there are none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::Name;

use crate::model::lock::lock;
use crate::probe::failure::Failure;

use super::record_set::RecordSet;

const NAMES_MAX: usize = 16_384;
/// The longest that what was found is good, whatever its TTL.
const GOOD_MAX: Duration = Duration::from_mins(5);
/// The same for names that only a redirect led to.
const GOOD_MAX_REDIRECT: Duration = Duration::from_secs(10);

/// What a lookup found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// To be tried in this order; none of a lookup of records.
    pub(crate) addresses: Arc<[IpAddr]>,
    /// The whole of it, if a site expects some of it.
    pub(crate) records: Option<Arc<KnownRecords>>,
}

/// Whole sets of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownRecords {
    /// The name that has them, which a search list may have led to; none if name servers were not asked for addresses.
    pub(crate) name: Option<Name>,
    pub(crate) sets: Vec<RecordSet>,
}

pub(crate) type LookupResult = Result<Found, Failure>;

/// The holder may look up one name.
pub(crate) type NameLock = Arc<tokio::sync::Mutex<()>>;

#[derive(Debug, Default)]
pub(crate) struct NameCache(Mutex<HashMap<Box<str>, CacheEntry>>);

#[derive(Debug, Default)]
struct CacheEntry {
    found: Found,
    until: Option<Instant>,
    /// The last lookup had no answer.
    is_silent: bool,
    lock: NameLock,
    /// Completed lookups.
    completed: u64,
    /// The result of the last one, for those who waited for it.
    result: Option<LookupResult>,
}

impl NameCache {
    /// What was found of `name`, if it is still good at `now`.
    pub(crate) fn get(&self, name: &str, now: Instant) -> Option<Found> {
        let names = lock(&self.0);
        let entry = names.get(name)?;
        entry.until.is_some_and(|until| now < until).then(|| entry.found.clone())
    }

    /// The lock of `name`, whether its last lookup had no answer, and its completed lookups.
    pub(crate) fn entry(&self, name: &str, now: Instant) -> (NameLock, bool, u64) {
        let mut names = lock(&self.0);
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            names.retain(|_, entry| entry.until.is_some_and(|until| now < until) || Arc::strong_count(&entry.lock) > 1);
            if names.len() >= NAMES_MAX {
                names.clear();
            }
        }
        let entry = names.entry(name.into()).or_default();
        (Arc::clone(&entry.lock), entry.is_silent, entry.completed)
    }

    /// The result of the last lookup of `name`, if more than `before` have completed.
    pub(crate) fn result_since(&self, name: &str, before: u64) -> Option<LookupResult> {
        let names = lock(&self.0);
        let entry = names.get(name)?;
        entry.result.clone().filter(|_| entry.completed > before)
    }

    /// Completes a lookup of `name` with `result`, for those who wait for its lock.
    pub(crate) fn complete(&self, name: &str, result: &LookupResult) {
        if let Some(entry) = lock(&self.0).get_mut(name) {
            let is_awaited = Arc::strong_count(&entry.lock) > 2;
            entry.completed += 1;
            entry.result = is_awaited.then(|| result.clone());
        }
    }

    /// Keeps what was found of `name`, which is good for `ttl` after `now`. `is_own` for the name of a site.
    pub(crate) fn insert(&self, name: &str, found: Found, now: Instant, ttl: Duration, is_own: bool) {
        if let Some(entry) = lock(&self.0).get_mut(name) {
            let most = if is_own { GOOD_MAX } else { GOOD_MAX_REDIRECT };
            (entry.found, entry.until) = (found, Some(now + ttl.min(most)));
        }
    }

    /// Discards all that was found, but not the locks.
    pub(crate) fn clear(&self) {
        for entry in lock(&self.0).values_mut() {
            (entry.found, entry.until) = (Found::default(), None);
        }
    }

    /// Notes whether the last lookup of `name` had no answer.
    pub(crate) fn set_silent(&self, name: &str, is_silent: bool) {
        if let Some(entry) = lock(&self.0).get_mut(name) {
            entry.is_silent = is_silent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "an origin for scripted time; no test looks at its value")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn here() -> Found {
        Found { addresses: [IpAddr::from([127, 0, 0, 1])].into(), records: None }
    }

    #[test]
    fn addresses_are_good_until_their_time_is_over() {
        let (cache, now) = (NameCache::default(), origin());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(cache.get("a", now), None);
        drop(cache.entry("a", now));
        cache.insert("a", here(), now, Duration::from_mins(1), true);
        assert_eq!(cache.get("a", later(59)).map(|found| found.addresses.len()), Some(1));
        assert_eq!(cache.get("a", later(60)), None);
        assert_eq!(cache.get("b", now), None);
    }

    #[test]
    fn those_who_wait_for_a_lookup_take_what_it_comes_to_and_no_others_do() {
        let (cache, now) = (NameCache::default(), origin());
        let failed: LookupResult = Err(Failure::new(crate::model::Cause::DnsError, "no"));
        let (asking, ..) = cache.entry("a", now);
        let (waiting, _, before) = cache.entry("a", now);
        cache.complete("a", &failed);
        assert_eq!(cache.result_since("a", before), Some(failed.clone()));
        let (_, _, later) = cache.entry("a", now);
        assert_eq!(cache.result_since("a", later), None, "that one asks again");
        drop(waiting);
        cache.complete("a", &failed);
        assert_eq!(cache.result_since("a", before), None, "nobody waited");
        drop(asking);
    }

    #[test]
    fn no_ttl_is_taken_at_its_word_for_long() {
        let (cache, now) = (NameCache::default(), origin());
        for (is_own, seconds) in [(true, 300), (false, 10)] {
            drop(cache.entry("a", now));
            cache.insert("a", here(), now, Duration::from_secs(1 << 31), is_own);
            assert!(cache.get("a", now + Duration::from_secs(seconds - 1)).is_some());
            assert_eq!(cache.get("a", now + Duration::from_secs(seconds)), None);
        }
    }

    #[test]
    fn what_was_learnt_can_be_forgotten_and_locks_go_on() {
        let (cache, now) = (NameCache::default(), origin());
        let (lock, ..) = cache.entry("a", now);
        cache.insert("a", here(), now, Duration::from_mins(1), true);
        cache.clear();
        assert_eq!(cache.get("a", now), None);
        assert!(Arc::ptr_eq(&lock, &cache.entry("a", now).0));
    }

    #[test]
    fn a_name_remembers_that_nobody_answered_for_it() {
        let (cache, now) = (NameCache::default(), origin());
        assert!(!cache.entry("a", now).1);
        cache.set_silent("a", true);
        assert!(cache.entry("a", now).1 && !cache.entry("b", now).1);
        cache.set_silent("a", false);
        assert!(!cache.entry("a", now).1);
    }

    #[test]
    fn what_is_of_no_use_is_forgotten_first() {
        let (cache, now) = (NameCache::default(), origin());
        let held = cache.entry("held", now);
        drop(cache.entry("known", now));
        cache.insert("known", here(), now, Duration::from_mins(1), true);
        for n in 0..NAMES_MAX {
            drop(cache.entry(&format!("n{n}"), now));
        }
        assert!(lock(&cache.0).len() <= NAMES_MAX);
        assert!(cache.get("known", now).is_some());
        assert!(Arc::ptr_eq(&held.0, &cache.entry("held", now).0));
    }
}
