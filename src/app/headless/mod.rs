//! The monitor without a dashboard: prints each step of the engine as lines.
//!
//! Invariants: readers of its own deliver every sample; a sample whose text was lost is printed without detail; the lines of one
//! step form one chunk.

pub(crate) mod line_writer;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use crate::alert::AlertRecord;
use crate::alert::incident::order::OrderEvent;
use crate::alert::network::NetworkChange;
use crate::engine::{Board, EngineStep, Snapshot};
use crate::model::text::shown_path;
use crate::model::{Health, Observation, Sample, SiteSlot, TextJoin, Timestamp};
use crate::report::{SampleRecord, incidents, json, network, text};
use crate::ring::{Reader, Ring};

use super::cli::args::{Event, LineFormat, OutputArgs};
use super::cli::terminal;
use super::clock::Clock;
use super::log::events;
use super::scheduler::CheckTexts;
use super::status::counters::SchedulerCounters;
use super::status::warnings::Warning;
use crate::model::text::ascii::to_ascii;
use line_writer::{Lines, Note};

/// The format of the lines.
#[derive(Clone, Debug)]
pub struct Style {
    /// Text or JSON.
    pub format: LineFormat,
    /// The events to print as JSON.
    pub events: Vec<Event>,
    /// Whether text is ASCII, for a terminal that shows nothing else.
    pub is_ascii: bool,
}

impl From<&OutputArgs> for Style {
    fn from(args: &OutputArgs) -> Self {
        Self { format: args.format, events: args.events.clone(), is_ascii: terminal::of_stdout().is_ascii }
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

/// Texts that may wait for their samples: twice what their queue holds.
const TEXTS: usize = 20_000;

/// The checks of all sites, for printing.
#[derive(Debug)]
pub struct Feed {
    /// One reader per site, by slot.
    readers: Vec<Reader>,
    names: Vec<Arc<str>>,
    texts: mpsc::Receiver<CheckTexts>,
    /// Texts whose samples were not read yet.
    early: TextJoin<(SiteSlot, u64), Arc<Observation>, TEXTS>,
    counters: Arc<SchedulerCounters>,
    /// Sites that continue in another ring once theirs is read.
    moved: Vec<(SiteSlot, Arc<Ring>)>,
    /// Removed sites, and those of which everything was read since.
    left: Vec<SiteSlot>,
    silent: Vec<SiteSlot>,
}

impl Feed {
    /// A feed of the sites by slot, with nothing read yet.
    #[must_use]
    pub fn new(
        readers: Vec<Reader>,
        names: Vec<Arc<str>>,
        texts: mpsc::Receiver<CheckTexts>,
        counters: Arc<SchedulerCounters>,
    ) -> Self {
        let (early, moved, left, silent) = (TextJoin::default(), Vec::new(), Vec::new(), Vec::new());
        Self { readers, names, texts, early, counters, moved, left, silent }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Headless {
    style: Style,
    lines: Lines,
    zone: TimeZone,
    feed: Option<Feed>,
    started: Option<Timestamp>,
}

impl Headless {
    /// Prints in `style` to `lines`; `feed` if every check is to be printed.
    #[must_use]
    pub fn new(style: Style, lines: Lines, zone: TimeZone, feed: Option<Feed>) -> Self {
        Self { style, lines, zone, feed, started: None }
    }

    /// Prints the line at the start.
    pub fn begin(&mut self, sites: usize, store: Option<&Path>) {
        if self.style.format == LineFormat::Text {
            let store = store.map(shown_path);
            self.send(|_, out| text::start(out, sites, store.as_deref()));
        }
    }

    /// Prints where it serves by HTTP.
    pub fn listening(&mut self, url: &str, now: Timestamp) {
        self.send(|this, out| match this.style.format {
            LineFormat::Text => text::listening(out, url),
            LineFormat::Json => json::listening(out, now, url),
        });
    }

    /// Adds a site, whose slot is the next one.
    pub fn watch(&mut self, name: Arc<str>, reader: Reader) {
        if let Some(feed) = &mut self.feed {
            feed.readers.push(reader);
            feed.names.push(name);
        }
    }

    /// Continues with `ring` once everything in the old ring of the site is printed; nothing is pushed into that one any more.
    pub fn follow(&mut self, site: SiteSlot, ring: &Arc<Ring>) {
        if let Some(feed) = &mut self.feed {
            feed.moved.push((site, Arc::clone(ring)));
        }
    }

    /// Notes that a site was removed. Its name is released once everything of it is printed.
    pub fn leave(&mut self, site: SiteSlot) {
        if let Some(feed) = &mut self.feed {
            feed.left.push(site);
        }
    }

    /// Follows a clock that was set to `now`.
    pub fn go_on_at(&mut self, now: Timestamp) {
        self.started = self.started.map(|started| started.min(now));
    }

    /// Prints what users ordered about incidents.
    pub fn orders(&mut self, events: &[OrderEvent]) {
        if events.is_empty() {
            return;
        }
        self.send(|this, out| {
            events.iter().try_for_each(|event| match this.style.format {
                LineFormat::Text => incidents::order_text(out, &this.zone, event),
                LineFormat::Json if this.style.wants(Event::Alert) => incidents::order_json(out, event),
                LineFormat::Json => Ok(()),
            })
        });
    }

    /// Prints the events of `step`, its published `alerts`, and warnings about webmon itself.
    pub fn step(
        &mut self,
        (step, alerts): (&EngineStep, &[AlertRecord]),
        board: &Board,
        (health, news, network): (&Health, &[Warning], &[NetworkChange]),
        now: Timestamp,
    ) {
        let started = *self.started.get_or_insert(now);
        let mut samples = self.feed.as_mut().map(Feed::drain).unwrap_or_default();
        samples.sort_by_key(|(_, _, sample, _)| sample.at);
        let names = self.feed.as_ref().map(|feed| feed.names.clone()).unwrap_or_default();
        let changes = network;
        self.send(|this, out| {
            for Warning { about, message } in news {
                this.warning(out, now, about, message)?;
            }
            for change in changes {
                match this.style.format {
                    // The kernel has said it already.
                    LineFormat::Text if health.offline_since.is_some() => {}
                    LineFormat::Text => this.warning(out, now, "network", &network::line(change, &this.zone))?,
                    LineFormat::Json => json::network(out, change)?,
                }
            }
            for (site, seq, sample, observation) in &samples {
                json::sample(out, &SampleRecord::live(&names[site.get()], *seq, sample, observation.as_deref()))?;
            }
            if step.changes.is_empty() && alerts.is_empty() && step.refreshed.is_empty() {
                return Ok(());
            }
            let snapshot = board.snapshot();
            this.changes(out, step, &snapshot)?;
            for alert in alerts {
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
            if this.style.format == LineFormat::Json && !step.refreshed.is_empty() {
                health.export.iter().try_for_each(|export| json::export(out, export, now))?;
                health.fleet.iter().try_for_each(|fleet| json::fleet(out, fleet, now))?;
            }
            Ok(())
        });
    }

    fn changes(&self, out: &mut Vec<u8>, step: &EngineStep, snapshot: &Snapshot) -> std::io::Result<()> {
        if self.style.format == LineFormat::Text {
            for change in &step.changes {
                let site = events::changed_site(change, snapshot);
                text::state_change(out, &self.zone, change.at, &site, change.to)?;
            }
        }
        Ok(())
    }

    fn warning(&self, out: &mut Vec<u8>, now: Timestamp, about: &str, message: &str) -> std::io::Result<()> {
        warning((self.style.format, &self.zone), out, now, (about, message))
    }

    fn send(&mut self, write: impl FnOnce(&Self, &mut Vec<u8>) -> std::io::Result<()>) {
        let mut chunk = Vec::new();
        write(self, &mut chunk).expect("writing to a Vec cannot fail");
        if self.style.is_ascii && self.style.format == LineFormat::Text {
            chunk = to_ascii(&String::from_utf8_lossy(&chunk)).into_bytes();
        }
        self.lines.send(chunk);
    }
}

fn warning(
    (format, zone): (LineFormat, &TimeZone),
    out: &mut Vec<u8>,
    now: Timestamp,
    (about, message): (&str, &str),
) -> std::io::Result<()> {
    match format {
        LineFormat::Text => text::warning(out, zone, now, about, message),
        LineFormat::Json => json::warning(out, now, about, message),
    }
}

/// Formats the line that reports missing lines on stdout.
#[must_use]
pub fn note(format: LineFormat, zone: TimeZone, clock: Clock) -> Note {
    Box::new(move |lines, why| {
        let mut out = Vec::new();
        let were = if lines == 1 { "line was" } else { "lines were" };
        let message = format!("{lines} {were} dropped: {why}");
        warning((format, &zone), &mut out, clock.now(), ("stdout", &message)).expect("writing to a Vec cannot fail");
        out
    })
}

type FedSample = (SiteSlot, u64, Sample, Option<Arc<Observation>>);

impl Feed {
    fn drain(&mut self) -> Vec<FedSample> {
        for site in self.silent.drain(..) {
            self.names[site.get()] = Arc::default();
        }
        self.silent.append(&mut self.left);
        let mut fed: Vec<FedSample> = Vec::new();
        let mut samples = Vec::new();
        for (site, reader) in (0..).map(SiteSlot).zip(&mut self.readers) {
            samples.clear();
            let drained = reader.drain(&mut samples);
            fed.extend((drained.first_seq..).zip(&samples).map(|(seq, sample)| (site, seq, *sample, None)));
        }
        for (site, ring) in self.moved.drain(..) {
            self.readers[site.get()] = ring.reader_at(self.readers[site.get()].next_seq());
        }
        // A text is sent before its sample is published, so the texts of all samples read are in the queue.
        while let Ok(check) = self.texts.try_recv() {
            let lost = self.early.add((check.site, check.seq), check.observation);
            self.counters.lose_texts(lost);
        }
        let readers = &self.readers;
        let is_read = |&(site, seq): &(SiteSlot, u64)| seq < readers[site.get()].next_seq();
        let mut texts: HashMap<_, _> = self.early.release(is_read).collect();
        for (site, seq, _, observation) in &mut fed {
            *observation = texts.remove(&(*site, *seq));
        }
        fed
    }
}
