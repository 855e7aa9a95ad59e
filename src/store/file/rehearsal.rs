//! Opening a file like a writer without writing to it, to verify what the database needs beside the records.
//!
//! Reads come from the file; writes of the database stay in memory, in blocks, and are read back from there.
//!
//! Invariants: nothing is written to the file, which must have no writer in the meantime.
//! Bounds: memory for what a repair writes, the map of pages in use, about a byte per 4 KiB of the file.

use std::collections::HashMap;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use redb::{BackendError, StorageBackend};

use super::unrepaired::unshared;
use crate::model::lock::lock;

/// Size of the blocks of written data.
const BLOCK: u64 = SIZE as u64;
const SIZE: usize = 4_096;

/// A file, with later writes in memory.
#[derive(Debug)]
pub struct Rehearsal<B> {
    file: B,
    written: Mutex<WrittenState>,
}

#[derive(Debug)]
struct WrittenState {
    length: u64,
    /// Bytes of the file still valid: beyond them it was truncated, and reads as zeros if it grew again.
    of_file: u64,
    blocks: HashMap<u64, Box<[u8]>>,
}

impl<B: StorageBackend> Rehearsal<B> {
    /// Without writes yet.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: B) -> io::Result<Self> {
        let length = file.len()?;
        let written = Mutex::new(WrittenState { length, of_file: length, blocks: HashMap::new() });
        Ok(Self { file, written })
    }

    fn written(&self) -> MutexGuard<'_, WrittenState> {
        lock(&self.written)
    }

    /// The block at `start` as the file has it.
    fn original(&self, start: u64, of_file: u64) -> io::Result<Box<[u8]>> {
        let mut block = vec![0; SIZE].into_boxed_slice();
        let there = within(of_file.saturating_sub(start));
        if there > 0 {
            self.file.read(start, &mut block[..there])?;
        }
        Ok(block)
    }
}

/// `bytes`, at most a block.
fn within(bytes: u64) -> usize {
    usize::try_from(bytes).map_or(SIZE, |bytes| bytes.min(SIZE))
}

/// The blocks covered by `length` bytes from `offset` on: start of the block, and the range within it.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + length as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let start = at - at % BLOCK;
            let until = end.min(start + BLOCK);
            let part = (start, within(at - start), within(until - start));
            at = until;
            part
        })
    })
}

impl<B: StorageBackend> StorageBackend for Rehearsal<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > written.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if offset + out.len() as u64 <= written.of_file && written.blocks.is_empty() {
            return self.file.read(offset, out);
        }
        let mut done = 0;
        for (start, from, until) in parts(offset, out.len()) {
            let part = &mut out[done..done + until - from];
            match written.blocks.get(&start) {
                Some(block) => part.copy_from_slice(&block[from..until]),
                None => part.copy_from_slice(&self.original(start, written.of_file)?[from..until]),
            }
            done += until - from;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written();
        if length < written.length {
            written.of_file = written.of_file.min(length);
            written.blocks.retain(|start, _| *start < length);
            for (start, block) in &mut written.blocks {
                block[within(length - start)..].fill(0);
            }
        }
        written.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let mut done = 0;
        for (start, from, until) in parts(offset, data.len()) {
            if !written.blocks.contains_key(&start) {
                let original = self.original(start, written.of_file)?;
                written.blocks.insert(start, original);
            }
            if let Some(block) = written.blocks.get_mut(&start) {
                block[from..until].copy_from_slice(&data[done..done + until - from]);
            }
            done += until - from;
        }
        written.length = written.length.max(offset + data.len() as u64);
        Ok(())
    }

    unshared!();
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::Timestamp;
    use crate::store::Options;
    use crate::store::archive::Archive;
    use crate::store::writable::Store;

    #[derive(Clone, Debug)]
    enum WriteStep {
        Write(u64, Vec<u8>),
        Length(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<WriteStep>> {
        let write = (0u64..20_000, prop::collection::vec(any::<u8>(), 1..9_000));
        let step = prop_oneof![
            3 => write.prop_map(|(at, data)| WriteStep::Write(at, data)),
            1 => (0u64..30_000).prop_map(WriteStep::Length),
        ];
        prop::collection::vec(step, 0..12)
    }

    proptest! {
        #[test]
        fn it_reads_what_a_file_would_hold_and_leaves_the_file_alone(
            first in prop::collection::vec(any::<u8>(), 0..12_000), steps in steps()
        ) {
            let file = InMemoryBackend::new();
            file.set_len(first.len() as u64).unwrap();
            file.write(0, &first).unwrap();
            let rehearsal = Rehearsal::of(file).unwrap();
            let mut model = first.clone();
            for step in steps {
                match step {
                    WriteStep::Write(at, data) => {
                        let end = usize::try_from(at).unwrap() + data.len();
                        model.resize(model.len().max(end), 0);
                        model[end - data.len()..end].copy_from_slice(&data);
                        rehearsal.write(at, &data).unwrap();
                    }
                    WriteStep::Length(length) => {
                        model.resize(length.try_into().unwrap(), 0);
                        rehearsal.set_len(length).unwrap();
                    }
                }
                prop_assert_eq!(rehearsal.len().unwrap(), model.len() as u64);
                let mut seen = vec![1; model.len()];
                rehearsal.read(0, &mut seen).unwrap();
                prop_assert!(seen == model);
                prop_assert!(rehearsal.read(model.len() as u64, &mut [0]).is_err());
            }
            let mut seen = vec![0; first.len()];
            rehearsal.file.read(0, &mut seen).unwrap();
            prop_assert!(seen == first && rehearsal.file.len().unwrap() == first.len() as u64);
        }
    }

    #[test]
    fn a_file_that_a_writer_would_move_aside_is_not_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        store.register(&["api".into()], Timestamp::ZERO).unwrap();
        store.close().unwrap();
        let image = fs::read(&path).unwrap();
        let mut unsound = 0;
        for page in (0..image.len()).step_by(4_096).filter(|page| image[*page..][..64].iter().any(|byte| *byte != 0)) {
            let mut hostile = image.clone();
            let odd = |at: usize| u8::try_from(at * 167 % 251).unwrap();
            // The name of the format stays.
            (page.max(16)..page + 4_096).for_each(|at| hostile[at] = odd(at));
            fs::write(&path, &hostile).unwrap();
            let is_sound =
                Archive::open(&path).and_then(|archive| archive.verify()).is_ok_and(|found| found.is_sound());
            assert!(fs::read(&path).unwrap() == hostile, "page {page}: the file was changed");
            let opened = Store::open(&path, &Options::default(), Timestamp::ZERO);
            let is_whole =
                opened.is_ok_and(|opened| !opened.notices.iter().any(|notice| notice.contains("is damaged")));
            assert!(is_whole || !is_sound, "page {page}: sound, and not for a writer");
            unsound += usize::from(!is_sound);
            for left in fs::read_dir(folder.path()).unwrap() {
                fs::remove_file(left.unwrap().path()).unwrap();
            }
        }
        assert!(unsound > 2, "damage is found in {unsound} pages");
    }
}
