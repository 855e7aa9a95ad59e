//! The tables of the overview: columns, rows, groups, heartbeats.

pub(crate) mod columns;
pub(crate) mod group_row;
pub(crate) mod heartbeat;
pub(crate) mod overview;
pub(crate) mod rows;
pub(crate) mod votes;
