//! Asks about the domains of sites once, for a command that checks once.
//!
//! Bounds: 10 s for all sites together, one question at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::model::{DomainExpiry, Site, Timestamp};
use crate::rdap::Directory;

/// The longest wait for answers.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// See the module.
pub struct DomainsOnce {
    directory: Mutex<Directory>,
    until: Instant,
}

impl DomainsOnce {
    /// One that answers from `begin` on.
    #[must_use]
    pub fn new(begin: std::time::Instant) -> Self {
        Self { directory: Mutex::default(), until: Instant::from_std(begin + ANSWER_MAX) }
    }

    /// What is known at `now` of the domain of `site`, if that is watched.
    pub async fn of(&self, site: &Site, now: Timestamp) -> Option<Arc<DomainExpiry>> {
        let (terms, host) = (site.domain.as_ref()?, site.registrable_host()?);
        let asking = async { self.directory.lock().await.registration(host, &terms.bootstrap, now).await };
        let found = timeout_at(self.until, asking).await.ok().and_then(Result::ok).flatten();
        let (name, expires) = found.map_or_else(|| (host.to_owned(), None), |found| (found.name, Some(found.expires)));
        Some(Arc::new(DomainExpiry { name: name.into(), expires, warn: terms.warn }))
    }
}
