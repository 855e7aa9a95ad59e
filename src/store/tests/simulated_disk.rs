//! A simulated disk: the seam at which faults are tried.
//!
//! Every operation of the database goes to a live image and into a log. From the log, the images that a power loss
//! could have left are made: everything up to a sync is there; of what came after it, any part may be, torn at
//! sectors. The disk can also be full, and have room again, or not answer at all
//! for a while.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::{BackendError, Database, ReadOnlyDatabase, StorageBackend};

use crate::store::archive::Archive;
use crate::store::error::{StoreError, guard};
use crate::store::file::database;
use crate::store::file::unrepaired::{UnrepairedBackend, unshared};
use crate::store::tables::schema;
use crate::store::writable::{Opener, Store};

use super::samples::Noise;

const SECTOR: usize = 512;

/// Shared by the database and the test.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>, Arc<Hang>);

/// Whether no sync returns, and the end of that.
#[derive(Debug, Default)]
struct Hang(Mutex<bool>, Condvar);

#[derive(Debug, Default)]
struct State {
    live: Vec<u8>,
    log: Vec<Operation>,
    /// Bytes that can still be written; none: any number.
    room: Option<usize>,
    /// Whether every change is refused, as by a file system that is mounted for reading.
    read_only: bool,
    /// So many syncs from now, one is done and yet answered with an error; none: never.
    lying_sync: Option<usize>,
}

/// One change of the disk.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Bytes at an offset.
    Write(usize, Vec<u8>),
    /// A new length.
    Length(usize),
    /// Everything before survives a power loss.
    Sync,
}

impl Disk {
    /// A disk that holds this image.
    pub fn of(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { live: image, ..State::default() })), Arc::default())
    }

    /// Opens the database on it, or makes one.
    pub fn open(&self) -> Result<Database, StoreError> {
        let fresh = self.state().live.is_empty();
        let opened = guard(|| {
            let database = database::builder().create_with_backend(self.clone())?;
            if fresh {
                schema::create(&database)?;
            }
            Ok(database)
        });
        opened.map_err(failed)
    }

    /// A reader's look at it; none if it must be repaired first.
    pub fn look(&self) -> Result<Option<ReadOnlyDatabase>, StoreError> {
        match database::builder().open_read_only_with_backend(self.clone()) {
            Err(redb::DatabaseError::RepairAborted) => Ok(None),
            outcome => outcome.map(Some).map_err(failed),
        }
    }

    /// What a reader sees of it, as [`Archive::open`] finds it.
    pub fn archive(&self) -> Result<Archive, StoreError> {
        let as_it_is =
            || database::builder().open_read_only_with_backend(UnrepairedBackend::new(self.clone())).map_err(failed);
        Archive::open_with(Path::new("simulated"), || self.look(), || self.open(), as_it_is)
    }

    /// A store on it.
    pub fn store(&self) -> Result<Store, StoreError> {
        let disk = self.clone();
        let opener: Opener = Box::new(move || disk.open());
        let database = self.open()?;
        let mut store = Store::new("simulated".into(), opener, database);
        store.seal()?;
        Ok(store)
    }

    /// From now on, only this many bytes can be written; none: any number.
    pub fn set_room(&self, room: Option<usize>) {
        self.state().room = room;
    }

    /// From now on, every change is refused, or none.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// The sync after so many more is done, and yet answered with an error.
    pub fn set_lying_sync(&self, after: usize) {
        self.state().lying_sync = Some(after);
    }

    /// From now on, no sync returns, or all do.
    pub fn set_hanging(&self, hangs: bool) {
        *self.1.0.lock().expect("no test panics with it") = hangs;
        self.1.1.notify_all();
    }

    /// Everything that happened so far.
    pub fn log(&self) -> Vec<Operation> {
        self.state().log.clone()
    }

    /// How much happened so far.
    pub fn log_length(&self) -> usize {
        self.state().log.len()
    }

    /// What is on it now.
    pub fn image(&self) -> Vec<u8> {
        self.state().live.clone()
    }

    fn changed(&self) -> IoResult<MutexGuard<'_, State>> {
        let state = self.state();
        if state.read_only { Err(std::io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the disk locked")
    }
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::of(Path::new("simulated"), error)
}

/// An image that a power loss after `log` could have left.
pub fn after_power_loss(log: &[Operation], noise: &mut Noise) -> Vec<u8> {
    let synced = log.iter().rposition(|operation| matches!(operation, Operation::Sync)).map_or(0, |at| at + 1);
    let mut image = Vec::new();
    log[..synced].iter().for_each(|operation| apply(operation, &mut image));
    for operation in &log[synced..] {
        match noise.below(4) {
            0 => {}
            1 => tear(operation, &mut image, noise),
            _ => apply(operation, &mut image),
        }
    }
    image
}

fn apply(operation: &Operation, image: &mut Vec<u8>) {
    match operation {
        Operation::Write(offset, bytes) => {
            if image.len() < offset + bytes.len() {
                image.resize(offset + bytes.len(), 0);
            }
            image[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        Operation::Length(length) => image.resize(*length, 0),
        Operation::Sync => {}
    }
}

/// Some sectors of it only.
fn tear(operation: &Operation, image: &mut Vec<u8>, noise: &mut Noise) {
    if let Operation::Write(offset, bytes) = operation {
        for (index, sector) in bytes.chunks(SECTOR).enumerate() {
            if noise.below(2) == 0 {
                apply(&Operation::Write(offset + index * SECTOR, sector.to_vec()), image);
            }
        }
    } else {
        apply(operation, image);
    }
}

type IoResult<T> = Result<T, std::io::Error>;

impl StorageBackend for Disk {
    fn len(&self) -> IoResult<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        let offset = usize::try_from(offset).unwrap();
        let state = self.state();
        let bytes = state.live.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> IoResult<()> {
        let mut state = self.changed()?;
        let operation = Operation::Length(usize::try_from(length).unwrap());
        apply(&operation, &mut state.live);
        state.log.push(operation);
        Ok(())
    }

    fn sync_data(&self) -> IoResult<()> {
        let hangs = self.1.0.lock().expect("no test panics with it");
        drop(self.1.1.wait_while(hangs, |hangs| *hangs).expect("no test panics with it"));
        let mut state = self.state();
        state.log.push(Operation::Sync);
        state.lying_sync = match state.lying_sync {
            Some(0) => {
                state.lying_sync = None;
                return Err(std::io::Error::other("the cable was pulled"));
            }
            count => count.map(|count| count - 1),
        };
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        let mut state = self.changed()?;
        if let Some(room) = &mut state.room {
            *room = room.checked_sub(data.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        }
        let operation = Operation::Write(usize::try_from(offset).unwrap(), data.to_vec());
        apply(&operation, &mut state.live);
        state.log.push(operation);
        Ok(())
    }

    unshared!();
}
