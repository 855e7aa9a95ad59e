//! Creating a store in an existing empty file, for a path that cannot be replaced: one that a container mounts by
//! itself.
//!
//! The store is built in memory. A mark replaces its first bytes, which identify a store; then the rest is written, and
//! the first bytes once that is on the disk. A crash thus leaves a file that still counts as empty, and the next start
//! tries again.
//!
//! Invariants: of two processes that find the file empty, one fills it.
//! Bounds: a new store takes less than 2 MiB.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{BackendError, StorageBackend};

use crate::model::lock::lock;
use crate::store::error::StoreError;
use crate::store::file::database;
use crate::store::tables::schema;

use super::path_check;
use super::unrepaired::unshared;

/// The first bytes of a file that is being filled.
const BEGUN: &[u8; database::MAGIC.len()] = b"webmonnew";

/// Whether the first bytes of a file mark it as no store yet: it is empty, or filling it was interrupted.
pub fn is_blank(front: &[u8]) -> bool {
    front.is_empty() || front == BEGUN
}

/// Creates a store in the empty file at `path`; does nothing if it is no longer empty.
pub fn fill(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), doing: "write", source };
    let mut file = path_check::open(path, true)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let mut front = Vec::new();
    io::Read::by_ref(&mut file).take(database::MAGIC.len() as u64).read_to_end(&mut front).map_err(failed)?;
    if is_blank(&front) {
        write(&mut file, &made().map_err(failed)?).map_err(failed)?;
        // A new store is private; opening it reports the owner.
        drop(path_check::secure(path));
    }
    file.unlock().map_err(failed)
}

fn write(file: &mut File, image: &[u8]) -> io::Result<()> {
    let (front, rest) = image.split_at(database::MAGIC.len());
    file.rewind()?;
    file.write_all(BEGUN)?;
    file.sync_all()?;
    file.set_len(BEGUN.len() as u64)?;
    file.write_all(rest)?;
    file.sync_all()?;
    file.rewind()?;
    file.write_all(front)?;
    file.sync_all()
}

fn made() -> io::Result<Vec<u8>> {
    let image = Image::default();
    let database = database::builder().create_with_backend(image.clone()).map_err(database::into_io)?;
    schema::create(&database).map_err(database::into_io)?;
    database.close().map_err(database::into_io)?;
    Ok(std::mem::take(&mut *image.bytes()))
}

/// A file in memory, of this process alone.
#[derive(Clone, Debug, Default)]
struct Image(Arc<Mutex<Vec<u8>>>);

impl Image {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        lock(&self.0)
    }
}

fn place_of(offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(io::Error::other)?;
    let end = start.checked_add(length).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(start..end)
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes();
        let found = bytes.get(place_of(offset, out.len())?).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.bytes().resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let place = place_of(offset, data.len())?;
        let mut bytes = self.bytes();
        if bytes.len() < place.end {
            bytes.resize(place.end, 0);
        }
        bytes[place].copy_from_slice(data);
        Ok(())
    }

    unshared!();
}
