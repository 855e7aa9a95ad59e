//! What a site says about its name: the sections `dns` and `domain`.

pub(crate) mod domain;
pub(crate) mod records;
