//! Signals, as a stream of numbers.
//!
//! Until [`listen`] they end the program at once, with the code of a clean shutdown: a start may wait long for a lock or a
//! repair, and process 1 of a container ignores signals that it does not catch.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

#[cfg(unix)]
mod imp {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// SIGHUP, SIGINT and SIGTERM.
    pub struct Signals {
        hangup: Signal,
        interrupt: Signal,
        terminate: Signal,
    }

    impl Signals {
        pub fn new() -> io::Result<Self> {
            Ok(Self {
                hangup: signal(SignalKind::hangup())?,
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        }

        pub async fn next(&mut self) -> u8 {
            tokio::select! {
                _ = self.hangup.recv() => super::HANGUP,
                _ = self.interrupt.recv() => super::INTERRUPT,
                _ = self.terminate.recv() => super::TERMINATE,
            }
        }
    }
}

#[cfg(unix)]
mod jobs {
    use std::io;

    use rustix::process::Signal as Number;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Job;

    /// SIGTSTP and SIGCONT.
    pub struct Jobs {
        stop: Signal,
        go_on: Signal,
    }

    impl Jobs {
        pub fn new() -> io::Result<Self> {
            let caught = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
            Ok(Self { stop: caught(Number::TSTP)?, go_on: caught(Number::CONT)? })
        }

        pub async fn next(&mut self) -> Job {
            tokio::select! {
                _ = self.stop.recv() => Job::Stop,
                _ = self.go_on.recv() => Job::Continued,
            }
        }
    }
}

#[cfg(not(unix))]
mod jobs {
    use std::io;

    use super::Job;

    /// No job control.
    pub struct Jobs;

    impl Jobs {
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn next(&mut self) -> Job {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::io;

    /// Ctrl-C.
    pub struct Signals;

    impl Signals {
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub async fn next(&mut self) -> u8 {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            super::INTERRUPT
        }
    }
}

/// Whether a signal ends the program at once.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// SIGINT and SIGTERM end the program at once until [`listen`], and so does SIGHUP if `hangup`.
pub fn end_at_once(hangup: bool) {
    #[cfg(unix)]
    for number in [INTERRUPT, TERMINATE].into_iter().chain(hangup.then_some(HANGUP)) {
        let (signal, code) = (i32::from(number), 128 + i32::from(number));
        // If it cannot be caught, the default action stays.
        drop(signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&AT_ONCE)));
    }
    #[cfg(not(unix))]
    let _ = hangup;
}

/// Proof of [`listen`]. Code that takes the terminal requires it, because a signal must not end the program before the
/// terminal is restored.
#[derive(Clone, Copy, Debug)]
pub struct Listening(());

/// Makes signals go to [`Signals`] only.
#[allow(clippy::must_use_candidate, reason = "most callers only want the effect")]
pub fn listen() -> Listening {
    AT_ONCE.store(false, Ordering::SeqCst);
    Listening(())
}

/// A request of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Stop (SIGTSTP).
    Stop,
    /// Continued (SIGCONT).
    Continued,
}

/// The requests of the shell.
pub struct Jobs(jobs::Jobs);

impl Jobs {
    /// Starts to catch them; inside a runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        jobs::Jobs::new().map(Self)
    }

    /// The next request.
    pub async fn next(&mut self) -> Job {
        self.0.next().await
    }
}

/// The number of SIGHUP.
pub const HANGUP: u8 = 1;
/// The number of SIGINT.
pub const INTERRUPT: u8 = 2;
/// The number of SIGTERM.
pub const TERMINATE: u8 = 15;

/// The signals that end webmon.
pub struct Signals(imp::Signals);

impl Signals {
    /// Starts to catch them; inside a runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        imp::Signals::new().map(Self)
    }

    /// The next signal.
    pub async fn next(&mut self) -> u8 {
        self.0.next().await
    }
}
