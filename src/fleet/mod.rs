//! Many locations, one verdict: samples of several webmons, carried by NATS JetStream to a hub.
//!
//! NATS carries and is not the truth: each store is. A sample is named by (store, site, seq); the hub's word, not the server's
//! acknowledgement, ends the duty of the one who sent it. `docs/locations.md` describes the whole.

pub mod agent;
pub mod connection;
pub mod frame;
pub mod gather;
pub mod hub_word;
pub mod hubs;
pub mod key_watch;
pub mod lease;
pub mod publication;
pub mod server;
pub mod status;
pub mod stream;
pub mod subjects;
pub mod subscription;
pub mod told;
