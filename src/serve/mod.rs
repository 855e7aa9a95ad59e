//! What webmon serves by HTTP: metrics, its own state, the API, badges and the status page. Off unless it is asked for.
//!
//! ```text
//! listener  connections, their limits, TLS          gate     host, method, token
//! route     a request as a value                    cache    each answer is made once a second at most
//! render    an answer from the source               source   what the running monitor knows
//! metrics · blackbox · health · events              what is in the answers
//! ```
//!
//! Invariants: nothing that a client does changes anything, or makes a probe late. The room reads neither store nor clock nor
//! configuration: `app` implements [`source::Source`].

pub mod answer;
pub mod badge;
mod blackbox;
mod cache;
pub mod events;
mod gate;
pub mod health;
pub mod listener;
pub mod metrics;
pub mod page;
pub mod render;
pub mod route;
pub mod source;
