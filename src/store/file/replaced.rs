//! What the open file has to look like, by what this process wrote into it.
//!
//! Nothing stops another program from emptying or overwriting the file in place: `truncate`, a log rotation that copies and
//! truncates, `cat other > file`. The database would not notice, because it keeps its newest pages in memory, and
//! what it writes from then on, nothing reads again. The header changes with every commit and the file never gets shorter by
//! itself, so the two tell whether the file is still ours. Cost: one look at its length and 320 bytes a commit.

use std::io;

use redb::StorageBackend;

#[allow(clippy::cast_possible_truncation, reason = "a few hundred bytes")]
const LENGTH: usize = HEADER.1 as usize;

/// See the module. Without one, every file is as it should be.
#[derive(Debug, Default)]
pub struct Trace(Option<LastSeen>);

#[derive(Debug)]
struct LastSeen {
    /// None: a write of it failed, and what of it came to the disk is not known.
    header: Option<[u8; LENGTH]>,
    length: u64,
}

impl Trace {
    /// What `file` looks like now.
    pub fn of(file: &impl StorageBackend) -> io::Result<Self> {
        let length = file.len()?;
        Ok(Self(Some(LastSeen { header: Some(header(file)?), length })))
    }

    /// Takes note that `data` was written at `offset`; `whole`: without an error.
    pub fn written(&mut self, offset: u64, data: &[u8], whole: bool) {
        let Some(known) = &mut self.0 else { return };
        if whole {
            known.length = known.length.max(offset.saturating_add(data.len() as u64));
        }
        let Ok(offset) = usize::try_from(offset) else { return };
        if offset >= LENGTH {
            return;
        }
        let end = LENGTH.min(offset.saturating_add(data.len()));
        let part = &data[..end - offset];
        if !whole {
            known.header = None;
        } else if let Ok(all) = part.try_into() {
            known.header = Some(all);
        } else if let Some(header) = &mut known.header {
            header[offset..end].copy_from_slice(part);
        }
    }

    /// Takes note that the file was given this length; `whole`: without an error.
    pub fn sized(&mut self, length: u64, whole: bool) {
        if let Some(known) = &mut self.0 {
            known.length = if whole { length } else { known.length.min(length) };
        }
    }

    /// Whether `file` looks so. One that cannot be read is not accused: the next commit says what is wrong.
    pub fn fits(&self, file: &impl StorageBackend) -> bool {
        let Some(known) = &self.0 else { return true };
        if file.len().is_ok_and(|length| length < known.length) {
            return false;
        }
        known.header.is_none_or(|known| header(file).map_or(true, |found| found == known))
    }
}

fn header(file: &impl StorageBackend) -> io::Result<[u8; LENGTH]> {
    let mut header = [0; LENGTH];
    file.read(HEADER.0, &mut header)?;
    Ok(header)
}

/// The lock on the header covers these bytes and no others.
pub const HEADER: (u64, u64) = (0, 320);
