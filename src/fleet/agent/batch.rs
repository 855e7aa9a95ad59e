//! A part of a store, and how it is cut into frames.
//!
//! Invariants: every number of a site is in exactly one frame, as a sample or as gone, in order; a number that is gone stands in a
//! frame before those of the samples after it. Bounds: those of a frame.

use std::collections::BTreeMap;

use crate::fleet::frame::{
    Body, CERTIFICATE_AROUND, FRAME_MAX, FailureRun, Group, Hole, ORIGIN_MAX, SAMPLE_MAX, SAMPLES_AROUND, SAMPLES_MAX,
    TEXT_AROUND,
};
use crate::model::{Certificate, Sample, SiteId};

/// The number of the next sample of each site; 0 if absent.
pub type Positions = BTreeMap<SiteId, u64>;

/// Most bytes of a hole.
const HOLE_MAX: usize = 5 + 10 + 10;

/// No frame is smaller than this, whatever the server allows: a sample with the longest text has room.
const BYTES_MIN: usize = 4 << 10;

/// The result of one reading.
#[derive(Debug, Default)]
pub struct Batch {
    /// Samples with their sites and numbers; those of one site in order.
    pub samples: Vec<(SiteId, u64, Sample)>,
    /// The texts of those that failed, by site, in order.
    pub texts: BTreeMap<SiteId, Vec<FailureRun>>,
    /// How far the reader is, of the sites whose numbers it passed over without a sample.
    pub reached: Vec<(SiteId, u64)>,
    /// Whether more is stored.
    pub more: bool,
}

/// Most bytes of the payload of a frame for a server that takes messages of `max_payload` bytes: a quarter stays for what is
/// around it.
#[must_use]
pub fn bytes_max(max_payload: usize) -> usize {
    (max_payload / 4 * 3).clamp(BYTES_MIN, FRAME_MAX) - ORIGIN_MAX - SAMPLES_AROUND
}

/// Cuts `batch` into bodies of at most `bytes` and moves `expected` behind it. Takes only what lies before `end`, if there is one,
/// and only of sites that `is_sent`.
pub fn cut(
    batch: Batch,
    expected: &mut Positions,
    end: Option<&Positions>,
    is_sent: impl Fn(SiteId) -> bool,
    bytes: usize,
) -> Vec<Body> {
    let end_of = |site: SiteId| end.map_or(u64::MAX, |end| end.get(&site).copied().unwrap_or(0));
    let mut sites: BTreeMap<SiteId, Vec<Run>> = BTreeMap::new();
    for (site, seq, sample) in batch.samples {
        let next = expected.get(&site).copied().unwrap_or(0);
        if seq < next || seq >= end_of(site) {
            continue;
        }
        let runs = sites.entry(site).or_default();
        match runs.last_mut().filter(|run| run.next() == seq) {
            Some(run) => run.samples.push(sample),
            None => runs.push(Run { first: seq, samples: vec![sample] }),
        }
    }
    let mut filling = Filling { bytes_max: bytes, ..Filling::default() };
    let mut layer = 0;
    // The samples behind a hole come in a later frame than the hole.
    while sites.values().any(|runs| runs.len() > layer) {
        let now = || sites.iter().filter_map(|(site, runs)| Some((*site, runs.get(layer)?)));
        filling.holes(now().filter(|(site, _)| is_sent(*site)).map(|(site, run)| (site, run.first)), expected);
        for (site, run) in now() {
            if is_sent(site) {
                filling.run(site, run, batch.texts.get(&site).map_or(&[], Vec::as_slice));
            }
            expected.insert(site, run.next());
        }
        filling.close();
        layer += 1;
    }
    let reached = batch.reached.iter().map(|&(site, next)| (site, next.min(end_of(site))));
    filling.holes(reached.clone().filter(|(site, _)| is_sent(*site)), expected);
    for (site, next) in reached {
        let expected = expected.entry(site).or_default();
        *expected = next.max(*expected);
    }
    filling.done
}

/// Consecutive samples.
#[derive(Debug)]
struct Run {
    first: u64,
    samples: Vec<Sample>,
}

impl Run {
    const fn next(&self) -> u64 {
        self.first + self.samples.len() as u64
    }
}

/// The frame that is being filled.
#[derive(Debug, Default)]
struct Filling {
    bytes_max: usize,
    groups: Vec<Group>,
    samples: usize,
    bytes: usize,
    done: Vec<Body>,
}

impl Filling {
    /// Declares the numbers from those expected to these as gone.
    fn holes(&mut self, to: impl Iterator<Item = (SiteId, u64)>, expected: &Positions) {
        let from = |site: SiteId| expected.get(&site).copied().unwrap_or(0);
        let holes = to.map(|(site, to)| Hole { site, from: from(site), to }).filter(|hole| hole.from < hole.to);
        let mut holes: Vec<Hole> = holes.collect();
        holes.sort_by_key(|hole| (hole.site, hole.from));
        self.done.extend(holes.chunks(self.bytes_max / HOLE_MAX).map(|holes| Body::Gone(holes.to_vec())));
    }

    /// Adds a run, whose samples may need several frames.
    fn run(&mut self, site: SiteId, run: &Run, texts: &[FailureRun]) {
        let mut rest = texts.iter().skip_while(|text| text.last < run.first).peekable();
        for (seq, sample) in (run.first..).zip(&run.samples) {
            while rest.peek().is_some_and(|text| text.last < seq) {
                rest.next();
            }
            let text = rest.peek().filter(|text| text.first <= seq);
            let cost = |text: &FailureRun| TEXT_AROUND + text.detail.len();
            if self.samples == SAMPLES_MAX
                || self.bytes + SAMPLE_MAX + text.map_or(0, |text| cost(text)) > self.bytes_max
            {
                self.close();
            }
            let is_known = self.groups.last().is_some_and(|group| group.site == site);
            if !is_known {
                self.groups.push(Group { site, first_seq: seq, samples: Vec::new(), texts: Vec::new() });
            }
            let group = self.groups.last_mut().expect("it was just pushed");
            if let Some(text) = text {
                let open = group.texts.last_mut().filter(|last| last.last + 1 == seq && seq > text.first);
                if let Some(open) = open {
                    open.last = seq;
                } else {
                    self.bytes += cost(text);
                    group.texts.push(FailureRun { first: seq, last: seq, ..FailureRun::clone(text) });
                }
            }
            group.samples.push(*sample);
            self.bytes += SAMPLE_MAX;
            self.samples += 1;
        }
    }

    fn close(&mut self) {
        if !self.groups.is_empty() {
            self.done.push(Body::Samples(std::mem::take(&mut self.groups)));
        }
        (self.samples, self.bytes) = (0, 0);
    }
}

/// Cuts `all` into parts of at most `bytes` each, at least one even if there is nothing.
pub fn parts<T>(all: impl Iterator<Item = T>, bytes: usize, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut left) = (vec![Vec::new()], bytes);
    for one in all {
        let size = size(&one);
        let part = parts.last_mut().expect("there is at least one");
        if size > left && !part.is_empty() {
            parts.push(Vec::new());
            left = bytes;
        }
        left = left.saturating_sub(size);
        parts.last_mut().expect("there is at least one").push(one);
    }
    parts
}

/// Most bytes that a certificate takes in a frame.
pub fn certificate_size((_, certificate): &(SiteId, Certificate)) -> usize {
    CERTIFICATE_AROUND + certificate.subject.len() + certificate.issuer.len() + certificate.faults.len()
}
