//! Children that nothing waits for: as the first process of a container webmon is given what its hooks leave behind
//! (`setsid`, a mailer in the background), and what an `exec` made it inherit.
//!
//! **Idea.** The system is asked which child has ended, without reaping it. One that was started here is left to the
//! code that waits for its status; any other is reaped.
//!
//! **Invariants.** A child of our own is known by its number from before it can have ended until its status was taken: it is
//! started and entered under one lock, under which also the others are reaped. Limits: as many numbers as there are calls
//! at once. Linux only; elsewhere this does nothing.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

/// The numbers of children whose status is waited for.
static OWN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// That a child is our own, until this is dropped.
#[derive(Debug)]
pub struct Own(Option<u32>);

impl Drop for Own {
    fn drop(&mut self) {
        let mut own = lock();
        if let Some(at) = own.iter().position(|&number| Some(number) == self.0) {
            own.swap_remove(at);
        }
    }
}

/// Starts `command`, and leaves its status to the caller.
///
/// # Errors
/// The system's.
pub fn start(command: &mut Command) -> io::Result<(Child, Own)> {
    let mut own = lock();
    let child = command.spawn()?;
    own.extend(child.id());
    let number = child.id();
    Ok((child, Own(number)))
}

fn lock() -> MutexGuard<'static, Vec<u32>> {
    // Nothing can be left half done under this lock.
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reaps children that nothing waits for, for ever.
#[cfg(target_os = "linux")]
pub async fn for_ever() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    loop {
        match linux::reap() {
            linux::ChildStatus::NoChild => {
                // Ends with the runtime only.
                let _ended = ended.recv().await;
            }
            // The system names one at a time: those behind it wait.
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

    /// For the code that waits for a child of our own to reap it.
    pub const PAUSE: Duration = Duration::from_millis(100);
    /// Most that are reaped in one go.
    const AT_ONCE: usize = 1_024;

    /// What is left.
    pub enum ChildStatus {
        /// No child that has ended.
        NoChild,
        /// One of our own, or one that is being started; or too many.
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
            // It is a zombie, so its number cannot be another process's meanwhile.
            if waitid(Id::Pid(pid), look).is_err() {
                return ChildStatus::NoChild;
            }
        }
        ChildStatus::Own
    }
}
