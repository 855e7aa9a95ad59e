//! Signals of the operating system, as a stream of numbers.

use std::io;

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

/// The number of SIGHUP.
pub const HANGUP: u8 = 1;
/// The number of SIGINT.
pub const INTERRUPT: u8 = 2;
/// The number of SIGTERM.
pub const TERMINATE: u8 = 15;

/// The signals that end webmon, from now on caught.
pub struct Signals(imp::Signals);

impl Signals {
    /// Begins to catch them; inside a runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        imp::Signals::new().map(Self)
    }

    /// The number of the next one.
    pub async fn next(&mut self) -> u8 {
        self.0.next().await
    }
}
