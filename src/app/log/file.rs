//! A log file of bounded size: a full file is renamed to `.1`, the one before to `.2`, and the oldest is removed.
//!
//! Invariants: only its owner can read it; only a regular file is written, never the target of a symbolic link or a pipe. A
//! record torn by a full disk is cut off, one torn by a crash ends before the next. A file that was moved or removed is
//! created again with the next record. Only the program that holds the store writes it.
//!
//! Bounds: [`FILES`] files of at most [`SIZE_MAX`]; a longer record has a file to itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Files of one log, including the current one.
pub const FILES: usize = 3;
/// Bytes per file.
pub const SIZE_MAX: u64 = 10 << 20;

/// A log file with its rotation.
pub struct LogFile {
    path: PathBuf,
    size_max: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    length: u64,
}

impl LogFile {
    /// The log at `path`, opened at the first record.
    pub fn at(path: PathBuf) -> Self {
        Self { path, size_max: SIZE_MAX, open: None }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// The system's; the next record opens the file again.
    pub fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let open = self.open.take().filter(|open| open.is_at(&self.path));
        let mut open = open.map_or_else(|| Open::at(&self.path), Ok)?;
        let grown = open.length.saturating_add(record.len() as u64);
        if open.length > 0 && grown > self.size_max {
            drop(open);
            self.rotate()?;
            open = Open::at(&self.path)?;
        }
        if let Err(error) = open.file.write_all(record) {
            // If this fails too, the next opening ends the torn line.
            drop(open.file.set_len(open.length));
            return Err(error);
        }
        open.length += record.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        for age in (1..FILES).rev() {
            let younger = if age == 1 { self.path.clone() } else { self.aged(age - 1) };
            match fs::rename(younger, self.aged(age)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn aged(&self, age: usize) -> PathBuf {
        self.path.with_added_extension(age.to_string())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        {
            use rustix::fs::OFlags;
            use std::os::unix::fs::OpenOptionsExt as _;
            // Opening a pipe without a reader would block.
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            options.mode(0o600).custom_flags(flags.bits().cast_signed());
        }
        let with_path = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut file = options.open(path).map_err(with_path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(with_path(io::Error::other("this is not a regular file")));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if metadata.permissions().mode() & 0o077 != 0 {
                file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(with_path)?;
            }
        }
        let mut length = metadata.len();
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(with_path)?;
                length += 1;
            }
        }
        Ok(Self { file, length })
    }

    /// Whether `path` still names this file.
    #[cfg(unix)]
    fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let is_same = |own: fs::Metadata, named: fs::Metadata| (own.dev(), own.ino()) == (named.dev(), named.ino());
        self.file.metadata().and_then(|own| Ok(is_same(own, fs::symlink_metadata(path)?))).unwrap_or(false)
    }

    #[cfg(not(unix))]
    fn is_at(&self, path: &Path) -> bool {
        path.exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, size_max: u64) -> LogFile {
        LogFile { size_max, ..LogFile::at(folder.join("webmon.redb.log")) }
    }

    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn rotation_keeps_three_bounded_files_with_the_newest_records() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 64);
        for number in 0..100 {
            if number % 7 == 0 {
                // Opens the file again, like a restart.
                log.open = None;
            }
            log.write(format!("record {number}\n").as_bytes()).unwrap();
            let files = files(folder.path());
            assert!(files.len() <= FILES && files.iter().all(|(_, text)| text.len() <= 64), "{files:?}");
        }
        let files = files(folder.path());
        assert_eq!(files.iter().map(|(name, _)| &name[15..]).collect::<Vec<_>>(), ["", ".1", ".2"]);
        let text: String = files.iter().rev().map(|(_, text)| text.as_str()).collect();
        let numbers: Vec<usize> = text.lines().map(|line| line[7..].parse().unwrap()).collect();
        assert_eq!(numbers, (100 - numbers.len()..100).collect::<Vec<_>>(), "in order, without a hole, to the last");
        assert!(numbers.len() > 10, "{numbers:?}");
    }

    #[test]
    fn a_record_longer_than_a_file_has_one_to_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 8);
        for record in ["a\n", "a long record\n", "b\n"] {
            log.write(record.as_bytes()).unwrap();
        }
        let texts: Vec<String> = files(folder.path()).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["b\n", "a long record\n", "a\n"]);
    }

    #[test]
    fn a_torn_record_ends_before_the_next_one_begins() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("webmon.redb.log"), "whole\nto").unwrap();
        log(folder.path(), 64).write(b"next\n").unwrap();
        assert_eq!(files(folder.path())[0].1, "whole\nto\nnext\n");
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 64);
        log.write(b"one\n").unwrap();
        fs::rename(folder.path().join("webmon.redb.log"), folder.path().join("kept")).unwrap();
        log.write(b"two\n").unwrap();
        fs::remove_file(folder.path().join("webmon.redb.log")).unwrap();
        log.write(b"three\n").unwrap();
        let texts = [("kept".to_owned(), "one\n".to_owned()), ("webmon.redb.log".to_owned(), "three\n".to_owned())];
        assert_eq!(files(folder.path()), texts);
    }

    #[test]
    fn a_missing_folder_is_an_error_until_it_returns() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        let mut log = log(&below, 64);
        let error = log.write(b"lost\n").unwrap_err().to_string();
        assert!(error.contains("webmon.redb.log: No such file or directory"), "{error}");
        fs::create_dir(&below).unwrap();
        log.write(b"one\n").unwrap();
        fs::remove_dir_all(&below).unwrap();
        log.write(b"lost\n").unwrap_err();
        fs::create_dir(&below).unwrap();
        log.write(b"two\n").unwrap();
        assert_eq!(files(&below), [("webmon.redb.log".to_owned(), "two\n".to_owned())]);
    }

    #[test]
    fn a_failed_rotation_stops_the_log_and_never_grows_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 8);
        let way = folder.path().join("webmon.redb.log.2");
        fs::create_dir(&way).unwrap();
        fs::write(way.join("x"), "").unwrap();
        log.write(b"number 1\n").unwrap();
        log.write(b"number 2\n").unwrap();
        for _ in 0..9 {
            log.write(b"number 3\n").unwrap_err();
        }
        assert_eq!(fs::read_to_string(folder.path().join("webmon.redb.log")).unwrap(), "number 2\n");
        fs::remove_dir_all(&way).unwrap();
        log.write(b"number 4\n").unwrap();
        let texts: Vec<String> = files(folder.path()).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["number 4\n", "number 2\n", "number 1\n"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_a_regular_file_is_written_and_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("webmon.redb.log"), folder.path().join("victim"));
        fs::write(&victim, "mine\n").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        log(folder.path(), 64).write(b"one\n").unwrap_err();
        fs::remove_file(&victim).unwrap();
        log(folder.path(), 64).write(b"one\n").unwrap_err();
        assert!(!victim.exists(), "no file is created through a link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        log(folder.path(), 64).write(b"one\n").unwrap_err();
        fs::remove_dir(&path).unwrap();
        #[cfg(target_os = "linux")]
        {
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
            log(folder.path(), 64).write(b"one\n").unwrap_err();
            fs::remove_file(&path).unwrap();
        }

        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let mut log = log(folder.path(), 64);
        log.write(b"one\n").unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        log.open = None;
        log.write(b"two\n").unwrap();
        assert_eq!((mode(), fs::read_to_string(&path).unwrap().as_str()), (0o600, "one\ntwo\n"));
    }
}
