//! The main thread's runtime: waits for signals, for deadlines, and for what shows a monitor.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;
use crate::app::dashboard::{self, Dashboard};
use crate::app::exit::{CommandError, Ending, NO_THREAD};
use crate::app::monitor::{Monitor, MonitorHandle, SHUTDOWN};
use crate::app::network::threads::NetworkThreads;
use crate::app::reload::{Reload, Reloader};
#[cfg(unix)]
use crate::app::system::reap;
use crate::app::system::signals::{self, HANGUP, Job, Jobs, Signals};
use crate::app::system::threads;
use crate::model::StoreHealth;
use crate::probe::Prober;
use crate::store::Flushed;
use crate::tui::Settings;

/// How long a reader of stdout may take for the last lines after a signal or an error.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The main thread's runtime, which catches the signals that end webmon.
pub struct MainRuntime {
    runtime: Runtime,
    signals: Signals,
    /// A warning that waits until the terminal is restored.
    pub unsaid: Option<String>,
}

/// Resolves when the dashboard ends by itself.
pub type Shown = Pin<Box<dyn Future<Output = Ending>>>;

/// A dashboard, and how its user sees it.
pub struct Screen<'a> {
    /// The monitor.
    pub monitor: MonitorHandle,
    /// The monitor's clock.
    pub clock: Clock,
    /// The store with the history.
    pub history: Option<PathBuf>,
    /// The shown path of the configuration.
    pub config_path: Option<&'a Path>,
    /// The shown path of the store.
    pub store_path: Option<&'a Path>,
    /// Where it serves by HTTP.
    pub listen: Option<&'a str>,
    /// The zone of all times.
    pub zone: TimeZone,
    /// Its initial settings.
    pub settings: Settings,
    /// Where it remembers what the user sets.
    pub memory: Option<PathBuf>,
    /// Notices that stay on the terminal.
    pub notices: &'a [String],
}

impl MainRuntime {
    /// Starts to catch signals.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, CommandError> {
        let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
        let signals = runtime.block_on(async { Signals::new() }).context("cannot catch signals")?;
        #[cfg(unix)]
        runtime.spawn(reap::for_ever());
        Ok(Self { runtime, signals, unsaid: None })
    }

    /// Runs `work` until a signal, or until `shown` ends.
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

    /// Shows a dashboard during `work`, which gets a future of the dashboard's own end; then prints the summary.
    ///
    /// # Errors
    /// `work`'s, the system's, and the terminal's.
    pub fn show(
        &mut self,
        screen: Screen<'_>,
        work: impl FnOnce(&mut Self, Shown) -> Result<Ending, CommandError>,
    ) -> Result<Ending, CommandError> {
        let Screen { monitor: face, clock, history, config_path, store_path, listen, zone, settings, memory, notices } =
            screen;
        let (fixed, started) = (dashboard::fixed(config_path, (store_path, listen), zone), clock.running());
        let shown =
            Dashboard::start(face.clone(), clock.clone(), history, (fixed, settings, memory), signals::listen());
        let (dashboard, ended) = shown.context(NO_THREAD)?;
        self.mind_jobs(&dashboard)?;
        // A sender that is dropped has panicked, and is joined below.
        let ending = work(self, Box::pin(async move { ended.await.unwrap_or(Ending::Done) }));
        let left = dashboard.join().context("the dashboard failed")?;
        if matches!(ending, Ok(Ending::Panicked)) {
            // The message of the panic stays.
            return ending;
        }
        let printed = dashboard::farewell(&face, clock.running().saturating_sub(started), store_path, left, notices);
        match ending? {
            // The terminal may be gone.
            Ending::Signal(HANGUP) => Ok(Ending::Signal(HANGUP)),
            ending => Ok(printed.context("cannot write to stdout").map(|()| ending)?),
        }
    }

    /// Stops and continues `dashboard` as the shell asks.
    fn mind_jobs(&self, dashboard: &Dashboard) -> Result<(), CommandError> {
        let _inside = self.runtime.enter();
        let (mut jobs, orders) = (Jobs::new().context("cannot catch signals")?, dashboard.orders());
        self.runtime.spawn(async move {
            loop {
                match jobs.next().await {
                    Job::Stop => orders.suspend(),
                    Job::Continued => orders.note_continued(),
                }
            }
        });
        Ok(())
    }

    /// Leaves work behind that still waits for a disk.
    pub fn leave(self) {
        self.runtime.shutdown_background();
    }

    /// Runs `monitor` until a signal, until `duration` is over, or until `shown` ends.
    ///
    /// # Errors
    /// Results that could not be saved.
    pub fn supervise<P: Prober>(
        &mut self,
        (monitor, reload): (Monitor<P, NetworkThreads>, Reload<P>),
        duration: Option<Duration>,
        shown: impl Future<Output = Ending>,
    ) -> Result<Ending, CommandError> {
        signals::listen();
        let ended = Box::pin(supervise((monitor, reload), duration, shown, &mut self.signals));
        let (ending, unsaid) = self.runtime.block_on(ended)?;
        self.unsaid = unsaid;
        Ok(ending)
    }

    /// Waits until the reader of stdout has read everything and `closed` is cancelled: without limit after
    /// [`Ending::Done`], else for [`LAST_LINES`], because a reader that has stopped must not keep the process.
    ///
    /// # Errors
    /// That of `ended`.
    pub fn await_reader(
        &mut self,
        ended: Result<Ending, CommandError>,
        closed: &CancellationToken,
    ) -> Result<Ending, CommandError> {
        let limit = (!matches!(ended, Ok(Ending::Done))).then_some(LAST_LINES);
        self.runtime.block_on(async {
            tokio::select! {
                () = closed.cancelled() => ended,
                () = elapsed(limit) => ended,
                signal = self.signals.next() => ended.map(|_| Ending::Signal(signal)),
            }
        })
    }
}

/// Runs `monitor` until a signal, until `duration` is over, or until `shown` ends. Also returns the warning of its outputs.
async fn supervise<P: Prober>(
    (monitor, reload): (Monitor<P, NetworkThreads>, Reload<P>),
    duration: Option<Duration>,
    shown: impl Future<Output = Ending>,
    signals: &mut Signals,
) -> Result<(Ending, Option<String>), CommandError> {
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
        _ = &mut running => unreachable!("it runs until it is stopped"),
        () = &mut reloading => unreachable!("it never ends"),
        signal = ended_by(signals, hangups) => Ending::Signal(signal),
        () = elapsed(duration) => Ending::Done,
        ending = shown => ending,
    };
    stop.cancel();
    tokio::select! {
        last = &mut running => saved(last.commit).map(|()| (ending, last.unsent)),
        () = tokio::time::sleep(patience) => {
            Err(CommandError::StoreFault("the last commit did not end within 3 s; it was left behind".to_owned()))
        }
        signal = impatience(signals) => Ok((Ending::Signal(signal), None)),
    }
}

/// The next signal that ends the program; with `hangups`, a hang-up notifies those instead.
async fn ended_by(signals: &mut Signals, hangups: Option<Arc<Notify>>) -> u8 {
    loop {
        match (signals.next().await, &hangups) {
            (HANGUP, Some(hangups)) => hangups.notify_one(),
            (signal, _) => return signal,
        }
    }
}

/// Results that the last commit could not save are lost, which only the exit code can report now.
fn saved(last: Option<Flushed>) -> Result<(), CommandError> {
    match last {
        Some(Flushed { health: StoreHealth::NotSaving { .. }, notices, .. }) => {
            Err(CommandError::StoreFault(notices.join("; ")))
        }
        _ => Ok(()),
    }
}

/// The next signal that means "at once". A hang-up does not: a terminal that vanishes sends one or two.
async fn impatience(signals: &mut Signals) -> u8 {
    loop {
        let signal = signals.next().await;
        if signal != HANGUP {
            return signal;
        }
    }
}

/// Waits for `duration`; for ever without one.
pub async fn elapsed(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
