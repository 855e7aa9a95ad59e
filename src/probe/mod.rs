//! Probes one site once: resolve, connect, tls, processing, transfer.
//!
//! A probe never fails: whatever happens is an [`Observation`] with a cause. Each phase has its file or folder; `run` puts them
//! in a row under one deadline, `stopwatch` books each moment to one phase, `failure` reads errors. Between probes it keeps
//! only names, TLS configurations, accepted chains, and one connection per site with `keep_alive`.
//!
//! Invariants: an exchange ends within its site's timeout, and judging its body takes none of the site's time; the phases add
//! up to the response time; a detail is free of control characters, whatever a server sends.
//! Bounds: 128 lookups and 256 handshakes in flight, 256 KiB and 512 headers before a body, `max_body` bytes of body, 8 addresses
//! per connection. The caller bounds the probes in flight.

mod body;
pub mod bounded;
mod dns;
mod evidence;
mod expectations;
mod failure;
mod hop;
mod http;
mod io;
mod journey;
mod options;
mod own_time;
mod ports;
pub(crate) mod proxy;
mod pulse;
#[cfg(feature = "http3")]
mod quic;
mod run;
mod stopwatch;
mod tcp;
mod tls;
mod transport;
mod turn;
pub mod websocket;

use std::sync::Arc;
use std::time::Instant;

use tokio_util::either::Either;

use crate::model::{DomainBook, Observation, Site};

pub use options::{ProbeError, ProberOptions};
pub use pulse::{Spent, is_stop};
pub use tcp::route::{has_route, route_to_anywhere};
use transport::Transport;

/// Probes sites: the real one, or a scripted one in tests and demonstrations.
pub trait Prober: Send + Sync + 'static {
    /// Probes `site` once. The exchange ends within `site.timeout`, up to the resolution of timers; judging its body may take
    /// longer.
    fn probe(&self, site: &Site) -> impl Future<Output = Observation> + Send;

    /// A prober for another runtime with the same bounds over both; itself, if nothing ties it to a runtime.
    #[must_use]
    fn sibling(self: &Arc<Self>) -> Arc<Self> {
        Arc::clone(self)
    }
}

/// The prober of real websites over HTTP/1.1, HTTP/2, with the feature `http3` HTTP/3, and WebSocket, and of ports with and without
/// TLS.
///
/// Shared by all probes of one tokio runtime with I/O and time enabled. Each runtime needs its own: a lookup over TCP leaves its
/// connection with the runtime that began it. [`Prober::sibling`] shares everything else: the bounds, TLS configurations and
/// accepted chains, the threads for bodies.
pub struct HttpProber {
    transport: Transport,
    notices: Vec<String>,
}

impl HttpProber {
    /// A prober with the system's name servers and roots, which reads the time from `clock`.
    ///
    /// # Errors
    /// See [`ProbeError`]; a machine without name servers or roots is not an error.
    pub fn new(clock: fn() -> Instant) -> Result<Self, ProbeError> {
        Self::with(&ProberOptions::default(), clock)
    }

    /// A prober with `options`.
    ///
    /// # Errors
    /// See [`ProbeError`].
    pub fn with(options: &ProberOptions, clock: fn() -> Instant) -> Result<Self, ProbeError> {
        let mut notices = Vec::new();
        Ok(Self { transport: Transport::new(options, clock, &mut notices)?, notices })
    }

    /// Reads the TLS files of `site` now, so that unusable ones are reported before the first probe.
    ///
    /// # Errors
    /// [`ProbeError::Roots`], [`ProbeError::Identity`].
    pub fn learn(&self, site: &Site) -> Result<(), ProbeError> {
        if run::needs_random(site) {
            tls::seed::begin(tls::crypto::provider);
        }
        self.transport.tls.prepare(&site.tls)
    }

    /// What is known of the sites' domains, which the caller may add to.
    #[must_use]
    pub fn domains(&self) -> &DomainBook {
        &self.transport.domains
    }

    /// Notices for the user about how the prober was built.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

impl Prober for HttpProber {
    fn probe(&self, site: &Site) -> impl Future<Output = Observation> + Send {
        if site.steps.is_empty() {
            Either::Left(run::run(&self.transport, site))
        } else {
            Either::Right(Box::pin(journey::run(&self.transport, site)))
        }
    }

    fn sibling(self: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { transport: self.transport.sibling(), notices: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starting a probe moves its state several times, a thousand times a second.
    #[tokio::test]
    async fn the_state_of_a_probe_is_small() {
        #[allow(clippy::disallowed_methods, reason = "nothing is measured")]
        let prober = HttpProber::new(Instant::now).unwrap();
        let site = Site::new("a", "https://a.test/".parse().unwrap());
        let bytes = size_of_val(&prober.probe(&site));
        assert!(bytes <= 3_072, "{bytes} bytes");
    }
}
