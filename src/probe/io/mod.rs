//! Limits on what a server may send, as layers of the connection that is read.

pub(crate) mod budget;
pub(crate) mod head_limit;
pub(crate) mod limited_io;
pub(crate) mod paced;
