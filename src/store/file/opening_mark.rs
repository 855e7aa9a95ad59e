//! A mark beside a store whose opening ended the process.
//!
//! Damage in the database's bookkeeping can make it panic twice, which ends the process at every start. Such a process
//! therefore writes down, as its last act, which file it was opening, its length and its modification time; the next
//! process moves that file aside before opening it. A file put in its place in the meantime, such as a backup, differs
//! in one of these. A killed process writes nothing, because that says nothing about the file.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::panic_hook;
use crate::store::error::{NO_SENSE, StoreError};

use super::open;
use super::path_check::Identity;

/// Bytes of a mark that are read.
const MARK_MAX: u64 = 200;

/// Runs `open` for the store at `path`; if that ends the process, a mark remains. A panic counts as damage, and the
/// hooks print nothing about it.
pub fn watched<T>(path: &Path, open: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let (mark, identity, store) = (mark(path), Identity::at(path), path.to_owned());
    let note = move || {
        // As it is now: opening it may have written to it.
        if let Some(text) = text(&store).filter(|_| Identity::at(&store) == identity) {
            drop(fs::write(&mark, text));
        }
    };
    let damaged = |_| Err(StoreError::Damaged { path: path.to_owned(), reason: NO_SENSE.to_owned() });
    panic_hook::catch_or_note(note, open).unwrap_or_else(damaged)
}

/// Whether a process ended while opening this very file at `path`. Removes the mark.
pub fn ended_a_process(path: &Path) -> bool {
    let mark = mark(path);
    // Do not wait for a pipe in its place.
    if !fs::symlink_metadata(&mark).is_ok_and(|seen| seen.is_file()) {
        return false;
    }
    let mut said = String::new();
    let read = File::open(&mark).and_then(|file| file.take(MARK_MAX).read_to_string(&mut said));
    let is_same = read.is_ok() && text(path).is_some_and(|text| said == text);
    // A process that has it open now survived opening it.
    fs::remove_file(&mark).is_ok() && is_same && open::has_writer(path) != Some(true)
}

fn mark(path: &Path) -> PathBuf {
    open::beside(path, ".opening")
}

/// The text of a mark for the file at `path`.
fn text(path: &Path) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let written = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(format!("{:?} {} {}\n", Identity::of(&metadata), metadata.len(), written.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::store::{Options, Store};

    const NOW: Timestamp = Timestamp::from_secs(1_795_341_600);

    /// Opens what is at `path`; the notices, and whether the mark is left.
    fn opened(path: &Path) -> (Vec<String>, bool) {
        let opened = Store::open(path, &Options::default(), NOW).unwrap();
        (opened.notices, mark(path).exists())
    }

    #[test]
    fn a_file_that_ended_a_process_is_moved_aside_and_any_other_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        assert_eq!(opened(&path), (Vec::new(), false));
        let identity = Identity::at(&path).unwrap();
        // Another file stood there when it happened, or the mark is of no use.
        for said in [text(folder.path()).unwrap(), format!("{identity:?}\n"), String::new(), "x".repeat(5_000)] {
            fs::write(mark(&path), said).unwrap();
            assert_eq!(opened(&path), (Vec::new(), false));
        }
        fs::write(mark(&path), text(&path).unwrap()).unwrap();
        let (notices, is_left) = opened(&path);
        assert!(!is_left && notices.len() == 1 && notices[0].contains("moved to"), "{notices:?}");
        assert!(notices[0].contains("ended webmon"), "{notices:?}");
        assert_ne!(Identity::at(&path), Some(identity));
        assert_eq!(opened(&path), (Vec::new(), false), "the new one is sound");
    }

    #[test]
    fn a_backup_that_was_copied_over_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("webmon.redb"), folder.path().join("copy.redb"));
        opened(&path);
        let whole = fs::read(&path).unwrap();
        for (damaged, seconds) in [(whole.clone(), 5), (vec![1; 9], 0)] {
            fs::write(&path, damaged).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            let (identity, said) = (Identity::at(&path), text(&path).unwrap());
            // Into the same file, of another length or written at another time.
            fs::write(&copy, &whole).unwrap();
            fs::copy(&copy, &path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
            fs::write(mark(&path), said).unwrap();
            let (notices, is_left) = opened(&path);
            assert!(!is_left && !notices.iter().any(|notice| notice.contains("moved to")), "{notices:?}");
            assert_eq!(Identity::at(&path), identity);
        }
    }

    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("for the test");
        }
    }

    #[test]
    fn a_panic_of_the_database_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let outcome = watched(&path, || -> Result<(), StoreError> { panic!("for the test") });
        assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{outcome:?}");
        crate::store::error::let_go(Fragile);
    }

    #[test]
    fn a_file_that_another_process_has_open_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let first = Store::open(&path, &Options::default(), NOW).unwrap();
        fs::write(mark(&path), text(&path).unwrap()).unwrap();
        assert!(!ended_a_process(&path) && !mark(&path).exists());
        drop(first);
    }

    #[test]
    fn only_a_second_panic_leaves_a_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        opened(&path);
        for panics in 0..3 {
            watched(&path, || {
                (0..panics).for_each(|_| _ = panic_hook::is_caught());
                Ok(())
            })
            .unwrap();
            assert_eq!(mark(&path).exists(), panics > 1, "{panics} panics");
        }
        assert!(ended_a_process(&path));
    }
}
