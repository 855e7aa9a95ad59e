//! Limits on what a server may send, as layers of a connection, and what a status line may be, of a server or a proxy.

pub(crate) mod budget;
pub(crate) mod head_limit;
pub(crate) mod limited_io;
pub(crate) mod paced;
pub(crate) mod status_line;
