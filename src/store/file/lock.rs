//! The file under the database, with a bounded wait for locks of other processes, whose holder is reported.
//!
//! The database takes the lock on its header (the first bytes of the file) with a call that waits without a limit, and
//! any process that can read the file can hold that lock, such as a stopped reader. Here the lock is tried repeatedly
//! until the patience ends; then it is an ordinary failure that names the holder.
//!
//! Invariants: while this process holds the header's lock, a shell's stop signals are deferred
//! ([`crate::model::stops`]); after one wait in vain the database does not wait again until it has had the lock once,
//! so closing it costs nothing.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::model::lock::lock;
use crate::model::stops::Unstopped;
use crate::store::error::Held;
use crate::store::file::replaced::HEADER;

use super::lock_holder;
use super::path_check::Identity;
use super::replaced::Trace;

/// The byte that a writer of the file keeps locked: redb's `SHARED_WRITER_BYTE`.
const WRITER: u64 = (1 << 62) + 1;

/// Pauses between tries: at first about as long as a reader needs, then longer.
const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Patience of the last commit, which has to end in time.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A handle to the file that a store has open, for threads that wait for its commits.
#[derive(Clone, Debug, Default)]
pub struct LockHandle(Arc<LockState>);

#[derive(Debug, Default)]
struct LockState {
    /// The open file.
    file: Mutex<Option<Arc<FileBackend>>>,
    identity: Mutex<Option<Identity>>,
    /// The expected state of the file since it was opened for writing.
    trace: Mutex<Trace>,
    /// Another program truncated or overwrote the file; nothing is written to it.
    is_altered: AtomicBool,
    /// Operations on the file that have ended.
    operations: AtomicU64,
    /// Patience with a lock, in milliseconds.
    patience: AtomicU64,
}

impl LockHandle {
    /// Number of finished operations on the file; while it stands still, the disk does not respond.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// Counts a finished operation.
    #[cfg(test)]
    pub fn note_operation(&self) {
        self.0.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// Limits later waits for a lock to the time of the last commit.
    pub fn hurry(&self) {
        self.set_patience(LAST_PATIENCE);
    }

    /// Limits later waits for a lock.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.0.patience.store(patience.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Waits until no other process holds the lock on the header.
    ///
    /// # Errors
    /// Another process holds it longer than the patience.
    pub(crate) fn ready(&self, pause: fn(Duration)) -> Result<(), Held> {
        let Some(file) = lock(&self.0.file).clone() else { return Ok(()) };
        let ours = || {
            let _unstopped = Unstopped::begin();
            let free = file.try_lock_range(Bound::Included(HEADER.0), Bound::Excluded(HEADER.1));
            // If this fails, the commit will report it.
            let free = free.unwrap_or(true);
            // An unlock that fails makes the commit fail.
            let _unlocked = file.unlock_range(Bound::Included(HEADER.0), Bound::Excluded(HEADER.1));
            free
        };
        self.wait(pause, ours).map_err(|()| self.held())
    }

    /// Starts watching the file, now open for writing, for changes by other programs.
    pub(crate) fn trace(&self) {
        let Some(file) = lock(&self.0.file).clone() else { return };
        *lock(&self.0.trace) = Trace::of(&*file).unwrap_or_default();
    }

    /// Whether the open file is as this process left it. If not, nothing is written to it.
    pub(crate) fn is_ours(&self) -> bool {
        let Some(file) = lock(&self.0.file).clone() else { return true };
        let is_ours = lock(&self.0.trace).fits(&*file);
        self.0.is_altered.store(!is_ours, Ordering::Relaxed);
        is_ours
    }

    /// Runs `change` if the file is ours, and notes the outcome in the trace.
    fn change(&self, change: impl FnOnce() -> io::Result<()>, note: impl FnOnce(&mut Trace, bool)) -> io::Result<()> {
        if self.0.is_altered.load(Ordering::Relaxed) {
            return Err(io::Error::other("another program cut it off or overwrote it"));
        }
        let mut trace = lock(&self.0.trace);
        let changed = change();
        note(&mut trace, changed.is_ok());
        drop(trace);
        self.ended();
        changed
    }

    /// Retries until success or until the patience ends.
    fn wait(&self, pause: fn(Duration), mut works: impl FnMut() -> bool) -> Result<(), ()> {
        let (mut waited, mut next) = (Duration::ZERO, PAUSE_FIRST);
        while !works() {
            if waited >= Duration::from_millis(self.0.patience.load(Ordering::Relaxed)) {
                return Err(());
            }
            pause(next);
            waited += next;
            next = (next * 2).min(PAUSE_MAX);
            self.ended();
        }
        Ok(())
    }

    fn held(&self) -> Held {
        Held(lock(&self.0.identity).and_then(|identity| lock_holder::of(identity, HEADER)))
    }

    fn ended(&self) {
        self.0.operations.fetch_add(1, Ordering::Relaxed);
    }
}

/// A file whose locks are waited for with a limit.
#[derive(Debug)]
pub struct Patient {
    file: Arc<FileBackend>,
    link: LockHandle,
    pause: fn(Duration),
    /// Whether the last wait for a lock failed.
    in_vain: AtomicBool,
    /// Set while the header's lock is held.
    unstopped: Mutex<Option<Unstopped>>,
}

impl Patient {
    /// `file`, which is this one, for as long as `link` says.
    pub fn new(file: FileBackend, identity: Identity, link: &LockHandle, pause: fn(Duration)) -> Self {
        let file = Arc::new(file);
        *lock(&link.0.file) = Some(Arc::clone(&file));
        *lock(&link.0.identity) = Some(identity);
        Self { file, link: link.clone(), pause, in_vain: AtomicBool::new(false), unstopped: Mutex::new(None) }
    }

    fn wait(&self, range: (Bound<u64>, Bound<u64>), shared: bool) -> Result<(), BackendError> {
        let mut outcome = Ok(());
        let works = || {
            let unstopped = is_header(range).then(Unstopped::begin);
            let (start, end) = range;
            let tried =
                if shared { self.file.try_lock_shared_range(start, end) } else { self.file.try_lock_range(start, end) };
            match tried {
                Ok(false) if self.in_vain.load(Ordering::Relaxed) => outcome = Err(self.held()),
                Ok(false) => return false,
                Ok(true) => {
                    self.in_vain.store(false, Ordering::Relaxed);
                    if unstopped.is_some() {
                        *lock(&self.unstopped) = unstopped;
                    }
                }
                Err(error) => outcome = Err(error),
            }
            true
        };
        if self.link.wait(self.pause, works).is_err() {
            self.in_vain.store(true, Ordering::Relaxed);
            return Err(self.held());
        }
        outcome
    }

    fn held(&self) -> BackendError {
        BackendError::Io(io::Error::new(io::ErrorKind::ResourceBusy, self.link.held()))
    }

    fn counted<T>(&self, done: T) -> T {
        self.link.ended();
        done
    }
}

/// Whether a writer has the file open; `None` if the system cannot tell.
pub fn has_writer(file: &FileBackend) -> Option<bool> {
    file.query_lock_range(Bound::Included(WRITER), Bound::Excluded(WRITER + 1)).ok()
}

fn is_header((start, end): (Bound<u64>, Bound<u64>)) -> bool {
    start == Bound::Included(HEADER.0) && end == Bound::Excluded(HEADER.1)
}

impl StorageBackend for Patient {
    fn len(&self) -> io::Result<u64> {
        self.counted(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.counted(self.file.read(offset, out))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.link.change(|| self.file.set_len(length), |trace, whole| trace.sized(length, whole))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counted(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.link.change(|| self.file.write(offset, data), |trace, whole| trace.written(offset, data, whole))
    }

    fn close(&self) -> io::Result<()> {
        let mut open = lock(&self.link.0.file);
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, &self.file)) {
            *open = None;
            *lock(&self.link.0.trace) = Trace::default();
            self.link.0.is_altered.store(false, Ordering::Relaxed);
        }
        drop(open);
        let closed = self.file.close();
        drop(lock(&self.unstopped).take());
        closed
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.wait((start, end), false)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.wait((start, end), true)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        let unlocked = self.file.unlock_range(start, end);
        if is_header((start, end)) {
            drop(lock(&self.unstopped).take());
        }
        unlocked
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::{self, OpenOptions};
    use std::path::Path;

    use super::*;
    use crate::model::{StoreHealth, Timestamp};
    use crate::ring::Producer;
    use crate::store::tests::samples::day;
    use crate::store::writable::Store;
    use crate::store::writer::Writer;
    use crate::store::{Archive, Options, Query};

    thread_local!(static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) });

    fn count(pause: Duration) {
        WAITED.set(WAITED.get() + pause);
    }

    /// What a reader does that is stopped at the wrong moment, or anybody who can read the file.
    fn holding(path: &Path) -> FileBackend {
        let file = FileBackend::new(fs::File::open(path).unwrap()).unwrap();
        assert!(file.try_lock_shared_range(Bound::Included(HEADER.0), Bound::Excluded(HEADER.1)).unwrap());
        file
    }

    fn stored(path: &Path) -> u64 {
        let archive = Archive::open(path).unwrap();
        archive.samples(&Query::ALL, |_| Ok::<(), ()>(())).unwrap().unwrap().samples
    }

    #[test]
    fn a_lock_on_the_header_is_waited_for_with_a_limit_told_and_everything_is_saved_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let options = Options { pause: count, ..Options::default() };
        let store = Store::open(&path, &options, Timestamp::ZERO).unwrap().store;
        let site = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0];
        // A ring that holds far less than comes while the lock is held.
        let mut producer = Producer::new(20, 0);
        let mut writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        let samples = day(200);
        producer.push(samples[0]);
        assert_eq!(writer.flush(samples[0].at).committed, 1);

        let holder = holding(&path);
        let mut told = None;
        for sample in &samples[1..] {
            producer.push(*sample);
            let flushed = writer.flush(sample.at);
            assert_eq!((flushed.committed, flushed.dropped), (0, 0));
            told = Some(flushed.health);
        }
        let Some(StoreHealth::NotSaving { since, reason }) = told else { panic!("{told:?}") };
        assert_eq!((since, &*reason), (samples[1].at, "another process holds the file"));
        let tries = u32::try_from(samples.len()).unwrap();
        assert!(WAITED.get() >= Duration::from_secs(4), "it has patience: {:?}", WAITED.get());
        assert!(WAITED.get() <= Duration::from_secs(5) * tries, "with a limit: {:?}", WAITED.get());

        drop(holder);
        let end = samples.last().unwrap().at.after(Duration::from_mins(1));
        let flushed = writer.flush(end);
        assert_eq!(flushed.committed, 199);
        assert!(matches!(flushed.health, StoreHealth::Ok { .. }));
        assert!(flushed.notices.iter().any(|notice| notice.contains("nothing was lost")), "{:?}", flushed.notices);
        assert!(writer.close(end).notices.is_empty());
        assert_eq!(stored(&path), 200);
    }

    #[test]
    fn a_start_and_an_end_under_a_held_header_fail_in_time_and_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let options = Options { pause: count, ..Options::default() };
        let store = Store::open(&path, &options, Timestamp::ZERO).unwrap().store;
        let site = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0];
        let mut producer = Producer::new(100, 0);
        let writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        for sample in day(7) {
            producer.push(sample);
        }
        let holder = holding(&path);
        WAITED.set(Duration::ZERO);
        let last = writer.close(Timestamp::MAX);
        assert_eq!(last.notices, ["the last 7 samples could not be saved: another process holds the file"]);
        assert!(WAITED.get() <= Duration::from_secs(2), "it ends in time: {:?}", WAITED.get());

        WAITED.set(Duration::ZERO);
        let refused = Store::open(&path, &options, Timestamp::ZERO).map(drop).unwrap_err();
        assert!(refused.to_string().contains("another process holds the file"), "{refused}");
        assert!(WAITED.get() >= options.lock_patience && WAITED.get() <= options.lock_patience * 3);
        drop(holder);
        Store::open(&path, &options, Timestamp::ZERO).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_stops_of_a_shell_are_held_off_while_the_header_is_locked() {
        use nix::sys::signal::{SigSet, Signal};
        let is_held_off = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGTSTP);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "any").unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let identity = Identity::of(&file.metadata().unwrap());
        let file = Patient::new(FileBackend::new(file).unwrap(), identity, &LockHandle::default(), count);
        let (start, end) = (Bound::Included(HEADER.0), Bound::Excluded(HEADER.1));
        for shared in [true, false] {
            let locked = if shared { file.lock_shared_range(start, end) } else { file.lock_range(start, end) };
            locked.unwrap();
            assert!(is_held_off());
            file.unlock_range(start, end).unwrap();
            assert!(!is_held_off());
        }
        // In vain: nothing stays held off.
        let holder = holding(&path);
        assert!(file.lock_range(start, end).is_err());
        assert!(!is_held_off());
        drop(holder);
    }
}
