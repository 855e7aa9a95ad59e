//! The file under the database: checked, created, opened, locked and, when damaged, moved aside.

pub(crate) mod aside;
pub(crate) mod database;
pub(crate) mod lock;
pub(crate) mod lock_holder;
pub(crate) mod new_file;
pub(crate) mod open;
pub(crate) mod opening_mark;
pub(crate) mod path_check;
pub(crate) mod rehearsal;
pub(crate) mod replaced;
pub(crate) mod unrepaired;
