//! What a probe observed: a sample in the making, and the texts that do not fit one.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::{Cause, Certificate, Flags, Http, Micros, Phases, Sample, Status, Timestamp};

/// One request of a probe that was redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where it asked; secrets in it as `***`, clean.
    pub url: String,
    /// Where it was sent; shown in the same way.
    pub location: String,
    /// What it was answered.
    pub status: Status,
    /// The time that this hop took, all phases.
    pub total: Micros,
}

impl Hop {
    /// Whether what follows is no longer encrypted.
    #[must_use]
    pub fn leaves_encryption(&self) -> bool {
        self.url.starts_with("https:") && self.location.starts_with("http:")
    }
}

/// Everything that one probe learnt. A failed probe is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The time spent in each phase, over all hops.
    pub phases: Phases,
    /// The one reason; [`Cause::Ok`] is up.
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
    /// The address of the last connection or attempt; none when a redirect led to a name without one.
    pub address: Option<SocketAddr>,
    /// What the TLS server showed; of several that redirect to each other one with faults, or the first to expire.
    pub certificate: Option<Arc<Certificate>>,
    /// The answers that redirected, in order; not the final one.
    pub hops: Vec<Hop>,
    /// What the last answer was made of, where a person wants to see it.
    pub evidence: Option<Box<Evidence>>,
}

/// What an answer was made of, clean and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Where it came from, as it may be shown.
    pub url: String,
    /// The first of its headers.
    pub headers: Vec<(String, String)>,
    /// How many more there were.
    pub more_headers: usize,
    /// The beginning of a body that is not as expected, in lines.
    pub body: Option<String>,
}

impl Observation {
    /// An observation of a probe that got nowhere yet: no phase, no answer, this cause and detail.
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
            hops: Vec::new(),
            evidence: None,
        }
    }

    /// The sample of this observation: known at `at`, started `late` after it was due, `skipped` due checks
    /// after its predecessor.
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
