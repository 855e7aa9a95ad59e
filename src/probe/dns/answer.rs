//! The answer to a question: addresses, or why there are none.

use std::net::IpAddr;

use crate::model::Cause;
use crate::probe::failure::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// At least one.
    pub(crate) ips: Vec<IpAddr>,
    /// Seconds.
    pub(crate) ttl: u32,
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

/// How much the lack of an address says; later is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The name has no address of the family.
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

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoAddress {
    pub(crate) weight: Weight,
    pub(crate) failure: Failure,
}

impl NoAddress {
    pub(crate) fn new(weight: Weight, cause: Cause, detail: impl AsRef<str>) -> Self {
        Self { weight, failure: Failure::new(cause, detail) }
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

    /// Whether it is the answer of a server that knows; otherwise another server may know more.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.weight, Weight::NoData | Weight::NoName)
    }
}
