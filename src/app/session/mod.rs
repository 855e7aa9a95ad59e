//! A monitor on its stage: started, shown, and ended in order. What `run` and `demo` have in common.
//!
//! Threads: one network thread ([`super::scheduler::thread`]), the main thread for engine and store, one for the dashboard or for
//! stdout, and the blocking thread of a commit. A panic in any of them ends the program with code 101, the terminal
//! restored. The order: the log, the network side, the engine, what is shown.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::model::StoreHealth;
use crate::probe::{HttpProber, Prober, has_route, route_to_anywhere};
use crate::store::Flushed;
use crate::tui::JobControl;

use super::cli::args::{ColorChoice, OutputArgs};
use super::cli::zone;
use super::clock::{self, Clock};
use super::dashboard::{self, Dashboard};
use super::exit::{Ending, Failure, NO_THREAD, complain_in_time};
#[cfg(feature = "influx")]
use super::export::Export;
use super::headless::line_writer::Lines;
use super::headless::{self, Headless, Style};
use super::log::{self, LogTarget, events};
use super::monitor::control::Narrator;
use super::monitor::{Monitor, MonitorHandle, MonitorOptions, OpenStore, SHUTDOWN};
use super::reload::{Origin, Reload, Reloader};
use super::scheduler::thread::SchedulerThread;
use super::status::health_meter::StoreStatus;
use super::system::limits;
#[cfg(unix)]
use super::system::reap;
use super::system::signals::{HANGUP, Job, Jobs, Signals};
use super::system::systemd::Service;
use super::system::{signals, threads};
use super::{prober, stream};

/// How long the reader of stdout may take for the last lines after a signal or a failure.
const LAST_LINES: Duration = Duration::from_millis(500);

/// A runtime for the main thread, and the signals that end webmon: caught from now on.
pub struct MainRuntime {
    runtime: Runtime,
    signals: Signals,
    /// What is to be said on stderr when the terminal is given back.
    unsaid: Option<String>,
}

impl MainRuntime {
    /// Begins to catch signals.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, Failure> {
        let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
        let signals = runtime.block_on(async { Signals::new() }).context("cannot catch signals")?;
        #[cfg(unix)]
        runtime.spawn(reap::for_ever());
        Ok(Self { runtime, signals, unsaid: None })
    }

    /// Lets `work` go on until a signal, or `shown` (whoever shows it has ended).
    pub fn attend(&mut self, work: impl Future<Output = ()>, shown: impl Future<Output = Ending>) -> Ending {
        signals::listen();
        let signals = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                () = work => Ending::Done,
                signal = signals.next() => Ending::Signal(signal),
                ending = shown => ending,
            }
        })
    }

    /// Passes on what a shell asks of its jobs: to stop, and to go on.
    ///
    /// # Errors
    /// The system's.
    pub fn mind_jobs(&self, orders: Arc<JobControl>) -> Result<(), Failure> {
        let _inside = self.runtime.enter();
        let mut jobs = Jobs::new().context("cannot catch signals")?;
        self.runtime.spawn(async move {
            loop {
                match jobs.next().await {
                    Job::Stop => orders.rest(),
                    Job::Continued => orders.note_continued(),
                }
            }
        });
        Ok(())
    }

    /// Lets go of what still waits for a disk.
    pub fn leave(self) {
        self.runtime.shutdown_background();
    }

    /// Runs `monitor` until a signal, the end of `duration`, or `shown`.
    fn supervise<P: Prober>(
        &mut self,
        (monitor, reload): (Monitor<P, SchedulerThread>, Reload<P>),
        duration: Option<Duration>,
        shown: impl Future<Output = Ending>,
    ) -> Result<Ending, Failure> {
        signals::listen();
        let ended = Box::pin(supervise((monitor, reload), duration, shown, &mut self.signals));
        let ended = self.runtime.block_on(ended);
        ended.map(|(ending, unsaid)| {
            self.unsaid = unsaid;
            ending
        })
    }

    /// Lets the reader of stdout, whose end is `closed`, have what was sent: for as long as it takes after an end of
    /// our own, for a moment after any other, because a reader that has stopped must not keep the process.
    fn await_reader(&mut self, ended: Result<Ending, Failure>, closed: &CancellationToken) -> Result<Ending, Failure> {
        let moment = (!matches!(ended, Ok(Ending::Done))).then_some(LAST_LINES);
        self.runtime.block_on(async {
            tokio::select! {
                () = closed.cancelled() => ended,
                () = elapsed(moment) => ended,
                signal = self.signals.next() => ended.map(|_| Ending::Signal(signal)),
            }
        })
    }
}

/// Everything that a run is made of and shown with.
pub struct Session<'a> {
    /// How it is shown, and when it ends.
    pub output: &'a OutputArgs,
    /// When to use colour.
    pub color: ColorChoice,
    /// What log to keep.
    pub log: log::LogOptions,
    /// What to watch.
    pub config: Config,
    /// The file it came from, if a person is to know it.
    pub config_path: Option<&'a Path>,
    /// The same to be read again.
    pub origin: Option<Origin>,
    /// The store.
    pub store: Option<OpenStore>,
    /// Where it is, if a person is to know it.
    pub store_path: Option<PathBuf>,
    /// How to probe.
    pub prober: Arc<HttpProber>,
    /// The clock.
    pub clock: Clock,
    /// Things that a person should see all the time.
    pub notices: Vec<String>,
    /// Who tells what happens, under a demonstration.
    pub narrator: Option<Narrator>,
    /// The export.
    #[cfg(feature = "influx")]
    pub export: Option<Export>,
}

impl Session<'_> {
    /// Watches until something ends it, and shows it as it was asked to.
    ///
    /// # Errors
    /// [`Failure`]: the store, or the system.
    pub fn play(mut self, mut attentive: MainRuntime) -> Result<Ending, Failure> {
        let zone = zone::local();
        let past = self.store.as_ref().map(|kept| kept.store.path().to_owned());
        let is_headless = is_headless(self.output);
        let place = LogTarget::of(is_headless.then_some(self.output.format), self.store_path.as_deref());
        let keeping = self.keeping();
        let _logging = log::begin(&self.log, place, &self.clock, keeping.clone()).context(NO_THREAD)?;
        events::start(&self.config, self.config_path, self.store_path.as_deref());
        let wants_checks = is_headless && Style::from(self.output).wants_samples();
        let ended = self.monitor(&zone, keeping, wants_checks).and_then(|monitor| {
            if is_headless {
                self.headless(&mut attentive, monitor, zone)
            } else {
                self.dashboard(&mut attentive, monitor, past, zone)
            }
        });
        attentive.unsaid.iter().for_each(|text| complain_in_time(format_args!("warning: {text}")));
        // A commit that hangs must not keep the process.
        attentive.runtime.shutdown_background();
        events::end(&ended, attentive.unsaid.as_deref());
        ended
    }

    /// Watches for `duration` and shows nothing; what is to be seen at the end goes to `look`, unless a signal came.
    ///
    /// # Errors
    /// [`Failure`]: the store, the system, or `look`'s.
    pub fn play_unseen(
        mut self,
        mut attentive: MainRuntime,
        duration: Duration,
        look: impl FnOnce(&MonitorHandle, &TimeZone) -> Result<(), Failure>,
    ) -> Result<Ending, Failure> {
        let zone = zone::local();
        let monitor = self.monitor(&zone, self.keeping(), false)?;
        let face = monitor.face();
        let reload = self.reload(&zone, false);
        let ended = attentive.supervise((monitor, reload), Some(duration), std::future::pending());
        attentive.runtime.shutdown_background();
        match ended? {
            Ending::Done => look(&face, &zone).map(|()| Ending::Done),
            ending => Ok(ending),
        }
    }

    fn keeping(&self) -> watch::Sender<StoreStatus> {
        watch::Sender::new(StoreStatus { notices: self.notices.clone(), ..StoreStatus::default() })
    }

    fn monitor(
        &mut self,
        zone: &TimeZone,
        keeping: watch::Sender<StoreStatus>,
        wants_checks: bool,
    ) -> Result<Monitor<HttpProber, SchedulerThread>, Failure> {
        #[cfg(feature = "influx")]
        let outlet = self.export.take().map(|export| export.start(self.clock.clone())).transpose()?;
        #[cfg(not(feature = "influx"))]
        let outlet = None;
        let parts = MonitorOptions {
            config: self.config.clone(),
            prober: Arc::clone(&self.prober),
            clock: self.clock.clone(),
            zone: zone.clone(),
            store: self.store.take(),
            wall: Some(clock::wall),
            has_network: || route_to_anywhere(has_route),
            limits: limits::raise(),
            notices: self.notices.clone(),
            store_status: keeping,
            wants_checks,
            narrator: self.narrator,
            outlet,
        };
        // The checks begin in there.
        Monitor::new(parts, SchedulerThread::start)
    }

    fn reload(&mut self, zone: &TimeZone, on_hangup: bool) -> Reload<HttpProber> {
        let (clock, zone) = (self.clock.clone(), zone.clone());
        let service = if on_hangup { Service::of_environment() } else { None };
        Reload { origin: self.origin.take(), renew: prober::renew, clock, zone, service, on_hangup }
    }

    fn headless(
        mut self,
        attentive: &mut MainRuntime,
        monitor: Monitor<HttpProber, SchedulerThread>,
        zone: TimeZone,
    ) -> Result<Ending, Failure> {
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
            headless.begin(sites, self.store_path.as_deref());
            headless
        };
        let monitor = monitor.with_headless(begin).with_service(Service::of_environment());
        let ended = attentive.supervise((monitor, reload), self.output.duration, async {
            closed.cancelled().await;
            Ending::Done
        });
        let ended = attentive.await_reader(ended, &closed);
        if closed.is_cancelled() {
            attentive.unsaid =
                [attentive.unsaid.take(), writer.join()].into_iter().flatten().reduce(|a, b| format!("{a}; {b}"));
        }
        ended
    }

    fn dashboard(
        mut self,
        attentive: &mut MainRuntime,
        monitor: Monitor<HttpProber, SchedulerThread>,
        past: Option<PathBuf>,
        zone: TimeZone,
    ) -> Result<Ending, Failure> {
        let fixed = dashboard::fixed(self.config_path, self.store_path.as_deref(), zone);
        let settings = dashboard::settings(self.config.dashboard, self.color);
        let reload = self.reload(&fixed.zone, false);
        let (face, started) = (monitor.face(), self.clock.running());
        let shown = Dashboard::start(face.clone(), self.clock.clone(), past, (fixed, settings), signals::listen());
        let (dashboard, ended) = shown.context(NO_THREAD)?;
        attentive.mind_jobs(dashboard.orders())?;
        let ending = attentive.supervise((monitor, reload), self.output.duration, async move {
            // Dropped without a word: it panicked, and is joined below.
            ended.await.unwrap_or(Ending::Done)
        });
        let screen = dashboard.join().context("the dashboard failed")?;
        let watched = self.clock.running().saturating_sub(started);
        let told = match &ending {
            // The message of the panic is what is to be read.
            Ok(Ending::Panicked) => Ok(()),
            _ => dashboard::farewell(&face, watched, self.store_path.as_deref(), screen, &self.notices),
        };
        match ending? {
            // The terminal is gone, and with it whoever could read.
            Ending::Signal(HANGUP) => Ok(Ending::Signal(HANGUP)),
            ending => Ok(told.context("cannot write to stdout").map(|()| ending)?),
        }
    }
}

/// Whether a run is shown as lines: asked for, or nobody could see a dashboard.
#[must_use]
pub fn is_headless(output: &OutputArgs) -> bool {
    output.headless || !io::stdout().is_terminal()
}

/// Runs `monitor` until a signal, the end of `duration`, or `shown` (whoever shows it has ended).
async fn supervise<P: Prober>(
    (monitor, reload): (Monitor<P, SchedulerThread>, Reload<P>),
    duration: Option<Duration>,
    shown: impl Future<Output = Ending>,
    signals: &mut Signals,
) -> Result<(Ending, Option<String>), Failure> {
    let asked = Arc::new(Notify::new());
    let hangups = reload.on_hangup.then(|| Arc::clone(&asked));
    let keeping = monitor.keeping();
    let (network, controls, reviser) = monitor.split();
    let mut reloading = std::pin::pin!(Reloader::new(reload, reviser, keeping).run(asked));
    let patience = SHUTDOWN + controls.last_flush();
    let (stop, probing) = network.apart();
    // Boxed, because it is large.
    let mut running = Box::pin(controls.run(probing));
    let ending = tokio::select! {
        _ = &mut running => unreachable!("it runs until it is told to stop"),
        () = &mut reloading => unreachable!("it reads again for ever"),
        signal = ended_by(signals, hangups) => Ending::Signal(signal),
        () = elapsed(duration) => Ending::Done,
        ending = shown => ending,
    };
    stop.cancel();
    tokio::select! {
        last = &mut running => kept(last.commit).map(|()| (ending, last.unsent)),
        () = tokio::time::sleep(patience) => {
            Err(Failure::Store("webmon: the last commit did not end within 3 s; it was left behind".to_owned()))
        }
        signal = impatience(signals) => Ok((Ending::Signal(signal), None)),
    }
}

/// The next signal that ends the program; hang-ups are told to whoever waits for them, if somebody does.
async fn ended_by(signals: &mut Signals, hangups: Option<Arc<Notify>>) -> u8 {
    loop {
        match (signals.next().await, &hangups) {
            (HANGUP, Some(hangups)) => hangups.notify_one(),
            (signal, _) => return signal,
        }
    }
}

/// What could not be saved in the end is lost, and nobody else can tell any more.
fn kept(last: Option<Flushed>) -> Result<(), Failure> {
    match last {
        Some(Flushed { health: StoreHealth::NotSaving { .. }, notices, .. }) => {
            Err(Failure::Store(format!("webmon: {}", notices.join("; "))))
        }
        _ => Ok(()),
    }
}

/// A signal that means "at once". A hang-up does not: a terminal that vanishes sends one or two, besides failing.
async fn impatience(signals: &mut Signals) -> u8 {
    loop {
        let signal = signals.next().await;
        if signal != HANGUP {
            return signal;
        }
    }
}

async fn elapsed(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
