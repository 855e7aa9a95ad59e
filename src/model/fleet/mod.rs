//! A fleet: several webmons that check from different places. Their names, who checks what, and
//! the terms on which they meet at a NATS server.

mod assignment;
mod hub_health;
mod members;
mod membership;
mod names;
mod place;
mod terms;

pub use assignment::Assignment;
pub use hub_health::{HubHealth, LocationHealth, Presence};
pub use members::{DOCUMENT_MAX, Members};
pub use membership::{Membership, PROBATION};
pub use names::{LOCATION_MAX, Location, StoreId};
pub use place::Place;
pub use terms::{FLEET_STREAM, FleetCredential, FleetLogin, FleetServer, FleetTerms};
