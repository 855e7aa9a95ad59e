//! The process that holds a lock on some bytes of a file, if the system reveals it.
//!
//! Linux lists every lock in `/proc/locks`, by device and inode. Some file systems show another device there than to
//! programs, and the inode alone may be another file's; then the process must have the file among its descriptors.
//! Locks of an open file description, which redb takes, have no process there but appear in the `fdinfo` of each
//! descriptor. Only root can read another user's descriptors, and processes of other PID namespaces have no pid here;
//! then the holder is unknown.
//!
//! Bounds: [`PROCESSES_MAX`] processes with [`DESCRIPTORS_MAX`] descriptors each.

use super::path_check::Identity;

/// The process other than this one that holds a lock on any of `bytes` of the file, from the first to before the
/// second.
#[cfg(target_os = "linux")]
pub fn of(file: Identity, bytes: (u64, u64)) -> Option<u32> {
    linux::listed(file, bytes).or_else(|| linux::searched(file, bytes))
}

#[cfg(not(target_os = "linux"))]
pub fn of(_: Identity, _: (u64, u64)) -> Option<u32> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;

    use rustix::fs::makedev;

    use super::Identity;

    const PROCESSES_MAX: usize = 65_536;
    const DESCRIPTORS_MAX: usize = 4_096;

    /// By `/proc/locks`.
    pub fn listed(file: Identity, bytes: (u64, u64)) -> Option<u32> {
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let found = locks.lines().filter_map(|line| holder(line, file, bytes));
        let others = found.filter(|&(process, _)| process != std::process::id());
        others.filter(|&(process, is_sure)| is_sure || has_open(process, file)).map(|(process, _)| process).next()
    }

    /// Whether a descriptor of `process` is of `file`; not if they cannot be read.
    pub(super) fn has_open(process: u32, file: Identity) -> bool {
        let descriptors = fs::read_dir(Path::new("/proc").join(process.to_string()).join("fd"));
        descriptors
            .into_iter()
            .flatten()
            .flatten()
            .take(DESCRIPTORS_MAX)
            .any(|descriptor| fs::metadata(descriptor.path()).is_ok_and(|metadata| Identity::of(&metadata) == file))
    }

    /// By the descriptors of every process.
    pub fn searched(file: Identity, bytes: (u64, u64)) -> Option<u32> {
        let numbers =
            fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.filter(|&process| process != std::process::id()).take(PROCESSES_MAX).find(|&process: &u32| {
            let of_process = Path::new("/proc").join(process.to_string());
            let Ok(descriptors) = fs::read_dir(of_process.join("fd")) else { return false };
            descriptors.flatten().take(DESCRIPTORS_MAX).any(|descriptor| {
                let is_it = fs::metadata(descriptor.path()).is_ok_and(|metadata| Identity::of(&metadata) == file);
                is_it && {
                    let info = fs::read_to_string(of_process.join("fdinfo").join(descriptor.file_name()));
                    info.is_ok_and(|info| {
                        let locks = info.lines().filter_map(|line| line.strip_prefix("lock:"));
                        locks.filter_map(|lock| range(lock.trim_start())).any(|held| overlap(held, bytes))
                    })
                }
            })
        })
    }

    /// The process that a line such as `1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF` names, if it is about
    /// `bytes` of a file with the number of `file`, and whether it is on the same device.
    pub(super) fn holder(line: &str, file: Identity, bytes: (u64, u64)) -> Option<(u32, bool)> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (process, place) = (fields.get(4)?, fields.get(5)?);
        // One that only waits has an arrow before its kind, and an open file description has no process: -1.
        let process = process.parse().ok().filter(|&process| process > 0)?;
        let mut parts = place.split(':');
        let mut device = || u32::from_str_radix(parts.next()?, 16).ok();
        let device = makedev(device()?, device()?);
        let node = parts.next()?.parse::<u64>().ok()?;
        let is_number = node == file.node() && overlap(range(line)?, bytes);
        is_number.then_some((process, device == file.device()))
    }

    /// The bytes that a line is about, without the one after them.
    pub(super) fn range(line: &str) -> Option<(u64, u64)> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let end = match *fields.get(7)? {
            "EOF" => u64::MAX,
            last => last.parse::<u64>().ok()?.saturating_add(1),
        };
        // `flock` has nothing to do with the bytes, though it covers them all.
        (fields.get(1) != Some(&"FLOCK")).then_some((fields.get(6)?.parse().ok()?, end))
    }

    fn overlap(one: (u64, u64), other: (u64, u64)) -> bool {
        one.0 < other.1 && other.0 < one.1
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn identity() -> (tempfile::NamedTempFile, Identity) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let identity = Identity::of(&fs::metadata(file.path()).unwrap());
        (file, identity)
    }

    #[test]
    fn the_lines_of_the_kernel_are_understood() {
        let (_file, identity) = identity();
        let node = identity.node();
        let (major, minor) = (rustix::fs::major(identity.device()), rustix::fs::minor(identity.device()));
        let line = |kind: &str, process: i32, first: u64, last: &str| {
            format!("17: {kind}  ADVISORY  READ {process} {major:02x}:{minor:02x}:{node} {first} {last}")
        };
        let holder = |line: &str| linux::holder(line, identity, (0, 320));
        assert_eq!(holder(&line("POSIX", 4_711, 0, "319")), Some((4_711, true)));
        assert_eq!(holder(&line("POSIX", 4_711, 319, "EOF")), Some((4_711, true)));
        let elsewhere = format!("17: POSIX  ADVISORY  READ 4711 {:02x}:{minor:02x}:{node} 0 319", major + 1);
        assert_eq!(holder(&elsewhere), Some((4_711, false)), "perhaps another file of this number");
        assert_eq!(holder(&line("POSIX", 4_711, 320, "EOF")), None, "other bytes");
        assert_eq!(holder(&line("OFDLCK", -1, 0, "319")), None, "no process");
        assert_eq!(holder(&line("FLOCK", 4_711, 0, "EOF")), None, "another kind of lock");
        assert_eq!(holder("17: -> POSIX ADVISORY READ 4711 fd:00:1 0 EOF"), None, "it waits");
        assert_eq!(holder("17: POSIX ADVISORY READ 4711 fd:00:1 0 EOF"), None, "another file");
        for odd in ["", "17:", "17: POSIX", "a b c d e f g h", "1: P A R 99999999999 x:y:z 0 -"] {
            assert_eq!(holder(odd), None, "{odd}");
            assert!(linux::range(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_process_has_the_file_open_or_not() {
        let (file, identity) = identity();
        let other = tempfile::NamedTempFile::new().unwrap();
        let other = Identity::of(&fs::metadata(other.path()).unwrap());
        let _held = File::open(file.path()).unwrap();
        assert!(linux::has_open(std::process::id(), identity));
        drop(fs::remove_file(file.path()));
        assert!(!linux::has_open(u32::MAX, identity) && !linux::has_open(u32::MAX, other));
    }

    #[test]
    fn this_process_is_not_taken_for_another_one() {
        let (file, identity) = identity();
        let held = File::open(file.path()).unwrap();
        held.lock_shared().unwrap();
        assert_eq!(of(identity, (0, 320)), None);
    }
}
