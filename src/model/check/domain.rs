//! When the registration of a site's domain ends, as its registry says, and the place where checks look it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::model::Timestamp;
use crate::model::lock::lock;

/// A registered domain, or a host of which no registration is known. The name is clean and in its ASCII form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainExpiry {
    /// The registered name; the host, if none is known.
    pub name: Arc<str>,
    /// When the registration ends; none if that is not known.
    pub expires: Option<Timestamp>,
    /// Warn this long before.
    pub warn: Duration,
}

impl DomainExpiry {
    /// Whole days until it ends, if that is known; negative once it has.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        const DAY: i64 = 86_400_000_000;
        let left = self.expires?.as_micros().cast_signed().saturating_sub(now.as_micros().cast_signed());
        Some(left.div_euclid(DAY))
    }

    /// Whether it ends within the time of the warning, or has ended.
    #[must_use]
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now.after(self.warn))
    }

    /// The warning of one that ends soon: `the domain example.com expires in 20 days`.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let days = self.days_left(now).filter(|_| self.ends_soon(now))?;
        let name = &self.name;
        Some(match days {
            ..0 => format!("the domain {name} has expired"),
            0 => format!("the domain {name} expires within a day"),
            1 => format!("the domain {name} expires in 1 day"),
            days => format!("the domain {name} expires in {days} days"),
        })
    }
}

/// What is known of the domain of each site, by its name. One task writes it; each check of such a site reads it, for which
/// it holds the lock as long as a look-up in a map takes.
#[derive(Clone, Debug, Default)]
pub struct DomainBook(Arc<Mutex<HashMap<Arc<str>, Arc<DomainExpiry>>>>);

impl DomainBook {
    /// What is known of the domain of `site`.
    #[must_use]
    pub fn of(&self, site: &str) -> Option<Arc<DomainExpiry>> {
        lock(&self.0).get(site).cloned()
    }

    /// Notes what is known of the domain of `site`.
    pub fn set(&self, site: &Arc<str>, known: DomainExpiry) {
        lock(&self.0).insert(Arc::clone(site), Arc::new(known));
    }

    /// Forgets all sites but those that `is_kept`.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|site, _| is_kept(site));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_begins_at_its_time_and_needs_a_known_end() {
        const DAY: u64 = 86_400;
        let at = |secs| Timestamp::from_secs(secs);
        let domain = |expires: Option<u64>| DomainExpiry {
            name: "a.test".into(),
            expires: expires.map(at),
            warn: Duration::from_secs(30 * DAY),
        };
        for (expires, now, days, warning) in [
            (None, 0, None, None),
            (Some(100 * DAY), 0, Some(100), None),
            (Some(100 * DAY), 70 * DAY - 1, Some(30), None),
            (Some(100 * DAY), 70 * DAY, Some(30), Some("the domain a.test expires in 30 days")),
            (Some(100 * DAY), 99 * DAY, Some(1), Some("the domain a.test expires in 1 day")),
            (Some(100 * DAY), 100 * DAY - 1, Some(0), Some("the domain a.test expires within a day")),
            (Some(100 * DAY), 100 * DAY + 1, Some(-1), Some("the domain a.test has expired")),
        ] {
            let domain = domain(expires);
            assert_eq!((domain.days_left(at(now)), domain.warning(at(now)).as_deref()), (days, warning), "{now}");
        }
    }
}
