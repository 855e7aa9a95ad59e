//! Limits on what a server may send, as layers of a connection.

pub(crate) mod budget;
pub(crate) mod head_limit;
pub(crate) mod limited_io;
pub(crate) mod paced;
