//! Makes the events of the API from the rings, the views and the alerts, while anybody listens.
//!
//! Invariants: an event is what a headless monitor prints as JSON; the checks of one step come in the order of time. While nobody
//! listens nothing is read, and the texts of checks are not even sent. Bounds: [`TEXTS`] texts wait for their checks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::alert::AlertRecord;
use crate::app::alerts::history::AlertLog;
use crate::app::scheduler::CheckTexts;
use crate::engine::{Board, SiteSnapshot, Snapshot};
use crate::model::{Observation, Sample, SiteSlot, Timestamp};
use crate::report::{SampleRecord, StatsRecord, json};
use crate::serve::events::{Event, Feed};

/// Time between two looks, that between two steps of the engine.
pub const STEP: Duration = Duration::from_millis(250);

/// Texts that may wait.
const TEXTS: usize = 20_000;

/// What events are made of.
pub struct EventSource {
    /// The snapshots and the rings.
    pub board: Arc<Board>,
    /// The alerts.
    pub alerts: Arc<AlertLog>,
    /// The texts of checks.
    pub texts: mpsc::Receiver<CheckTexts>,
}

/// See the module.
pub struct Pump {
    source: EventSource,
    /// Present while anybody listens.
    places: Option<Places>,
    /// The last alert that listeners have, or the newest one without a listener, so that an alert that opens as a listener joins is not lost.
    last_alert: Option<Arc<AlertRecord>>,
    texts: HashMap<(SiteSlot, u64), Arc<Observation>>,
}

/// How far everything was read.
struct Places {
    /// When that was.
    at: Timestamp,
    next: HashMap<SiteSlot, u64>,
    as_of: Vec<Timestamp>,
}

struct Told {
    kind: &'static str,
    site: Arc<str>,
    group: Option<Arc<str>>,
    line: Vec<u8>,
}

impl Pump {
    /// A pump of `source`.
    #[must_use]
    pub fn new(source: EventSource) -> Self {
        let last_alert = source.alerts.list().last().cloned();
        Self { source, places: None, last_alert, texts: HashMap::new() }
    }

    /// Publishes what is new to `feed`, at `now`.
    pub fn step(&mut self, feed: &Feed, is_wanted: bool, now: Timestamp) {
        if !is_wanted {
            self.places = None;
            self.last_alert = self.source.alerts.list().last().cloned();
            self.texts.clear();
            while self.source.texts.try_recv().is_ok() {}
            return;
        }
        let snapshot = self.source.board.snapshot();
        let Some(mut places) = self.places.take() else {
            // From now on.
            self.places = Some(self.places_now(&snapshot));
            return;
        };
        let mut told = self.samples(&snapshot, &mut places);
        told.extend(stats(&snapshot, &mut places));
        told.extend(self.alerts(&snapshot));
        self.places = Some(places);
        let events: Vec<Event<'_>> = told
            .iter()
            .map(|Told { kind, site, group, line }| Event { kind, site, group: group.as_deref(), line })
            .collect();
        feed.publish(&events, |count| line(|out| json::lost(out, now, count)));
    }

    fn places_now(&self, snapshot: &Snapshot) -> Places {
        let next = |site: &Arc<SiteSnapshot>| {
            Some((site.slot, self.source.board.ring(site.slot)?.reader_at_head().next_seq()))
        };
        Places {
            at: snapshot.at,
            next: snapshot.sites.iter().filter_map(next).collect(),
            as_of: snapshot.views.iter().map(|view| view.as_of).collect(),
        }
    }

    fn samples(&mut self, snapshot: &Snapshot, places: &mut Places) -> Vec<Told> {
        let mut found: Vec<(&Arc<SiteSnapshot>, u64, Sample)> = Vec::new();
        let before = std::mem::replace(&mut places.at, snapshot.at);
        let mut samples = Vec::new();
        for site in &snapshot.sites {
            let Some(ring) = self.source.board.ring(site.slot) else { continue };
            let mut reader = if let Some(&next) = places.next.get(&site.slot) {
                ring.reader_at(next)
            } else {
                // A new site is told from its first check on; the ring of a site that is back also holds its stored checks.
                let mut reader = ring.reader_at_oldest();
                reader.drain_before(before, &mut samples);
                reader
            };
            samples.clear();
            let drained = reader.drain(&mut samples);
            places.next.insert(site.slot, drained.first_seq + samples.len() as u64);
            found.extend((drained.first_seq..).zip(&samples).map(|(seq, sample)| (site, seq, *sample)));
        }
        // A text is sent before its sample is published, so the texts of all samples that were read are there.
        while let Ok(CheckTexts { site, seq, observation, .. }) = self.source.texts.try_recv() {
            self.texts.insert((site, seq), observation);
        }
        found.sort_by_key(|(_, _, sample)| sample.at);
        let told = found.into_iter().map(|(site, seq, sample)| {
            let observation = self.texts.remove(&(site.slot, seq));
            let record = SampleRecord::live(&site.name, seq, &sample, observation.as_deref());
            Told::of("sample", site, line(|out| json::sample(out, &record)))
        });
        let told = told.collect();
        if self.texts.len() > TEXTS {
            // Their samples were overwritten before they were read.
            self.texts.clear();
        }
        told
    }

    fn alerts(&mut self, snapshot: &Snapshot) -> Vec<Told> {
        let list = self.source.alerts.list();
        let known = self.last_alert.as_ref();
        let seen = list.iter().rposition(|alert| known.is_some_and(|known| Arc::ptr_eq(known, alert)));
        // Of a list that no longer holds the last one nothing is known to be new but what is after its time.
        let from = seen.map_or_else(
            || known.map_or(0, |known| list.partition_point(|alert| alert.at <= known.at)),
            |seen| seen + 1,
        );
        self.last_alert = list.last().cloned();
        let group =
            |name: &str| snapshot.sites.iter().find(|site| *site.name == *name).and_then(|site| site.group.clone());
        let told = |alert: &Arc<AlertRecord>| Told {
            kind: "alert",
            group: group(&alert.facts.site),
            site: Arc::clone(&alert.facts.site),
            line: line(|out| json::alert(out, alert)),
        };
        list[from.min(list.len())..].iter().map(told).collect()
    }
}

fn stats(snapshot: &Snapshot, places: &mut Places) -> Vec<Told> {
    places.as_of.resize(snapshot.views.len(), Timestamp::ZERO);
    let mut told = Vec::new();
    for (view, before) in snapshot.views.iter().zip(&mut places.as_of) {
        if std::mem::replace(before, view.as_of) == view.as_of {
            continue;
        }
        for (site, row) in snapshot.sites.iter().zip(&view.rows) {
            let record = StatsRecord {
                site: &site.name,
                state: Some(site.state),
                summary: &row.summary,
                stored: None,
                votes: site.votes,
            };
            told.push(Told::of("stats", site, line(|out| json::stats(out, &record))));
        }
    }
    told
}

impl Told {
    fn of(kind: &'static str, site: &SiteSnapshot, line: Vec<u8>) -> Self {
        Self { kind, site: Arc::clone(&site.name), group: site.group.clone(), line }
    }
}

fn line(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut line = Vec::new();
    write(&mut line).expect("writing to a Vec cannot fail");
    line
}
