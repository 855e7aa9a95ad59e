//! One check of one site: the observation of a probe, and the sample that is kept of it.

pub(crate) mod cause;
pub(crate) mod certificate;
pub(crate) mod domain;
pub(crate) mod evidence;
pub(crate) mod http;
pub(crate) mod observation;
pub(crate) mod phases;
pub(crate) mod sample;
pub(crate) mod text_join;
