//! Renaming a damaged file, so that nothing is deleted.
//!
//! Invariants: [`exchange`] leaves a whole file at the path at every moment, the old one or the new one. On a file
//! system without hard links the path is free between two renames.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::model::Timestamp;
use crate::store::error::StoreError;

use super::open::{beside, sync_folder};

/// Renames the damaged file at `path` and returns its new name.
pub fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let aside = free_name(path, now);
    fs::rename(path, &aside).map_err(|source| failed(path, "move aside", source))?;
    Ok(aside)
}

/// Puts the file `fresh` in place of the one at `path` and returns the new name of that one. After an error, both files
/// are where they were.
pub fn exchange(path: &Path, fresh: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let aside = free_name(path, now);
    match fs::hard_link(path, &aside) {
        Ok(()) => fs::rename(fresh, path).map_err(|source| {
            drop(fs::remove_file(&aside));
            failed(path, "put the repaired file in place of", source)
        })?,
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            return Err(failed(&aside, "make", source));
        }
        Err(_) => {
            fs::rename(path, &aside).map_err(|source| failed(path, "move aside", source))?;
            if let Err(source) = fs::rename(fresh, path) {
                // The old file is better than none.
                drop(fs::rename(&aside, path));
                return Err(failed(path, "put the repaired file in place of", source));
            }
        }
    }
    // Both names exist; only a power loss could undo them.
    drop(sync_folder(path));
    Ok(aside)
}

/// A free name beside `path`.
fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let time = i64::try_from(now.as_micros()).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    let time = time.unwrap_or(jiff::Timestamp::UNIX_EPOCH).strftime("%Y%m%dT%H%M%SZ");
    let names = (0..100).map(|n| if n == 0 { format!(".corrupt-{time}") } else { format!(".corrupt-{time}-{n}") });
    let free = names.map(|name| beside(path, &name)).find(|name| fs::symlink_metadata(name).is_err());
    free.unwrap_or_else(|| beside(path, ".corrupt"))
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::ResourceBusy => StoreError::Mounted { path: path.to_owned() },
        _ => StoreError::Io { path: path.to_owned(), doing, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_file_takes_the_place_of_the_old_one_or_everything_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("store"), "old").unwrap();
        exchange(&at("store"), &at("fresh"), Timestamp::ZERO).unwrap_err();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((fs::read(at("store")).unwrap(), names()), (b"old".to_vec(), 1), "there is no new file");
        for round in 1..3 {
            fs::write(at("fresh"), format!("new {round}")).unwrap();
            let before = fs::read(at("store")).unwrap();
            let aside = exchange(&at("store"), &at("fresh"), Timestamp::ZERO).unwrap();
            assert_eq!(fs::read(aside).unwrap(), before);
            assert_eq!(fs::read(at("store")).unwrap(), format!("new {round}").as_bytes());
            assert_eq!(names(), 1 + round);
        }
    }
}
