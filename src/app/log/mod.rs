//! The log of a running monitor.
//!
//! Headless: on stderr, as text or JSON like stdout, from `error` on, because stdout has states, alerts and warnings already.
//! With the dashboard: in a file beside the store, `webmon.redb.log`, from `info` on. Only the program that holds the store
//! writes that file; without a store, and in `webmon watch`, which writes nothing, there is no log. `-v` asks for one more
//! level (on stderr for `info`, the first that adds to stdout), `WEBMON_LOG` for any.
//!
//! Invariants: only `app` logs, in the topics of [`about`]; records of other crates (headers, packets, secrets) never pass,
//! whatever the filter says. A record is one clean line ([`crate::report::log_line`]). Logging never blocks: a thread writes,
//! and the number of records it lost is written as a record. Rejected records are not formatted.
//!
//! Bounds: [`file::FILES`] files of [`file::SIZE_MAX`]; [`writer::QUEUED_MAX`] queued records.

pub(crate) mod events;
mod file;
mod filter;
mod layer;
mod writer;

use std::io;
use std::path::Path;

use tokio::sync::watch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::panic_hook;
use crate::report::log_line;

use super::cli::args::LineFormat;
use super::clock::Clock;
use super::exit::CommandError;
use super::status::health_meter::StoreStatus;
use super::stream::{self, Stream};
use file::LogFile;
use layer::LogLayer;
use writer::{LineFormatter, LineSink, LogQueue, LogWriter};

pub use filter::VARIABLE;

/// The topics. Each is the `target` of its records; the part after the slash is their `about`.
pub mod about {
    /// Runs of `alerting.exec`.
    pub const EXEC: &str = "webmon/exec";
    /// Messages to outlets.
    pub const NOTIFY: &str = "webmon/notify";
    /// The registrations of domains.
    pub const DOMAIN: &str = "webmon/domain";
    /// Alerts.
    pub const ALERT: &str = "webmon/alert";
    /// The export.
    pub const EXPORT: &str = "webmon/export";
    /// Locations and hubs.
    pub const FLEET: &str = "webmon/fleet";
    /// The listener.
    pub const LISTEN: &str = "webmon/listen";
    /// The log itself.
    pub const LOG: &str = "webmon/log";
    /// The network of this machine.
    pub const NETWORK: &str = "webmon/network";
    /// Every check: its outcome at `debug`, its phases at `trace`.
    pub const PROBE: &str = "webmon/probe";
    /// Reloads of sites.yaml.
    pub const RELOAD: &str = "webmon/reload";
    /// The report that is written again and again.
    pub const REPORT: &str = "webmon/report";
    /// States of sites and commands of the user.
    pub const SITE: &str = "webmon/site";
    /// The store.
    pub const STORE: &str = "webmon/store";
    /// The program: start, end, suspends, panics.
    pub const WEBMON: &str = "webmon/webmon";

    /// All topics.
    pub const ALL: [&str; 15] =
        [EXEC, ALERT, DOMAIN, EXPORT, FLEET, LISTEN, LOG, NETWORK, NOTIFY, PROBE, RELOAD, REPORT, SITE, STORE, WEBMON];

    /// The `about` of records with this target; none for another crate's.
    pub fn of(target: &str) -> Option<&str> {
        target.strip_prefix("webmon/")
    }
}

/// The settings of the command line and the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    verbose: u8,
    filter: Option<String>,
}

impl LogOptions {
    /// `verbose` times `-v`, which takes precedence over the environment.
    ///
    /// # Errors
    /// [`CommandError::Usage`]: [`VARIABLE`] holds no valid filter.
    pub fn read(verbose: u8) -> Result<Self, CommandError> {
        let filter = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
        filter.iter().try_for_each(|text| filter::parse(text, filter::FILE).map(drop)).map_err(CommandError::Usage)?;
        Ok(Self { verbose, filter })
    }

    fn targets(&self, levels: filter::VerboseLevels) -> Targets {
        let filter = self.filter.as_deref().filter(|_| self.verbose == 0);
        let parsed = filter.and_then(|text| filter::parse(text, levels).ok());
        parsed.unwrap_or_else(|| filter::raised(levels, self.verbose))
    }
}

/// Where the log goes.
#[derive(Clone, Copy, Debug)]
pub enum LogTarget<'a> {
    /// To stderr, in this format.
    Stderr(LineFormat),
    /// Into a file beside the store at this path.
    Beside(&'a Path),
    /// Nowhere.
    None,
}

impl<'a> LogTarget<'a> {
    /// Of a monitor that prints `lines` or shows the dashboard, and has its store at `store`, if any.
    #[must_use]
    pub fn of(lines: Option<LineFormat>, store: Option<&'a Path>) -> Self {
        match (lines, store) {
            (Some(format), _) => Self::Stderr(format),
            (None, Some(store)) => Self::Beside(store),
            (None, None) => Self::None,
        }
    }
}

/// A running log. Dropping it waits a moment for queued records.
#[must_use]
pub struct Logging(Option<LogQueue>);

/// Starts to log to `target`; the first write error goes to `status`.
///
/// # Errors
/// The system's, if it cannot start a thread.
pub fn begin(
    options: &LogOptions,
    target: LogTarget<'_>,
    clock: &Clock,
    status: watch::Sender<StoreStatus>,
) -> io::Result<Logging> {
    let (levels, formatter, sink): (_, LineFormatter, LineSink) = match target {
        LogTarget::None => return Ok(Logging(None)),
        LogTarget::Stderr(format) => {
            let mut stderr = Stream::to(stream::stderr()?);
            let write = move |record: &[u8]| match stderr.write(record) {
                Err(unwritten) if unwritten.lines > 0 => Err(unwritten.error),
                // A record that was written in part is completed before the next one.
                _ => Ok(()),
            };
            let formatter: LineFormatter = match format {
                LineFormat::Text => log_line::text,
                LineFormat::Json => log_line::object,
            };
            (filter::STDERR, formatter, Box::new(write))
        }
        LogTarget::Beside(store) => {
            // The whole name of the store, so that no two stores share a log.
            let mut file = LogFile::at(store.with_added_extension("log"));
            (filter::FILE, log_line::text, Box::new(move |record: &[u8]| file.write(record)))
        }
    };
    let report = Box::new(move |notice| status.send_modify(|status| status.tell(notice)));
    let queue = LogQueue::open(LogWriter { sink, report, formatter })?;
    let layer = LogLayer { clock: clock.clone(), queue: queue.clone() };
    let subscriber = tracing_subscriber::registry().with(options.targets(levels)).with(layer);
    // Fails only if another monitor of this process logs already; its log continues.
    let _other = tracing::subscriber::set_global_default(subscriber);
    if matches!(target, LogTarget::Beside(_)) {
        log_panics();
    }
    Ok(Logging(Some(queue)))
}

/// A panic's message on stderr vanishes with the terminal; the log keeps it.
fn log_panics() {
    let next = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic_hook::is_caught() {
            return;
        }
        tracing::error!(target: about::WEBMON, "{panic}");
        next(panic);
    }));
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.flush();
        }
    }
}
