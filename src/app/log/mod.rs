//! What webmon writes down of itself, to be read when something was not as it should be.
//!
//! **Where.** Headless: stderr, as text or JSON like stdout; that starts at `error`, because states, alerts and warnings
//! are on stdout already. Under the dashboard: a file beside the store, `webmon.redb.log`, from `info` on; who has
//! the store has the log, so no two programs write one. Without a store to stand beside there is none, and
//! `webmon watch`, which writes nothing, has none either. `-v` asks for one level more (on stderr for `info`, the
//! first that says anything new), `WEBMON_LOG` for any.
//!
//! **Invariants.** Only `app` speaks here, in the topics of [`about`]; what other crates trace (headers, packets, secrets)
//! is never taken, whatever the filter says. A record is one clean line ([`crate::report::log_line`]). Logging never
//! blocks: a thread of its own writes, counts records that it cannot take or write, and reports their number once. Records
//! that the filter rejects are not formatted.
//!
//! **Limits.** [`file::FILES`] files of [`file::SIZE_MAX`]; [`writer::WAITING`] records on their way.

pub(crate) mod events;
mod file;
mod filter;
mod layer;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::panic_hook;

use super::cli::args::LineFormat;
use super::clock::Clock;
use super::exit::Failure;
use super::status::health_meter::StoreStatus;
use super::stream::{self, Stream};
use file::LogFile;
use filter::Filter;
use layer::LogLayer;
use writer::{LogQueue, Writing};

pub use filter::VARIABLE;

/// The topics: each is the `target` of its records, and the part behind the slash their `about`.
pub mod about {
    /// Who is told of alerts by `alerting.exec`.
    pub const EXEC: &str = "webmon/exec";
    /// Alerts.
    pub const ALERT: &str = "webmon/alert";
    /// The export.
    pub const EXPORT: &str = "webmon/export";
    /// The log itself.
    pub const LOG: &str = "webmon/log";
    /// This machine's network.
    pub const NETWORK: &str = "webmon/network";
    /// Every check: its outcome at `debug`, its phases at `trace`.
    pub const PROBE: &str = "webmon/probe";
    /// sites.yaml read again.
    pub const RELOAD: &str = "webmon/reload";
    /// States of sites and what people do with them.
    pub const SITE: &str = "webmon/site";
    /// The store.
    pub const STORE: &str = "webmon/store";
    /// The whole: start, end, suspends, faults.
    pub const WEBMON: &str = "webmon/webmon";

    /// All of them.
    pub const ALL: [&str; 10] = [EXEC, ALERT, EXPORT, LOG, NETWORK, PROBE, RELOAD, SITE, STORE, WEBMON];

    /// What a record with this target is about; none for one of another crate.
    pub fn of(target: &str) -> Option<&str> {
        target.strip_prefix("webmon/")
    }
}

/// What was asked for, on the command line and in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    verbose: u8,
    written: Option<String>,
}

impl LogOptions {
    /// `verbose` times `-v`, which goes before what the environment says.
    ///
    /// # Errors
    /// [`Failure::Usage`]: [`VARIABLE`] holds no filter.
    pub fn read(verbose: u8) -> Result<Self, Failure> {
        let written = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
        written.iter().try_for_each(|text| Filter::parse(text, filter::FILE).map(drop)).map_err(Failure::Usage)?;
        Ok(Self { verbose, written })
    }

    fn filter(&self, usual: filter::Usual) -> Filter {
        let written = self.written.as_deref().filter(|_| self.verbose == 0);
        let parsed = written.and_then(|text| Filter::parse(text, usual).ok());
        parsed.unwrap_or_else(|| Filter::raised(usual, self.verbose))
    }
}

/// Where the log goes.
#[derive(Clone, Copy, Debug)]
pub enum LogTarget<'a> {
    /// To stderr, in this form.
    Stderr(LineFormat),
    /// Beside the store at this path.
    Beside(&'a Path),
    /// Nowhere.
    None,
}

impl<'a> LogTarget<'a> {
    /// Of a monitor that prints lines of this form, or none, and has its store there, if it has one.
    #[must_use]
    pub fn of(lines: Option<LineFormat>, store: Option<&'a Path>) -> Self {
        match (lines, store) {
            (Some(format), _) => Self::Stderr(format),
            (None, Some(store)) => Self::Beside(store),
            (None, None) => Self::None,
        }
    }
}

/// A log that is being kept; what is on its way is written when this is dropped, if that does not take long.
#[must_use]
pub struct Logging(Option<LogQueue>);

/// Begins to keep the log that is `wanted` at `place`; what is wrong with it is told to `keeping`.
///
/// # Errors
/// The system's, if it has no thread to give.
pub fn begin(
    wanted: &LogOptions,
    place: LogTarget<'_>,
    clock: &Clock,
    keeping: watch::Sender<StoreStatus>,
) -> io::Result<Logging> {
    let (filter, form, is_file, sink): (_, _, _, writer::LineSink) = match place {
        LogTarget::None => return Ok(Logging(None)),
        LogTarget::Stderr(form) => {
            let mut stderr = Stream::to(stream::stderr()?);
            let write = move |record: &[u8]| match stderr.write(record) {
                Err(unwritten) if unwritten.lines > 0 => Err(unwritten.error),
                // It was begun, and is finished before the next one.
                _ => Ok(()),
            };
            (wanted.filter(filter::STDERR), form, false, Box::new(write))
        }
        LogTarget::Beside(store) => {
            let mut file = LogFile::at(beside(store));
            let write = move |record: &[u8]| file.write(record);
            (wanted.filter(filter::FILE), LineFormat::Text, true, Box::new(write))
        }
    };
    let tell = Box::new(move |notice| keeping.send_modify(|keeping| keeping.tell(notice)));
    let queue = LogQueue::open(Writing { sink, tell, form: layer::form(form) })?;
    let journal = LogLayer::new(filter, form, clock.clone(), queue.clone());
    // Fails only if somebody else in this process began a log before, who then goes on.
    let _other = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(journal));
    if is_file {
        log_panics();
    }
    Ok(Logging(Some(queue)))
}

/// The log of the store at `store`: the whole name, so that it is nobody else's.
#[must_use]
pub fn beside(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".log");
    path.into()
}

/// What stderr is told of a panic is gone with the terminal; the log keeps it.
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
            queue.settle();
        }
    }
}
