//! One probe of one site: resolve, connect, tls, processing, transfer.
//!
//! A probe never fails: whatever happens is an [`Observation`] with a cause. One phase lives in one file; `run`
//! puts them in a row and holds the deadline, `stopwatch` gives every moment to exactly one phase, `failure`
//! reads errors. Nothing is kept between probes but what is known of names, the TLS configuration, and one connection of
//! each site with `keep_alive`; otherwise each hop has a fresh one.
//!
//! Invariants: an exchange ends within its site's timeout, and looking at what came takes no time of the site's; the phases
//! add up to the response time; nothing a server sends reaches a detail uncleaned. Limits: 128 lookups and 256 handshakes in
//! flight, 256 KiB and 512 headers before a body, `max_body` bytes of body, 8 addresses a connection. How many probes run
//! at once is the caller's matter.

mod body;
pub mod bounded;
mod dns;
mod evidence;
mod expectations;
mod failure;
mod hop;
mod http;
mod io;
mod pulse;
mod run;
mod stopwatch;
mod tcp;
mod tls;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Observation, Resolver, Site};

pub use pulse::{Spent, is_stop};
pub use tcp::route::{has_route, route_to_anywhere};

/// Something that can probe a site: the real one, or a scripted one in tests and demonstrations.
pub trait Prober: Send + Sync + 'static {
    /// Probes `site` once. The exchange ends within `site.timeout`, up to the resolution of timers; looking at its body may
    /// take longer.
    fn probe(&self, site: &Site) -> impl Future<Output = Observation> + Send;
}

/// What a [`HttpProber`] is built from.
#[derive(Clone, Debug)]
pub struct ProberOptions {
    /// Who answers for names.
    pub resolver: Resolver,
    /// Root certificates (DER) that are trusted besides the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Asks the kernel for a route; tests put a machine without a network here.
    pub has_route: fn(IpAddr) -> bool,
    /// Keep what came with each answer: [`Observation::evidence`].
    pub evidence: bool,
    /// What the calling thread has had of the processor, where the system tells.
    pub thread_time: Option<fn() -> Duration>,
}

impl Default for ProberOptions {
    fn default() -> Self {
        Self { resolver: Resolver::Auto, extra_roots: Vec::new(), has_route, evidence: false, thread_time: None }
    }
}

/// Why a prober could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A root certificate cannot be used.
    #[error("cannot use a root certificate: {0}; it must be one X.509 certificate in DER form")]
    Roots(String),
    /// A client's certificate and key do not belong together, or cannot be used.
    #[error("cannot use the client certificate: {0}; check client_cert and client_key")]
    Identity(String),
    /// The cryptography refused its configuration.
    #[error("cannot set up TLS: {0}; please report this")]
    Tls(String),
}

/// The prober of real websites over HTTP/1.1 and HTTP/2.
///
/// Shared by all probes of one tokio runtime with I/O and time enabled; give each runtime its own, since a lookup
/// that goes over TCP leaves its connection with the runtime that began it.
pub struct HttpProber {
    resolve: dns::resolve::Resolve,
    tls: tls::Tls,
    pool: http::pool::Pool,
    http1_only: tls::terms::Http1Only,
    aside: body::worker::Aside,
    evidence: bool,
    patterns: Arc<body::matcher::Patterns>,
    has_route: fn(IpAddr) -> bool,
    clock: fn() -> Instant,
    pulse: pulse::Pulse,
    notices: Vec<String>,
}

impl HttpProber {
    /// A prober with the system's name servers and roots, which reads the time from `clock`.
    ///
    /// # Errors
    /// See [`ProbeError`]; a machine without name servers or without roots is none.
    pub fn new(clock: fn() -> Instant) -> Result<Self, ProbeError> {
        Self::with(&ProberOptions::default(), clock)
    }

    /// The same with `options`.
    ///
    /// # Errors
    /// See [`ProbeError`].
    pub fn with(options: &ProberOptions, clock: fn() -> Instant) -> Result<Self, ProbeError> {
        let mut notices = Vec::new();
        let meter =
            options.thread_time.map_or(body::worker::JobMeter::Passing(clock), body::worker::JobMeter::Processor);
        Ok(Self {
            resolve: dns::resolve::Resolve::new(&options.resolver, clock),
            tls: tls::Tls::new(&options.extra_roots, &mut notices)?,
            pool: http::pool::Pool::new(),
            http1_only: tls::terms::Http1Only::default(),
            aside: body::worker::Aside::new(meter),
            evidence: options.evidence,
            patterns: Arc::default(),
            has_route: options.has_route,
            clock,
            pulse: pulse::Pulse::new(clock, pulse::Spent::of_thread),
            notices,
        })
    }

    /// Reads what `site` needs for TLS now, so that a key that cannot be used is reported before the first probe.
    ///
    /// # Errors
    /// [`ProbeError::Roots`], [`ProbeError::Identity`].
    pub fn learn(&self, site: &Site) -> Result<(), ProbeError> {
        if site.url.expose().scheme() == "https" {
            tls::seed::begin(tls::crypto::provider);
        }
        self.tls.learn(&site.tls)
    }

    /// What a person should know about how it was built.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

impl Prober for HttpProber {
    fn probe(&self, site: &Site) -> impl Future<Output = Observation> + Send {
        run::run(self, site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is moved several times while it is started, a thousand times a second.
    #[tokio::test]
    async fn the_state_of_a_probe_is_small() {
        #[allow(clippy::disallowed_methods, reason = "nothing is measured")]
        let prober = HttpProber::new(Instant::now).unwrap();
        let site = Site::new("a", "https://a.test/".parse().unwrap());
        let bytes = size_of_val(&prober.probe(&site));
        assert!(bytes <= 3_072, "{bytes} bytes");
    }
}
