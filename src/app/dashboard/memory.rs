//! What dashboards of this user remember for the next one, in a small file.
//!
//! It is `webmon/dashboard` in `$XDG_STATE_HOME` (by default `~/.local/state`), on Windows in `%LOCALAPPDATA%`. A thread of its
//! own writes it, whole, in place of the earlier one. A file that cannot be read or written is no error: the log says so once.
//! Bounds: of a larger file the first KiB is read.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::app::log::about;
use crate::model::text::clean_line;
use crate::tui::Preferences;

use super::reader_thread::ReaderThread;

/// Bytes of a file that are read.
const SIZE_MAX: u64 = 1_024;

/// The file of this user, by the environment; none without a home.
#[must_use]
pub fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else {
        folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local").join("state")))
    };
    Some(state?.join("webmon").join("dashboard"))
}

/// What the file at `path` says; nothing if it cannot be read.
#[must_use]
pub fn read(path: &Path) -> Preferences {
    // Only a regular file: a read of a pipe would wait.
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let mut bytes = Vec::new();
    let mut read = || File::open(path)?.take(SIZE_MAX).read_to_end(&mut bytes);
    if !is_file || read().is_err() {
        return Preferences::default();
    }
    Preferences::parse(&String::from_utf8_lossy(&bytes))
}

/// Writes the file while a dashboard runs.
pub struct Memory(ReaderThread<Preferences, ()>);

impl Memory {
    /// A thread that writes `path`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let mut is_told = false;
        ReaderThread::open("webmon-memory", (), move |preferences: Preferences, _| {
            if let Err(error) = write(&path, preferences)
                && !std::mem::replace(&mut is_told, true)
            {
                let reason = clean_line(&format!("{}: {error}", path.display()), 400);
                warn!(target: about::WEBMON, "the next dashboard will not know what was set by key: {reason}");
            }
            ControlFlow::Continue(())
        })
        .map(Self)
    }

    /// Remembers `preferences` in place of what was remembered before.
    pub fn remember(&self, preferences: Preferences) {
        self.0.request(preferences);
    }
}

fn write(path: &Path, preferences: Preferences) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let mut file = tempfile::Builder::new().prefix(".dashboard-").tempfile_in(folder)?;
    file.write_all(preferences.to_string().as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_the_environment() {
        let place = |pairs: &'static [(&str, &str)]| {
            place(move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert_eq!(place(&[]), None);
        if !cfg!(windows) {
            let home = place(&[("HOME", "/home/ada")]);
            assert_eq!(home.as_deref(), Some(Path::new("/home/ada/.local/state/webmon/dashboard")));
            let named = place(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "/state")]);
            assert_eq!(named.as_deref(), Some(Path::new("/state/webmon/dashboard")));
            assert_eq!(
                place(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "state")]),
                home,
                "a relative path counts for nothing"
            );
        }
    }

    #[test]
    fn what_is_remembered_is_read_and_what_is_no_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon").join("dashboard");
        assert_eq!(read(&path), Preferences::default());
        let preferences = Preferences { mouse: Some(false), ..Preferences::default() };
        for _ in 0..2 {
            write(&path, preferences).unwrap();
            assert_eq!(read(&path), preferences);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");
        assert_eq!(read(folder.path()), Preferences::default());
        assert!(write(&path.join("below-a-file"), preferences).is_err());
        fs::write(&path, [b"mouse off\n".to_vec(), vec![0xff; 1 << 20], b"\nmouse on\n".to_vec()].concat()).unwrap();
        assert_eq!(read(&path), preferences, "only the beginning is read");
    }
}
