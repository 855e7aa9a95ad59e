//! A log file that cannot grow without bound: when it is full it becomes `.1`, that one `.2`, and that one is gone.
//!
//! Invariants: made for its owner alone; only a regular file is written, never what a symbolic link or a pipe at the path
//! leads to; a record is whole or not there (what a full disk or a crash tore is cut off, or ended before the next one
//! begins). A file that was moved or removed is made anew with the next record. Whoever writes is alone with it: the
//! one that has the store. Limits: [`FILES`] files of at most [`SIZE_MAX`], a longer record alone in its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Files of one log, the one that is written among them.
pub const FILES: usize = 3;
/// Most bytes of each.
pub const SIZE_MAX: u64 = 10 << 20;

/// See the module.
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
    /// The log at `path`, which is opened when there is something to write.
    pub fn at(path: PathBuf) -> Self {
        Self { path, size_max: SIZE_MAX, open: None }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// The disk's, or what is wrong with the path; the next record begins anew.
    pub fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let open = self.open.take().filter(|open| open.is_at(&self.path));
        let mut open = open.map_or_else(|| Open::at(&self.path), Ok)?;
        let grown = open.length.saturating_add(record.len() as u64);
        if open.length > 0 && grown > self.size_max {
            drop(open);
            self.shift()?;
            open = Open::at(&self.path)?;
        }
        if let Err(error) = open.file.write_all(record) {
            // Where that fails too, the next opening ends the torn line.
            drop(open.file.set_len(open.length));
            return Err(error);
        }
        open.length += record.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    /// Makes room for a new file.
    fn shift(&self) -> io::Result<()> {
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
        let mut path = self.path.as_os_str().to_owned();
        path.push(format!(".{age}"));
        path.into()
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
            // A pipe that nobody reads would be waited for.
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            options.mode(0o600).custom_flags(flags.bits().cast_signed());
        }
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut file = options.open(path).map_err(named)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(named(io::Error::other("this is no regular file")));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            if metadata.permissions().mode() & 0o077 != 0 {
                file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(named)?;
            }
        }
        let mut length = metadata.len();
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(named)?;
                length += 1;
            }
        }
        Ok(Self { file, length })
    }

    /// Whether the file at `path` still is this one.
    #[cfg(unix)]
    fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let same = |own: fs::Metadata, there: fs::Metadata| (own.dev(), own.ino()) == (there.dev(), there.ino());
        self.file.metadata().and_then(|own| Ok(same(own, fs::symlink_metadata(path)?))).unwrap_or(false)
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
    fn there_are_never_more_than_three_files_none_is_too_long_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 64);
        for number in 0..100 {
            if number % 7 == 0 {
                // Going on with what is there is the same as a new start.
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
    fn a_record_that_is_longer_than_a_file_has_one_to_itself() {
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
    fn what_was_moved_or_removed_is_made_anew() {
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
    fn a_folder_that_vanished_is_an_error_and_its_return_is_none() {
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
    fn what_is_in_the_way_of_an_older_file_stops_the_log_and_never_grows_it() {
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
    fn nothing_but_a_regular_file_is_written_and_that_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("webmon.redb.log"), folder.path().join("victim"));
        fs::write(&victim, "mine\n").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        log(folder.path(), 64).write(b"one\n").unwrap_err();
        fs::remove_file(&victim).unwrap();
        log(folder.path(), 64).write(b"one\n").unwrap_err();
        assert!(!victim.exists(), "nothing is made at the end of a link");
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
