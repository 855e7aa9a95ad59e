//! The process that writes the store.

/// Whether this process exists, as far as this one can see.
#[cfg(target_os = "linux")]
pub(super) fn is_running(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    let asked = pid.map(rustix::process::test_kill_process);
    matches!(asked, Some(Ok(()) | Err(rustix::io::Errno::PERM)))
}

#[cfg(not(target_os = "linux"))]
pub(super) const fn is_running(_: u32) -> bool {
    true
}
