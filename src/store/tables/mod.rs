//! The tables of the database: their keys, and the records in them.

pub(crate) mod alert;
pub(crate) mod blind;
pub(crate) mod certificate;
pub(crate) mod evidence;
pub(crate) mod export_cursor;
pub(crate) mod hub;
pub(crate) mod journal;
pub(crate) mod outbox;
pub(crate) mod record;
pub(crate) mod rollup;
pub(crate) mod schema;
pub(crate) mod sealed;
pub(crate) mod writer_signature;
