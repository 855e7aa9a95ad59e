//! `webmon run`: opens the store, starts the threads, waits for a reason to end, and ends in order.
//!
//! Threads: one network thread (a current-thread runtime: cheaper a probe than a work-stealing one), the main thread
//! for engine and store, one for the dashboard or for stdout, and the blocking thread of a commit. A panic in any
//! of them ends the program with code 101, the terminal restored.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::model::{StoreHealth, Timestamp};
use crate::probe::{HttpProber, Prober, has_route, route_to_anywhere};
use crate::store::{Flushed, Opened, Options, Store, StoreError};

use super::assemble::{AHEAD_MAX, remember};
use super::cli::{CommonArgs, RunArgs};
use super::clock::{self, Clock};
use super::dashboard::{self, Dashboard};
use super::exit::{Ending, Failure};
use super::headless::{Headless, Style};
use super::limits;
use super::lines::{LineWriter, Lines};
use super::monitor::{Controls, Face, Kept, Monitor, Parts, SHUTDOWN};
use super::schedule::Scheduler;
use super::select::{Selection, select};
use super::signals::{HANGUP, Signals};

/// Time between commits where no configuration names one.
const FLUSH: Duration = Duration::from_secs(1);

/// How long the reader of stdout may take for the last lines after a signal or a failure.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Watches the sites until something ends it.
///
/// # Errors
/// [`Failure`]: usage, configuration, the store, or the system.
pub fn run(args: &RunArgs, common: &CommonArgs) -> Result<Ending, Failure> {
    let selection = select(&common.config, &args.sites)?;
    let zone = TimeZone::system();
    let limits = limits::raise();
    let path = store_path(args, common, &selection);
    let opened = path.as_deref().map(open).transpose()?;
    let prober = Arc::new(HttpProber::new(clock::stopwatch).context("cannot set up probing")?);
    let (clock, store) = remembered(opened, &selection)?;
    let mut notices = selection.config.warnings.clone();
    notices.extend(prober.notices().iter().cloned());
    notices.extend(store.iter().flat_map(|kept| kept.memory.notices.clone()));
    let parts = Parts {
        config: selection.config.clone(),
        prober,
        clock: clock.clone(),
        zone: zone.clone(),
        store,
        has_network: || route_to_anywhere(has_route),
        limits,
        notices: notices.clone(),
    };
    let monitor = Monitor::new(parts).map_err(|error| store_failure(&error))?;
    let face = monitor.face();
    let runtime = Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    let stage = Stage { args, common, face, clock, zone, store: path, notices, selection };
    let ended = if args.headless || !io::stdout().is_terminal() {
        stage.headless(&runtime, monitor)
    } else {
        stage.dashboard(&runtime, monitor)
    };
    // A commit that hangs must not keep the process.
    runtime.shutdown_background();
    ended
}

/// What both ways of showing need.
struct Stage<'a> {
    args: &'a RunArgs,
    common: &'a CommonArgs,
    face: Face,
    clock: Clock,
    zone: TimeZone,
    store: Option<PathBuf>,
    notices: Vec<String>,
    selection: Selection,
}

impl Stage<'_> {
    fn headless<P: Prober>(self, runtime: &Runtime, monitor: Monitor<P>) -> Result<Ending, Failure> {
        let closed = CancellationToken::new();
        let (lines, writer) = Lines::to(io::stdout(), closed.clone()).context("cannot start a thread")?;
        let style = Style::from(self.args);
        let (samples, sites) = (style.wants_samples(), self.selection.config.sites.len());
        let begin = |feed| {
            let mut headless = Headless::new(style, lines, self.zone, feed);
            headless.begin(sites, self.store.as_deref());
            headless
        };
        let monitor = monitor.with_headless(begin, samples);
        let ended = runtime.block_on(async {
            let shown = async {
                closed.cancelled().await;
                Ending::Done
            };
            let ended = Box::pin(supervise(monitor, self.args.duration, shown)).await;
            await_reader(ended, &closed).await
        });
        if closed.is_cancelled() {
            LineWriter::join(writer).context("cannot write to stdout")?;
        }
        ended
    }

    fn dashboard<P: Prober>(self, runtime: &Runtime, monitor: Monitor<P>) -> Result<Ending, Failure> {
        let config = (!self.selection.ad_hoc).then_some(&*self.common.config);
        let fixed = dashboard::fixed(config, self.store.as_deref(), self.zone);
        let settings = dashboard::settings(self.selection.config.dashboard, self.common.color);
        let started = self.clock.now();
        let (dashboard, ended) = Dashboard::start(self.face.clone(), self.clock.clone(), fixed, settings)
            .context("cannot start a thread")?;
        let ending = runtime.block_on(supervise(monitor, self.args.duration, async move {
            // Dropped without a word: it panicked, and is joined below.
            ended.await.unwrap_or(Ending::Done)
        }));
        let screen = dashboard.join().context("the dashboard failed")?;
        let watched = self.clock.now().since(started);
        let told = dashboard::farewell(&self.face, watched, self.store.as_deref(), screen, &self.notices);
        match ending? {
            // The terminal is gone, and with it whoever could read.
            Ending::Signal(HANGUP) => Ok(Ending::Signal(HANGUP)),
            ending => Ok(told.context("cannot write to stdout").map(|()| ending)?),
        }
    }
}

/// Runs `monitor` until a signal, the end of `duration`, or `shown` (whoever shows it has ended).
async fn supervise<P: Prober>(
    monitor: Monitor<P>,
    duration: Option<Duration>,
    shown: impl Future<Output = Ending>,
) -> Result<Ending, Failure> {
    let mut signals = Signals::new().context("cannot catch signals")?;
    let stop = CancellationToken::new();
    let (scheduler, controls) = monitor.split();
    let (network, probing) = network_thread(scheduler, stop.clone()).context("cannot start a thread")?;
    let mut running = std::pin::pin!(running(controls, network, probing));
    let ending = tokio::select! {
        _ = &mut running => unreachable!("it runs until it is told to stop"),
        signal = signals.next() => Ending::Signal(signal),
        () = elapsed(duration) => Ending::Done,
        ending = shown => ending,
    };
    stop.cancel();
    tokio::select! {
        last = &mut running => kept(last).map(|()| ending),
        () = tokio::time::sleep(SHUTDOWN) => {
            Err(Failure::Store("webmon: the last commit did not end within 3 s; it was left behind".to_owned()))
        }
        signal = impatience(&mut signals) => Ok(Ending::Signal(signal)),
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

/// Lets the reader of stdout, whose end is `closed`, have what was sent: for as long as it takes after an end of our
/// own, for a moment after any other, because a reader that has stopped must not keep the process.
async fn await_reader(ended: Result<Ending, Failure>, closed: &CancellationToken) -> Result<Ending, Failure> {
    let mut signals = Signals::new().context("cannot catch signals")?;
    let moment = (!matches!(ended, Ok(Ending::Done))).then_some(LAST_LINES);
    tokio::select! {
        () = closed.cancelled() => ended,
        () = elapsed(moment) => ended,
        signal = signals.next() => ended.map(|_| Ending::Signal(signal)),
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

/// The control side, beside the network thread; a panic over there goes on here.
async fn running(controls: Controls, network: JoinHandle<()>, probing: oneshot::Receiver<()>) -> Option<Flushed> {
    controls
        .run(async move {
            let panicked = probing.await.is_err();
            if panicked && let Err(panic) = network.join() {
                std::panic::resume_unwind(panic);
            }
        })
        .await
}

fn network_thread<P: Prober>(
    scheduler: Scheduler<P>,
    stop: CancellationToken,
) -> io::Result<(JoinHandle<()>, oneshot::Receiver<()>)> {
    let (done, probing) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("webmon-net".to_owned()).spawn(move || {
        runtime.block_on(scheduler.run(stop));
        // A name lookup that hangs must not keep the process.
        runtime.shutdown_background();
        // The receiver is gone only when the program is leaving at once.
        let _unheard = done.send(());
    })?;
    Ok((thread, probing))
}

async fn elapsed(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

fn store_path(args: &RunArgs, common: &CommonArgs, selection: &Selection) -> Option<PathBuf> {
    if args.no_store || selection.ad_hoc {
        return None;
    }
    common.store.clone().or_else(|| selection.config.storage.as_ref().map(|storage| storage.path.clone()))
}

fn open(path: &Path) -> Result<Opened, Failure> {
    Store::open(path, &Options::default(), clock::wall()).map_err(|error| store_failure(&error))
}

/// Reads the store's memory and starts the clock, not before the newest sample that can be believed.
fn remembered(opened: Option<Opened>, selection: &Selection) -> Result<(Clock, Option<Kept>), Failure> {
    let Some(Opened { store, notices }) = opened else {
        return Ok((Clock::start(Timestamp::ZERO), None));
    };
    let wall = clock::wall();
    let remembered = remember(&store, &selection.config, &selection.all_names, wall);
    let mut memory = remembered.map_err(|error| store_failure(&error))?;
    memory.notices.splice(0..0, notices);
    let newest = memory.registered.iter().filter_map(|registered| registered.last_at).max();
    let believable = newest.filter(|&newest| newest <= wall.after(AHEAD_MAX)).unwrap_or(Timestamp::ZERO);
    let flush = selection.config.storage.as_ref().map_or(FLUSH, |storage| storage.flush);
    Ok((Clock::start(believable), Some(Kept { store, memory, flush })))
}

/// A store that cannot be used, with the way on.
#[must_use]
pub fn store_failure(error: &StoreError) -> Failure {
    Failure::Store(format!("webmon: {error}"))
}
