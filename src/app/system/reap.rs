//! Reaps orphans: as process 1 of a container, webmon inherits processes that its hooks leave behind (`setsid`, a background
//! mailer) and those it got by `exec`.
//!
//! The system reports an ended child without reaping it. One that webmon started is left to the code that waits for its status;
//! any other is reaped.
//!
//! Invariants: an own child is registered from its start until its status is taken, because starting, registering and reaping
//! hold the same lock. Bounds: one entry per call in progress. Linux only; elsewhere this does nothing.

use std::io;
use std::sync::Mutex;

use tokio::process::{Child, Command};

use crate::model::lock::lock;

/// Ids of the children whose status webmon waits for.
// The list is consistent after a panic, too.
static OWN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Registers an own child until it is dropped.
#[derive(Debug)]
pub struct Own(Option<u32>);

impl Drop for Own {
    fn drop(&mut self) {
        let mut own = lock(&OWN);
        if let Some(at) = own.iter().position(|&number| Some(number) == self.0) {
            own.swap_remove(at);
        }
    }
}

/// Starts `command`, whose status the caller takes.
///
/// # Errors
/// The system's.
pub fn start(command: &mut Command) -> io::Result<(Child, Own)> {
    let mut own = lock(&OWN);
    let child = command.spawn()?;
    own.extend(child.id());
    let number = child.id();
    Ok((child, Own(number)))
}

/// Reaps orphans. Never returns.
#[cfg(target_os = "linux")]
pub async fn for_ever() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    loop {
        match linux::reap() {
            linux::ChildStatus::NoChild => {
                // The stream ends with the runtime.
                let _ended = ended.recv().await;
            }
            // The system reports one child at a time, so those behind it wait.
            linux::ChildStatus::Own => tokio::time::sleep(linux::PAUSE).await,
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub async fn for_ever() {
    std::future::pending().await
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::TryLockError;
    use std::time::Duration;

    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    use super::OWN;

    /// Time for the owner of a child to take its status.
    pub const PAUSE: Duration = Duration::from_millis(100);
    /// Orphans per call.
    const AT_ONCE: usize = 1_024;

    /// The next ended child.
    pub enum ChildStatus {
        /// None.
        NoChild,
        /// An own one, or one that is being started; or too many.
        Own,
    }

    pub fn reap() -> ChildStatus {
        let own = match OWN.try_lock() {
            Ok(own) => own,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // A program is being started from a slow disk.
            Err(TryLockError::WouldBlock) => return ChildStatus::Own,
        };
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        for _ in 0..AT_ONCE {
            let Some(pid) = waitid(Id::All, look | WaitPidFlag::WNOWAIT).ok().and_then(|status| status.pid()) else {
                return ChildStatus::NoChild;
            };
            if u32::try_from(pid.as_raw()).is_ok_and(|number| own.contains(&number)) {
                return ChildStatus::Own;
            }
            // A zombie keeps its id.
            if waitid(Id::Pid(pid), look).is_err() {
                return ChildStatus::NoChild;
            }
        }
        ChildStatus::Own
    }
}
