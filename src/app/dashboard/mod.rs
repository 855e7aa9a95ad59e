//! The thread of the dashboard, its data source, and the summary that it leaves on the terminal.

pub(crate) mod history_reader;
pub(crate) mod incident_reader;
pub(crate) mod memory;
pub(crate) mod objective_reader;
pub mod past;
pub(crate) mod reader_thread;
pub(crate) mod trial_reader;
pub(crate) mod usual_reader;
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::oneshot;

use crate::alert::incident::list::IncidentList;
use crate::alert::incident::page::{IncidentPage, IncidentRequest};
use crate::alert::objective::SiteObjective;
use crate::alert::trial::{TrialAnswer, TrialRequest};
use crate::alert::{AlertRecord, AlertState};
use crate::config::{self, Config};
use crate::engine::{SiteSnapshot, Snapshot};
use crate::model::text::shown_path;
use crate::model::{Health, Sample, SiteIndex, SiteSlot, Timestamp};
use crate::report::run::summary::{RunSummary, SiteRun, ending};
use crate::tui::{
    self, About, Arrangement, Clipboard, DesktopProtocol, Ended, Fixed, HistoryRequest, Hyperlinks, JobControl,
    ManualCheck, PastOverview, PastRequest, Preferences, Scheme, Settings, SiteCommand, SiteHistory, Sort, Source,
    Symbols, Theme, Usual, UsualRequest,
};

use super::cli::args::ColorChoice;
use super::cli::terminal;
use super::clock::Clock;
use super::exit::{Ending, print_in_time};
use super::monitor::MonitorHandle;
use super::system::signals::{HANGUP, INTERRUPT, Listening};
use super::system::tmux::Tmux;
use history_reader::HistoryReader;
use incident_reader::IncidentReader;
use memory::Memory;
use objective_reader::ObjectiveReader;
use past::PastReader;
use trial_reader::{TrialParent, TrialReader, TrialTerms};
use usual_reader::UsualReader;

/// A dashboard on its own thread.
pub struct Dashboard {
    thread: JoinHandle<io::Result<Ended>>,
    orders: Arc<JobControl>,
}

/// Time between two checks whether the thread has ended, and their number.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 100;

/// The state in which a dashboard leaves the terminal.
#[derive(Debug, PartialEq, Eq)]
pub enum DashboardExit {
    /// Nothing.
    Nothing,
    /// Its last screen, on request.
    Screen(String),
    /// The terminal does not read.
    Stuck,
}

/// The dashboard's view of a monitor.
struct MonitorSource {
    face: MonitorHandle,
    clock: Clock,
    library: Option<HistoryReader>,
    usual: Option<UsualReader>,
    objectives: Option<ObjectiveReader>,
    incident_pages: IncidentReader,
    trials: Option<TrialReader>,
    tmux: Tmux,
    past: Option<PastReader>,
    memory: Option<Memory>,
}

impl Source for MonitorSource {
    fn version(&self) -> u64 {
        self.face.board.version()
    }

    fn snapshot(&self) -> Snapshot {
        self.face.board.snapshot()
    }

    fn alerts(&self) -> Arc<[Arc<AlertRecord>]> {
        self.face.alerts.list()
    }

    fn incidents(&self) -> Arc<IncidentList> {
        self.face.incidents.list()
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.face.health.borrow())
    }

    fn samples(&self, site: SiteSlot, samples: &mut Vec<Sample>) {
        samples.clear();
        if let Some(ring) = self.face.board.ring(site) {
            ring.reader_at_oldest().drain(samples);
        }
    }

    fn has_history(&self) -> bool {
        self.library.is_some()
    }

    fn request_history(&self, request: HistoryRequest) {
        self.library.iter().for_each(|library| library.request(request.clone()));
    }

    fn history(&self) -> Option<Arc<SiteHistory>> {
        self.library.as_ref()?.read()
    }

    fn request_usual(&self, request: UsualRequest) {
        self.usual.iter().for_each(|reader| reader.request(request.clone()));
    }

    fn usual(&self) -> Option<Arc<Usual>> {
        self.usual.as_ref()?.read()
    }

    fn request_objectives(&self, sites: &[Arc<SiteSnapshot>], until: Timestamp) {
        self.objectives.iter().for_each(|reader| reader.request((sites.to_vec(), until)));
    }

    fn objectives(&self) -> Arc<[SiteObjective]> {
        self.objectives.as_ref().map_or_else(Arc::default, ObjectiveReader::read)
    }

    fn request_incident(&self, request: IncidentRequest) {
        self.incident_pages.request(request);
    }

    fn incident(&self) -> Option<Arc<IncidentPage>> {
        self.incident_pages.read()
    }

    fn request_trial(&self, request: TrialRequest) {
        let Some(reader) = &self.trials else { return };
        let ledger = self.face.incidents.terms_of(&request.site);
        let parent = ledger.sites.get(&request.site).and_then(|terms| terms.parent.clone());
        let snapshot = self.face.board.snapshot();
        let parent = parent.and_then(|name| snapshot.sites.iter().find(|site| site.name == name)).map(|site| {
            let (site, interval, rule) = (Arc::clone(&site.name), site.interval, site.policies.availability);
            TrialParent { site, interval, rule }
        });
        reader.request((request, TrialTerms { ledger, parent }));
    }

    fn trial(&self) -> Option<Arc<TrialAnswer>> {
        self.trials.as_ref()?.read()
    }

    fn request_past(&self, request: PastRequest) {
        self.past.iter().for_each(|reader| reader.request(request.clone()));
    }

    fn past(&self) -> Option<Arc<PastOverview>> {
        self.past.as_ref()?.read()
    }

    fn arrangement(&self) -> Arc<Arrangement> {
        Arc::clone(&self.face.arrangement.borrow())
    }

    fn manual_checks(&self) -> Arc<[ManualCheck]> {
        Arc::clone(&self.face.rechecks.borrow())
    }

    fn set_visible(&self, sites: &[SiteIndex]) {
        self.face.seen.send_replace(sites.to_vec());
    }

    fn remember(&self, preferences: Preferences) {
        self.memory.iter().for_each(|memory| memory.remember(preferences));
    }

    fn send_command(&self, command: SiteCommand) {
        // A full queue means that the control loop stands still, which the screen shows by itself.
        let _unheard = self.face.commands.try_send(command);
    }

    fn load_tmux(&self, text: String) {
        self.tmux.load(text);
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Dashboard {
    /// Starts the thread, which reads history from `store` and remembers in `memory`, if any; the receiver reports how it ended by itself. The dashboard
    /// takes the terminal at once, so a signal must not end the process from here on.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(
        face: MonitorHandle,
        clock: Clock,
        store: Option<PathBuf>,
        (fixed, settings, memory): (Fixed, Settings, Option<PathBuf>),
        _: Listening,
    ) -> io::Result<(Self, oneshot::Receiver<Ending>)> {
        let (told, ended) = oneshot::channel();
        let objectives = store.clone().map(|store| objective_reader::open(store, face.rules.clone())).transpose()?;
        let trials = store.clone().map(trial_reader::open).transpose()?;
        let usual = store.clone().map(usual_reader::open).transpose()?;
        let incident_pages = incident_reader::open(store.clone(), face.clone(), fixed.zone.clone())?;
        let past = store.clone().map(past::open).transpose()?;
        let memory = memory.map(Memory::open).transpose()?;
        let library = store.map(history_reader::open).transpose()?;
        let orders = Arc::new(JobControl::default());
        let ordered = Arc::clone(&orders);
        let thread = std::thread::Builder::new().name("webmon-ui".to_owned()).spawn(move || {
            let watched = MonitorSource {
                face,
                clock,
                library,
                usual,
                objectives,
                incident_pages,
                trials,
                tmux: Tmux::default(),
                past,
                memory,
            };
            let ended = tui::run(&watched, settings, &fixed, &ordered);
            let ending = match &ended {
                Ok(Ended::Interrupt) => Ending::Signal(INTERRUPT),
                Ok(Ended::TerminalGone) => Ending::Signal(HANGUP),
                Ok(Ended::Panicked) => Ending::Panicked,
                Ok(_) | Err(_) => Ending::Done,
            };
            // The receiver is gone only during shutdown.
            let _unheard = told.send(ending);
            ended
        })?;
        Ok((Self { thread, orders }, ended))
    }

    /// Stops and continues the dashboard on signals.
    #[must_use]
    pub fn orders(&self) -> Arc<JobControl> {
        Arc::clone(&self.orders)
    }

    /// Stops the dashboard, restores the terminal, and returns what can be left on it. Resumes a panic of the thread. A thread
    /// that is blocked by a terminal that does not read is left behind.
    ///
    /// # Errors
    /// The terminal's.
    pub fn join(self) -> io::Result<DashboardExit> {
        self.orders.stop();
        let is_over = || {
            self.thread.is_finished() || {
                std::thread::sleep(LOOK);
                false
            }
        };
        if !(0..LOOKS).any(|_| is_over()) {
            tui::restore();
            return Ok(DashboardExit::Stuck);
        }
        match self.thread.join() {
            Ok(Ok(Ended::QuitKeepScreen(screen))) => Ok(DashboardExit::Screen(screen)),
            Ok(ended) => ended.map(|_| DashboardExit::Nothing),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The settings that never change during a run.
#[must_use]
pub fn fixed(config: Option<&Path>, (store, listen): (Option<&Path>, Option<&str>), zone: TimeZone) -> Fixed {
    let version = env!("WEBMON_VERSION").to_owned();
    let (config, store, listen) = (config.map(shown_path), store.map(shown_path), listen.map(str::to_owned));
    Fixed { zone, about: About { version, config, store, listen } }
}

/// The initial settings: from the file, what was remembered, the command line and the environment, in this order. What the
/// file says by default counts as nothing said.
#[must_use]
pub fn settings(config: Option<&Config>, color: ColorChoice, remembered: Preferences) -> Settings {
    let dashboard = config.map(|config| config.dashboard.clone()).unwrap_or_default();
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let is_known = dashboard.theme != config::Theme::Auto || remembered.scheme.is_some();
    let scheme = match dashboard.theme {
        config::Theme::Auto => {
            remembered.scheme.unwrap_or_else(|| Scheme::for_environment(variable("COLORFGBG").as_deref()))
        }
        config::Theme::Dark => Scheme::Dark,
        config::Theme::Light => Scheme::Light,
    };
    let symbols = match dashboard.symbols {
        config::Symbols::Auto => {
            let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
            Symbols::for_environment(locale.as_deref(), variable("TERM").as_deref())
        }
        config::Symbols::Ascii => Symbols::Ascii,
    };
    let theme = Theme { scheme, color: color.on_terminal(), symbols };
    let desktop = DesktopProtocol::of_environment(variable).filter(|_| dashboard.notify);
    let clipboard = Clipboard::of_environment(variable);
    let links = Hyperlinks::of_environment(variable);
    let of_file = Sort { key: dashboard.sort, reversed: false };
    let sort = if of_file == Sort::default() { remembered.sort.unwrap_or_default() } else { of_file };
    let (bell, mouse) = (dashboard.bell, remembered.mouse.unwrap_or(true));
    let asks_background = theme.color && !is_known;
    Settings { theme, asks_background, bell, desktop, clipboard, links, sort, mouse, remembered }
}

/// Prints the last screen if the user asked for it, the summary, and the notices in full.
///
/// # Errors
/// The writer's, except for a closed pipe.
pub fn farewell(
    face: &MonitorHandle,
    watched: Duration,
    store: Option<&Path>,
    left: DashboardExit,
    notices: &[String],
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut out = terminal::text(&mut bytes);
    match left {
        DashboardExit::Nothing => {}
        DashboardExit::Screen(screen) => writeln!(out, "{screen}")?,
        DashboardExit::Stuck => return Ok(()),
    }
    let snapshot = face.board.snapshot();
    let health = Arc::clone(&face.health.borrow());
    let alerts = face.alerts.list();
    let began = snapshot.at.before(watched);
    let view = snapshot.views.iter().filter(|view| !view.view().is_long()).max_by_key(|view| view.timeframe);
    let rows = view.map_or(&[][..], |view| &view.rows[..]);
    let sites: Vec<SiteRun<'_>> = snapshot
        .sites
        .iter()
        .zip(rows)
        .map(|(site, row)| SiteRun { name: &site.name, state: site.state, summary: &row.summary })
        .collect();
    let announced = alerts.iter().filter(|alert| alert.at >= began && alert.state == AlertState::Down).count();
    let open = snapshot.sites.iter().filter(|site| site.incident.is_some()).count();
    let store = store.map(shown_path);
    ending(
        &mut out,
        &RunSummary {
            watched,
            checks: health.checks,
            alerts: announced as u64,
            open: open as u64,
            sites: &sites,
            span: view.map(|view| view.timeframe).filter(|span| span.length() < watched),
            store: store.as_deref(),
        },
    )?;
    for notice in notices {
        writeln!(out, "warning: {notice}")?;
    }
    print_in_time(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::SortKey;

    #[test]
    fn what_the_file_says_wins_over_what_was_remembered_unless_it_says_the_default() {
        let of_name = Sort { key: SortKey::Name, reversed: true };
        let remembered = Preferences { scheme: Some(Scheme::Light), sort: Some(of_name), mouse: Some(false) };
        let mut config = Config::default();
        let started = |config: &Config| settings(Some(config), ColorChoice::Never, remembered);
        let (usual, none) = (started(&config), settings(None, ColorChoice::Never, remembered));
        assert_eq!((usual.theme.scheme, usual.sort, usual.mouse), (Scheme::Light, of_name, false));
        assert_eq!(usual, none);
        (config.dashboard.theme, config.dashboard.sort) = (config::Theme::Dark, SortKey::P95);
        let told = started(&config);
        assert_eq!((told.theme.scheme, told.sort), (Scheme::Dark, Sort { key: SortKey::P95, reversed: false }));
        assert_eq!(told.remembered, remembered, "another start may need it");
    }
}
