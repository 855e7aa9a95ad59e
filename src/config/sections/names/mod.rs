//! What a site says about its name: the section `dns`.

pub(crate) mod records;
