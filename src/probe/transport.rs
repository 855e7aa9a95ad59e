//! The resources that all probes of one prober share, and those that the probers of several runtimes share.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use crate::model::{DomainBook, DomainExpiry, Site};

use super::body::matcher::Patterns;
use super::body::worker::{JobMeter, Workers};
use super::dns::resolve::NameResolver;
use super::http::pool::Pool;
use super::options::{ProbeError, ProberOptions};
use super::pulse::{Pulse, Spent};
use super::tls::Tls;
use super::tls::terms::Http1OnlyOrigins;

/// Of the probes of one runtime.
pub(super) struct Transport {
    pub(super) resolver: NameResolver,
    pub(super) pool: Pool,
    pub(super) pulse: Pulse,
    pub(super) keeps_all_evidence: bool,
    pub(super) has_route: fn(IpAddr) -> bool,
    pub(super) clock: fn() -> Instant,
    shared: Arc<SharedTransport>,
}

/// Of the probes of all runtimes.
pub(super) struct SharedTransport {
    pub(super) tls: Tls,
    pub(super) http1_only: Http1OnlyOrigins,
    pub(super) workers: Workers,
    pub(super) patterns: Arc<Patterns>,
    pub(super) domains: DomainBook,
}

impl Deref for Transport {
    type Target = SharedTransport;

    fn deref(&self) -> &SharedTransport {
        &self.shared
    }
}

impl Transport {
    /// Reads the time from `clock`, and pushes a notice where the platform has no roots.
    pub(super) fn new(
        options: &ProberOptions,
        clock: fn() -> Instant,
        notices: &mut Vec<String>,
    ) -> Result<Self, ProbeError> {
        let shared = SharedTransport {
            tls: Tls::new(&options.extra_roots, notices)?,
            http1_only: Http1OnlyOrigins::default(),
            workers: Workers::new(
                options.thread_time.map_or_else(|| JobMeter::Elapsed(clock, clock()), JobMeter::Processor),
            ),
            patterns: Arc::default(),
            domains: options.domains.clone(),
        };
        Ok(Self {
            resolver: NameResolver::new(&options.resolver, clock),
            pool: Pool::default(),
            pulse: Pulse::new(clock, Spent::of_thread),
            keeps_all_evidence: options.all_evidence,
            has_route: options.has_route,
            clock,
            shared: Arc::new(shared),
        })
    }

    /// When the domain of `site` ends, if that is watched and known.
    pub(super) fn domain_of(&self, site: &Site) -> Option<Arc<DomainExpiry>> {
        site.domain.as_ref().and_then(|_| self.domains.of(&site.name))
    }

    /// That of the probes of another runtime.
    pub(super) fn sibling(&self) -> Self {
        Self {
            resolver: self.resolver.sibling(),
            pool: Pool::default(),
            pulse: Pulse::new(self.clock, Spent::of_thread),
            keeps_all_evidence: self.keeps_all_evidence,
            has_route: self.has_route,
            clock: self.clock,
            shared: Arc::clone(&self.shared),
        }
    }
}
