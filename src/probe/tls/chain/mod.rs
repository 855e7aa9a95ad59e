//! A server's certificate chain: its path, names and dates, and its faults.

pub(crate) mod cache;
pub(crate) mod faults;
pub(crate) mod key;
pub(crate) mod path;
pub(crate) mod pinned;
pub(crate) mod presented;
pub(crate) mod public_keys;
pub(crate) mod purpose;
pub(crate) mod refusal;
pub(crate) mod x509;
