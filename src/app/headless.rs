//! The monitor without a dashboard: what happened in one step of the engine, as lines.
//!
//! Samples are read from the rings with readers of its own and joined with their texts by (site, number); a text
//! that was lost at a full queue leaves its sample in place, without detail. Everything of one step goes out as one
//! chunk, so lines of different steps do not mix.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use crate::alert::Alert;
use crate::engine::{Board, SiteSnapshot, Snapshot, Step};
use crate::model::{ExportHealth, ExportState, Health, Observation, Sample, StoreHealth, Timestamp, duration};
use crate::report::{SampleRecord, clock, json, text};
use crate::ring::{Reader, Ring};

use super::cli::{Event, LineFormat, OutputArgs};
use super::lines::Lines;
use super::schedule::CheckTexts;

/// An export that is this far behind because it does not get through is told of.
const EXPORT_LAG_TOLD: Duration = Duration::from_secs(10);

/// What to print.
#[derive(Clone, Debug)]
pub struct Style {
    /// For people or for scripts.
    pub format: LineFormat,
    /// What scripts want to read.
    pub events: Vec<Event>,
}

impl From<&OutputArgs> for Style {
    fn from(args: &OutputArgs) -> Self {
        Self { format: args.format, events: args.events.clone() }
    }
}

impl Style {
    /// Whether every check is printed.
    #[must_use]
    pub fn wants_samples(&self) -> bool {
        self.wants(Event::Sample)
    }

    fn wants(&self, event: Event) -> bool {
        self.format == LineFormat::Json && self.events.contains(&event)
    }
}

/// The checks of all sites, for printing.
#[derive(Debug)]
pub struct Feed {
    /// One reader a site, in the order of their numbers.
    pub readers: Vec<Reader>,
    /// Their names.
    pub names: Vec<Arc<str>>,
    /// Their texts.
    pub texts: mpsc::Receiver<CheckTexts>,
    /// Texts whose samples were not read yet.
    pub early: HashMap<(usize, u64), Arc<Observation>>,
    /// Sites that go on in another ring when theirs is read.
    pub moved: Vec<(usize, Arc<Ring>)>,
}

/// See the module.
#[derive(Debug)]
pub struct Headless {
    style: Style,
    lines: Lines,
    zone: TimeZone,
    feed: Option<Feed>,
    started: Option<Timestamp>,
    told: Told,
}

/// What has been said already.
#[derive(Debug, Default)]
struct Told {
    store: StoreHealth,
    notices: u64,
    offline_since: Option<Timestamp>,
    lost_samples: u64,
    dropped_lines: u64,
    export: ExportTold,
}

/// The same about the export.
#[derive(Debug, Default)]
struct ExportTold {
    /// It is behind, and why was told.
    behind: bool,
    rejected: u64,
    skipped: u64,
    /// What it had lost before this start was told then.
    begun: bool,
}

impl Headless {
    /// Lines of `style` to `lines`; `feed` when every check is wanted.
    #[must_use]
    pub fn new(style: Style, lines: Lines, zone: TimeZone, feed: Option<Feed>) -> Self {
        Self { style, lines, zone, feed, started: None, told: Told::default() }
    }

    /// The line at the start.
    pub fn begin(&mut self, sites: usize, store: Option<&Path>) {
        if self.style.format == LineFormat::Text {
            let store = store.map(|path| path.display().to_string());
            self.send(|_, out| text::start(out, sites, store.as_deref()));
        }
    }

    /// Reads what comes for one more site from now on; its number is one past the last one.
    pub fn watch(&mut self, name: Arc<str>, reader: Reader) {
        if let Some(feed) = &mut self.feed {
            feed.readers.push(reader);
            feed.names.push(name);
        }
    }

    /// Goes on with `ring` once everything in the one of the site of this number was printed; nothing is pushed into that
    /// one any more.
    pub fn follow(&mut self, site: usize, ring: &Arc<Ring>) {
        if let Some(feed) = &mut self.feed {
            feed.moved.push((site, Arc::clone(ring)));
        }
    }

    /// Prints the end of incidents whose sites are no longer watched; it has no message, so only scripts hear of it.
    pub fn ended(&mut self, alerts: &[Alert]) {
        if self.style.wants(Event::Alert) {
            self.send(|_, out| alerts.iter().try_for_each(|alert| json::alert(out, alert)));
        }
    }

    /// Prints what `step` brought.
    pub fn step(&mut self, step: &Step, board: &Board, health: &Health, now: Timestamp) {
        let started = *self.started.get_or_insert(now);
        let warnings = self.warnings(health, now);
        let mut samples = self.feed.as_mut().map(Feed::drain).unwrap_or_default();
        samples.sort_by_key(|(_, _, sample, _)| sample.at);
        let names = self.feed.as_ref().map(|feed| feed.names.clone()).unwrap_or_default();
        self.send(|this, out| {
            for (about, message) in &warnings {
                this.warning(out, now, about, message)?;
            }
            for (site, seq, sample, observation) in &samples {
                json::sample(out, &SampleRecord::live(&names[*site], *seq, sample, observation.as_deref()))?;
            }
            if step.changes.is_empty() && step.alerts.is_empty() && step.refreshed.is_empty() {
                return Ok(());
            }
            let snapshot = board.snapshot();
            this.changes(out, step, &snapshot)?;
            for alert in &step.alerts {
                match this.style.format {
                    LineFormat::Text => text::alert(out, alert)?,
                    LineFormat::Json if this.style.wants(Event::Alert) => json::alert(out, alert)?,
                    LineFormat::Json => {}
                }
            }
            for &view in step.refreshed.iter().filter(|&&view| snapshot.views[view].as_of > started) {
                match this.style.format {
                    LineFormat::Text => text::refresh(out, &this.zone, &snapshot, view, health.checks_per_second)?,
                    LineFormat::Json if this.style.wants(Event::Stats) => json::refresh(out, &snapshot, view)?,
                    LineFormat::Json => {}
                }
            }
            match &health.export {
                Some(export) if this.style.format == LineFormat::Json && !step.refreshed.is_empty() => {
                    json::export(out, export, now)
                }
                _ => Ok(()),
            }
        });
    }

    fn changes(&self, out: &mut Vec<u8>, step: &Step, snapshot: &Snapshot) -> std::io::Result<()> {
        if self.style.format == LineFormat::Text {
            for change in &step.changes {
                // The check that made it so, which need not be the newest one any more.
                let mut site = SiteSnapshot::clone(&snapshot.sites[change.site]);
                site.last = change.check.clone().or(site.last);
                text::state_change(out, &self.zone, change.at, &site, change.to)?;
            }
        }
        Ok(())
    }

    fn warning(&self, out: &mut Vec<u8>, now: Timestamp, about: &str, message: &str) -> std::io::Result<()> {
        match self.style.format {
            LineFormat::Text => text::warning(out, &self.zone, now, about, message),
            LineFormat::Json => json::warning(out, now, about, message),
        }
    }

    /// What a person or a script has to know and has not been told.
    fn warnings(&mut self, health: &Health, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut warnings = Vec::new();
        let known = usize::try_from(self.told.notices.saturating_sub(health.forgotten_notices)).unwrap_or(usize::MAX);
        for notice in health.notices.iter().skip(known) {
            warnings.push(("webmon", notice.clone()));
        }
        self.told.notices = health.forgotten_notices + health.notices.len() as u64;
        let was_saving = !matches!(self.told.store, StoreHealth::NotSaving { .. });
        match &health.store {
            StoreHealth::NotSaving { since, reason } if was_saving => {
                warnings.push(("store", format!("not saving since {}: {reason}", clock(*since, &self.zone))));
            }
            StoreHealth::Ok { .. } if !was_saving => warnings.push(("store", "saving again".to_owned())),
            _ => {}
        }
        self.told.store = health.store.clone();
        match (self.told.offline_since, health.offline_since) {
            (None, Some(since)) => warnings.push((
                "network",
                format!(
                    "offline: no route to the network since {}; checks are not counted, nobody is alerted",
                    clock(since, &self.zone)
                ),
            )),
            (Some(since), None) => {
                warnings
                    .push(("network", format!("network back after {}", duration::format_seconds(now.since(since)))));
            }
            _ => {}
        }
        self.told.offline_since = health.offline_since;
        if health.lost_samples > self.told.lost_samples {
            let lost = health.lost_samples - self.told.lost_samples;
            warnings.push(("samples", format!("{lost} were overwritten before they were read")));
            self.told.lost_samples = health.lost_samples;
        }
        warnings.extend(health.export.iter().flat_map(|export| self.told.export.warnings(export, now)));
        let dropped = self.lines.dropped();
        if dropped > self.told.dropped_lines {
            warnings.push(("stdout", format!("{dropped} lines were dropped: nobody reads them in time")));
        }
        self.told.dropped_lines = dropped;
        warnings
    }

    fn send(&mut self, write: impl FnOnce(&Self, &mut Vec<u8>) -> std::io::Result<()>) {
        let mut chunk = Vec::new();
        write(self, &mut chunk).expect("writing to a Vec cannot fail");
        self.lines.send(chunk);
    }
}

impl ExportTold {
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

type FedSample = (usize, u64, Sample, Option<Arc<Observation>>);

impl Feed {
    fn drain(&mut self) -> Vec<FedSample> {
        let mut fed: Vec<FedSample> = Vec::new();
        let mut samples = Vec::new();
        for (site, reader) in self.readers.iter_mut().enumerate() {
            samples.clear();
            let drained = reader.drain(&mut samples);
            fed.extend((drained.first_seq..).zip(&samples).map(|(seq, sample)| (site, seq, *sample, None)));
        }
        for (site, ring) in self.moved.drain(..) {
            self.readers[site] = ring.reader_at(self.readers[site].next_seq());
        }
        // A text is sent before its sample is published: now those of all samples read are in the queue.
        while let Ok(check) = self.texts.try_recv() {
            self.early.insert((check.site, check.seq), check.observation);
        }
        for (site, seq, _, observation) in &mut fed {
            *observation = self.early.remove(&(*site, *seq));
        }
        self.early.retain(|(site, seq), _| *seq >= self.readers[*site].next_seq());
        fed
    }
}
