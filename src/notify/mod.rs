//! Notifies people: one outlet is one service with its address, credentials and terms.
//!
//! ```text
//! News ─▶ message (group, sentence) ─▶ preset: the request of the service ─▶ sender ─▶ http ─▶ the service
//!                                                                             │
//!                     Delivered, or SendFailure with its kind and wait ◀── answer
//! ```
//!
//! Everything but [`Sender`] is pure. The caller keeps the queue: order, pauses and repeats.

mod answer;
mod cut;
mod envelope;
mod fields;
mod group;
mod heartbeat;
#[cfg(feature = "mail")]
mod mail;
mod message;
pub(crate) mod outlet;
mod preset;
mod sender;
mod sentence;
pub mod template;
#[cfg(test)]
mod tests;

pub use answer::{Delivered, FailureKind, SendFailure};
pub use envelope::{Envelope, NotifyError, Preview};
pub use heartbeat::Heartbeat;
pub use message::{Message, Tone};
pub(crate) use outlet::secret_parts;
pub use outlet::{Outlet, OutletClass, OutletTls, Service, Smtp, SmtpSecurity};
pub use sender::Sender;
