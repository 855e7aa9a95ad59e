//! How the program ends: exit codes, and errors that say what, where, and what to do.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use crate::model::text::clean_lines;
use crate::store::StoreError;

use super::stream::{self, Patient};

/// Every exit code and what it means; public, scripts rely on them.
pub const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "done; for check: every site is up"),
    ("1", "check: not every site is up, or a warning with --fail-on-warning"),
    ("2", "wrong usage or configuration, unknown site; nothing was started"),
    ("3", "the store cannot be used, or a reading command finds none"),
    ("4", "check: could not judge, this machine has no network"),
    ("101", "a fault of webmon itself; the terminal is restored first"),
    ("129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM, after a clean shutdown"),
];

/// How long the last words of a monitor wait for room in a pipe.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread that the system refuses.
pub const NO_THREAD: &str =
    "cannot start a thread: the limit of processes (`ulimit -u`, `TasksMax=`, `pids.max`) is reached";

/// How a command came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Done,
    /// `check`: not every site is up.
    NotUp,
    /// `check`: this machine could not judge.
    Unjudged,
    /// Ended by a signal of this number, after a clean shutdown.
    Signal(u8),
    /// A thread panicked that is not joined; what could be saved is.
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

/// Says `text` on stderr, without what a terminal would obey: paths and errors of the system can hold anything. A failure of that cannot be told: the pipe is closed, or the terminal hung up.
pub fn complain(text: impl fmt::Display) {
    let _unheard = writeln!(io::stderr(), "{}", clean_lines(&text.to_string()));
}

/// The same at the end of a monitor, which ends in time also when the reader of stderr has stopped: a full pipe is waited for
/// for [`PATIENCE`]. What only reads the store waits as long as a pager does not go on.
pub fn complain_in_time(text: impl fmt::Display) {
    let text = text.to_string();
    let (said, heard) = mpsc::sync_channel(1);
    let spoken = text.clone();
    let speaker = std::thread::Builder::new().spawn(move || {
        complain(spoken);
        // The one who waited may have given up.
        let _late = said.send(());
    });
    match speaker {
        Ok(_) => {
            let _in_time = heard.recv_timeout(PATIENCE);
        }
        // Where no thread is to be had, that is what there is to say.
        Err(_) => complain(text),
    }
}

/// Prints `bytes` on stdout in the same way: what a terminal that does not read would show is not worth the wait.
///
/// # Errors
/// The writer's, but a closed pipe.
pub fn print_in_time(bytes: Vec<u8>) -> io::Result<()> {
    let (said, heard) = mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || {
        let printed = stream::stdout().and_then(|out| Patient(out).write_all(&bytes));
        // The one who waited may have given up.
        let _late = said.send(printed);
    })?;
    match heard.recv_timeout(PATIENCE) {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration: exit code 2.
    Usage(String),
    /// The store cannot be used: exit code 3.
    Store(String),
    /// Anything else of the machine's: exit code 2.
    System(anyhow::Error),
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::System(_) => 2,
            Self::Store(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Store(text) => f.write_str(text),
            Self::System(error) => write!(f, "webmon: {error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::System(error)
    }
}

/// A store that cannot be used.
#[must_use]
pub fn store_failure(error: &StoreError) -> Failure {
    Failure::Store(format!("webmon: {error}"))
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
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(Failure::Store(String::new()).code(), 3);
    }
}
