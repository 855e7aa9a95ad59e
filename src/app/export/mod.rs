//! Exports to InfluxDB on a thread of its own, which reads the store and sends.
//!
//! Invariants: the store is open only while there is something to read, so that it never blocks a repair. A new target starts
//! now unless the user chooses otherwise; a new site starts at its first check. Cost: at most half a core while it catches up,
//! because the exporter rests after each request for as long as it took to make it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::{self, Config};
use crate::export::{Client, Exporter, Labels, compress};
use crate::model::{ExportTarget, Timestamp};
use crate::store::{Archive, Start, Store};

use super::cli::args::{ExportArgs, ExportFrom};
use super::clock::Clock;
use super::exit::{CommandError, NO_THREAD};
use super::storage::export_handle::{ExportContext, ExportHandle, ExportUpdate};
use super::system::{machine, threads};

/// Time between two reads of the store while nothing is new: samples gather meanwhile.
const LINGER: Duration = Duration::from_secs(1);

const A_DAY: Duration = Duration::from_hours(24);

/// Where to export to, and where a sink that is new begins.
pub struct ExportPlan {
    sink: ExportTarget,
    client: Client,
    from: Option<ExportFrom>,
}

/// The export that `args` and `config` ask for, if any.
///
/// # Errors
/// [`CommandError::Usage`]: no URL anywhere, a wrong one, no store to export from.
pub fn wanted(args: &ExportArgs, config: &Config, has_store: bool) -> Result<Option<ExportPlan>, CommandError> {
    let (section, usage) = (config.export.as_ref(), CommandError::Usage);
    let sink = match &args.export_influx {
        None if !has_store => None,
        None => section.cloned(),
        Some(_) if !has_store => {
            return Err(usage("only what is stored is exported, and URLs that are typed are not stored".to_owned()));
        }
        Some(Some(url)) => {
            let env = |name: &str| std::env::var(name).ok();
            let sink = config::typed_sink(url, section, &env);
            Some(sink.map_err(|message| usage(format!("--export-influx: {message}")))?)
        }
        Some(None) => Some(section.cloned().ok_or_else(|| {
            usage("--export-influx needs a URL: write --export-influx=URL, or `export.influx` in the file".to_owned())
        })?),
    };
    let Some(sink) = sink else { return Ok(None) };
    let client = Client::new(&sink).map_err(|error| usage(error.to_string()))?;
    Ok(Some(ExportPlan { sink, client, from: args.export_from }))
}

/// An export that is ready to run.
pub struct Export {
    client: Client,
    exporter: Exporter,
    terms: ExportUpdate,
    path: PathBuf,
    /// Whole sentences for the user.
    pub notices: Vec<String>,
}

impl ExportPlan {
    /// Finds or makes the sink's place in `store`, at `now`, for the sites of `config`.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub fn begin(self, store: &Store, config: &Config, now: Timestamp) -> Result<Export, CommandError> {
        let start = match self.from {
            None | Some(ExportFrom::Now) => Start::Now,
            Some(ExportFrom::Day) => Start::Since(now.before(A_DAY)),
            Some(ExportFrom::All) => Start::All,
        };
        let progress = store.sink(&Exporter::name(&self.sink), start)?;
        let mut notices = Vec::new();
        if self.from.is_some() && progress.acknowledged.is_some() {
            notices.push(format!("{} goes on where it was: --export-from is for a new one", self.sink));
        }
        let terms = ExportUpdate::of(config);
        let agent = self.sink.agent.clone().or_else(machine::host_name).unwrap_or_else(|| "webmon".to_owned());
        let seed = now.as_micros() ^ u64::from(std::process::id()) << 32;
        let exporter = Exporter::new(&self.sink, progress, Labels { agent, groups: terms.groups.clone() }, seed);
        Ok(Export { client: self.client, exporter, terms, path: store.path().to_owned(), notices })
    }
}

impl Export {
    /// Starts the export on a thread of its own.
    ///
    /// # Errors
    /// The system's, if it cannot start a thread.
    pub fn start(mut self, clock: Clock) -> Result<ExportHandle, CommandError> {
        let (outlet, inlet) = ExportHandle::open(self.exporter.health(), std::mem::take(&mut self.terms));
        let thread = self.spawn(clock, inlet).context(NO_THREAD)?;
        Ok(outlet.on(thread))
    }

    fn spawn(self, clock: Clock, inlet: ExportContext) -> io::Result<std::thread::JoinHandle<()>> {
        threads::spawn("webmon-export", move |runtime| {
            let Self { client, exporter, path, .. } = self;
            let shipping = Shipping { client, exporter, path, archive: None, clock, inlet };
            runtime.block_on(shipping.run());
        })
    }
}

/// An export under way.
struct Shipping {
    client: Client,
    exporter: Exporter,
    path: PathBuf,
    archive: Option<Archive>,
    clock: Clock,
    inlet: ExportContext,
}

/// The outcome of a turn.
enum ExportTurn {
    /// There may be more to send after this time.
    More(Duration),
    /// Nothing is new.
    Idle,
    /// The turn failed and is retried after this time.
    Failed(Duration),
}

impl Shipping {
    /// Sends new samples until it has to finish; then the rest, until a request fails.
    async fn run(mut self) {
        let finish = self.inlet.finish.clone();
        loop {
            let is_last = finish.is_cancelled();
            let turn = self.turn().await;
            self.inlet.health.send_replace(self.exporter.health());
            let pause = match turn {
                ExportTurn::Idle | ExportTurn::Failed(_) if is_last => return,
                ExportTurn::More(pause) | ExportTurn::Failed(pause) => pause,
                ExportTurn::Idle => LINGER,
            };
            self.rest(pause).await;
        }
    }

    /// Waits for `pause`, or until the export has to finish, or until the credentials change, which a rejecting server may
    /// accept.
    async fn rest(&mut self, pause: Duration) {
        let finish = self.inlet.finish.clone();
        let mut pause = std::pin::pin!(tokio::time::sleep(pause));
        loop {
            tokio::select! {
                biased;
                () = finish.cancelled() => return,
                Ok(()) = self.inlet.terms.changed() => {
                    if self.follow_terms() {
                        return;
                    }
                }
                () = &mut pause => return,
            }
        }
    }

    /// Sends one request, if there is something to send.
    async fn turn(&mut self) -> ExportTurn {
        let began = self.clock.monotonic();
        if self.inlet.terms.has_changed().unwrap_or(false) {
            self.follow_terms();
        }
        match self.read() {
            Ok(true) => {}
            Ok(false) if self.exporter.has_more() => return ExportTurn::More(Duration::ZERO),
            Ok(false) => {
                self.archive = None;
                self.save();
                return ExportTurn::Idle;
            }
            Err(error) => {
                self.archive = None;
                return ExportTurn::Failed(self.exporter.unread(&error, self.clock.now()));
            }
        }
        let lines = compress(self.exporter.request().expect("a batch is under way"));
        let effort = self.clock.monotonic().saturating_sub(began);
        self.inlet.health.send_replace(self.exporter.health());
        let reply = self.client.post(lines).await;
        let pause = self.exporter.answered(reply, self.clock.now());
        self.save();
        if !self.exporter.has_more() || pause.is_some() {
            self.archive = None;
        }
        if pause.is_some() {
            // The retry may resolve to a healthier server.
            self.client.disconnect();
        }
        pause.map_or(ExportTurn::More(effort), ExportTurn::Failed)
    }

    /// Applies a reloaded configuration. Returns whether the credentials changed.
    fn follow_terms(&mut self) -> bool {
        let terms = self.inlet.terms.borrow_and_update().clone();
        self.exporter.regroup(terms.groups);
        let Some(section) = terms.section else { return false };
        match self.client.authorize(section.authorization.as_ref()) {
            Ok(is_other) => {
                self.exporter.authorize(section.authorization.as_ref());
                is_other
            }
            // The exporter still sends the old credentials, so it also still masks them.
            Err(error) => {
                self.exporter.report_error(error.to_string(), self.clock.now());
                false
            }
        }
    }

    fn read(&mut self) -> Result<bool, crate::store::StoreError> {
        if self.exporter.is_under_way() {
            return Ok(true);
        }
        let archive = match self.archive.take() {
            Some(archive) => archive,
            None => Archive::open(&self.path)?,
        };
        self.exporter.read(self.archive.insert(archive), self.clock.now())
    }

    fn save(&mut self) {
        if let Some(progress) = self.exporter.take_progress() {
            self.inlet.save(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::model::Secret;
    use crate::store::{PointCounts, Progress};

    const PAUSE: Duration = Duration::from_mins(5);

    fn config(token: &str, group: &str) -> Config {
        let text = format!(
            "sites: [{{ url: 'http://a', group: {group} }}]\nexport: {{ influx: {{ url: 'http://h', token: {token} }} }}"
        );
        config::parse(&text, "sites.yaml", Path::new(""), &|_| None).unwrap()
    }

    fn shipping(config: &Config) -> (Shipping, ExportHandle) {
        let sink = config.export.clone().unwrap();
        let (name, tally, cursors) = (Arc::from("sink"), PointCounts::default(), BTreeMap::new());
        let progress = Progress { sink: 0, name, tally, next_alert: 0, next_point: 0, acknowledged: None, cursors };
        let exporter = Exporter::new(&sink, progress, Labels::default(), 1);
        let (outlet, inlet) = ExportHandle::open(exporter.health(), ExportUpdate::of(config));
        let (client, clock) = (Client::new(&sink).unwrap(), Clock::start_at(Timestamp::from_secs(1_795_340_000)));
        (Shipping { client, exporter, path: PathBuf::new(), archive: None, clock, inlet }, outlet)
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_cannot_be_sent_leave_the_old_ones_and_these_hidden() {
        let (mut shipping, outlet) = shipping(&config("first-secret", "x"));
        let (first, second) = (config("first-secret", "x"), config("second-secret", "x"));
        outlet.terms.send_modify(|terms| {
            // The reader of the file refuses it first.
            terms.section.as_mut().unwrap().authorization = Some(Secret::new("Token bro\nken-secret"));
        });
        assert!(!shipping.follow_terms());
        let complaint = shipping.exporter.health().error.unwrap().1;
        assert!(complaint.contains("no HTTP header can have"), "{complaint}");
        let said = |shipping: &mut Shipping| {
            let now = shipping.clock.now();
            shipping.exporter.answered(Err("cannot bear first-secret or second-secret".to_owned()), now);
            shipping.exporter.health().error.unwrap().1
        };
        assert_eq!(said(&mut shipping), "cannot bear *** or second-secret");
        // The old ones are still those that are sent.
        let authorization = |config: &Config| config.export.as_ref().unwrap().authorization.clone();
        assert!(!shipping.client.authorize(authorization(&first).as_ref()).unwrap());
        outlet.terms.send_if_modified(|terms| terms.follow(&second));
        assert!(shipping.follow_terms());
        assert_eq!(said(&mut shipping), "cannot bear first-secret or ***");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_a_server_asked_for_is_cut_short_by_other_credentials_alone() {
        for (files, cuts) in [
            ([("one-secret", "x"), ("one-secret", "x")], false),
            ([("one-secret", "y"), ("one-secret", "z")], false),
            ([("one-secret", "y"), ("two-secret", "y")], true),
        ] {
            let (mut shipping, outlet) = shipping(&config("one-secret", "x"));
            let began = shipping.clock.monotonic();
            let reloads = async {
                for (token, group) in files {
                    tokio::time::sleep(PAUSE / 5).await;
                    outlet.terms.send_if_modified(|terms| terms.follow(&config(token, group)));
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = shipping.rest(PAUSE) => {}
                () = reloads => {}
            }
            let rested = shipping.clock.monotonic().saturating_sub(began);
            assert_eq!(rested < PAUSE, cuts, "{files:?}: {rested:?}");
        }
    }
}
