//! Detects changes in the health of webmon once, for both the line output and the log.
//!
//! Invariants: each change is reported once, as a sentence.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::time::duration;
use crate::model::{ClosedProxy, ExportHealth, ExportState, Health, StoreHealth, Timestamp};
use crate::report::clock;

/// Warn when a failing export is this far behind.
const EXPORT_LAG_TOLD: Duration = Duration::from_secs(10);

/// A warning about webmon itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The part of webmon that it is about.
    pub about: &'static str,
    /// A sentence.
    pub message: String,
}

/// The warnings that were reported already.
#[derive(Debug)]
pub struct WarningTracker {
    zone: TimeZone,
    store: StoreHealth,
    notices: u64,
    offline_since: Option<Timestamp>,
    closed_proxy: Option<Timestamp>,
    lost_samples: u64,
    export: ExportNews,
}

/// The same about the export.
#[derive(Debug, Default)]
struct ExportNews {
    /// Whether a warning of a lag was given and is not over.
    behind: bool,
    rejected: u64,
    skipped: u64,
    /// Whether the totals of earlier runs were taken over; they were reported then.
    begun: bool,
}

impl WarningTracker {
    /// A tracker that prints times in `zone`.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            store: StoreHealth::default(),
            notices: 0,
            offline_since: None,
            closed_proxy: None,
            lost_samples: 0,
            export: ExportNews::default(),
        }
    }

    /// The zone of printed times.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The warnings of `health` at `now` that were not returned before.
    pub fn of(&mut self, health: &Health, now: Timestamp) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let known = usize::try_from(self.notices.saturating_sub(health.forgotten_notices)).unwrap_or(usize::MAX);
        for notice in health.notices.iter().skip(known) {
            warnings.push((notice.about, notice.text.clone()));
        }
        self.notices = health.forgotten_notices + health.notices.len() as u64;
        let was_saving = !matches!(self.store, StoreHealth::NotSaving { .. });
        match &health.store {
            StoreHealth::NotSaving { since, reason } if was_saving => {
                warnings.push(("store", format!("not saving since {}: {reason}", clock(*since, &self.zone))));
            }
            StoreHealth::Ok { .. } if !was_saving => warnings.push(("store", "saving again".to_owned())),
            _ => {}
        }
        self.store = health.store.clone();
        match (self.offline_since, health.offline_since) {
            (None, Some(since)) => warnings.push((
                "network",
                format!(
                    "offline: no route to the network since {}; checks are not counted, no alerts are sent",
                    clock(since, &self.zone)
                ),
            )),
            (Some(since), None) => {
                warnings
                    .push(("network", format!("network back after {}", duration::format_seconds(now.since(since)))));
            }
            _ => {}
        }
        self.offline_since = health.offline_since;
        match (self.closed_proxy, &health.closed_proxy) {
            (None, Some(ClosedProxy { reason, .. })) => warnings.push((
                "network",
                format!("{reason}; checks that go through it are not counted, no alerts are sent for them"),
            )),
            (Some(since), None) => {
                let after = duration::format_seconds(now.since(since));
                warnings.push(("network", format!("sites behind the proxy are checked again after {after}")));
            }
            _ => {}
        }
        self.closed_proxy = health.closed_proxy.as_ref().map(|closed| closed.since);
        if health.lost_samples > self.lost_samples {
            let lost = health.lost_samples - self.lost_samples;
            warnings.push((
                "samples",
                format!(
                    "{lost} were lost: they were overwritten before they were read, or too many waited to be saved"
                ),
            ));
            self.lost_samples = health.lost_samples;
        }
        warnings.extend(health.export.iter().flat_map(|export| self.export.warnings(export, now)));
        warnings.into_iter().map(|(about, message)| Warning { about, message }).collect()
    }
}

impl ExportNews {
    fn warnings(&mut self, export: &ExportHealth, now: Timestamp) -> Vec<(&'static str, String)> {
        if !self.begun {
            (self.begun, self.rejected, self.skipped) = (true, export.rejected, export.skipped);
        }
        let mut warnings = Vec::new();
        let reason = export.error.as_ref().map_or("", |(_, reason)| reason);
        let is_behind = export.state == ExportState::Blocked
            || (export.state == ExportState::Retrying && export.lag(now) >= EXPORT_LAG_TOLD);
        match (self.behind, is_behind) {
            (false, true) => warnings.push(format!("nothing arrives at {}: {reason}", export.sink)),
            (true, false) if export.state == ExportState::Ok => warnings.push("exporting again".to_owned()),
            _ => {}
        }
        self.behind = is_behind || (self.behind && export.state != ExportState::Ok);
        if export.rejected > self.rejected {
            warnings.push(reason.to_owned());
            self.rejected = export.rejected;
        }
        if export.skipped > self.skipped {
            let skipped = export.skipped - self.skipped;
            warnings.push(format!("{skipped} samples were gone from the store before they could be exported"));
            self.skipped = export.skipped;
        }
        warnings.into_iter().map(|warning| ("export", warning)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_proxy_is_told_once_and_so_is_its_end() {
        let mut tracker = WarningTracker::new(TimeZone::UTC);
        let at = Timestamp::from_secs;
        let closed = |sites| {
            let reason = "cannot reach the proxy p.test:3128: connection refused".to_owned();
            Health { closed_proxy: Some(ClosedProxy { since: at(100), sites, reason }), ..Health::default() }
        };
        let mut told = |health: &Health, now| -> Vec<String> {
            tracker.of(health, at(now)).into_iter().map(|warning| warning.message).collect()
        };
        assert!(told(&Health::default(), 99).is_empty());
        assert_eq!(
            told(&closed(1), 101),
            [
                "cannot reach the proxy p.test:3128: connection refused; checks that go through it are not counted, no alerts \
              are sent for them"
            ]
        );
        assert!(told(&closed(2), 102).is_empty());
        assert_eq!(told(&Health::default(), 130), ["sites behind the proxy are checked again after 30s"]);
    }
}
