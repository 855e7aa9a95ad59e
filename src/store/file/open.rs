//! Creating, opening and recognising the file.
//!
//! A new database is made under a temporary name in the same folder, synced, and then linked to its name: a full disk
//! or a crash leaves no stub, and of two processes that start at once neither overwrites the other's file. An empty
//! file is filled in place ([`super::new_file`]).
//!
//! Invariants: the mode is 0600; the path is checked first ([`super::path_check`]); nothing is written to a file before
//! it is known to be ours and of a format that we write, and an unclean one is inspected before it is repaired.
//! Bounds: waits for a lock end after [`Options::lock_patience`].

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{Database, ReadOnlyDatabase, ReadableDatabase};

use crate::store::error::{StoreError, guard, let_go};
use crate::store::file::database::{MAGIC, builder, into_io};
use crate::store::file::path_check::Identity;
use crate::store::limits::Keep;
use crate::store::tables::schema::{self, Format};

use super::lock::{self, LockHandle, Patient};
use super::rehearsal::Rehearsal;
use super::unrepaired::UnrepairedBackend;
use super::{new_file, path_check};

/// Pause between two tries of a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Least patience with a lock on the header, which every reader takes briefly.
const MOMENT: Duration = Duration::from_millis(100);

/// A temporary file unchanged for this long is abandoned.
const LEFTOVER_AGE: Duration = Duration::from_hours(1);

/// Patience of a reader with a lock on the header.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// How a store is opened for writing.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest wait for another process to release the file; one that was just killed may linger.
    pub lock_patience: Duration,
    /// Waits between two looks at the lock.
    pub pause: fn(Duration),
    /// Receives the progress of a repair after an unclean stop, `0.0..=1.0`.
    pub progress: fn(f64),
    /// Retention.
    pub keep: Keep,
    /// Handle to the open file, for threads that wait for it.
    pub link: LockHandle,
    /// Whether every page is verified first, including the database's own bookkeeping.
    pub verify: bool,
}

impl Default for Options {
    /// Five seconds of patience, and silence.
    fn default() -> Self {
        Self {
            lock_patience: Duration::from_secs(5),
            pause: std::thread::sleep,
            progress: |_| (),
            keep: Keep::default(),
            link: LockHandle::default(),
            verify: false,
        }
    }
}

/// Creates a store at `path`, unless something exists there.
pub fn create(path: &Path) -> Result<(), StoreError> {
    create_with(path, false, |_| Ok(())).map(drop)
}

/// Creates a store at `path` with the rows that `fill` inserts. Returns false, and creates nothing, if the path exists
/// and is not to be replaced.
pub fn create_with(
    path: &Path,
    replace: bool,
    fill: impl FnOnce(&Database) -> Result<(), redb::Error>,
) -> Result<bool, StoreError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), doing: "create", source };
    let temporary = beside(path, &format!(".new-{}", std::process::id()));
    let made = make(&temporary, fill);
    // After a failure too: leftovers may be why the disk is full.
    forget_leftovers(path, &temporary);
    let made = made.and_then(|()| {
        if replace {
            return fs::rename(&temporary, path).map(|()| true);
        }
        // Unlike a rename, a link never replaces what another process has created in the meantime.
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(_) if fs::symlink_metadata(path).is_err() => fs::rename(&temporary, path).map(|()| true),
            outcome => outcome.map(|()| true),
        }
    });
    drop(fs::remove_file(&temporary));
    let made = made.map_err(failed)?;
    sync_folder(path).map_err(failed)?;
    Ok(made)
}

/// Fails unless the file at `path` is an older copy of a store of webmon, and not `store` itself.
pub fn replaceable(path: &Path, store: &Path) -> Result<(), StoreError> {
    if fs::symlink_metadata(path).is_ok_and(|seen| seen.is_symlink()) {
        return Err(StoreError::Symlink { path: path.to_owned() });
    }
    open_file(path, false)?;
    if Identity::at(path) == Identity::at(store) {
        let source = io::Error::other("it is the store itself");
        return Err(StoreError::Io { path: path.to_owned(), doing: "replace", source });
    }
    if has_writer(path) == Some(true) {
        return Err(StoreError::Locked { path: path.to_owned() });
    }
    // Other programs use redb too. An unclean file is inspected as it is.
    match open_read_only(path)? {
        Some(_) => Ok(()),
        None => open_unrepaired(path).map(drop),
    }
}

/// Removes temporary files of `path` left by processes that were killed; `new` was written just now.
fn forget_leftovers(path: &Path, new: &Path) {
    let Ok(now) = fs::symlink_metadata(new).and_then(|metadata| metadata.modified()) else { return };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return };
    // Nothing is removed where the system does not list processes.
    let Ok(processes) = fs::read_dir("/proc/self").map(|_| Path::new("/proc")) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let left = entry.file_name();
        let process = left.to_str().and_then(|left| left.strip_prefix(name)?.strip_prefix(".new-"));
        let process = process.and_then(|process| process.parse::<u32>().ok());
        let is_gone = process.is_some_and(|process| !processes.join(process.to_string()).exists());
        // A process of another container has no pid here, but its file is young.
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > LEFTOVER_AGE));
        if is_gone && is_old {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn make(temporary: &Path, contents: impl FnOnce(&Database) -> Result<(), redb::Error>) -> io::Result<()> {
    // A process with this pid may have been killed here before.
    drop(fs::remove_file(temporary));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    private(&mut options);
    let file = options.open(temporary)?;
    let synced = file.try_clone()?;
    let database = FileBackend::new(file).and_then(|backend| builder().create_with_backend(backend));
    let database = database.map_err(into_io)?;
    schema::create(&database).map_err(into_io)?;
    guard(|| contents(&database)).map_err(into_io)?;
    database.close().map_err(into_io)?;
    synced.sync_all()
}

/// Opens the store at `path` for writing, waiting for its lock.
pub fn open(path: &Path, options: &Options) -> Result<Database, StoreError> {
    let mut waited = Duration::ZERO;
    options.link.set_patience(options.lock_patience.max(MOMENT));
    loop {
        let backend = backend(path, open_file(path, true)?, &options.link, options.pause)?;
        let progress = options.progress;
        let mut builder = builder();
        builder.set_check_integrity_on_open(options.verify);
        builder.set_repair_callback(move |repair| progress(repair.progress()));
        let opened = guard(|| {
            let database = builder.create_with_backend(backend)?;
            let format = schema::format(&database.begin_read()?)?;
            Ok((database, format))
        });
        match opened.map_err(|error| StoreError::of(path, error)) {
            Err(StoreError::Locked { .. }) if waited < options.lock_patience => {
                (options.pause)(LOCK_PAUSE);
                waited += LOCK_PAUSE;
            }
            Ok((database, format)) => {
                options.link.trace();
                return match recognise(path, format) {
                    Ok(()) => Ok(database),
                    Err(error) => {
                        let_go(database);
                        Err(error)
                    }
                };
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens the store at `path` for reading, beside a writer or not. None if it was left unclean, so that only a writer
/// can repair it.
pub fn open_read_only(path: &Path) -> Result<Option<ReadOnlyDatabase>, StoreError> {
    let backend = reader(path)?;
    let opened = guard(|| {
        let database = builder().open_read_only_with_backend(backend)?;
        let format = schema::format(&database.begin_read()?)?;
        Ok((database, format))
    });
    match opened {
        // One of a newer version is not repaired either.
        Err(redb::Error::RepairAborted) => match open_unrepaired(path) {
            Err(error @ StoreError::Newer { .. }) => Err(error),
            _ => Ok(None),
        },
        Err(error) => Err(StoreError::of(path, error)),
        Ok((database, format)) => recognise(path, format).map(|()| Some(database)),
    }
}

/// Opens the unclean store at `path` for reading, without repairing it.
pub fn open_unrepaired(path: &Path) -> Result<ReadOnlyDatabase, StoreError> {
    let backend = reader(path)?;
    let opened = guard(|| {
        let database = builder().open_read_only_with_backend(UnrepairedBackend::new(backend))?;
        let format = schema::format(&database.begin_read()?)?;
        Ok((database, format))
    });
    let (database, format) = opened.map_err(|error| StoreError::of(path, error))?;
    recognise(path, format).map(|()| database)
}

/// What would keep a writer from opening the store at `path`, records aside; `None` if nothing, or if it has a writer
/// now. Cost: the file is read once.
pub fn rehearse(path: &Path) -> Result<Option<String>, StoreError> {
    if has_writer(path) != Some(false) {
        return Ok(None);
    }
    let rehearsal = Rehearsal::of(reader(path)?);
    let rehearsal = rehearsal.map_err(|source| StoreError::Io { path: path.to_owned(), doing: "read", source })?;
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    let opened = guard(|| {
        let database = builder.create_with_backend(rehearsal)?;
        schema::format(&database.begin_read()?).map(drop)
    });
    match opened.map_err(|error| StoreError::of(path, error)) {
        // A writer that started in the meantime changed the file while it was read.
        Err(StoreError::Damaged { reason, .. }) => Ok((has_writer(path) == Some(false)).then_some(reason)),
        outcome => outcome.map(|()| None),
    }
}

/// Bytes that the file takes on its disk: pages that were written, not its length.
pub fn bytes(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |metadata| taken(&metadata))
}

/// `path` with `suffix` after its name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Whether a process has the store at `path` open for writing; `None` if unknown.
pub fn has_writer(path: &Path) -> Option<bool> {
    let file = path_check::open(path, false).ok()?;
    lock::has_writer(&FileBackend::new(file).ok()?)
}

fn reader(path: &Path) -> Result<Patient, StoreError> {
    let link = LockHandle::default();
    link.set_patience(READER_PATIENCE);
    backend(path, open_file(path, false)?, &link, std::thread::sleep)
}

fn backend(path: &Path, file: File, link: &LockHandle, pause: fn(Duration)) -> Result<Patient, StoreError> {
    let metadata = file.metadata().map_err(|source| StoreError::Io { path: path.to_owned(), doing: "open", source })?;
    let backend = FileBackend::new(file).map_err(|error| StoreError::of(path, error))?;
    Ok(Patient::new(backend, Identity::of(&metadata), link, pause))
}

/// The file at `path`, with the magic of the database at its front.
fn open_file(path: &Path, write: bool) -> Result<File, StoreError> {
    let owned = || path.to_owned();
    let mut file = path_check::open(path, write)?;
    let mut front = Vec::new();
    let read = file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut front);
    read.map_err(|source| StoreError::Io { path: owned(), doing: "read", source })?;
    if front == MAGIC {
        Ok(file)
    } else if new_file::is_blank(&front) {
        Err(StoreError::Empty { path: owned() })
    } else if MAGIC.starts_with(&front) {
        Err(StoreError::Damaged { path: owned(), reason: "it ends after its first bytes".to_owned() })
    } else {
        Err(StoreError::Foreign { path: owned() })
    }
}

fn recognise(path: &Path, format: Format) -> Result<(), StoreError> {
    match format {
        Format::Known => Ok(()),
        Format::Foreign => Err(StoreError::Foreign { path: path.to_owned() }),
        Format::Newer(found) => Err(StoreError::Newer { path: path.to_owned(), found, known: schema::VERSION }),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

#[cfg(unix)]
fn taken(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn taken(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// Makes the new name outlive a power loss.
#[cfg(unix)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
