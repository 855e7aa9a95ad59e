//! Orders to a running monitor from other processes, through a folder beside its store.
//!
//! A command writes a file; the monitor obeys it, commits, leaves an answer, and removes the file. There is no socket to
//! secure: a user who may write into the folder of the monitor's user may give orders. A file that no monitor takes waits for
//! the next start.

pub(crate) mod client;
pub(crate) mod file_format;
pub(crate) mod folder;
pub(crate) mod inbox;
#[cfg(test)]
mod tests;
