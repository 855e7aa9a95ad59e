//! The database: its settings and its first bytes.

use std::io;

use redb::{Builder, ConcurrencyMode};

/// Bytes of the file that the database keeps in memory, half of it for what is not committed yet. Each run fills it, sooner
/// or later, and four times as much saves no measurable time: the system keeps the file as well. The default is 1 GiB.
const CACHE: usize = 8 << 20;

/// The first bytes of every redb file.
pub const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// A builder with the settings common to reading and writing.
pub fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

pub fn into_io(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
