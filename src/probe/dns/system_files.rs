//! The system's files for name lookups, resolv.conf(5) and hosts(5), and whether they changed.
//!
//! A missing or unreadable file counts as empty, as in the C library. A replaced file has another inode, a written one another
//! time; where the file system counts whole seconds only, the content is compared as well.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use hickory_resolver::Hosts;

use super::resolv_conf::{ResolvConf, Server};

const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// The content of longer files is not compared.
const COMPARED_MAX: u64 = 64 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct NameFiles {
    pub(crate) resolv_conf: PathBuf,
    pub(crate) hosts: PathBuf,
}

/// Differs when a file has changed.
#[derive(Debug, PartialEq, Eq)]
struct FileState {
    /// Device, inode, length.
    file: [u64; 3],
    /// Modified and changed: seconds and nanoseconds.
    times: [(i64, i64); 2],
    content: Option<Vec<u8>>,
}

/// The state of both files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamps([Option<FileState>; 2]);

impl Default for NameFiles {
    fn default() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

impl NameFiles {
    pub(crate) fn stamps(&self) -> Stamps {
        let counts_seconds = |stamp: &FileState| stamp.times.iter().all(|(_, nanos)| *nanos == 0);
        Stamps([&self.resolv_conf, &self.hosts].map(|path| FileState::of(path, counts_seconds)))
    }

    /// The content of resolv.conf; only the `configured` servers if there are any.
    pub(crate) fn conf(&self, configured: &[Server]) -> ResolvConf {
        if !configured.is_empty() {
            let mut conf = ResolvConf { servers: configured.to_vec(), ..ResolvConf::default() };
            conf.options.edns = true;
            return conf;
        }
        let text = std::fs::read(&self.resolv_conf).unwrap_or_default();
        let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
        ResolvConf::parse(&String::from_utf8_lossy(&text), &host)
    }

    /// The hosts file. A byte outside UTF-8, as in an old comment, spoils its own line only.
    pub(crate) fn hosts(&self) -> Hosts {
        let text = std::fs::read(&self.hosts).unwrap_or_default();
        let mut hosts = Hosts::default();
        match hosts.read_hosts_conf(String::from_utf8_lossy(&text).as_bytes()) {
            Ok(()) => hosts,
            Err(_) => Hosts::default(),
        }
    }
}

impl FileState {
    fn of(path: &Path, counts_seconds: impl Fn(&Self) -> bool) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let mut stamp = Self::of_metadata(&metadata);
        if metadata.is_file() && metadata.len() <= COMPARED_MAX && counts_seconds(&stamp) {
            stamp.content = std::fs::read(path).ok();
        }
        Some(stamp)
    }

    #[cfg(unix)]
    fn of_metadata(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let times = [(file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec())];
        Self { file: [file.dev(), file.ino(), file.len()], times, content: None }
    }

    /// Elsewhere only the content tells.
    #[cfg(not(unix))]
    fn of_metadata(file: &Metadata) -> Self {
        Self { file: [0, 0, file.len()], times: [(0, 0); 2], content: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::{Name, RecordType};
    use std::fs::{File, rename, write};
    use std::time::{Duration, SystemTime};

    fn files(dir: &Path) -> NameFiles {
        NameFiles { resolv_conf: dir.join("resolv.conf"), hosts: dir.join("hosts") }
    }

    #[test]
    fn a_change_of_the_same_length_within_a_second_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let (files, second) = (files(dir.path()), SystemTime::UNIX_EPOCH + Duration::from_hours(500_000));
        let written_at = |text: &str, nanos| {
            write(&files.resolv_conf, text).unwrap();
            File::options().write(true).open(&files.resolv_conf).unwrap().set_modified(second + nanos).unwrap();
        };
        written_at("nameserver 10.0.0.1\n", Duration::from_millis(1));
        let before = files.stamps();
        assert_eq!(files.stamps(), before);
        written_at("nameserver 10.0.0.2\n", Duration::from_millis(2));
        assert_ne!(files.stamps(), before);
    }

    #[test]
    fn a_replaced_file_is_another_one_and_so_is_one_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        write(&files.hosts, "127.0.0.1 a\n").unwrap();
        let before = files.stamps();
        let other = dir.path().join("new");
        write(&other, "127.0.0.2 a\n").unwrap();
        rename(&other, &files.hosts).unwrap();
        let after = files.stamps();
        assert_ne!(after, before);
        std::fs::remove_file(&files.hosts).unwrap();
        assert_ne!(files.stamps(), after);
    }

    #[test]
    fn where_only_seconds_are_counted_the_content_tells() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        let stamp = |text: &str| {
            write(&path, text).unwrap();
            FileState::of(&path, |_| true).unwrap().content
        };
        assert_ne!(stamp("127.0.0.1 a\n"), stamp("127.0.0.2 a\n"));
        assert_eq!(stamp(&"#\n".repeat(64 * 1024)), None);
    }

    #[test]
    fn a_hosts_file_is_read_past_what_is_odd() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let text = b"# B\xfcro\r\n127.0.0.9 Box.TEST my_shop.test\r\nnonsense box.test\r\n::9 box.test # six\r\n127.0.0.8 box.test";
        write(&files.hosts, text).unwrap();
        let hosts = files.hosts();
        let found = |name: &str, kind| {
            let query = Query::query(Name::from_str_relaxed(name).unwrap(), kind);
            let found = hosts.lookup_static_host(&query);
            found.map_or(0, |found| found.answers().len())
        };
        assert_eq!((found("bOX.test.", RecordType::A), found("box.test", RecordType::AAAA)), (2, 1));
        assert_eq!((found("my_shop.test", RecordType::A), found("my_shop.test", RecordType::AAAA)), (1, 0));
        assert_eq!(found("nonsense", RecordType::A), 0);
    }
}
