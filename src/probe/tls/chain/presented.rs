//! What a server presented, recorded whether the handshake succeeds or not.

use std::sync::Arc;

use rustls::Error as TlsError;

use crate::model::{Certificate, Timestamp};
use crate::probe::tls::chain::cache::Dates;

/// What one handshake presented.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    /// The chain, as far as the leaf could be parsed.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// The host that was asked.
    pub(crate) host: String,
    /// For the sentence about a wrong host.
    pub(crate) names: CertificateNames,
    /// What the leaf calls itself.
    pub(crate) common_name: Option<String>,
    /// Within which dates the leaf is valid.
    pub(crate) leaf: Dates,
    /// The same of the path to the root, or else of what was presented.
    pub(crate) chain: Dates,
    /// What the root of the path is called, and its dates; none without a path.
    pub(crate) root: Option<(String, Dates)>,
    /// When it was judged.
    pub(crate) at: Timestamp,
    /// What the real verifier had against it.
    pub(crate) refusal: Option<TlsError>,
    /// The handshake went on all the same.
    pub(crate) is_overruled: bool,
}

/// The hosts that a leaf is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    /// The first of them, clean.
    pub(crate) first: Option<String>,
    /// How many there are.
    pub(crate) count: usize,
}
