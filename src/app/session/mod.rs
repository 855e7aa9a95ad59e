//! Runs a monitor from start to clean exit. Shared by `run` and `demo`.
//!
//! Threads: one for the network ([`super::scheduler::thread`]), the main thread for engine and store, one for the dashboard
//! or for stdout, and the blocking thread of a commit. A panic in any of them ends the program with code 101, the terminal
//! restored. The log starts first, then the network side, the engine, and what shows it.

pub(crate) mod runtime;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::model::Notice;
use crate::probe::{HttpProber, has_route, route_to_anywhere};

use super::cli::args::{ColorChoice, OutputArgs};
use super::cli::terminal::is_dumb;
use super::cli::zone;
use super::clock::{self, Clock};
use super::dashboard::memory;
use super::exit::{CommandError, Ending, NO_THREAD, complain_in_time};
#[cfg(feature = "influx")]
use super::export::Export;
#[cfg(feature = "nats")]
use super::fleet::location::{LocationHandle, LocationStart, Surroundings};
use super::headless::line_writer::Lines;
use super::headless::{self, Headless, Style};
use super::log::{self, LogTarget, events};
#[cfg(feature = "nats")]
use super::monitor::IncidentSource;
use super::monitor::control::health::Narrator;
use super::monitor::{Monitor, MonitorHandle, MonitorOptions, OpenStore};
use super::network::threads::NetworkThreads;
use super::reload::{Origin, Reload};
use super::status::health_meter::StoreStatus;
use super::system::limits;
use super::system::systemd::Service;
use super::web::Web;
use super::{dashboard, network, prober, stream};
use runtime::{MainRuntime, Screen};

/// A monitor, and how it is shown.
pub struct Session<'a> {
    output: &'a OutputArgs,
    color: ColorChoice,
    log: log::LogOptions,
    config: Config,
    prober: Arc<HttpProber>,
    clock: Clock,
    options: SessionOptions<'a>,
    #[cfg(feature = "nats")]
    location: Option<LocationHandle>,
}

/// The parts that not every session has.
#[derive(Default)]
pub struct SessionOptions<'a> {
    /// Keeps the results.
    pub store: Option<OpenStore>,
    /// Notices that stay in the banner, after those of the configuration and of the time zone.
    pub notices: Vec<String>,
    /// The shown path of the configuration.
    pub config_path: Option<&'a Path>,
    /// The file to reload.
    pub origin: Option<Origin>,
    /// The shown path of the store.
    pub store_path: Option<PathBuf>,
    /// Narrates a demonstration.
    pub narrator: Option<Narrator>,
    /// Serves it by HTTP.
    pub web: Option<Web>,
    /// Exports the results.
    #[cfg(feature = "influx")]
    pub export: Option<Export>,
    /// Sends the results to the hubs of a fleet.
    #[cfg(feature = "nats")]
    pub location: Option<LocationStart>,
}

impl<'a> Session<'a> {
    /// A session that probes the sites of `config` with `prober`.
    pub fn new(
        output: &'a OutputArgs,
        color: ColorChoice,
        log: log::LogOptions,
        config: Config,
        prober: HttpProber,
        clock: Clock,
        mut options: SessionOptions<'a>,
    ) -> Self {
        options.notices.splice(0..0, config.warnings.iter().cloned().chain(zone::warning()));
        Self {
            output,
            color,
            log,
            config,
            prober: Arc::new(prober),
            clock,
            options,
            #[cfg(feature = "nats")]
            location: None,
        }
    }

    /// Monitors the sites until something ends it, and shows them as the arguments ask.
    ///
    /// # Errors
    /// [`CommandError`]: the store, or the system.
    pub fn run(mut self, mut runtime: MainRuntime) -> Result<Ending, CommandError> {
        let zone = zone::local();
        let history = self.options.store.as_ref().map(|kept| kept.store.path().to_owned());
        let is_headless = is_headless(self.output);
        let place = LogTarget::of(is_headless.then_some(self.output.format), self.options.store_path.as_deref());
        let keeping = self.keeping();
        let _logging = log::begin(&self.log, place, &self.clock, keeping.clone()).context(NO_THREAD)?;
        events::start(&self.config, self.options.config_path, self.options.store_path.as_deref());
        let wants_checks = is_headless && Style::from(self.output).wants_samples();
        let ended = self.monitor(&zone, keeping, wants_checks).and_then(|monitor| {
            #[cfg(feature = "nats")]
            let location = self.location.take();
            let ended = if is_headless {
                self.headless(&mut runtime, monitor, zone)
            } else {
                self.dashboard(&mut runtime, monitor, history, zone)
            };
            // The store is closed by now, so this sends the last samples, too.
            #[cfg(feature = "nats")]
            location.into_iter().for_each(LocationHandle::finish);
            ended
        });
        runtime.unsaid.iter().for_each(|text| complain_in_time(format_args!("warning: {text}")));
        let unsaid = runtime.unsaid.take();
        // A commit that hangs must not keep the process.
        runtime.leave();
        events::end(&ended, unsaid.as_deref());
        ended
    }

    /// Monitors the sites for `duration` without showing them, then runs `look`, unless a signal came.
    ///
    /// # Errors
    /// [`CommandError`]: the store, the system, or `look`'s.
    pub fn run_unseen(
        mut self,
        mut runtime: MainRuntime,
        duration: Duration,
        look: impl FnOnce(&MonitorHandle, &TimeZone) -> Result<(), CommandError>,
    ) -> Result<Ending, CommandError> {
        let zone = zone::local();
        let monitor = self.monitor(&zone, self.keeping(), false)?;
        let face = monitor.handle();
        let reload = self.reload(&zone, false);
        let ended = runtime.supervise((monitor, reload), Some(duration), std::future::pending());
        runtime.leave();
        match ended? {
            Ending::Done => look(&face, &zone).map(|()| Ending::Done),
            ending => Ok(ending),
        }
    }

    fn keeping(&self) -> watch::Sender<StoreStatus> {
        let notices = self.options.notices.iter().cloned().map(Notice::from).collect();
        watch::Sender::new(StoreStatus { notices, ..StoreStatus::default() })
    }

    /// Starts the checks.
    fn monitor(
        &mut self,
        zone: &TimeZone,
        keeping: watch::Sender<StoreStatus>,
        wants_checks: bool,
    ) -> Result<Monitor<HttpProber, NetworkThreads>, CommandError> {
        #[cfg(feature = "influx")]
        let outlet = self.options.export.take().map(|export| export.start(self.clock.clone())).transpose()?;
        #[cfg(not(feature = "influx"))]
        let outlet = None;
        let store = self.options.store.as_ref().map(|open| open.store.path().to_owned());
        let parts = MonitorOptions {
            config: self.config.clone(),
            prober: Arc::clone(&self.prober),
            clock: self.clock.clone(),
            zone: zone.clone(),
            store: self.options.store.take(),
            wall: Some(clock::wall),
            has_network: || route_to_anywhere(has_route),
            limits: limits::raise(),
            threads: network::threads(self.config.network_threads),
            notices: self.options.notices.clone(),
            store_status: keeping,
            wants_checks,
            events: self.options.web.as_ref().map(Web::is_wanted),
            narrator: self.options.narrator,
            outlet,
            #[cfg(feature = "nats")]
            fleet: self.options.location.as_ref().map(LocationStart::health),
            #[cfg(not(feature = "nats"))]
            fleet: None,
        };
        let monitor = Monitor::new(parts, NetworkThreads::start)?;
        #[cfg(feature = "nats")]
        let monitor = self.locate(monitor)?;
        let mut monitor = monitor.watching_domains(self.clock.clone(), self.prober.domains().clone());
        if let Some(store) = &store {
            monitor = monitor.publishing((self.clock.clone(), zone.clone()), store.clone());
        }
        let Some(web) = &mut self.options.web else { return Ok(monitor) };
        web.attach(monitor.running(self.clock.clone(), store));
        Ok(monitor.serving(Some(web.terms())))
    }

    /// Starts to send what `monitor` keeps, if this is a location of a fleet.
    #[cfg(feature = "nats")]
    fn locate(
        &mut self,
        monitor: Monitor<HttpProber, NetworkThreads>,
    ) -> Result<Monitor<HttpProber, NetworkThreads>, CommandError> {
        let Some((start, entrance)) = self.options.location.take().zip(monitor.entrance()) else { return Ok(monitor) };
        let (to_location, sites) = watch::channel(self.config.sites.clone());
        let MonitorHandle { board, health, incidents, .. } = monitor.handle();
        let IncidentSource::Book(book) = incidents else { return Ok(monitor) };
        let around = Surroundings { sites, board, health, status: monitor.status(), book, entrance };
        self.location = Some(start.start(self.clock.clone(), around)?);
        Ok(monitor.describing(Some(to_location)))
    }

    fn reload(&mut self, zone: &TimeZone, on_hangup: bool) -> Reload<HttpProber> {
        let (clock, zone) = (self.clock.clone(), zone.clone());
        let service = if on_hangup { Service::of_environment() } else { None };
        Reload { origin: self.options.origin.take(), renew: prober::renew, clock, zone, service, on_hangup }
    }

    fn headless(
        mut self,
        runtime: &mut MainRuntime,
        monitor: Monitor<HttpProber, NetworkThreads>,
        zone: TimeZone,
    ) -> Result<Ending, CommandError> {
        let (closed, reload) = (CancellationToken::new(), self.reload(&zone, true));
        let (lines, writer) = {
            let note = headless::note(self.output.format, zone.clone(), self.clock.clone());
            let out = stream::stdout().context("cannot write to stdout")?;
            Lines::to(out, note, closed.clone()).context(NO_THREAD)?
        };
        let style = Style::from(self.output);
        let sites = self.config.sites.len();
        let begin = |feed| {
            let mut headless = Headless::new(style, lines, zone, feed);
            headless.begin(sites, self.options.store_path.as_deref());
            if let Some(web) = &self.options.web {
                headless.listening(web.url(), self.clock.now());
            }
            headless
        };
        let monitor = monitor.with_headless(begin).with_service(Service::of_environment());
        let ended = runtime.supervise((monitor, reload), self.output.duration, async {
            closed.cancelled().await;
            Ending::Done
        });
        let ended = runtime.await_reader(ended, &closed);
        if closed.is_cancelled() {
            let unsaid = [runtime.unsaid.take(), writer.join()];
            runtime.unsaid = unsaid.into_iter().flatten().reduce(|a, b| format!("{a}; {b}"));
        }
        ended
    }

    fn dashboard(
        mut self,
        runtime: &mut MainRuntime,
        monitor: Monitor<HttpProber, NetworkThreads>,
        history: Option<PathBuf>,
        zone: TimeZone,
    ) -> Result<Ending, CommandError> {
        let (reload, duration) = (self.reload(&zone, false), self.output.duration);
        // A demonstration looks the same everywhere.
        let memory = memory::place(|name| std::env::var_os(name)).filter(|_| self.options.narrator.is_none());
        let remembered = memory.as_deref().map(memory::read).unwrap_or_default();
        let screen = Screen {
            monitor: monitor.handle(),
            clock: self.clock.clone(),
            history,
            config_path: self.options.config_path,
            store_path: self.options.store_path.as_deref(),
            listen: self.options.web.as_ref().map(Web::url),
            zone,
            settings: dashboard::settings(Some(&self.config), self.color, remembered),
            // Who stores nothing leaves no other trace either.
            memory: memory.filter(|_| self.options.store_path.is_some()),
            notices: &self.options.notices,
        };
        runtime.show(screen, |runtime, shown| runtime.supervise((monitor, reload), duration, shown))
    }
}

/// Whether lines are printed instead of a dashboard: on request, or because stdout is no terminal, or one that only prints.
#[must_use]
pub fn is_headless(output: &OutputArgs) -> bool {
    output.headless || !io::stdout().is_terminal() || is_dumb()
}
