//! Every sample and alert in one redb file.

pub mod block;
pub mod columns;
mod entry;
#[cfg(test)]
mod trial;
pub mod wire;
