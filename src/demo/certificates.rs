//! Makes the certificates of the demo, signed by its own authority.
//!
//! They are made at each start, because their dates depend on the day of the demo. Keys stay in memory. Cost: a P-256 key and a
//! signature take well under a millisecond.

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

/// An authority that only the prober of the demo trusts.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority with a new key.
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

    /// Its certificate, DER.
    #[must_use]
    pub fn root(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// TLS for a server on 127.0.0.1 with a certificate for `name`, valid during `valid`.
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
