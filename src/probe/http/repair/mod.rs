//! Repairs what servers send wrong before hyper and h2 read it, where the meaning is beyond doubt.

pub(crate) mod chunks;
pub(crate) mod goaway;
pub(crate) mod head;
pub(crate) mod lines;
