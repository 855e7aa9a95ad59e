//! What a message needs besides its alert: what is known about the site when its rule changes, the words, and who delivers it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Alert, NewsContext};
use crate::engine::{SiteSnapshot, Snapshot};
use crate::model::Outcome;
use crate::report::text::alert_text;

/// Whether a webmon delivers what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "without a fleet there is one webmon"))]
pub(super) enum Part {
    Delivers,
    /// It is not known yet which hub does.
    Waits,
    /// Another hub does.
    Follows,
}

/// Words an alert.
pub type Words = Box<dyn Fn(&Alert) -> String + Send>;

/// The sites of a snapshot, by name. Cost: linear in the sites, once per moment with alerts.
#[derive(Default)]
pub struct Contexts<'a>(HashMap<&'a str, &'a SiteSnapshot>);

impl<'a> Contexts<'a> {
    /// Of all sites in `snapshot`.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self(snapshot.sites.iter().map(|site| (&*site.name, &**site)).collect())
    }

    /// The context of the site of this name; empty if it is not watched.
    #[must_use]
    pub fn context(&self, site: &str) -> NewsContext {
        let Some(site) = self.0.get(site) else { return NewsContext::default() };
        let last = site.last.as_ref();
        let failed = last.filter(|last| last.sample.outcome() == Outcome::Down);
        let observation = last.and_then(|last| last.observation.as_ref());
        let reason = observation.filter(|_| failed.is_some()).map_or("", |observation| &observation.detail);
        NewsContext {
            url: Arc::clone(&site.url),
            group: site.group.clone(),
            cause: failed.map(|last| last.sample.cause),
            detail: reason.to_owned(),
            status: last.and_then(|last| last.sample.status),
            address: observation.and_then(|observation| observation.address).map(|address| address.ip()),
            certificate: observation
                .and_then(|observation| observation.certificate.as_ref())
                .map(|certificate| certificate.subject.clone()),
            last_good: site.last_up,
            ..NewsContext::default()
        }
    }
}

/// Words alerts with times in `zone`.
#[must_use]
pub fn words(zone: jiff::tz::TimeZone) -> Words {
    Box::new(move |alert| alert_text(alert, &zone))
}
