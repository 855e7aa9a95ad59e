//! Several webmons as one: the hub that gathers, and the location that sends.

pub mod hub;
pub mod judging;
pub mod location;
pub mod over;
pub mod sites;
pub mod watch;
