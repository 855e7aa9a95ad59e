//! Certificates for test servers: a private authority, and leaves with every fault.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::sign::{Signer, SigningKey};
use rustls::{
    CipherSuiteCommon, NamedGroup, ServerConfig, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion, Tls12CipherSuite,
};

/// A date in a certificate, which rcgen takes from a crate that it does not hand on.
macro_rules! days_from_now {
    ($days:expr) => {{
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let days: i64 = $days;
        let at = now.checked_add_signed(days * 86_400).unwrap();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(at)
    }};
}

/// A server's certificate and key.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let der = key.serialize_der();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // rustls does not check that the server itself can read its certificate.
        let certified = CertifiedKey::new(chain.clone(), provider.key_provider.load_private_key(key).unwrap());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { config: Arc::new(config), chain, key: der, clients: None }
    }

    /// The same, sending `more` along (DER).
    #[must_use]
    pub fn sending_along(self, more: &[Vec<u8>]) -> Self {
        let mut chain = self.chain.clone();
        chain.extend(more.iter().map(|der| CertificateDer::from(der.clone())));
        Self::new(chain, &KeyPair::try_from(self.key.as_slice()).unwrap())
    }

    /// The same, in TLS 1.2 only.
    #[must_use]
    pub fn speaking_tls12(self) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols.clear();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let old =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
        let mut old = old.with_no_client_auth().with_cert_resolver(Arc::clone(&config.cert_resolver));
        if let Some(clients) = &self.clients {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ServerConfig::builder_with_provider(provider);
            let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
            old = builder
                .with_client_cert_verifier(Arc::clone(clients))
                .with_cert_resolver(Arc::clone(&config.cert_resolver));
        }
        Self { config: Arc::new(old), ..self }
    }

    /// The same, signing every handshake with bytes that are no signature, under the name of `scheme`.
    #[must_use]
    pub fn forging(self, scheme: SignatureScheme, version: &'static SupportedProtocolVersion) -> Self {
        let certified = CertifiedKey::new(self.chain.clone(), Arc::new(Forger(scheme)));
        let config = ServerConfig::builder_with_provider(Arc::new(any_signer()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        Self { config: Arc::new(config), ..self }
    }

    /// The same, for clients that offer `group` alone, as OpenSSL treats those of a certificate on this curve.
    #[must_use]
    pub fn for_clients_with(self, group: NamedGroup) -> Self {
        let mut config = (*self.config).clone();
        config.cert_resolver = Arc::new(OnlyWith(group, Arc::clone(&config.cert_resolver)));
        Self { config: Arc::new(config), ..self }
    }

    /// The same, offering these protocols (ALPN).
    #[must_use]
    pub fn offering(self, protocols: &[&str]) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config), ..self }
    }

    /// The same, taking only clients that `authority` vouches for.
    #[must_use]
    pub fn asking_clients(self, authority: &Authority) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.root.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.build().unwrap();
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_single_cert(self.chain.clone(), key)
            .unwrap();
        Self { config: Arc::new(config), clients: Some(verifier), ..self }
    }

    /// The chain and the key (DER), for a client that shows them.
    pub fn to_client(&self) -> (Vec<Vec<u8>>, Vec<u8>) {
        (self.chain.iter().map(|der| der.to_vec()).collect(), self.key.clone())
    }

    /// The pins of its chain, `sha256/…` each; that of the leaf comes first.
    pub fn pins(&self) -> Vec<String> {
        let leaf = KeyPair::try_from(self.key.as_slice()).unwrap().subject_public_key_info();
        let above = self.chain.iter().skip(1).map(|der| {
            let (_, parsed) = x509_parser::parse_x509_certificate(der).unwrap();
            parsed.public_key().raw.to_vec()
        });
        let pin = |key: Vec<u8>| format!("sha256/{}", STANDARD.encode(digest(&SHA256, &key)));
        [leaf].into_iter().chain(above).map(pin).collect()
    }

    /// The configuration for an acceptor.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The server's own cryptography, which signs with keys of Ed448 as well under TLS 1.2.
fn any_signer() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    for suite in &mut provider.cipher_suites {
        let SupportedCipherSuite::Tls12(known) = *suite else { continue };
        if !known.sign.contains(&SignatureScheme::ED25519) {
            continue;
        }
        *suite = SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
            common: CipherSuiteCommon {
                suite: known.common.suite,
                hash_provider: known.common.hash_provider,
                confidentiality_limit: known.common.confidentiality_limit,
            },
            prf_provider: known.prf_provider,
            kx: known.kx,
            sign: &[SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED448],
            aead_alg: known.aead_alg,
        })));
    }
    provider
}

/// A key that signs nothing.
#[derive(Debug)]
struct Forger(SignatureScheme);

impl SigningKey for Forger {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.0).then(|| Box::new(Self(self.0)) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0 {
            SignatureScheme::ED448 => SignatureAlgorithm::ED448,
            SignatureScheme::ECDSA_NISTP256_SHA256 => SignatureAlgorithm::ECDSA,
            _ => SignatureAlgorithm::RSA,
        }
    }
}

impl Signer for Forger {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![1; 114])
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}

/// Shows its certificate only to clients that offer the group.
#[derive(Debug)]
struct OnlyWith(NamedGroup, Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for OnlyWith {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.named_groups().is_some_and(|groups| groups.contains(&self.0)).then(|| self.1.resolve(hello))?
    }
}

/// A public key of RSA: a modulus of ones, and 65,537.
struct RsaKey(Vec<u8>);

impl RsaKey {
    fn of(bits: usize) -> Self {
        fn der(tag: u8, content: &[u8]) -> Vec<u8> {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], &length[..], content].concat()
        }
        let modulus = [vec![0], vec![0xff; bits / 8]].concat();
        Self(der(0x30, &[der(2, &modulus), vec![2, 3, 1, 0, 1]].concat()))
    }
}

impl PublicKeyData for RsaKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// A certificate to be issued: good unless said otherwise.
#[derive(Clone)]
pub struct Leaf {
    params: CertificateParams,
}

impl Leaf {
    /// For these names or addresses, valid from 2020 to 2090.
    pub fn naming(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a test's leaf");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2090, 1, 1);
        Self { params }
    }

    /// The same, called so.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        self.params.distinguished_name.push(DnType::CommonName, name);
        self
    }

    /// The same, expired at the beginning of 2021.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.params.not_after = date_time_ymd(2021, 1, 1);
        self
    }

    /// The same, not valid before 2080.
    #[must_use]
    pub fn not_yet_valid(mut self) -> Self {
        self.params.not_before = date_time_ymd(2080, 1, 1);
        self
    }

    /// The same, valid for this long from now on.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a certificate's dates are real ones")]
    pub fn expiring_in(mut self, time: Duration) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        self.params.not_after = date_time_ymd(1970, 1, 1) + (now + time);
        self
    }

    /// The same, with an extension that nothing knows and that must be understood.
    #[must_use]
    pub fn with_a_critical_extension(mut self) -> Self {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        self.params.custom_extensions.push(extension);
        self
    }

    /// The same, with the address of its issuer's certificate in it, as public authorities have it.
    #[must_use]
    pub fn naming_its_issuer(mut self) -> Self {
        // SEQUENCE { SEQUENCE { OID id-ad-caIssuers, [6] "http://ca.test/ca" } }
        let address = b"http://ca.test/ca";
        let mut access = vec![0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02, 0x86, address.len() as u8];
        access.extend(address);
        let mut content = vec![0x30, access.len() as u8 + 2, 0x30, access.len() as u8];
        content.extend(access);
        self.params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content));
        self
    }

    /// The same, called an authority's, as self-signed ones often are.
    #[must_use]
    pub fn of_an_authority(mut self) -> Self {
        self.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self
    }

    /// The same, for clients alone.
    #[must_use]
    pub fn for_clients(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }

    /// Signed with its own key.
    pub fn self_signed(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = self.params.self_signed(&key).unwrap();
        Identity::new(vec![certificate.der().clone()], &key)
    }
}

/// A private root with one intermediate.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority, not in any trust store.
    pub fn new() -> Self {
        Self::called("a test's")
    }

    /// The same, under a name of its own.
    pub fn called(name: &str) -> Self {
        Self::with_intermediate(name, |_| {})
    }

    /// The same, with an intermediate that expired at the beginning of 2022.
    pub fn of_the_past() -> Self {
        Self::with_intermediate("a test's", |intermediate| intermediate.not_after = date_time_ymd(2022, 1, 1))
    }

    /// The same, with an intermediate that is not valid before 2085.
    pub fn of_the_future() -> Self {
        Self::with_intermediate("a test's", |intermediate| intermediate.not_before = date_time_ymd(2085, 1, 1))
    }

    /// The same, with an intermediate that may sign for clients alone.
    pub fn of_clients() -> Self {
        Self::with_intermediate("a test's", |intermediate| {
            intermediate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    /// The same, with a root of these dates: days from now at which it begins and ends.
    pub fn within(begin: i64, end: i64) -> Self {
        let mut root = authority("a test's root");
        (root.not_before, root.not_after) = (days_from_now!(begin), days_from_now!(end));
        Self::with(root, "a test's", |_| {})
    }

    /// The root's key with other dates: another edition of it, or signed by `other`.
    pub fn root_again(&self, begin: i64, end: i64, other: Option<&Self>) -> Vec<u8> {
        let mut params = authority("a test's root");
        (params.not_before, params.not_after) = (days_from_now!(begin), days_from_now!(end));
        let certificate = match other {
            Some(other) => params.signed_by(self.root.key(), &other.root),
            None => params.self_signed(self.root.key()),
        };
        certificate.unwrap().der().to_vec()
    }

    /// The intermediate's key with other dates, signed by the root or by that of `other`.
    pub fn intermediate_again(&self, begin: i64, end: i64, other: Option<&Self>) -> Vec<u8> {
        let mut params = authority("a test's intermediate");
        (params.not_before, params.not_after) = (days_from_now!(begin), days_from_now!(end));
        let root = &other.unwrap_or(self).root;
        params.signed_by(self.intermediate.key(), root).unwrap().der().to_vec()
    }

    /// `leaf` with a key of RSA that has so many bits; its server has to forge.
    pub fn issue_rsa(&self, leaf: &Leaf, bits: usize) -> Identity {
        let certificate = leaf.params.signed_by(&RsaKey::of(bits), &self.intermediate).unwrap();
        let chain = vec![certificate.der().clone(), self.intermediate.der().clone()];
        Identity::new(chain, &KeyPair::generate().unwrap())
    }

    /// `leaf` signed by the intermediate, with these (DER) sent along in place of it.
    pub fn issue_with(&self, leaf: &Leaf, above: &[Vec<u8>]) -> Identity {
        self.issue_incomplete(leaf).sending_along(above)
    }

    fn with_intermediate(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::with(authority(&format!("{name} root")), name, change)
    }

    fn with(root: CertificateParams, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = authority(&format!("{name} intermediate"));
        change(&mut params);
        let intermediate = CertifiedIssuer::signed_by(params, key, &root).unwrap();
        Self { root, intermediate }
    }

    /// The root's certificate (DER), to be trusted.
    pub fn root(&self) -> Vec<u8> {
        self.root.der().to_vec()
    }

    /// The root's certificate (PEM).
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// `leaf` signed by the intermediate, which is sent along.
    pub fn issue(&self, leaf: &Leaf) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.params.signed_by(&key, &self.intermediate).unwrap();
        Identity::new(vec![certificate.der().clone(), self.intermediate.der().clone()], &key)
    }

    /// `leaf` signed by the intermediate, which is forgotten.
    pub fn issue_incomplete(&self, leaf: &Leaf) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.params.signed_by(&key, &self.intermediate).unwrap();
        Identity::new(vec![certificate.der().clone()], &key)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
