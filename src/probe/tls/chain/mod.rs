//! The chain of a server: its path, its names and dates, and what is wrong with it.

pub(crate) mod cache;
pub(crate) mod faults;
pub(crate) mod key;
pub(crate) mod path;
pub(crate) mod pinned;
pub(crate) mod presented;
pub(crate) mod purpose;
pub(crate) mod refusal;
pub(crate) mod x509;
