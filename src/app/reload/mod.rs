//! Reloads sites.yaml on SIGHUP, and when the file has changed.
//!
//! The file and the files that it names (`${file:…}`, certificates) are examined twice a second. A changed time, length or
//! inode counts as a change, and all files are read once two looks agree, so that no half-written file is used.
//!
//! Invariants: a faulty file changes nothing and is reported once, until it changes again or the user asks again; a good one
//! that the store cannot take now is retried. All disk access is on blocking threads.
//! Bounds: more than a thousand named files are examined less often.

pub(crate) mod reconcile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tracing::debug;

use crate::config::{Config, ConfigError, FileStamp, Named};
use crate::model::text::clean_line;
use crate::model::{Timestamp, figures};
use crate::report;

use super::cli::selection::{Selection, choose, load};
use super::clock::{Clock, since_boot};
use super::exit::CommandError;
use super::log::about;
use super::share::Share;
use super::status::health_meter::StoreStatus;
use super::storage::restore::fits;
use super::storage::task::blocking;
use super::system::systemd::Service;
use reconcile::{ConfigDiff, Reconciler};

/// Time between two looks at the files; a change is applied at the second one that sees it.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two tries with a store that fails.
const AGAIN: Duration = Duration::from_secs(10);
/// Longest reason in a notice, bytes.
const REASON_MAX: usize = 400;

/// Builds the prober for the second configuration from that of the first.
pub type ProberFactory<P> = fn(&Config, &Config, &Arc<P>) -> Result<Arc<P>, CommandError>;

/// Named files per look; with more of them, only every second look examines them, every third, and so on.
const NAMED_A_LOOK: usize = 1_000;

/// The file of a configuration.
#[derive(Clone, Debug)]
pub struct Origin {
    path: PathBuf,
    wanted: Vec<String>,
    read: Option<FileStamp>,
    named: Named,
    /// What a fleet says besides, and its files.
    share: Option<Share>,
    shared: Named,
}

/// The stamps of the file, of the files that it names, and of those of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileLook {
    file: Option<FileStamp>,
    named: Named,
    shared: Named,
}

impl Origin {
    /// The file at `path` and the sites selected from it; create it before the first read.
    #[must_use]
    pub fn of(path: &Path, wanted: &[String]) -> Self {
        let (named, shared) = (Vec::new(), Vec::new());
        Self { path: path.to_owned(), wanted: wanted.to_vec(), read: FileStamp::of(path), named, share: None, shared }
    }

    /// Adds the share of a location of a fleet; before the sites are cut to it.
    #[must_use]
    #[cfg_attr(not(feature = "nats"), allow(dead_code, reason = "only a location of a fleet has one"))]
    pub fn sharing(self, share: Option<Share>) -> Self {
        let shared = share.as_ref().map(Share::look).unwrap_or_default();
        Self { share, shared, ..self }
    }

    /// Adds the files that the configuration names.
    #[must_use]
    pub fn naming(self, files: &Named) -> Self {
        Self { named: files.clone(), ..self }
    }

    /// The present stamps; those of named files only if `all`.
    fn look(&self, all: bool) -> FileLook {
        let stamp =
            |(path, read): &(PathBuf, Option<FileStamp>)| (path.clone(), if all { FileStamp::of(path) } else { *read });
        let shared = self.share.as_ref().map(Share::look).unwrap_or_default();
        FileLook { file: FileStamp::of(&self.path), named: self.named.iter().map(stamp).collect(), shared }
    }

    /// The stamps of the last read.
    fn last(&self) -> FileLook {
        FileLook { file: self.read, named: self.named.clone(), shared: self.shared.clone() }
    }
}

impl FileLook {
    /// Whether only what a fleet says differs.
    fn is_same_file(&self, other: &Self) -> bool {
        (self.file, &self.named) == (other.file, &other.named)
    }
}

/// Why it is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The file changed, or the user asks for it.
    File,
    /// A fleet gave other sites.
    Share,
}

/// The inputs of a reload, apart from the monitor.
pub struct Reload<P> {
    /// The file; none if there is nothing to reload.
    pub origin: Option<Origin>,
    /// Builds the new prober.
    pub renew: ProberFactory<P>,
    pub clock: Clock,
    /// The zone of times in notices.
    pub zone: TimeZone,
    pub service: Option<Service>,
    /// Whether SIGHUP reloads; else it ends the program.
    pub on_hangup: bool,
}

/// Watches the files and reloads them.
pub struct Reloader<P> {
    reload: Reload<P>,
    reviser: Reconciler<P>,
    keeping: watch::Sender<StoreStatus>,
    /// When the running configuration was loaded.
    since: Timestamp,
    /// Whether the last reload was refused.
    refused: bool,
    /// Whether the file is good, but the store must be tried again.
    waits: bool,
}

/// Why a reload failed.
enum Rejection {
    /// The file is faulty.
    File(CommandError),
    /// The store does not answer; a later try may succeed.
    Store(String),
}

impl<P: Send + Sync + 'static> Reloader<P> {
    /// Changes a monitor through `reviser`, and reports to `keeping`.
    #[must_use]
    pub fn new(reload: Reload<P>, reviser: Reconciler<P>, keeping: watch::Sender<StoreStatus>) -> Self {
        Self { since: reload.clock.now(), refused: false, waits: false, reload, reviser, keeping }
    }

    /// Reloads whenever `asked`, and whenever a file has changed. Never returns.
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
                self.tell(["SIGHUP: there is no file to reload".to_owned()]);
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
            let cause = if !by_hand && found != last && found.is_same_file(&last) { Cause::Share } else { Cause::File };
            (origin.read, origin.named, origin.shared) = (found.file, found.named, found.shared);
            let origin = origin.clone();
            self.read_again(origin, by_hand, cause).await;
            tries.reset();
        }
    }

    async fn read_again(&mut self, origin: Origin, by_hand: bool, cause: Cause) {
        if let Some(service) = &self.reload.service {
            service.reloading(since_boot());
        }
        let path = origin.path.clone();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        debug!(target: about::RELOAD, by_hand, "reading {name} again");
        let waited = std::mem::take(&mut self.waits);
        match self.take(origin).await {
            Ok(difference) => {
                self.since = self.reload.clock.now();
                let ConfigDiff { added, removed, changed, elsewhere, later, notices } = difference;
                let is_other = added + removed + changed > 0 || elsewhere;
                let what = match cause {
                    Cause::File => format!("reloaded {name}"),
                    Cause::Share => "the fleet gave other sites".to_owned(),
                };
                let notice = if is_other {
                    Some(format!("{what}: {} added, {removed} removed, {changed} changed", sites(added)))
                } else {
                    // A setting that takes effect later has changed, and its notice says so.
                    (!later && (by_hand || self.refused)).then(|| format!("{what}: nothing changed"))
                };
                self.refused = false;
                self.tell(notice.into_iter().chain(notices));
            }
            Err(refusal) => {
                self.refused = true;
                let (what, reason) = match refusal {
                    Rejection::File(error) => ("reload refused", reason(&error, &path)),
                    Rejection::Store(reason) => {
                        self.waits = true;
                        ("reload waits for the store", clean_line(&reason, REASON_MAX))
                    }
                };
                if by_hand || !waited || !self.waits {
                    let since = report::clock(self.since, &self.reload.zone);
                    let kept = sites(self.reviser.running().sites.len());
                    self.tell([format!("{what}: {reason}; keeping the {kept} loaded at {since}")]);
                }
            }
        }
        if let Some(service) = &self.reload.service {
            service.reloaded();
        }
    }

    async fn take(&mut self, origin: Origin) -> Result<ConfigDiff, Rejection> {
        let (files, selection) = blocking(move || read(&origin)).await;
        self.name(files);
        let Selection { config, all_names, .. } = selection.map_err(Rejection::File)?;
        fits(&config).map_err(Rejection::File)?;
        let (running, prober, renew) = (self.reviser.running().clone(), self.reviser.prober(), self.reload.renew);
        let warned = running.warnings.clone();
        let (config, renewed) = blocking(move || {
            let renewed = renew(&running, &config, &prober);
            (config, renewed)
        })
        .await;
        let prober = renewed.map_err(Rejection::File)?;
        let warnings = config.warnings.clone();
        let revised = self.reviser.revise(config, &all_names, prober).await;
        let mut difference = revised.map_err(Rejection::Store)?;
        difference.notices.extend(warnings.into_iter().filter(|warning| !warned.contains(warning)));
        Ok(difference)
    }

    /// Watches `files` from now on, if they are known.
    fn name(&mut self, files: Option<Named>) {
        if let (Some(origin), Some(files)) = (&mut self.reload.origin, files) {
            origin.named = files;
        }
    }

    fn tell(&self, notices: impl IntoIterator<Item = String>) {
        self.keeping.send_modify(|keeping| notices.into_iter().for_each(|notice| keeping.tell(notice)));
    }
}

/// Reads `origin`. Also returns the files that it names, if it got so far.
fn read(origin: &Origin) -> (Option<Named>, Result<Selection, CommandError>) {
    let loaded = match &origin.share {
        Some(share) => share.load(&origin.path),
        None => load(&origin.path),
    };
    let files = match &loaded {
        Ok(Config { files, .. }) | Err(ConfigError::Invalid { files, .. }) => Some(files.clone()),
        Err(_) => None,
    };
    let selection = choose(&origin.path, &origin.wanted, loaded).map(|mut selection| {
        if let Some(share) = &origin.share {
            share.cut(&mut selection);
        }
        selection
    });
    (files, selection)
}

/// `1 site`, `5 sites`.
#[must_use]
pub fn sites(number: usize) -> String {
    format!("{number} {}", figures::plural(number as u64, "site"))
}

/// Why the file at `path` was refused, on one line of at most [`REASON_MAX`] bytes: its first fault, and how many follow.
#[must_use]
pub fn reason(error: &CommandError, path: &Path) -> String {
    let reason = match error {
        CommandError::Config(ConfigError::Invalid { first, faults, .. }) => {
            let more = if *faults > 1 { format!(" (and {} more)", faults - 1) } else { String::new() };
            format!("{}:{first}{more}", path.display())
        }
        error => error.to_string(),
    };
    clean_line(&reason, REASON_MAX)
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

    /// The other ends of a [`Reloader`] whose file has one site.
    struct Ends {
        path: std::path::PathBuf,
        asked: mpsc::Receiver<RestoreRequest>,
        received: mpsc::Receiver<ConfigChange>,
        kept: watch::Receiver<StoreStatus>,
        _folder: tempfile::TempDir,
        _prober: watch::Receiver<Arc<()>>,
    }

    const BEGAN: Timestamp = Timestamp::from_secs(1_795_338_000);

    fn reloader() -> (Reloader<()>, Ends) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        std::fs::write(&path, "sites: ['http://127.0.0.1:1']\n").unwrap();
        let origin = Origin::of(&path, &[]);
        let running = read(&origin).1.unwrap().config;
        let (asks, asked) = mpsc::channel(1);
        let (changes, received) = mpsc::channel(1);
        let (prober, renewed) = watch::channel(Arc::new(()));
        let reviser = Reconciler::new(running, Some(asks), changes, prober);
        let (keeping, kept) = watch::channel(StoreStatus::default());
        let reload = Reload {
            origin: Some(origin),
            renew: |_, _, known| Ok(Arc::clone(known)),
            clock: Clock::start_at(BEGAN),
            zone: TimeZone::UTC,
            service: None,
            on_hangup: true,
        };
        let ends = Ends { path, asked, received, kept, _folder: folder, _prober: renewed };
        (Reloader::new(reload, reviser, keeping), ends)
    }

    /// A failing store is no fault of the file, which the user would not touch again.
    #[tokio::test(start_paused = true)]
    async fn a_good_file_that_the_store_cannot_take_is_tried_again_and_told_once() {
        let (reloader, mut ends) = reloader();
        let reloading = reloader.run(Arc::new(Notify::new()));
        let others = async {
            std::fs::write(&ends.path, "sites: ['http://127.0.0.1:1', 'http://127.0.0.1:2']\n").unwrap();
            for _ in 0..3 {
                let ask = ends.asked.recv().await.unwrap();
                assert!(ask.answer.send(Err("disk full".to_owned())).is_ok());
            }
            let ask = ends.asked.recv().await.unwrap();
            let registered = Registered { id: SiteId(1), next_seq: 0, last_at: None, known_since: BEGAN };
            assert!(ask.answer.send(Ok(Restored { registered: vec![registered], ..Restored::default() })).is_ok());
            let change = ends.received.recv().await.unwrap();
            assert_eq!(change.sites.len(), 2);
            assert!(change.done.send(Vec::new()).is_ok());
            ends.kept.wait_for(|keeping| keeping.notices.len() > 1).await.unwrap().notices.clone()
        };
        let notices = tokio::select! {
            () = reloading => unreachable!("it reads again for ever"),
            notices = others => notices,
        };
        assert_eq!(
            notices,
            [
                "reload waits for the store: disk full; keeping the 1 site loaded at 09:00:00",
                "reloaded sites.yaml: 1 site added, 0 removed, 0 changed"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_only_what_waits_for_the_next_start_says_just_that() {
        let (reloader, mut ends) = reloader();
        let hangup = Arc::new(Notify::new());
        let reloading = reloader.run(Arc::clone(&hangup));
        let others = async {
            for (section, count) in [("storage: { retention: 20d }", 1), ("storage: { retention: 20d }", 2)] {
                std::fs::write(&ends.path, format!("sites: ['http://127.0.0.1:1']\n{section}\n")).unwrap();
                hangup.notify_one();
                assert!(ends.asked.recv().await.unwrap().answer.send(Ok(Restored::default())).is_ok());
                assert!(ends.received.recv().await.unwrap().done.send(Vec::new()).is_ok());
                ends.kept.wait_for(|keeping| keeping.notices.len() >= count).await.unwrap();
            }
            ends.kept.borrow().notices.clone()
        };
        let notices = tokio::select! {
            () = reloading => unreachable!("it reads again for ever"),
            notices = others => notices,
        };
        assert_eq!(
            notices,
            ["sites.yaml: changes under storage take effect at the next start", "reloaded sites.yaml: nothing changed"]
        );
    }
}
