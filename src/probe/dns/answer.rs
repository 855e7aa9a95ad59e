//! The answer to a question: records, or why there are none.

use std::net::IpAddr;

use hickory_resolver::proto::rr::RData;

use crate::model::Cause;
use crate::probe::failure::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// At least one, all of the type that was asked for.
    pub(crate) data: Vec<RData>,
    /// Seconds.
    pub(crate) ttl: u32,
}

impl Records {
    /// The addresses among them.
    pub(crate) fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.data.iter().filter_map(RData::ip_addr)
    }
}

/// How a server has answered lately; later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Silence {
    /// It answers.
    None,
    /// A question has waited for half a second, and no other had an answer since it was asked.
    Suspected,
    /// A question had no answer at all, and no other had one since.
    Known,
}

/// How much the lack of records says; later is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The name has no records of the type.
    NoData,
    /// The server did not answer.
    Silent,
    /// The server failed, refused or cannot be reached.
    Failed,
    /// This machine lacks something.
    Local,
    /// The name does not exist.
    NoName,
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoRecords {
    pub(crate) weight: Weight,
    pub(crate) failure: Failure,
    /// How long that is so, seconds; 0 if unknown (RFC 2308, section 5).
    pub(crate) ttl: u32,
}

impl NoRecords {
    pub(crate) fn new(weight: Weight, cause: Cause, detail: impl AsRef<str>) -> Self {
        Self { weight, failure: Failure::new(cause, detail), ttl: 0 }
    }

    /// The name exists and has no address.
    pub(crate) fn no_data() -> Self {
        Self::new(Weight::NoData, Cause::DnsNotFound, "DNS: the name has no address (no data)")
    }

    pub(crate) fn silence() -> Self {
        Self::new(Weight::Silent, Cause::DnsTimeout, "DNS: no answer from the name servers")
    }

    pub(crate) fn failed(detail: impl AsRef<str>) -> Self {
        Self::new(Weight::Failed, Cause::DnsError, detail)
    }

    /// The same, good for `seconds`.
    pub(crate) fn good_for(self, seconds: Option<u32>) -> Self {
        Self { ttl: seconds.unwrap_or(0), ..self }
    }

    /// Whether it is the answer of a server that knows; otherwise another server may know more.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.weight, Weight::NoData | Weight::NoName)
    }
}
