//! The names of sites, and what a site says about that of its host: the sections `dns` and `domain`.

pub(crate) mod domain;
pub(crate) mod records;
pub(crate) mod unique;
