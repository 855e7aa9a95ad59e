//! Where the dashboard takes what it shows from: a monitor of this process, or one that it only watches.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::alert::AlertRecord;
use crate::engine::snapshot::Snapshot;
use crate::model::command::{ManualCheck, SiteCommand};
use crate::model::{Health, Sample, SiteIndex, SiteSlot, Timestamp};
use crate::stats::series::site_history::{HistoryRequest, SiteHistory};

use super::inputs::About;

/// Where the dashboard gets what it shows. Each call is cheap and never waits for anything slow.
pub trait Source {
    /// Changes whenever [`Source::snapshot`] does.
    fn version(&self) -> u64;
    /// The sites and their figures.
    fn snapshot(&self) -> Snapshot;
    /// All past alerts, oldest first; the same `Arc` as long as there is no new one.
    fn alerts(&self) -> Arc<[Arc<AlertRecord>]>;
    /// How webmon itself is; the same `Arc` as long as nothing changed.
    fn health(&self) -> Arc<Health>;
    /// Replaces `samples` with those in the ring of `site`, oldest first.
    fn samples(&self, site: SiteSlot, samples: &mut Vec<Sample>);
    /// Whether there is a store to look back into.
    fn has_past(&self) -> bool {
        false
    }
    /// Begins to read this of the store, in place of anything asked for before.
    fn look_back(&self, _wanted: HistoryRequest) {}
    /// What was read last; the same `Arc` as long as nothing else was.
    fn past(&self) -> Option<Arc<SiteHistory>> {
        None
    }
    /// What became of the checks that were asked for by hand; the same `Arc` as long as nothing did.
    fn rechecks(&self) -> Arc<[ManualCheck]>;
    /// Notes which sites are on the screen, whenever that changes.
    fn seen(&self, _sites: &[SiteIndex]) {}
    /// Passes on what a person asks for. It may go unheard.
    fn send_command(&self, wish: SiteCommand);
    /// The time.
    fn now(&self) -> Timestamp;
}

/// What never changes during a run.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The zone in which times are told.
    pub zone: TimeZone,
    /// This run.
    pub about: About,
}
