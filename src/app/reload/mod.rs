//! sites.yaml read again: on SIGHUP, and when the file has changed and stands still.
//!
//! The file and the files that it names (`${file:…}`, certificates) are looked at twice a second; one counts as changed
//! when its time, length or number differs from what was read last, and all are read once two looks agree, so that no
//! half-written file is taken. Limit: with more than a thousand named files these are looked at less often.
//! Invariants: a file that cannot be taken changes nothing and is told once, until it changes again or somebody asks
//! again; a good one for which the store has no room now is tried again until it is taken. All waiting for disks is
//! on blocking threads.

pub(crate) mod reconcile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tracing::debug;

use crate::config::{self, Config, ConfigError, FileStamp, Named};
use crate::model::Timestamp;
use crate::model::text::clean_line;
use crate::report;

use super::cli::selection::{Selection, select};
use super::clock::{Clock, since_boot};
use super::exit::Failure;
use super::log::about;
use super::status::health_meter::StoreStatus;
use super::storage::restore::fits;
use super::storage::task::blocking;
use super::system::systemd::Service;
use reconcile::{ConfigDiff, Reconciler};

/// Time between two looks at the file.
const LOOK: Duration = Duration::from_millis(500);
/// Time between two tries of what the store would not take.
const AGAIN: Duration = Duration::from_secs(10);
/// Longest reason of a refusal, bytes.
pub const REASON_MAX: usize = 400;

/// Makes a prober for the second configuration from the one for the first.
pub type ProberFactory<P> = fn(&Config, &Config, &Arc<P>) -> Result<Arc<P>, Failure>;

/// Named files for one look; with more of them, every second look, every third and so on goes over them.
const NAMED_A_LOOK: usize = 1_000;

/// The file that a configuration came from.
#[derive(Clone, Debug)]
pub struct Origin {
    path: PathBuf,
    wanted: Vec<String>,
    read: Option<FileStamp>,
    named: Named,
}

/// What a look found: the file, and those that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileLook {
    file: Option<FileStamp>,
    named: Named,
}

impl Origin {
    /// The file at `path` and what was chosen of it; to be made before it is read for the first time.
    #[must_use]
    pub fn of(path: &Path, wanted: &[String]) -> Self {
        Self { path: path.to_owned(), wanted: wanted.to_vec(), read: FileStamp::of(path), named: Vec::new() }
    }

    /// The same of a configuration that names `files`.
    #[must_use]
    pub fn naming(self, files: &Named) -> Self {
        Self { named: files.clone(), ..self }
    }

    /// How the files are now; those that are named only when `all` are asked for.
    fn look(&self, all: bool) -> FileLook {
        let stamp =
            |(path, read): &(PathBuf, Option<FileStamp>)| (path.clone(), if all { FileStamp::of(path) } else { *read });
        FileLook { file: FileStamp::of(&self.path), named: self.named.iter().map(stamp).collect() }
    }

    /// What was read last.
    fn last(&self) -> FileLook {
        FileLook { file: self.read, named: self.named.clone() }
    }
}

/// What reading again needs besides the monitor.
pub struct Reload<P> {
    /// The file; none when there is nothing to read again.
    pub origin: Option<Origin>,
    /// How to probe by another configuration.
    pub renew: ProberFactory<P>,
    /// The clock.
    pub clock: Clock,
    /// The zone in which times are told.
    pub zone: TimeZone,
    /// The service manager, if there is one.
    pub service: Option<Service>,
    /// Whether SIGHUP asks for it; else it ends the program.
    pub on_hangup: bool,
}

/// See the module.
pub struct Reloader<P> {
    reload: Reload<P>,
    reviser: Reconciler<P>,
    keeping: watch::Sender<StoreStatus>,
    /// When what the monitor runs by was read.
    since: Timestamp,
    /// Whether the file was refused when it was read last.
    refused: bool,
    /// Whether the file was good and the store was not: it is tried again.
    waits: bool,
}

/// Why a file was not taken.
enum Rejection {
    /// It is not good; and the files that it names, where it got so far.
    File(String, Option<Named>),
    /// It may be taken later: the store does not answer.
    Store(String),
}

impl<P: Send + Sync + 'static> Reloader<P> {
    /// Changes a monitor through `reviser` and says so through `keeping`.
    #[must_use]
    pub fn new(reload: Reload<P>, reviser: Reconciler<P>, keeping: watch::Sender<StoreStatus>) -> Self {
        Self { since: reload.clock.now(), refused: false, waits: false, reload, reviser, keeping }
    }

    /// Reads again whenever `asked`, and whenever the file has changed. Never returns.
    pub async fn run(mut self, asked: Arc<Notify>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tries = tokio::time::interval(AGAIN);
        tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen_once, mut number) = (None, 0_usize);
        loop {
            let mut again = false;
            let by_hand = tokio::select! {
                () = asked.notified() => true,
                _ = tries.tick(), if self.waits => {
                    again = true;
                    false
                }
                _ = looks.tick(), if self.reload.origin.is_some() => false,
            };
            let Some(origin) = &mut self.reload.origin else {
                self.tell(["SIGHUP: there is no file to read again".to_owned()]);
                continue;
            };
            number += 1;
            let all = by_hand || number.is_multiple_of(1 + origin.named.len() / NAMED_A_LOOK);
            let (last, looked) = (origin.last(), origin.clone());
            let found = blocking(move || looked.look(all)).await;
            if !by_hand && !again && (found.file.is_none() || found == last) {
                continue;
            }
            if !by_hand && found != last && seen_once.as_ref() != Some(&found) {
                seen_once = Some(found);
                continue;
            }
            (origin.read, origin.named) = (found.file, found.named);
            let origin = origin.clone();
            self.read_again(origin, by_hand).await;
            tries.reset();
        }
    }

    async fn read_again(&mut self, origin: Origin, by_hand: bool) {
        if let Some(service) = &self.reload.service {
            service.reloading(since_boot());
        }
        let name = origin.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        debug!(target: about::RELOAD, by_hand, "reading {name} again");
        let waited = std::mem::take(&mut self.waits);
        match self.take(origin).await {
            Ok(difference) => {
                self.since = self.reload.clock.now();
                let ConfigDiff { added, removed, changed, elsewhere, notices } = difference;
                let is_other = added + removed + changed > 0 || elsewhere;
                let told = if is_other {
                    Some(format!("{name} read: +{added} −{removed} ~{changed} sites"))
                } else {
                    (by_hand || self.refused).then(|| format!("{name} read: nothing changed"))
                };
                self.refused = false;
                self.tell(told.into_iter().chain(notices));
            }
            Err(refusal) => {
                self.refused = true;
                let (what, reason) = match refusal {
                    Rejection::File(reason, named) => {
                        self.name(named);
                        ("reload refused", reason)
                    }
                    Rejection::Store(reason) => {
                        self.waits = true;
                        ("reload waits for the store", reason)
                    }
                };
                if by_hand || !waited || !self.waits {
                    let since = report::clock(self.since, &self.reload.zone);
                    let (reason, sites) = (clean_line(&reason, REASON_MAX), self.reviser.running().sites.len());
                    self.tell([format!("{what}: {reason}; the {sites} sites of {since} go on")]);
                }
            }
        }
        if let Some(service) = &self.reload.service {
            service.reloaded();
        }
    }

    async fn take(&mut self, origin: Origin) -> Result<ConfigDiff, Rejection> {
        let read = blocking(move || read(&origin)).await;
        let Selection { config, all_names, .. } = read.map_err(|(reason, named)| Rejection::File(reason, named))?;
        self.name(Some(config.files.clone()));
        fits(&config).map_err(|failure| Rejection::File(failure.to_string().replacen("webmon: ", "", 1), None))?;
        let (running, prober, renew) = (self.reviser.running().clone(), self.reviser.prober(), self.reload.renew);
        let warned = running.warnings.clone();
        let (config, renewed) = blocking(move || {
            let renewed = renew(&running, &config, &prober);
            (config, renewed)
        })
        .await;
        let prober = renewed.map_err(|failure| Rejection::File(failure.to_string(), None))?;
        let warnings = config.warnings.clone();
        let revised = self.reviser.revise(config, &all_names, prober).await;
        let mut difference = revised.map_err(Rejection::Store)?;
        difference.notices.extend(warnings.into_iter().filter(|warning| !warned.contains(warning)));
        Ok(difference)
    }

    /// Goes on with the files that were named, if it is known which.
    fn name(&mut self, files: Option<Named>) {
        if let (Some(origin), Some(files)) = (&mut self.reload.origin, files) {
            origin.named = files;
        }
    }

    fn tell(&self, notices: impl IntoIterator<Item = String>) {
        self.keeping.send_modify(|keeping| notices.into_iter().for_each(|notice| keeping.tell(notice)));
    }
}

/// The configuration that `origin` holds now, or what is wrong with it in one sentence and which files it names.
fn read(origin: &Origin) -> Result<Selection, (String, Option<Named>)> {
    let Origin { path, wanted, .. } = origin;
    select(path, wanted).map_err(|failure| match config::load(path, &|name| std::env::var(name).ok()) {
        Err(ConfigError::Missing { .. }) => (format!("there is no {}", path.display()), None),
        Err(ConfigError::Invalid { first, faults, files, .. }) => {
            let more = if faults > 1 { format!(" (and {} more)", faults - 1) } else { String::new() };
            (format!("{}:{first}{more}", path.display()), Some(files))
        }
        Err(error @ ConfigError::Unreadable { .. }) => {
            (error.to_string().trim_start_matches("error: ").to_owned(), None)
        }
        Ok(config) => (failure.to_string().trim_start_matches("webmon: ").to_owned(), Some(config.files)),
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::reconcile::ConfigChange;
    use super::*;
    use crate::app::storage::request::RestoreRequest;
    use crate::app::storage::restore::Restored;
    use crate::model::SiteId;
    use crate::store::Registered;

    /// A store that cannot save is no fault of the file, which nobody would touch again.
    #[tokio::test(start_paused = true)]
    async fn a_good_file_that_the_store_cannot_take_is_tried_again_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        std::fs::write(&path, "sites: ['http://127.0.0.1:1']\n").unwrap();
        let origin = Origin::of(&path, &[]);
        let running = read(&origin).unwrap().config;
        let (asks, mut asked) = mpsc::channel::<RestoreRequest>(1);
        let (changes, mut received) = mpsc::channel::<ConfigChange>(1);
        let (prober, _) = watch::channel(Arc::new(()));
        let reviser = Reconciler::new(running, Some(asks), changes, prober);
        let (keeping, mut kept) = watch::channel(StoreStatus::default());
        let began = Timestamp::from_secs(1_795_338_000);
        let reload = Reload {
            origin: Some(origin),
            renew: |_, _, known| Ok(Arc::clone(known)),
            clock: Clock::start_at(began),
            zone: TimeZone::UTC,
            service: None,
            on_hangup: true,
        };
        let reloading = Reloader::new(reload, reviser, keeping).run(Arc::new(Notify::new()));
        let others = async {
            std::fs::write(&path, "sites: ['http://127.0.0.1:1', 'http://127.0.0.1:2']\n").unwrap();
            for _ in 0..3 {
                let ask = asked.recv().await.unwrap();
                assert!(ask.answer.send(Err("disk full".to_owned())).is_ok());
            }
            let ask = asked.recv().await.unwrap();
            let registered = Registered { id: SiteId(1), next_seq: 0, last_at: None, known_since: began };
            assert!(ask.answer.send(Ok(Restored { registered: vec![registered], ..Restored::default() })).is_ok());
            let change = received.recv().await.unwrap();
            assert_eq!(change.sites.len(), 2);
            assert!(change.done.send(Vec::new()).is_ok());
            kept.wait_for(|keeping| keeping.notices.len() > 1).await.unwrap().notices.clone()
        };
        let notices = tokio::select! {
            () = reloading => unreachable!("it reads again for ever"),
            notices = others => notices,
        };
        assert_eq!(
            notices,
            ["reload waits for the store: disk full; the 1 sites of 09:00:00 go on", "sites.yaml read: +1 −0 ~0 sites"]
        );
    }
}
