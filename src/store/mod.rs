//! Every sample and alert in one redb file.

mod append;
mod archive;
pub mod block;
pub mod columns;
mod entry;
mod error;
mod file;
mod opened;
mod read;
mod record;
mod samples;
mod schema;
mod seal;
mod tail;
#[cfg(test)]
mod trial;
pub mod wire;
mod writer;

pub use archive::Archive;
pub use error::StoreError;
pub use file::Options;
pub use opened::{Opened, Registered, Store};
pub use read::{Query, StoredSite};
pub use samples::{Passed, StoredSample};
pub use writer::{Flushed, Writer};

#[cfg(test)]
mod disk;
#[cfg(test)]
mod fault_tests;
