//! The nouns: what every room of the house speaks about.
//!
//! Pure values. Nothing here does I/O, reads a clock, or knows another room. Times are [`Timestamp`] (a
//! point, µs since the Unix epoch) and [`Micros`] (a phase of a probe); both saturate rather than wrap.
//! A probe that fails is a [`Sample`] with a [`Cause`], never an error.

pub mod caught;
mod cause;
mod certificate;
pub mod duration;
mod echo;
pub mod figures;
mod health;
mod observation;
mod order;
mod phases;
pub mod redact;
mod sample;
mod secret;
mod sink;
mod site;
pub mod stops;
pub mod text;
mod time;
pub mod zone;

pub use cause::{Cause, Outcome};
pub use certificate::{Certificate, CertificateFault};
pub use echo::KnownSecrets;
pub use health::{ExportHealth, ExportState, Health, StoreHealth, Watching};
pub use observation::{Evidence, Hop, Observation};
pub use order::SortKey;
pub use phases::{Phase, Phases};
pub use sample::{Flags, Http, Packed, Sample, Status};
pub use secret::{Secret, SecretUrl};
pub use sink::{Api, Sink};
pub use site::{
    BODY_KEPT_MAX, ClientIdentity, Expect, Expected, Family, HttpOffer, RedirectBody, Redirects, Site, SiteId,
    StatusSet, TlsFiles, TlsRules, shown_url,
};
pub use time::{Micros, Timeframe, Timestamp, View};
