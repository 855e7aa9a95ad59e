//! The name of this machine.

/// The name, if it is known.
pub fn host_name() -> Option<String> {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    known.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}
