//! Several webmons as one: the hub that gathers, the location that sends, and the judge over locations.

pub mod hub;
pub mod judging;
pub mod location;
pub mod over;
pub mod sites;
