//! The domain types of all modules: sites, samples, observations, times.
//!
//! Invariants: pure values without I/O or clocks. Times are [`Timestamp`] (a point, µs since the Unix epoch) and [`Micros`] (a
//! phase of a probe); both saturate. A failed probe is a [`Sample`] with a [`Cause`], never an error.

mod check;
pub(crate) mod command;
pub mod expect;
mod export_target;
pub mod figures;
mod fleet;
mod health;
pub(crate) mod lock;
mod resolver;
mod site;
mod site_numbers;
pub mod stops;
pub mod text;
pub mod time;
pub mod web;
pub mod zone;

pub use check::cause::{Cause, Outcome};
pub use check::certificate::{Certificate, CertificateFault};
pub use check::domain::{DomainBook, DomainExpiry};
pub use check::evidence::{Evidence, FailedAnswer};
pub use check::http::Http;
pub use check::observation::{Hop, Observation, StepResult, TlsVersion};
pub use check::phases::{Phase, Phases};
pub use check::sample::{Flags, Packed, Sample, Status};
pub use check::text_join::TextJoin;
pub use expect::{BodyExpectations, Expect, Expected, StatusSet};
pub use export_target::{Api, ExportTarget};
pub use fleet::{
    Assignment, DOCUMENT_MAX, FLEET_STREAM, FleetCredential, FleetLogin, FleetServer, FleetTerms, HubHealth,
    LOCATION_MAX, Location, LocationHealth, Members, Membership, PROBATION, Place, Presence, StoreId,
};
pub use health::{
    ClosedProxy, ExportHealth, ExportState, FleetHealth, FleetState, Health, Notice, OutletHealth, OwnOutage,
    StoreHealth, Watched, Watching,
};
pub use resolver::{Resolver, is_localhost};
pub use site::steps::{self, Step, StepBody, Take, TakeFrom, Taken, template::Template};
pub use site::{
    BODY_KEPT_MAX, ClientIdentity, ConnectTo, DomainTerms, EnvironmentProxies, Family, HttpOffer, Pin, Protocol, Proxy,
    ProxyKind, ProxyRule, RecordExpectation, RecordKind, RecordWish, RedirectBody, Redirects, Site, TlsFiles, TlsRules,
    shown_url,
};
pub use site::{curl, http3, protocol, repeat};
pub use site_numbers::{OWN_NAME, SiteId, SiteIndex, SiteSlot};
pub use text::echo::KnownSecrets;
pub use text::secret::{Secret, SecretUrl};
pub use time::moment::Moment;
pub use time::{Micros, Timeframe, Timestamp, View};
pub use web::listen::{ListenAccess, ListenAddress, ListenTarget, Part};
pub use web::page::PageTerms;
