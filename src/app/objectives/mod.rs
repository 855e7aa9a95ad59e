//! Reads from the store what remains of a period without maintenance, and where objectives stand.

pub mod remaining;
pub mod standing;
pub(crate) mod together;
