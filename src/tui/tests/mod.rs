//! Whole screens as pictures.

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
pub(crate) mod snapshots;
