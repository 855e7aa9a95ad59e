//! Every sample and alert in one redb file.

mod append;
mod archive;
mod block;
mod bytes;
mod columns;
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
mod wire;
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

/// The code of one block, on its own: for measuring it.
pub mod codec {
    pub use super::block::{Head, decode, encode};
    pub use super::columns::Encoder;
    pub use super::wire::{Damage, Key};
}
#[cfg(test)]
mod model_tests;
