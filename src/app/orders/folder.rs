//! The folder of orders: how files get there whole, and how a monitor reads it without trusting it.
//!
//! `<time>-<pid>.json` is an order, `<time>-<pid>.answer` its answer; names that begin with a point are not whole yet.
//! Invariants: a file appears whole or not at all; only regular files of this user are read, without following links.
//! Bounds: [`FILE_MAX`] bytes of a file, [`ENTRIES_MAX`] entries of the folder.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::model::Timestamp;

/// The most bytes of an order or an answer.
pub const FILE_MAX: u64 = 16_384;

/// The most entries of the folder that are looked at.
pub const ENTRIES_MAX: usize = 1_000;

/// Answers and unfinished files are removed once they are so old: no command waits for them.
const OLD: Duration = Duration::from_mins(10);

const ORDER: &str = ".json";
const ANSWER: &str = ".answer";
const TEMPORARY: &str = ".tmp";

/// The folder of orders to the monitor of one store.
#[derive(Clone, Debug)]
pub struct OrderFolder {
    path: PathBuf,
}

/// What is in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The names of the orders, oldest first.
    pub orders: Vec<Arc<str>>,
    /// The names of what does not belong there.
    pub strange: Vec<String>,
    /// Whether there is more than was looked at.
    pub is_cut: bool,
}

impl OrderFolder {
    /// That of `store`, whose path is resolved.
    #[must_use]
    pub fn of(store: &Path) -> Self {
        let mut name = OsString::from(store);
        name.push(".orders");
        Self { path: name.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.path.join(format!("{name}{ending}"))
    }

    /// Leaves an order for the owner of `store`; makes the folder if there is none.
    ///
    /// # Errors
    /// The system's; [`ErrorKind::PermissionDenied`] too if the folder is another user's.
    pub fn leave(&self, store: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let owner = fs::metadata(store)?;
        if !unix::is_trusted(&owner) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        match private(&mut DirBuilder::new()).create(&self.path) {
            Ok(()) => unix::give(&self.path, &owner)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let folder = fs::symlink_metadata(&self.path)?;
        if !folder.is_dir() {
            return Err(io::Error::new(ErrorKind::NotADirectory, "it is no folder"));
        }
        if !unix::is_trusted(&folder) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.write(name, ORDER, bytes, Some(&folder))?;
        sync_folder(&self.path)
    }

    /// Writes a file whole.
    fn write(&self, name: &str, ending: &str, bytes: &[u8], owner: Option<&Metadata>) -> io::Result<()> {
        let temporary = self.path.join(format!(".{name}{ending}{TEMPORARY}"));
        let write = || {
            let mut file = unix::private_file(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            owner.map_or(Ok(()), |owner| unix::give(&temporary, owner))?;
            fs::rename(&temporary, self.file(name, ending))
        };
        write().inspect_err(|_| _ = fs::remove_file(&temporary))
    }

    /// What is in the folder; removes what is old. No folder is an empty one.
    ///
    /// # Errors
    /// The system's, or a folder that others may write to.
    pub fn scan(&self, now: Timestamp) -> io::Result<Scan> {
        let folder = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Scan::default()),
            found => found?,
        };
        if !folder.is_dir() {
            return Err(io::Error::new(ErrorKind::NotADirectory, "it is no folder"));
        }
        unix::check_folder(&folder)?;
        let mut scan = Scan::default();
        for (count, entry) in fs::read_dir(&self.path)?.enumerate() {
            if count >= ENTRIES_MAX {
                scan.is_cut = true;
                break;
            }
            let name = entry?.file_name();
            match name.to_str() {
                Some(name) if name.starts_with('.') && name.ends_with(TEMPORARY) => self.remove_old(name, now),
                Some(name) if name.strip_suffix(ANSWER).is_some_and(is_name) => self.remove_old(name, now),
                Some(name) => match name.strip_suffix(ORDER).filter(|name| is_name(name)) {
                    Some(name) => scan.orders.push(name.into()),
                    None => scan.strange.push(name.to_owned()),
                },
                None => scan.strange.push(name.to_string_lossy().into_owned()),
            }
        }
        scan.orders.sort_by_key(|name| (name.find('-'), Arc::clone(name)));
        Ok(scan)
    }

    fn remove_old(&self, name: &str, now: Timestamp) {
        let path = self.path.join(name);
        let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let age = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| {
            let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
            now.since(Timestamp::from_micros(micros))
        });
        if age.is_some_and(|age| age >= OLD) {
            // It is tried again with the next scan.
            let _left = fs::remove_file(path);
        }
    }

    /// Reads the order `name`.
    ///
    /// # Errors
    /// Why it cannot be one; [`ErrorKind::NotFound`] if it is gone.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        read(&self.file(name, ORDER))
    }

    /// The answer to the order `name`; `None` if there is none yet.
    #[must_use]
    pub fn answer(&self, name: &str) -> Option<Vec<u8>> {
        read(&self.file(name, ANSWER)).ok()
    }

    /// Leaves the answer to the order `name`.
    ///
    /// # Errors
    /// The system's.
    pub fn put_answer(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write(name, ANSWER, bytes, None)
    }

    /// Removes the order `name` if it is there.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        absent(fs::remove_file(self.file(name, ORDER)))
    }

    /// Removes the answer to the order `name` if it is there.
    ///
    /// # Errors
    /// The system's.
    pub fn remove_answer(&self, name: &str) -> io::Result<()> {
        absent(fs::remove_file(self.file(name, ANSWER)))
    }
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether `name` is `<microseconds>-<pid>`.
fn is_name(name: &str) -> bool {
    let is_number =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('-').is_some_and(|(at, process)| is_number(at, 20) && is_number(process, 10))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = unix::strict(OpenOptions::new().read(true)).open(path)?;
    let metadata = file.metadata()?;
    let refuse = |what: &str| Err(io::Error::new(ErrorKind::InvalidData, what));
    if !metadata.is_file() {
        return refuse("it is no regular file");
    }
    if !unix::is_trusted(&metadata) {
        return refuse("it belongs to another user");
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return refuse("it is too large");
    }
    Ok(bytes)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder
}

/// Owners and permissions.
#[cfg(unix)]
mod unix {
    use std::fs::{Metadata, OpenOptions};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
    use std::path::Path;

    use rustix::fs::OFlags;

    const ROOT: u32 = 0;

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Whether it is this user's. Root gives orders to the monitor of any user, and obeys the owner of its store.
    pub(super) fn is_trusted(metadata: &Metadata) -> bool {
        metadata.uid() == own() || own() == ROOT
    }

    /// Gives `path`, which this process made, to the owner of `like`.
    pub(super) fn give(path: &Path, like: &Metadata) -> io::Result<()> {
        if like.uid() == own() { Ok(()) } else { chown(path, Some(like.uid()), Some(like.gid())) }
    }

    pub(super) fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
        options.mode(0o600)
    }

    /// Does not follow a link or wait for the other end of a pipe.
    pub(super) fn strict(options: &mut OpenOptions) -> &mut OpenOptions {
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
    }

    pub(super) fn check_folder(folder: &Metadata) -> io::Result<()> {
        let refuse = |what: String| Err(io::Error::new(ErrorKind::PermissionDenied, what));
        if !is_trusted(folder) {
            return refuse(format!("it belongs to another user (number {})", folder.uid()));
        }
        match folder.permissions().mode() & 0o7777 {
            mode if mode & 0o022 != 0 => refuse(format!("others may write to it (mode {mode:04o}); set 0700")),
            _ => Ok(()),
        }
    }
}

#[cfg(not(unix))]
mod unix {
    use std::fs::{Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn is_trusted(_: &Metadata) -> bool {
        true
    }

    pub(super) fn give(_: &Path, _: &Metadata) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(super) fn strict(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(super) fn check_folder(_: &Metadata) -> io::Result<()> {
        Ok(())
    }
}
