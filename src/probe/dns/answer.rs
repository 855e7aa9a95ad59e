//! What a lookup gave: addresses, or why there are none and how much that weighs.

use std::net::IpAddr;

use crate::model::Cause;
use crate::probe::failure::Failure;

/// Addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// At least one.
    pub(crate) ips: Vec<IpAddr>,
    /// For how many seconds they are good.
    pub(crate) ttl: u32,
}

/// How a server has been answering of late; later is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Silence {
    /// It answers.
    None,
    /// A question has waited for half a second, and no other got an answer since it was asked.
    Suspected,
    /// A question got no answer at all, and no other did since.
    Known,
}

/// What the lack of an address says, the more telling the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The server knows the name, and no address of the family.
    NoData,
    /// The server did not answer.
    Silent,
    /// The server failed, refused or cannot be reached.
    Failed,
    /// This machine lacks something.
    Local,
    /// The server says that there is no such name.
    NoName,
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    pub(crate) weight: Weight,
    pub(crate) failure: Failure,
}

impl Lack {
    pub(crate) fn new(weight: Weight, cause: Cause, detail: impl AsRef<str>) -> Self {
        Self { weight, failure: Failure::new(cause, detail) }
    }

    /// The name is known and has no address.
    pub(crate) fn no_data() -> Self {
        Self::new(Weight::NoData, Cause::DnsNotFound, "DNS: the name has no address (no data)")
    }

    /// The server did not answer.
    pub(crate) fn silence() -> Self {
        Self::new(Weight::Silent, Cause::DnsTimeout, "DNS: no answer from the name servers")
    }

    pub(crate) fn failed(detail: impl AsRef<str>) -> Self {
        Self::new(Weight::Failed, Cause::DnsError, detail)
    }

    /// Whether the server knows what it says; otherwise another server may know more.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.weight, Weight::NoData | Weight::NoName)
    }
}
