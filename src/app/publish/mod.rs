//! Writes the report of sites.yaml again and again while webmon runs, and runs a program after each.
//!
//! The first report comes [`FIRST`] after the start, or after another section `report`, and the others after each `every` from
//! then on. Figures are those of the store, states those of the engine: what the listener shows at that instant.
//!
//! Invariants: nothing else waits for it: a report is written on a thread of its own, one at a time. A failure is told once, and
//! again when its reason changes. After a stop it begins nothing, and an unfinished report leaves the earlier one as it was.

pub(crate) mod content;
mod files;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::config::{Config, Exec, ReportTerms};
use crate::engine::Board;
use crate::model::text::clean_line;
use crate::model::time::duration;
use crate::model::{Notice, PageTerms};
use crate::store::Archive;

use super::clock::Clock;
use super::exit::NO_THREAD;
use super::locations::groups::Rules;
use super::log::about;
use super::pages::{Memory, PageSite, Past, Setting};
use super::status::health_meter::StoreStatus;
use super::system::program::{Call, run};
use content::{Content, sentence};

/// From the start, or a change of the settings, to the first report; by then the first checks are stored.
pub const FIRST: Duration = Duration::from_secs(2);

/// The longest time of a run of the program.
const LIMIT: Duration = Duration::from_mins(1);

/// The wait for an unfinished report at the end.
const LAST: Duration = Duration::from_secs(1);

/// Longest reason in a notice, bytes.
const REASON_MAX: usize = 400;

/// What a report is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportPlan {
    terms: Option<ReportTerms>,
    page: PageTerms,
}

impl ReportPlan {
    /// What `config` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { terms: config.report.clone(), page: config.page.clone() }
    }
}

/// Why the reports of `config` are not written without a store, if it wants any.
#[must_use]
pub fn unpublished(config: &Config) -> Option<String> {
    config.report.as_ref().map(|_| "no report is written, because nothing is stored".to_owned())
}

/// Writes a report and publishes it.
pub trait Publish {
    /// Writes a report of `page` as `terms` say.
    ///
    /// # Errors
    /// Why there is no new one, as a sentence.
    fn write(
        &self,
        terms: &ReportTerms,
        page: &PageTerms,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<(), String>>;

    /// Runs `then`, which `terms` name.
    ///
    /// # Errors
    /// Why it did not do its work, as a sentence.
    fn publish(&self, terms: &ReportTerms, then: &Exec) -> impl Future<Output = Result<(), String>>;
}

/// See the module.
pub struct ReportTask {
    /// The settings, which may change.
    pub plan: watch::Receiver<ReportPlan>,
    /// The clock.
    pub clock: Clock,
    /// Where notices go.
    pub status: watch::Sender<StoreStatus>,
}

/// What was told of a report and of its publication.
#[derive(Default)]
struct Told {
    written: LastFailure,
    published: LastFailure,
}

/// Why something failed the last time, if it did.
#[derive(Default)]
struct LastFailure(Option<String>);

impl LastFailure {
    /// What to tell of `result`: a new reason, or `recovered` after one.
    fn news(&mut self, result: Result<(), String>, recovered: &str) -> Option<String> {
        match result {
            Ok(()) => self.0.take().map(|_| recovered.to_owned()),
            Err(reason) => {
                let is_new = self.0.as_ref() != Some(&reason);
                self.0 = Some(reason.clone());
                is_new.then_some(reason)
            }
        }
    }
}

/// The reports of one section.
struct Turns {
    terms: ReportTerms,
    /// When the next one is due, on the monotonic clock.
    due: Duration,
    /// Whether it was told that one took too long.
    is_slow: bool,
}

impl Turns {
    /// Notes at `now` that one is over, and leaves out those that were due meanwhile. Returns whether it took too long, once.
    fn has_taken(&mut self, took: Duration, now: Duration) -> bool {
        self.due += self.terms.every;
        while self.due <= now {
            self.due += self.terms.every;
        }
        took > self.terms.every && !std::mem::replace(&mut self.is_slow, true)
    }
}

impl ReportTask {
    /// Writes reports through `publisher` until `stop`.
    pub async fn run(mut self, publisher: impl Publish, stop: CancellationToken) {
        let (mut turns, mut told) = (None::<Turns>, Told::default());
        loop {
            let plan = self.plan.borrow_and_update().clone();
            let mut changes = self.plan.clone();
            if turns.as_ref().map(|turns| &turns.terms) != plan.terms.as_ref() {
                turns = plan.terms.map(|terms| self.turns(terms));
            }
            let due = async {
                match &turns {
                    Some(turns) => sleep_until(self.clock.instant(turns.due)).await,
                    None => std::future::pending().await,
                }
            };
            let change = async {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = change => continue,
                () = due => {}
            }
            let Some(turns) = &mut turns else { continue };
            let begun = self.clock.monotonic();
            if self.report(&publisher, (&turns.terms, &plan.page), &mut told, &stop).await.is_break() {
                return;
            }
            let now = self.clock.monotonic();
            let took = now.saturating_sub(begun);
            debug!(target: about::REPORT, ?took, "a report");
            if turns.has_taken(took, now) {
                let (took, every) = (duration::format_seconds(took), duration::format(turns.terms.every));
                let late = "those due meanwhile are skipped";
                self.tell(Some(format!("one took {took}, longer than `report.every` ({every}); {late}")));
            }
        }
    }

    /// One report, and its publication. Breaks if it was stopped.
    async fn report(
        &self,
        publisher: &impl Publish,
        (terms, page): (&ReportTerms, &PageTerms),
        told: &mut Told,
        stop: &CancellationToken,
    ) -> ControlFlow<()> {
        let result = publisher.write(terms, page, stop).await;
        if stop.is_cancelled() {
            return ControlFlow::Break(());
        }
        let is_written = result.is_ok();
        self.tell(told.written.news(result, "written again"));
        if let (true, Some(then)) = (is_written, &terms.then) {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => return ControlFlow::Break(()),
                result = publisher.publish(terms, then) => result,
            };
            self.tell(told.published.news(result, "`report.then` works again"));
        }
        ControlFlow::Continue(())
    }

    fn turns(&self, terms: ReportTerms) -> Turns {
        Turns { terms, due: self.clock.monotonic() + FIRST, is_slow: false }
    }

    fn tell(&self, message: Option<String>) {
        if let Some(message) = message {
            self.status.send_modify(|status| status.tell(Notice::of_report(clean_line(&message, REASON_MAX))));
        }
    }
}

/// Writes reports of a running monitor.
pub struct Publisher {
    /// The sites and their states.
    pub board: Arc<Board>,
    /// The store.
    pub store: PathBuf,
    /// The zone of shown times.
    pub zone: TimeZone,
    /// The clock.
    pub clock: Clock,
    /// What was read for earlier reports.
    pub memory: Arc<Memory>,
    /// At a hub, when a site over its locations is down.
    pub rules: Rules,
}

impl Publish for Publisher {
    async fn write(&self, terms: &ReportTerms, page: &PageTerms, stop: &CancellationToken) -> Result<(), String> {
        let (done, written) = oneshot::channel();
        let (store, zone, as_of) = (self.store.clone(), self.zone.clone(), self.clock.now());
        let (snapshot, memory, rules) = (self.board.snapshot(), Arc::clone(&self.memory), self.rules.clone());
        let (out, page, ending) = (terms.out.clone(), page.clone(), stop.clone());
        let work = move || {
            let sites = PageSite::listed(&snapshot);
            let setting = Setting { terms: &page, zone: &zone, as_of };
            let written = Archive::open(&store).map_err(content::ReportError::from).and_then(|archive| {
                let past = Past::of(&archive, &rules, as_of)?.remembering(&memory);
                Content { past: &past, setting, sites: &sites }.write(&out, &|| ending.is_cancelled())
            });
            // Who waited for it is gone only at the end.
            let _late = done.send(written.map_err(|error| format!("not written: {}", sentence(&error, &out))));
        };
        let started = Builder::new().name("webmon-report".to_owned()).spawn(work);
        started.map_err(|error| format!("not written: {NO_THREAD}: {error}"))?;
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            written = written => written.unwrap_or_else(|_| Err("not written: its thread has ended".to_owned())),
            () = too_late => Err("not written: webmon is ending".to_owned()),
        }
    }

    async fn publish(&self, terms: &ReportTerms, then: &Exec) -> Result<(), String> {
        let out = std::path::absolute(&terms.out).unwrap_or_else(|_| terms.out.clone());
        let variables = vec![("WEBMON_REPORT", out.into_os_string())];
        let (key, folder) = ("report.then", Some(&*terms.folder));
        let call = Call { exec: then, key, input: Vec::new(), variables, folder, limit: LIMIT };
        run(call).await.map(drop).map_err(|failure| failure.reason)
    }
}
