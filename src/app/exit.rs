//! How the program ends: exit codes, why a command failed, and the last words on stderr and stdout.
//!
//! Invariant: an error carries no prefix; [`CommandError::report`] adds it, once.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread::Builder;
use std::time::Duration;

use crate::config::ConfigError;
use crate::demo::DemoError;
use crate::model::text::{clean_lines, shown_path};
use crate::report::run::getting_started::first_steps;
use crate::store::StoreError;

use super::stream::{self, Patient};

/// Every exit code and its meaning; public, scripts rely on them.
pub const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "success; for check: every site is up"),
    ("1", "check: not every site is up, or a warning with --fail-on-warning; fleet: not all is well"),
    ("2", "wrong usage or configuration, or an unknown site; nothing was started"),
    ("3", "the store cannot be used, or a command that reads it finds none"),
    ("4", "check: no verdict, because this machine has no network"),
    ("101", "an internal error of webmon; the terminal is restored first"),
    ("129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM, after a clean shutdown"),
];

/// How long a monitor that ends waits for a full pipe.
const PATIENCE: Duration = Duration::from_secs(1);

/// The error of a thread that the system refuses to start.
pub const NO_THREAD: &str =
    "cannot start a thread: the limit of processes (`ulimit -u`, `TasksMax=`, `pids.max`) is reached";

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Success.
    Done,
    /// `check`: not every site is up. `fleet`: not all is well.
    NotUp,
    /// `check`: this machine has no network, so there is no verdict.
    Unjudged,
    /// A clean shutdown after the signal of this number.
    Signal(u8),
    /// A thread panicked that is not joined; the rest was saved.
    Panicked,
}

impl Ending {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotUp => 1,
            Self::Unjudged => 4,
            Self::Signal(number) => 128 + number,
            Self::Panicked => 101,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Wrong usage, a site that cannot be watched, or a limit of this machine.
    #[error("{0}")]
    Usage(String),
    /// No configuration, or a faulty one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The demonstration cannot start.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A monitor cannot start, because another one uses its store.
    #[error("{}", in_use(.path, *.process))]
    StoreInUse {
        /// The store.
        path: PathBuf,
        /// The process of the other one, if known.
        process: Option<u32>,
    },
    /// A monitor cannot start, because the system refuses an operation on its store.
    #[error("{0}; --no-store runs without a store")]
    StoreRefused(#[source] StoreError),
    /// Results could not be saved, or `db check` found damage.
    #[error("{0}")]
    StoreFault(String),
    /// The system refused something else.
    #[error("{0:#}")]
    System(#[from] anyhow::Error),
}

impl CommandError {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) | Self::Demo(_) | Self::System(_) => 2,
            Self::Store(_) | Self::StoreInUse { .. } | Self::StoreRefused(_) | Self::StoreFault(_) => 3,
        }
    }

    /// The text for stderr: every line that is not indented begins with a prefix, but for the faults of a configuration,
    /// which have their own. A missing configuration is reported with the first steps.
    #[must_use]
    pub fn report(&self) -> String {
        let (prefix, text) = match self {
            Self::Config(ConfigError::Missing { path }) => ("webmon: ", way_on(path)),
            Self::Config(ConfigError::Unreadable { .. }) => ("error: ", self.to_string()),
            Self::Config(ConfigError::Invalid { .. }) => ("", self.to_string()),
            Self::Demo(_) => ("demo: ", self.to_string()),
            _ => ("webmon: ", self.to_string()),
        };
        let prefixed = text.lines().map(|line| format!("{}{line}", if line.starts_with(' ') { "" } else { prefix }));
        prefixed.collect::<Vec<_>>().join("\n")
    }
}

fn in_use(path: &Path, process: Option<u32>) -> String {
    let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
    format!(
        "{} is in use by another webmon{process}: `webmon watch` shows it; or stop that one, or name another file with --store",
        shown_path(path)
    )
}

/// The first steps of a user who has no configuration at `path`.
#[must_use]
fn way_on(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| std::env::current_dir().unwrap_or_default(), Path::to_owned);
    first_steps(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy(), &folder.to_string_lossy())
}

/// Writes `text` to stderr, without the characters that a terminal would obey: paths and system errors can hold any. A failed
/// write has no reader: the pipe is closed, or the terminal is gone.
pub fn complain(text: impl fmt::Display) {
    let _unread = writeln!(io::stderr(), "{}", clean_lines(&text.to_string()));
}

/// [`complain`] at the end of a monitor, which waits for a full pipe for [`PATIENCE`] at most. Commands that only read the
/// store wait as long as their pager does.
pub fn complain_in_time(text: impl fmt::Display) {
    let text = text.to_string();
    let copy = text.clone();
    if in_time(move || complain(copy)).is_err() {
        complain(text);
    }
}

/// Prints `bytes` on stdout; a terminal that does not read is waited for for [`PATIENCE`] at most.
///
/// # Errors
/// The writer's, except for a closed pipe.
pub fn print_in_time(bytes: Vec<u8>) -> io::Result<()> {
    match in_time(move || stream::stdout().and_then(|out| Patient(out).write_all(&bytes)))? {
        Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// The result of `work`, which runs on a thread; none if it takes longer than [`PATIENCE`].
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<Option<T>> {
    let (done, result) = mpsc::sync_channel(1);
    Builder::new().spawn(move || {
        // The receiver may have given up.
        let _late = done.send(work());
    })?;
    Ok(result.recv_timeout(PATIENCE).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_public_ones() {
        for (ending, code) in [
            (Ending::Done, 0),
            (Ending::NotUp, 1),
            (Ending::Unjudged, 4),
            (Ending::Signal(1), 129),
            (Ending::Signal(2), 130),
            (Ending::Signal(15), 143),
            (Ending::Panicked, 101),
        ] {
            assert_eq!(ending.code(), code);
        }
        let missing = || StoreError::Missing { path: "a".into() };
        let listen = DemoError::Listen(io::Error::other("x"));
        for error in [CommandError::Usage(String::new()), listen.into(), anyhow::anyhow!("x").into()] {
            assert_eq!(error.code(), 2, "{error}");
        }
        let in_use = CommandError::StoreInUse { path: "a".into(), process: Some(7) };
        let fault = CommandError::StoreFault(String::new());
        for error in [missing().into(), CommandError::StoreRefused(missing()), fault, in_use] {
            assert_eq!(error.code(), 3, "{error}");
        }
    }

    #[test]
    fn a_report_names_its_speaker_once_per_statement() {
        let unreadable = ConfigError::Unreadable { path: "a.yaml".into(), source: io::Error::other("no") };
        for (error, report) in [
            (CommandError::Usage("one\n  two\nthree".to_owned()), "webmon: one\n  two\nwebmon: three"),
            (unreadable.into(), "error: cannot read a.yaml: no"),
            (DemoError::Thread(io::Error::other("no")).into(), "demo: cannot start a thread: no"),
            (anyhow::anyhow!("why").context("what").into(), "webmon: what: why"),
            (
                CommandError::StoreInUse { path: "a\u{1b}.redb".into(), process: Some(7) },
                "webmon: a\u{fffd}.redb is in use by another webmon (process 7): `webmon watch` shows it; or stop that one, \
                 or name another file with --store",
            ),
        ] {
            assert_eq!(error.report(), report);
        }
        let missing = CommandError::from(ConfigError::Missing { path: "/x/a.yaml".into() });
        assert_eq!(missing.to_string(), "there is no /x/a.yaml");
        let first = "webmon: no configuration: there is no a.yaml in /x\n  webmon demo ";
        assert!(missing.report().starts_with(first), "{}", missing.report());
    }
}
