//! The store against a plain model, and against faults of a simulated disk.

#[cfg(test)]
pub(crate) mod fault;
#[cfg(test)]
pub(crate) mod figures;
mod gathered;
#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod simulated_disk;
