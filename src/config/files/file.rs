//! Reads the files that a configuration names, each once per load.
//!
//! A FIFO or a device (`-c <(sops -d sites.yaml)`, `${file:/dev/stdin}`) is read on its own thread with a time limit, because
//! opening one can block for ever. Invariant: every requested path is remembered, readable or not, so that its change is seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

/// Time to read a FIFO or a device.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for sites.yaml itself: its writer may ask for a passphrase.
pub(crate) const PATIENCE_OF_CONFIG: Duration = Duration::from_mins(1);

/// The content of a file or the error, and the version of the file.
struct FileRead {
    stamp: Option<FileStamp>,
    content: Result<Box<[u8]>, String>,
}

/// Distinguishes versions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Device, inode, and ctime in seconds and nanoseconds, which no program can set.
    unix: [i128; 4],
}

impl FileStamp {
    /// The version of the file at `path` now, through symbolic links; none without a file.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        #[cfg(unix)]
        let unix = {
            use std::os::unix::fs::MetadataExt as _;
            [metadata.dev().into(), metadata.ino().into(), metadata.ctime().into(), metadata.ctime_nsec().into()]
        };
        #[cfg(not(unix))]
        let unix = [0; 4];
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), unix })
    }
}

/// Files with their versions when they were read; none for a missing file.
pub type Named = Vec<(PathBuf, Option<FileStamp>)>;

/// The files of one load.
#[derive(Default)]
pub(crate) struct Files {
    known: RefCell<HashMap<(PathBuf, u64), FileRead>>,
}

impl Files {
    /// Passes the content of the file at `path`, at most `max` bytes, to `use_content`.
    ///
    /// # Errors
    /// Why it cannot be read, as the end of a sentence: `: No such file …` or ` is longer than 64 KiB`.
    pub(crate) fn with<T>(&self, path: &Path, max: u64, use_content: impl FnOnce(&[u8]) -> T) -> Result<T, String> {
        let mut known = self.known.borrow_mut();
        let read = known.entry((path.to_owned(), max)).or_insert_with(|| {
            // Taken before reading, so that a change from now on is seen.
            let stamp = FileStamp::of(path);
            let content = match read(path, max, PATIENCE) {
                Ok(content) if content.len() as u64 > max => Err(format!(" is longer than {} KiB", max >> 10)),
                Ok(content) => Ok(content.into_boxed_slice()),
                Err(error) => Err(format!(": {error}")),
            };
            FileRead { stamp, content }
        });
        read.content.as_ref().map(|content| use_content(content)).map_err(Clone::clone)
    }

    /// Every requested file.
    pub(crate) fn named(&self) -> Named {
        let known = self.known.borrow();
        let named: BTreeMap<&PathBuf, _> = known.iter().map(|((path, _), read)| (path, read.stamp)).collect();
        named.into_iter().map(|(path, stamp)| (path.clone(), stamp)).collect()
    }
}

/// At most `max` bytes, and one more if there are more, of the file at `path`.
///
/// # Errors
/// The system's; `TimedOut` for a FIFO or a device that does not end within `patience`.
pub(crate) fn read(path: &Path, max: u64, patience: Duration) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if kind.is_file() {
        return read_whole(path, max);
    }
    let (done, read) = mpsc::sync_channel(1);
    let path = path.to_owned();
    // The thread of a silent FIFO stays for the life of the process; a load starts at most one per path.
    thread::Builder::new().name("read-file".to_owned()).spawn(move || drop(done.send(read_whole(&path, max))))?;
    read.recv_timeout(patience).unwrap_or_else(|_| {
        let text = format!("it is not a regular file and did not end within {} s", patience.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

fn read_whole(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_and_remembered_even_if_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (there, missing) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&there, "one").unwrap();
        let files = Files::default();
        assert_eq!(files.with(&there, 1024, <[u8]>::to_vec), Ok(b"one".to_vec()));
        fs::write(&there, "two").unwrap();
        assert_eq!(files.with(&there, 1024, <[u8]>::to_vec), Ok(b"one".to_vec()));
        assert!(files.with(&missing, 1024, |_| ()).unwrap_err().contains("No such file"));
        let named = files.named();
        assert!(matches!(&named[..], [(a, Some(_)), (b, None)] if (a, b) == (&there, &missing)), "{named:?}");
        assert_eq!(Files::default().with(&there, 2, |_| ()).unwrap_err(), " is longer than 0 KiB");
        assert!(Files::default().with(folder.path(), 2, |_| ()).unwrap_err().contains("it is a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_change_that_keeps_length_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "one").unwrap();
        let written = path.metadata().unwrap().modified().unwrap();
        let before = FileStamp::of(&path);
        // The clock of a file system goes in steps of some milliseconds.
        let changed = (0..1_000_000).any(|_| {
            fs::write(&path, "two").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
            FileStamp::of(&path) != before
        });
        assert!(changed);
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_read_to_its_end_and_a_device_without_end_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let writer = {
            let fifo = fifo.clone();
            thread::spawn(move || fs::write(fifo, "from a pipe").unwrap())
        };
        assert_eq!(read(&fifo, 1024, PATIENCE).unwrap(), b"from a pipe");
        writer.join().unwrap();
        assert_eq!(read(Path::new("/dev/zero"), 1024, PATIENCE).unwrap().len(), 1025);
    }
}
