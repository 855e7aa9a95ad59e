//! Why the store cannot be used, in messages that say what to do.
//!
//! Invariants: every message names the file. Damaged records are no errors: readers skip and count them, because one
//! bad block must not hide a year of good ones.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::panic_hook;

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file; only for readers, a writer makes one.
    #[error("no store at {}: run `webmon` first, or name another file with --store", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes to it.
    #[error("{} is in use by another webmon: stop that one, or name another file with --store", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A new file was to be made, and there is one.
    #[error("{} exists already and was not changed: name another file, or replace an older backup with --replace", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The path is a symbolic link that leads nowhere, or that another user made.
    #[error("{} is a symbolic link that leads nowhere or was made by another user: name the file itself with --store FILE", .path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The path is not a file.
    #[error("{} is {what}, not a file: name a file with --store FILE{}", .path.display(), folder_hint(what))]
    NotAFile {
        /// What was found.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// The file of another user, which is not written to.
    #[error("{} belongs to another user and was not changed: run webmon as that user, or name another file with --store FILE", .path.display())]
    Strange {
        /// The file.
        path: PathBuf,
    },
    /// An empty file; a writer makes a store of it, readers find none.
    #[error("{} is empty: run `webmon` first, or name another file with --store FILE", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A damaged store that cannot be moved aside, because something is mounted at its name.
    #[error("{} is damaged and cannot be moved aside, because it is mounted by itself: empty the file that is mounted, or name another one with --store FILE", .path.display())]
    Mounted {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the lock on the header longer than webmon waits.
    #[error("cannot use {}: {held}; stop or continue that process", .path.display())]
    LockHeld {
        /// The file.
        path: PathBuf,
        /// Who holds it.
        held: Held,
        /// Whether nothing was begun, so that the open database is as good as before.
        is_untouched: bool,
    },
    /// Where a copy was to go, no copy can be made.
    #[error("{what}: name another file for the copy")]
    Target {
        /// The fault, with the name of the file.
        what: String,
    },
    /// Something that is not a store of webmon. It was not touched.
    #[error("{} is not a webmon store and was not changed: name another file with --store", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A store of a later version. It was not touched.
    #[error("{} was written by a newer webmon (format {found}, this one reads up to {known}): update webmon, or name another file with --store", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this program reads.
        known: u64,
    },
    /// A store that cannot be read as a whole any more. Reading leaves it alone, `run` moves it aside.
    #[error("{} is damaged ({reason}): `webmon run` moves it aside and starts a new one", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}{}", .path.display(), way_on(.path, .source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The failed operation: `open`, `create`, `write`.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The database refused.
    #[error("cannot use {}: {source}", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why not; boxed for its size.
        source: Box<redb::Error>,
    },
    /// The path has another file or none; writes to the open file would be lost.
    #[error("{} was moved, deleted or replaced while it was in use: put it back, or start webmon again", .path.display())]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// Another program truncated or overwrote the open file; writes to it would be lost.
    #[error("{} was cut off or overwritten by another program while it was in use: start webmon again", .path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// It was closed after a failed commit, and another process wrote to it before it could be opened again.
    #[error("{} was written to by another webmon while saving failed: start this one again", .path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// It was closed after a failed commit and could not be opened again yet.
    #[error("{} is closed since saving failed; it is opened again by itself", .path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// The error that `error` of the database is for the file at `path`.
    pub(super) fn of(path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_owned();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked { path },
            redb::Error::Corrupted(reason) => Self::Damaged { path, reason },
            redb::Error::Io(source) if held(&source).is_some() => {
                Self::LockHeld { path, held: held(&source).unwrap_or(Held(None)), is_untouched: false }
            }
            redb::Error::Io(source) if is_damage(&source) => Self::Damaged { path, reason: damage(&source) },
            redb::Error::Io(source) => Self::Io { path, doing: "use", source },
            redb::Error::UpgradeRequired(_) => Self::Foreign { path },
            source => Self::Database { path, source: Box::new(source) },
        }
    }
}

impl StoreError {
    /// The same error about the target of a copy, which `--store` does not name.
    pub(super) fn of_target(self) -> Self {
        let what = match self {
            Self::Symlink { path } => format!("{} is a symbolic link and was not changed", path.display()),
            Self::NotAFile { path, what } => format!("{} is {what}, not a file", path.display()),
            Self::Strange { path } => format!("{} belongs to another user and was not changed", path.display()),
            Self::Empty { path } => format!("{} is empty, not an older backup, and was not changed", path.display()),
            Self::Foreign { path } => format!("{} is not a webmon store and was not changed", path.display()),
            Self::Newer { path, .. } => format!("{} is of a newer webmon and was not changed", path.display()),
            Self::Damaged { path, reason } => {
                format!("{} is damaged ({reason}), so it may be no older backup, and was not changed", path.display())
            }
            Self::Locked { path } => format!("{} is in use by another webmon", path.display()),
            Self::Io { path, doing, source } => {
                let why = hindrance(&path, &source).map_or_else(String::new, |why| format!(" ({why})"));
                format!("cannot {doing} {}: {source}{why}", path.display())
            }
            other => return other,
        };
        Self::Target { what }
    }

    /// Why, in a few words for a status line.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk full".to_owned(),
            Self::Io { source, .. } => source.to_string(),
            Self::Database { source, .. } => source.to_string(),
            Self::Damaged { reason, .. } => format!("the file is damaged ({reason})"),
            Self::Missing { .. } => "the file is gone".to_owned(),
            Self::Moved { .. } => {
                "the file was moved, deleted or replaced; put it back, or start webmon again".to_owned()
            }
            // webmon wrote to it before, so it was neither empty nor foreign.
            Self::Altered { .. } | Self::Empty { .. } | Self::Foreign { .. } => {
                "the file was cut off or overwritten; start webmon again".to_owned()
            }
            Self::Taken { .. } => "another webmon wrote to the file meanwhile; start this one again".to_owned(),
            Self::Locked { .. } => "another webmon has the file".to_owned(),
            Self::LockHeld { held, .. } => held.to_string(),
            other => other.to_string(),
        }
    }
}

/// The holder of the lock that `error` reports.
fn held(error: &io::Error) -> Option<Held> {
    error.get_ref()?.downcast_ref().copied()
}

fn folder_hint(what: &str) -> &'static str {
    // Docker makes a folder where the file that it is to mount is not there.
    if what == "a folder" { " (a container makes a folder when the file that it mounts is missing)" } else { "" }
}

/// Advice on a system error whose own text has none.
fn way_on(path: &Path, source: &io::Error) -> String {
    let Some(why) = hindrance(path, source) else { return String::new() };
    let first = if source.kind() == io::ErrorKind::NotFound { "make it, or " } else { "" };
    format!(" ({why}: {first}name another file with --store FILE)")
}

/// The fault of the folder of `path` that the system's text omits.
fn hindrance(path: &Path, source: &io::Error) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.display();
    match source.kind() {
        io::ErrorKind::NotFound => Some(format!("there is no folder {folder}")),
        io::ErrorKind::NotADirectory => Some(format!("{folder} is not a folder or lies below a file")),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some(format!("webmon must be able to write to it and to the folder {folder}"))
        }
        _ => None,
    }
}

/// Runs `operation`; a panic of the database over damaged pages counts as damage.
pub(super) fn guard<T>(operation: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    // The caller drops or reopens the database, so its broken state is never used. The panic's text is about its code
    // and helps no user.
    panic_hook::catch(operation).unwrap_or_else(|_| Err(redb::Error::Corrupted(NO_SENSE.to_owned())))
}

/// The reason given for a panic of the database.
pub(super) const NO_SENSE: &str = "its pages make no sense";

/// Drops `database`. A damaged one may panic as it closes; there is nothing left to save in it.
pub(super) fn let_go<T>(database: T) {
    drop(guard(move || {
        drop(database);
        Ok(())
    }));
}

/// Whether the database means "this is not what I wrote" rather than "the system refused".
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// The damage behind a failed read.
fn damage(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof { "a part of it is missing".to_owned() } else { error.to_string() }
}

/// Another process holds the lock on the header; its number, if that could be found out.
#[derive(Clone, Copy, Debug)]
pub struct Held(pub Option<u32>);

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(process) => write!(f, "pid {process} holds the file"),
            None => f.write_str("another process holds the file"),
        }
    }
}

impl Error for Held {}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--store` would name the source of the copy.
    #[test]
    fn what_is_wrong_with_the_target_of_a_copy_is_told_without_the_option_for_the_source() {
        let path = || PathBuf::from("/no/such/copy.redb");
        let io = |kind: io::ErrorKind| StoreError::Io { path: path(), doing: "create", source: kind.into() };
        let all = [
            io(io::ErrorKind::NotFound),
            io(io::ErrorKind::NotADirectory),
            io(io::ErrorKind::PermissionDenied),
            StoreError::Symlink { path: path() },
            StoreError::NotAFile { path: path(), what: "a folder" },
            StoreError::Strange { path: path() },
            StoreError::Empty { path: path() },
            StoreError::Foreign { path: path() },
            StoreError::Newer { path: path(), found: 9, known: 3 },
            StoreError::Locked { path: path() },
        ];
        for error in all {
            assert!(error.to_string().contains("--store"), "{error}");
            let told = error.of_target().to_string();
            assert!(told.contains("/no/such/copy.redb") && !told.contains("--store"), "{told}");
        }
        let damaged = StoreError::Damaged { path: path(), reason: NO_SENSE.to_owned() }.of_target().to_string();
        assert!(!damaged.contains("webmon run"), "{damaged}");
        let told = io(io::ErrorKind::NotFound).to_string();
        assert!(
            told.ends_with("(there is no folder /no/such: make it, or name another file with --store FILE)"),
            "{told}"
        );
        assert!(StoreError::Exists { path: path() }.of_target().to_string().contains("--replace"));
    }
}
