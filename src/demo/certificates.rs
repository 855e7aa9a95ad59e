//! The certificates of the demonstration: an authority of its own, made at the start and forgotten at the end.
//!
//! They are made anew each time because their dates have to fit the day on which the demonstration is seen. Keys stay
//! in memory. A P-256 key and a signature take well under a millisecond.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::model::Timestamp;

use super::DemoError;

/// An authority that is trusted by nobody but the demonstration's own prober.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// [`DemoError::Certificate`].
    pub fn new() -> Result<Self, DemoError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "webmon demo");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its certificate (DER), to be trusted.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// What a server on 127.0.0.1 shows whose certificate is called `name` and `valid` then.
    ///
    /// # Errors
    /// [`DemoError::Certificate`], [`DemoError::Tls`].
    pub fn identity(&self, name: &str, valid: Range<Timestamp>) -> Result<Arc<ServerConfig>, DemoError> {
        let date = |at: Timestamp| date_time_ymd(1970, 1, 1) + Duration::from_micros(at.as_micros());
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (date(valid.start), date(valid.end));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Arc::new(config))
    }
}
