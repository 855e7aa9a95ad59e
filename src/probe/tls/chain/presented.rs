//! The chain that a server presented, whether the handshake succeeded or not.

use std::sync::Arc;

use rustls::Error as TlsError;

use crate::model::{Certificate, Pin, Timestamp};

use super::x509::Validity;

#[derive(Clone, Debug, Default)]
pub(crate) struct PresentedChain {
    /// None if the leaf cannot be parsed.
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// The requested host.
    pub(crate) host: String,
    pub(crate) names: CertificateNames,
    /// The common name of the leaf.
    pub(crate) common_name: Option<String>,
    pub(crate) leaf: Validity,
    /// The validity of the path to the root; without a path, of the certificates that it most likely uses.
    pub(crate) chain: Validity,
    /// The root of the path: its name and validity.
    pub(crate) root: Option<(String, Validity)>,
    /// The public keys of all its certificates, if they were to be read.
    pub(crate) keys: Vec<Pin>,
    /// When it was verified.
    pub(crate) at: Timestamp,
    /// The verifier's objection.
    pub(crate) refusal: Option<TlsError>,
    /// The handshake continued in spite of the refusal.
    pub(crate) is_overruled: bool,
}

/// The subject alternative names of a leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    /// The first one, clean.
    pub(crate) first: Option<String>,
    pub(crate) count: usize,
}
