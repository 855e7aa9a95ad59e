//! The resources that all probes of one prober share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::body::matcher::Patterns;
use super::body::worker::{JobMeter, Workers};
use super::dns::resolve::NameResolver;
use super::http::pool::Pool;
use super::options::{ProbeError, ProberOptions};
use super::pulse::{Pulse, Spent};
use super::tls::Tls;
use super::tls::terms::Http1OnlyOrigins;

pub(super) struct Transport {
    pub(super) resolver: NameResolver,
    pub(super) tls: Tls,
    pub(super) http1_only: Http1OnlyOrigins,
    pub(super) pool: Pool,
    pub(super) workers: Workers,
    pub(super) patterns: Arc<Patterns>,
    pub(super) pulse: Pulse,
    pub(super) keeps_all_evidence: bool,
    pub(super) has_route: fn(IpAddr) -> bool,
    pub(super) clock: fn() -> Instant,
}

impl Transport {
    /// Reads the time from `clock`, and pushes a notice where the platform has no roots.
    pub(super) fn new(
        options: &ProberOptions,
        clock: fn() -> Instant,
        notices: &mut Vec<String>,
    ) -> Result<Self, ProbeError> {
        Ok(Self {
            resolver: NameResolver::new(&options.resolver, clock),
            tls: Tls::new(&options.extra_roots, notices)?,
            http1_only: Http1OnlyOrigins::default(),
            pool: Pool::default(),
            workers: Workers::new(
                options.thread_time.map_or_else(|| JobMeter::Elapsed(clock, clock()), JobMeter::Processor),
            ),
            patterns: Arc::default(),
            pulse: Pulse::new(clock, Spent::of_thread),
            keeps_all_evidence: options.all_evidence,
            has_route: options.has_route,
            clock,
        })
    }
}
