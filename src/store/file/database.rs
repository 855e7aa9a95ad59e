//! The database: its settings and its first bytes.

use std::io;

use redb::{Builder, ConcurrencyMode};

/// Bytes of the file kept in memory; the database's default is 1 GiB.
pub(crate) const CACHE: usize = 32 << 20;

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
