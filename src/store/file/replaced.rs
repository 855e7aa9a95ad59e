//! Detecting that another program changed the open file.
//!
//! Nothing stops another program from truncating or overwriting the file in place: `truncate`, a log rotation that
//! copies and truncates, `cat other > file`. The database would not notice, because it keeps its newest pages in
//! memory, and its later writes would never be read. The header changes with every commit and the file never shrinks by
//! itself, so both together reveal a change. Cost: one look at the length and 320 bytes per commit.

use std::io;

use redb::StorageBackend;

#[allow(clippy::cast_possible_truncation, reason = "a few hundred bytes")]
const LENGTH: usize = HEADER.1 as usize;

/// The expected state of the open file; `None` accepts any.
#[derive(Debug, Default)]
pub struct Trace(Option<LastSeen>);

#[derive(Debug)]
struct LastSeen {
    /// `None`: a write failed, so the header on the disk is unknown.
    header: Option<[u8; LENGTH]>,
    length: u64,
}

impl Trace {
    /// The present state of `file`.
    pub fn of(file: &impl StorageBackend) -> io::Result<Self> {
        let length = file.len()?;
        Ok(Self(Some(LastSeen { header: Some(header(file)?), length })))
    }

    /// Notes that `data` was written at `offset`, without an error if `whole`.
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

    /// Notes that the file was given this length, without an error if `whole`.
    pub fn sized(&mut self, length: u64, whole: bool) {
        if let Some(known) = &mut self.0 {
            known.length = if whole { length } else { known.length.min(length) };
        }
    }

    /// Whether `file` is in the expected state. An unreadable file counts as such: the next commit reports the problem.
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
