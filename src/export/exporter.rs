//! The state of one export, without its I/O.
//!
//! A loop reads ([`Exporter::read`]), sends ([`Exporter::request`]), passes the answer ([`Exporter::answered`]) and saves the
//! progress ([`Exporter::take_progress`]). Invariants: the progress moves only when every line of a batch is acknowledged or
//! rejected; an unsettled batch is sent again unchanged; after a crash the same samples make the same points. Bounds: one batch
//! of [`BATCH_MAX`] samples and alerts in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::http::Reply;
use crate::model::text::clean_line;
use crate::model::{Certificate, ExportHealth, ExportState, ExportTarget, KnownSecrets, Secret, SiteId, Timestamp};
use crate::store::{Archive, ExportBatch, ExportReader, Origins, Progress, StoreError};

use super::answer::ExportAnswer;
use super::delivery::{Delivery, RequestLimits, Settled};
use super::points;
use crate::model::time::backoff::Backoff;

/// Samples and alerts of a batch; a health point may join them.
const BATCH_MAX: usize = RequestLimits::MOST.lines - 1;

/// Time between points about the export itself.
const HEALTH_POINT_EVERY: Duration = Duration::from_secs(10);

/// Bytes of a rejected line that are shown.
const EXAMPLE_MAX: usize = 200;

/// Tags that distinguish the series of this program and its sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The tag `agent`.
    pub agent: String,
    /// The tag `group`, by the name of the site.
    pub groups: HashMap<Arc<str>, Arc<str>>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Idle,
    /// It was read, and is not encoded.
    Read,
    /// It is encoded, and not all of it is settled.
    UnderWay,
}

/// See the module.
#[derive(Debug)]
pub struct Exporter {
    /// The target as it may be printed.
    target: Arc<str>,
    /// The object of a 404.
    place: String,
    labels: Labels,
    /// Everything before it is acknowledged; of the cursors only those that moved since it was taken.
    progress: Progress,
    has_moved: bool,
    reader: ExportReader,
    batch: ExportBatch,
    /// The cursors after the batch.
    next_cursors: BTreeMap<SiteId, u64>,
    /// Whether the batch has a point about the export.
    has_health_point: bool,
    health_point_at: Option<Timestamp>,
    stage: Stage,
    delivery: Delivery,
    body: Vec<u8>,
    lines: usize,
    limits: RequestLimits,
    backoff: Backoff,
    series: HashMap<SiteId, Vec<u8>>,
    /// Where the sites of a hub come from.
    origins: Origins,
    /// The latest certificate of each site.
    certificates: HashMap<SiteId, Certificate>,
    state: ExportState,
    oldest: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
    /// Masked in the server's messages.
    secrets: KnownSecrets,
}

impl Exporter {
    /// The key of the progress of `target` in the store: whatever makes it another place, and the schema.
    #[must_use]
    pub fn name(target: &ExportTarget) -> String {
        format!("{target} schema {}", points::SCHEMA)
    }

    /// An export to `target` that continues after `progress`; `seed` should differ between programs.
    #[must_use]
    pub fn new(target: &ExportTarget, progress: Progress, labels: Labels, seed: u64) -> Self {
        Self {
            target: target.to_string().into(),
            place: format!("{} {:?}", target.api.place(), target.bucket),
            labels,
            reader: ExportReader::new(&progress.cursors, progress.next_alert),
            progress: Progress { cursors: BTreeMap::new(), ..progress },
            has_moved: false,
            batch: ExportBatch::default(),
            next_cursors: BTreeMap::new(),
            has_health_point: false,
            health_point_at: None,
            stage: Stage::Idle,
            delivery: Delivery::default(),
            body: Vec::new(),
            lines: 0,
            limits: RequestLimits::MOST,
            backoff: Backoff::new(seed),
            series: HashMap::new(),
            origins: Origins::new(),
            certificates: HashMap::new(),
            state: ExportState::default(),
            oldest: None,
            error: None,
            secrets: known_secrets(target.authorization.as_ref()),
        }
    }

    /// Reads the next batch unless one is under way. Returns whether one is now.
    ///
    /// # Errors
    /// The store's.
    pub fn read(&mut self, archive: &Archive, now: Timestamp) -> Result<bool, StoreError> {
        if self.is_under_way() {
            return Ok(true);
        }
        if self.stage == Stage::Idle {
            if !self.follow(archive)? {
                return Ok(false);
            }
            self.stage = Stage::Read;
        }
        // A site that is new may come from a location. Without its origin its points would be of another series for ever.
        if self.batch.samples.iter().any(|(site, ..)| !self.series.contains_key(site)) {
            self.origins = archive.origins()?;
        }
        let over_tls = self.batch.samples.iter().any(|(_, _, sample)| points::is_over_tls(sample));
        // The batch is not read again, so if the certificates are unreadable, the previous ones serve.
        if let (true, Ok(certificates)) = (over_tls, archive.certificates()) {
            self.certificates = certificates.into_iter().collect();
        }
        self.encode(now);
        self.stage = Stage::UnderWay;
        self.settle();
        Ok(self.is_under_way())
    }

    /// Reads the next batch. Returns whether there is anything in it.
    fn follow(&mut self, archive: &Archive) -> Result<bool, StoreError> {
        archive.follow(&mut self.reader, BATCH_MAX, &mut self.batch)?;
        let samples = self.batch.samples.iter().map(|(_, _, sample)| sample.at);
        self.oldest = samples.chain(self.batch.alerts.iter().map(|(_, alert)| alert.at)).min();
        if self.oldest.is_none() && self.batch.skipped == 0 {
            return Ok(false);
        }
        self.next_cursors.extend(self.batch.samples.iter().map(|(site, seq, _)| (*site, seq + 1)));
        self.progress.tally.skipped += self.batch.skipped;
        Ok(true)
    }

    /// Sets the groups of sites from the next batch on.
    pub fn regroup(&mut self, groups: HashMap<Arc<str>, Arc<str>>) {
        self.labels.groups = groups;
        self.series.clear();
    }

    fn encode(&mut self, now: Timestamp) {
        let Self { batch, labels, series, origins, certificates, reader, .. } = self;
        let lag = self.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        let is_due = self.health_point_at.is_none_or(|last| now.since(last) >= HEALTH_POINT_EVERY || now < last);
        self.has_health_point = is_due && self.oldest.is_some();
        let own = self.has_health_point.then_some((self.progress.next_point, self.progress.tally));
        self.delivery.fill(|out| {
            for (site, seq, sample) in &batch.samples {
                let series = series.entry(*site).or_insert_with(|| {
                    let origin = origins.get(site);
                    let name = origin.map_or_else(|| reader.name(*site).map_or("", |name| name), |origin| &origin.name);
                    let group = labels.groups.get(name).map(|group| &**group);
                    points::check_series(&labels.agent, group, (name, origin.map(|origin| &origin.location)))
                });
                points::check(out, series, (*seq, sample), certificates.get(site));
            }
            for (number, alert) in &batch.alerts {
                points::alert(out, &labels.agent, *number, alert);
            }
            if let Some((seq, tally)) = own {
                points::health(out, &labels.agent, seq, &tally, (now, lag));
            }
        });
        self.health_point_at = if self.has_health_point { Some(now) } else { self.health_point_at };
    }

    /// Whether a batch is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::UnderWay)
    }

    /// The lines to send now; none when no batch is under way.
    pub fn request(&mut self) -> Option<&[u8]> {
        if !self.is_under_way() {
            return None;
        }
        self.lines = self.delivery.request(self.limits, &mut self.body);
        debug_assert!(self.lines > 0, "a batch without open lines is settled");
        Some(&self.body)
    }

    /// Settles the request by its answer, or the reason why there is none. Returns the wait before the next request, if any.
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
            ExportAnswer::Refused(refusal, message) => {
                let settled = self.delivery.refused(&refusal);
                self.set_aside(&settled, &message, now)
            }
            ExportAnswer::TooLarge(message) => {
                let settled = self.delivery.too_large();
                if self.lines > 1 {
                    self.limits = RequestLimits { lines: self.lines.div_ceil(2), bytes: self.body.len().div_ceil(2) };
                }
                self.set_aside(&settled, &message, now)
            }
            ExportAnswer::Blocked(message) => Some(self.wait(ExportState::Blocked, Duration::ZERO, &message, now)),
            ExportAnswer::Throttled(least, message) => Some(self.wait(ExportState::Retrying, least, &message, now)),
            ExportAnswer::Broken(message) => Some(self.wait(ExportState::Retrying, Duration::ZERO, &message, now)),
        }
    }

    /// Notes that the store could not be read. Returns the wait before the next try.
    pub fn unread(&mut self, error: &StoreError, now: Timestamp) -> Duration {
        self.wait(ExportState::Retrying, Duration::ZERO, &format!("cannot read the store: {}", error.reason()), now)
    }

    /// Notes other credentials, which the client sends from now on.
    pub fn authorize(&mut self, authorization: Option<&Secret>) {
        self.secrets = known_secrets(authorization);
    }

    /// Shows `message` as the latest error.
    pub fn report_error(&mut self, message: String, now: Timestamp) {
        self.error = Some((now, message));
    }

    fn wait(&mut self, state: ExportState, least: Duration, message: &str, now: Timestamp) -> Duration {
        self.delivery.keep();
        self.state = state;
        self.error = Some((now, self.secrets.hidden_in(message)));
        self.backoff.wait().max(least)
    }

    /// Counts the lines that a refusal settled. Returns the wait if it was no verdict about lines.
    fn set_aside(&mut self, settled: &Settled, message: &str, now: Timestamp) -> Option<Duration> {
        if settled.blocked {
            // A server that accepts nothing says nothing about the size of requests.
            self.limits = RequestLimits::MOST;
            let message = format!("the server refuses every line, so none is dropped: {message}");
            return Some(self.wait(ExportState::Blocked, Duration::ZERO, &message, now));
        }
        if settled.rejected > 0 {
            let line = settled.example.as_deref().map(|line| clean_line(line, EXAMPLE_MAX));
            let line = line.map_or_else(String::new, |line| format!(": {line}"));
            let message = self.secrets.hidden_in(message);
            self.error = Some((now, format!("{} points refused: {message}{line}", settled.rejected)));
        }
        self.count(settled, now);
        self.settle();
        None
    }

    fn count(&mut self, settled: &Settled, now: Timestamp) {
        // A request that settled no line is no sign of recovery.
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

    /// Advances the progress once every line of the batch is settled.
    fn settle(&mut self) {
        if !self.delivery.is_settled() {
            return;
        }
        self.stage = Stage::Idle;
        self.has_moved = true;
        self.progress.cursors.append(&mut self.next_cursors);
        self.progress.next_alert = self.reader.next_alert();
        self.progress.next_point += u64::from(self.has_health_point);
        if !self.batch.more {
            self.oldest = None;
        }
    }

    /// Whether the store has more to read.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.batch.more
    }

    /// The progress, with the cursors that moved, if it moved since the last call.
    pub fn take_progress(&mut self) -> Option<Progress> {
        if !std::mem::take(&mut self.has_moved) {
            return None;
        }
        let progress = self.progress.clone();
        self.progress.cursors.clear();
        Some(progress)
    }

    /// The state for the user.
    #[must_use]
    pub fn health(&self) -> ExportHealth {
        let tally = self.progress.tally;
        ExportHealth {
            sink: Arc::clone(&self.target),
            state: self.state,
            oldest: self.oldest,
            sent: tally.sent,
            rejected: tally.rejected,
            skipped: tally.skipped,
            error: self.error.clone(),
        }
    }
}

/// Secrets that a server knows and may send back.
fn known_secrets(authorization: Option<&Secret>) -> KnownSecrets {
    let value = authorization.map(Secret::expose);
    KnownSecrets::new(value.into_iter().chain(value.and_then(|value| value.split_once(' ')).map(|(_, secret)| secret)))
}
