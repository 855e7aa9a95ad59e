//! What is kept over restarts about incidents and messages: the records, and their changes.

pub mod change;
pub mod incident;
pub mod numbers;
pub mod row;
pub mod telling;
