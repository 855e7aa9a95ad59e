//! The state of one export: what was read, what is under way, what is acknowledged, and how long to wait.
//!
//! A loop around it reads ([`Exporter::read`]), sends ([`Exporter::request`]), tells what came of it
//! ([`Exporter::answered`]) and saves how far it is ([`Exporter::take_progress`]). Invariants: the progress moves only when every
//! line of a batch was acknowledged or refused for good; a batch that is not settled is sent again to the letter;
//! the points of a batch that was lost with the process are made again from the same samples. Limit: one batch in memory,
//! [`BATCH`] samples.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::text::clean_line;
use crate::model::{Certificate, ExportHealth, ExportState, ExportTarget, KnownSecrets, Secret, SiteId, Timestamp};
use crate::store::{Archive, ExportBatch, ExportReader, Progress, StoreError};

use super::answer::{ExportAnswer, Reply};
use super::backoff::Backoff;
use super::delivery::{Delivery, RequestLimits, Settled};
use super::points;

/// Samples and alerts that are read at once.
const BATCH: usize = RequestLimits::MOST.lines - 1;

/// A point about the export itself goes with a batch this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Bytes of a refused line that are shown.
const EXAMPLE_MAX: usize = 200;

/// What tells the series of this program and its sites from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The tag `agent`.
    pub agent: String,
    /// The tag `group` of sites that have one, by the name of the site.
    pub groups: HashMap<Arc<str>, Arc<str>>,
}

/// See the module.
#[derive(Debug)]
pub struct Exporter {
    /// Where to, for people.
    sink: Arc<str>,
    /// What the server lacks when it says 404.
    place: String,
    labels: Labels,
    /// How far everything is acknowledged.
    progress: Progress,
    /// Whether it moved since it was taken last.
    moved: bool,
    follower: ExportReader,
    found: ExportBatch,
    /// Where each site will stand once the batch is settled.
    ahead: BTreeMap<SiteId, u64>,
    /// Whether the batch has a point about the export.
    tells: bool,
    told: Option<Timestamp>,
    under_way: bool,
    delivery: Delivery,
    body: Vec<u8>,
    lines: usize,
    limits: RequestLimits,
    backoff: Backoff,
    series: HashMap<SiteId, Vec<u8>>,
    /// What each site showed last.
    certificates: HashMap<SiteId, Certificate>,
    state: ExportState,
    oldest: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
    /// What must not come back in what a server says.
    secrets: KnownSecrets,
}

impl Exporter {
    /// The name under which the store knows how far `sink` is: all that makes it another place, and the schema.
    #[must_use]
    pub fn name(sink: &ExportTarget) -> String {
        format!("{sink} schema {}", points::SCHEMA)
    }

    /// An export to `sink` that goes on after `progress`; `seed` is another one for each program.
    #[must_use]
    pub fn new(sink: &ExportTarget, progress: Progress, labels: Labels, seed: u64) -> Self {
        Self {
            sink: sink.to_string().into(),
            place: format!("{} {:?}", sink.api.place(), sink.bucket),
            labels,
            follower: ExportReader::new(&progress.cursors, progress.next_alert),
            progress: Progress { cursors: BTreeMap::new(), ..progress },
            moved: false,
            found: ExportBatch::default(),
            ahead: BTreeMap::new(),
            tells: false,
            told: None,
            under_way: false,
            delivery: Delivery::default(),
            body: Vec::new(),
            lines: 0,
            limits: RequestLimits::MOST,
            backoff: Backoff::new(seed),
            series: HashMap::new(),
            certificates: HashMap::new(),
            state: ExportState::default(),
            oldest: None,
            error: None,
            secrets: secrets_of(sink.authorization.as_ref()),
        }
    }

    /// Reads the next batch, unless one is under way; whether one is then.
    ///
    /// # Errors
    /// The store's.
    pub fn read(&mut self, archive: &Archive, now: Timestamp) -> Result<bool, StoreError> {
        if self.under_way {
            return Ok(true);
        }
        archive.follow(&mut self.follower, BATCH, &mut self.found)?;
        let samples = self.found.samples.iter().map(|(_, _, sample)| sample.at);
        self.oldest = samples.chain(self.found.alerts.iter().map(|(_, alert)| alert.at)).min();
        if self.oldest.is_none() && self.found.skipped == 0 {
            return Ok(false);
        }
        self.ahead.extend(self.found.samples.iter().map(|(site, seq, _)| (*site, seq + 1)));
        self.progress.tally.skipped += self.found.skipped;
        let over_tls = self.found.samples.iter().any(|(_, _, sample)| points::is_over_tls(sample));
        // What was found is not found again, so where they cannot be read the ones of before have to do.
        if let (true, Ok(certificates)) = (over_tls, archive.certificates()) {
            self.certificates = certificates.into_iter().collect();
        }
        self.encode(now);
        self.under_way = true;
        self.settle();
        Ok(self.under_way)
    }

    /// The groups of sites from the next batch on; what is under way stays as it is.
    pub fn regroup(&mut self, groups: HashMap<Arc<str>, Arc<str>>) {
        self.labels.groups = groups;
        self.series.clear();
    }

    fn encode(&mut self, now: Timestamp) {
        let Self { found, labels, series, certificates, follower, .. } = self;
        let lag = self.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        let is_due = self.told.is_none_or(|told| now.since(told) >= TELL_EVERY || now < told);
        self.tells = is_due && self.oldest.is_some();
        let own = self.tells.then_some((self.progress.next_point, self.progress.tally));
        self.delivery.fill(|out| {
            for (site, seq, sample) in &found.samples {
                let series = series.entry(*site).or_insert_with(|| {
                    let name = follower.name(*site).map_or("", |name| name);
                    let group = labels.groups.get(name).map(|group| &**group);
                    points::check_series(&labels.agent, group, name)
                });
                points::check(out, series, (*seq, sample), certificates.get(site));
            }
            for (number, alert) in &found.alerts {
                points::alert(out, &labels.agent, *number, alert);
            }
            if let Some((seq, tally)) = own {
                points::health(out, &labels.agent, seq, &tally, (now, lag));
            }
        });
        self.told = if self.tells { Some(now) } else { self.told };
    }

    /// Whether a batch is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The lines to send now; none when nothing is under way.
    pub fn request(&mut self) -> Option<&[u8]> {
        if !self.under_way {
            return None;
        }
        self.lines = self.delivery.request(self.limits, &mut self.body);
        debug_assert!(self.lines > 0, "a batch without open lines is settled");
        Some(&self.body)
    }

    /// Takes note of the answer to the request, or of why there is none; the time to wait before the next, if any.
    pub fn answered(&mut self, reply: Result<Reply, String>, now: Timestamp) -> Option<Duration> {
        let answer = match reply {
            Ok(reply) => ExportAnswer::of(&reply, &self.place, now),
            Err(reason) => ExportAnswer::Broken(reason),
        };
        match answer {
            ExportAnswer::Stored => {
                let settled = self.delivery.stored();
                self.count(&settled, now);
                self.settle();
                None
            }
            ExportAnswer::Refused(refusal, said) => {
                let settled = self.delivery.refused(&refusal);
                self.set_aside(&settled, &said, now)
            }
            ExportAnswer::TooLarge(said) => {
                let settled = self.delivery.too_large();
                if self.lines > 1 {
                    self.limits = RequestLimits { lines: self.lines.div_ceil(2), bytes: self.body.len().div_ceil(2) };
                }
                self.set_aside(&settled, &said, now)
            }
            ExportAnswer::Blocked(said) => Some(self.wait(ExportState::Blocked, Duration::ZERO, &said, now)),
            ExportAnswer::Throttled(least, said) => Some(self.wait(ExportState::Retrying, least, &said, now)),
            ExportAnswer::Broken(said) => Some(self.wait(ExportState::Retrying, Duration::ZERO, &said, now)),
        }
    }

    /// Takes note that the store could not be read; the time to wait.
    pub fn unread(&mut self, error: &StoreError, now: Timestamp) -> Duration {
        self.wait(ExportState::Retrying, Duration::ZERO, &format!("cannot read the store: {}", error.reason()), now)
    }

    /// Goes on with other credentials, which the client sends from now on.
    pub fn authorize(&mut self, authorization: Option<&Secret>) {
        self.secrets = secrets_of(authorization);
    }

    /// Shows `said` as what went wrong last.
    pub fn complain(&mut self, said: String, now: Timestamp) {
        self.error = Some((now, said));
    }

    fn wait(&mut self, state: ExportState, least: Duration, said: &str, now: Timestamp) -> Duration {
        self.delivery.keep();
        self.state = state;
        self.error = Some((now, self.secrets.hidden_in(said)));
        self.backoff.wait().max(least)
    }

    /// Takes note of what a refusal settled; the time to wait, if it was no verdict about lines.
    fn set_aside(&mut self, settled: &Settled, said: &str, now: Timestamp) -> Option<Duration> {
        if settled.blocked {
            // How much is too much for what takes nothing says nothing about the server.
            self.limits = RequestLimits::MOST;
            let said = format!("every line is refused, so none is dropped: {said}");
            return Some(self.wait(ExportState::Blocked, Duration::ZERO, &said, now));
        }
        if settled.rejected > 0 {
            let line = settled.example.as_deref().map(|line| clean_line(line, EXAMPLE_MAX));
            let line = line.map_or_else(String::new, |line| format!(": {line}"));
            let said = self.secrets.hidden_in(said);
            self.error = Some((now, format!("{} points refused: {said}{line}", settled.rejected)));
        }
        self.count(settled, now);
        self.settle();
        None
    }

    fn count(&mut self, settled: &Settled, now: Timestamp) {
        // A request that was halved or tried settled nothing: it is no sign that all is well.
        if settled.sent + settled.rejected == 0 {
            return;
        }
        self.state = ExportState::Ok;
        self.backoff.reset();
        self.progress.tally.sent += settled.sent;
        self.progress.tally.rejected += settled.rejected;
        if settled.sent > 0 {
            self.progress.acknowledged = Some(now);
        }
    }

    /// Moves on once every line of the batch is settled.
    fn settle(&mut self) {
        if !self.delivery.is_settled() {
            return;
        }
        self.under_way = false;
        self.moved = true;
        self.progress.cursors.append(&mut self.ahead);
        self.progress.next_alert = self.follower.next_alert();
        self.progress.next_point += u64::from(self.tells);
        if !self.found.more {
            self.oldest = None;
        }
    }

    /// Whether a whole batch was read, so that there may be more.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.found.more
    }

    /// How far it is, if it moved since it was asked last: the sites that moved, and all else.
    pub fn take_progress(&mut self) -> Option<Progress> {
        if !std::mem::take(&mut self.moved) {
            return None;
        }
        let progress = self.progress.clone();
        self.progress.cursors.clear();
        Some(progress)
    }

    /// How it gets on.
    #[must_use]
    pub fn health(&self) -> ExportHealth {
        let tally = self.progress.tally;
        ExportHealth {
            sink: Arc::clone(&self.sink),
            state: self.state,
            oldest: self.oldest,
            sent: tally.sent,
            rejected: tally.rejected,
            skipped: tally.skipped,
            error: self.error.clone(),
        }
    }
}

/// What a server was sent and may send back.
fn secrets_of(authorization: Option<&Secret>) -> KnownSecrets {
    let value = authorization.map(Secret::expose);
    KnownSecrets::new(value.into_iter().chain(value.and_then(|value| value.split_once(' ')).map(|(_, secret)| secret)))
}
