//! The observation of a probe: the future sample, and the texts that do not fit one.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::{
    Cause, Certificate, DomainExpiry, Evidence, Flags, Http, Micros, Phases, Sample, Status, Timestamp,
};

/// A redirected request of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The requested URL, clean, secrets as `***`.
    pub url: String,
    /// The target of the redirect, clean, secrets as `***`.
    pub location: String,
    /// The status of the answer.
    pub status: Status,
    /// The time of all phases of this hop.
    pub total: Micros,
}

impl Hop {
    /// Whether the next request is no longer encrypted.
    #[must_use]
    pub fn leaves_encryption(&self) -> bool {
        self.url.starts_with("https:") && self.location.starts_with("http:")
    }
}

/// One made step of a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepResult {
    /// Its name.
    pub step: String,
    /// The requested URL, clean, secrets as `***`.
    pub url: String,
    /// The status of its final answer, if a head came.
    pub status: Option<Status>,
    /// The time spent in each phase.
    pub phases: Phases,
    /// How many of the hops are its own.
    pub redirects: usize,
}

impl StepResult {
    /// The name of a step at the start of a sentence: `step sign in`.
    #[must_use]
    pub fn title(step: &str) -> Cow<'_, str> {
        if step.starts_with("step ") { Cow::Borrowed(step) } else { format!("step {step}").into() }
    }
}

/// The version of TLS of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

impl TlsVersion {
    /// `TLS 1.2`, `TLS 1.3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V12 => "TLS 1.2",
            Self::V13 => "TLS 1.3",
        }
    }
}

/// The result of one probe, failed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The time spent in each phase, over all hops.
    pub phases: Phases,
    /// The reason of the outcome; [`Cause::Ok`] is up.
    pub cause: Cause,
    /// The status of the final answer, if a head came.
    pub status: Option<Status>,
    /// The protocol of the final answer.
    pub http: Http,
    /// Yes-or-no facts.
    pub flags: Flags,
    /// Bytes of the final body that were read.
    pub bytes: u64,
    /// The reason in words, one clean line of at most [`crate::model::text::DETAIL_MAX`] bytes; empty when up.
    pub detail: String,
    /// The address of the last connection or attempt; `None` if a redirect led to a name without an address.
    pub address: Option<SocketAddr>,
    /// The certificate of the TLS server; over redirects one with faults, or the first to expire.
    pub certificate: Option<Arc<Certificate>>,
    /// The registration of the site's domain, if it is watched. The check has not asked for it; the store does not keep it.
    pub domain: Option<Arc<DomainExpiry>>,
    /// The version of TLS of the last connection; `None` without TLS, or without a finished handshake. The store does not keep it.
    pub tls: Option<TlsVersion>,
    /// Whether the last connection was to a proxy, whose address it is then. The store does not keep it.
    pub is_proxied: bool,
    /// Whether the check failed for its proxy, which cannot be reached or refuses webmon. The store does not keep it.
    pub is_proxy_closed: bool,
    /// The redirected requests, in order.
    pub hops: Vec<Hop>,
    /// The steps of a journey that were made, in order; none for a site with one request.
    pub steps: Box<[StepResult]>,
    /// The content of the last answer of a failed check, or of any if the user asked for it.
    pub evidence: Option<Box<Evidence>>,
}

impl Observation {
    /// A probe without any phase or answer, with this cause and detail.
    #[must_use]
    pub fn failed(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            phases: Phases::NONE,
            cause,
            status: None,
            http: Http::None,
            flags: Flags::none(),
            bytes: 0,
            detail: detail.into(),
            address: None,
            certificate: None,
            domain: None,
            tls: None,
            is_proxied: false,
            is_proxy_closed: false,
            hops: Vec::new(),
            steps: Box::default(),
            evidence: None,
        }
    }

    /// The sample of this observation, whose outcome was known at `at`; the probe started `late` after it was due, and
    /// `skipped` due checks before it were not made.
    #[must_use]
    pub fn sample(&self, at: Timestamp, late: Micros, skipped: u32) -> Sample {
        Sample {
            at,
            phases: self.phases,
            cause: self.cause,
            status: self.status,
            http: self.http,
            flags: self.flags,
            bytes: u32::try_from(self.bytes).unwrap_or(u32::MAX),
            redirects: u8::try_from(self.hops.len()).unwrap_or(u8::MAX),
            late,
            skipped,
        }
        .saturated()
    }
}
