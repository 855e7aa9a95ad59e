//! Records what a server's chain is and everything that is wrong with it, whether the handshake succeeds or not.
//!
//! rustls gives one reason, and keeps the chain only of handshakes that succeed. So each handshake has a [`RecordingVerifier`]:
//! it asks the real verifier, reads what was presented, finds *all* faults, and then passes the verdict on. With `insecure` the
//! verdicts about chain and signature are recorded and overruled; that about the signature counts again where a key is pinned, as a
//! certificate without a proof of its key says nothing about the key.
//!
//! Invariant: there are no faults if and only if the real verifier accepted the chain, now or before ([`ChainCache`]), its root
//! is valid, and the server has proven that it has the key.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::model::lock::lock;
use crate::model::{Certificate, CertificateFault, Timestamp};

use super::chain::cache::{ChainCache, Fingerprint};
use super::chain::faults::{RefusedChain, single_fault};
use super::chain::key::unproven;
use super::chain::path::{Path, Roots, is_self_signed, likely_validity};
use super::chain::pinned::Pinned;
use super::chain::presented::{CertificateNames, PresentedChain};
use super::chain::public_keys;
use super::chain::purpose::named;
use super::chain::x509::{Validity, common_name, own_name, parse, shown};

/// Certificates of a presented chain that are read.
const CHAIN_MAX: usize = 16;

type Verdict = Result<ServerCertVerified, TlsError>;

/// Decides about all chains.
#[derive(Debug)]
pub(crate) struct ChainVerifier {
    /// None on a machine without roots, where every chain has an unknown issuer.
    verifier: Option<Arc<dyn ServerCertVerifier>>,
    pinned: Pinned,
    accepted: ChainCache,
    /// Trusted in addition to the platform's.
    roots: Roots,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ChainVerifier {
    /// Asks `verifier`, which trusts `roots` in addition to the platform's and knows `algorithms`, about all leaves that are
    /// not among `roots`.
    pub(crate) fn new(
        verifier: Option<Arc<dyn ServerCertVerifier>>,
        roots: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let (accepted, known) = (ChainCache::default(), Roots::of(roots.iter().cloned()));
        Self { verifier, pinned: Pinned(roots), accepted, roots: known, algorithms }
    }
}

/// A verifier for one handshake.
#[derive(Debug)]
pub(crate) struct RecordingVerifier {
    chains: Arc<ChainVerifier>,
    accept_any: bool,
    reads_keys: bool,
    presented: Mutex<Option<PresentedChain>>,
}

impl RecordingVerifier {
    /// Asks `chains`; with `accept_any` every chain passes after it was recorded.
    pub(crate) fn new(chains: Arc<ChainVerifier>, accept_any: bool) -> Self {
        Self { chains, accept_any, reads_keys: false, presented: Mutex::new(None) }
    }

    /// The same; if `reads_keys`, the public keys are recorded, and the server has to prove that it has the one of the leaf.
    pub(crate) fn reading_keys(self, reads_keys: bool) -> Self {
        Self { reads_keys, ..self }
    }

    /// Whether a server need not prove that it has its key.
    const fn accepts_any_signature(&self) -> bool {
        self.accept_any && !self.reads_keys
    }

    /// The chain, if the server presented one.
    pub(crate) fn take(&self) -> Option<PresentedChain> {
        lock(&self.presented).take()
    }

    /// Records the verdict on the signature that proves possession of the key of `leaf`. A failure is a fault of the
    /// certificate unless there are others.
    fn signed(
        &self,
        leaf: &CertificateDer<'_>,
        verdict: Result<HandshakeSignatureValid, TlsError>,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let mut presented = lock(&self.presented);
        if let (Err(error), Some(presented)) = (&verdict, presented.as_mut())
            && let Some(certificate) = presented.certificate.as_mut().filter(|shown| shown.faults.is_empty())
        {
            Arc::make_mut(certificate).faults = vec![CertificateFault::Invalid];
            presented.refusal = Some(unproven(error, leaf));
            presented.is_overruled = self.accepts_any_signature();
        }
        if self.accepts_any_signature() { Ok(HandshakeSignatureValid::assertion()) } else { verdict }
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Verdict {
        let ChainVerifier { verifier, pinned, accepted, roots, algorithms } = &*self.chains;
        let verify_with = |intermediates: &[CertificateDer<'_>], at| {
            let unknown = || Err(TlsError::InvalidCertificate(CertificateError::UnknownIssuer));
            let verdict = verifier.as_ref().map(|real| real.verify_server_cert(leaf, intermediates, name, ocsp, at));
            verdict.unwrap_or_else(unknown).map_err(|refusal| named(refusal, leaf, intermediates))
        };
        let verify = |at| {
            let all = || {
                let verdict = verify_with(intermediates, at);
                // The dates of a root that the server sends do not matter: it is trusted or it is not.
                let without = match &verdict {
                    Err(refusal) if is_about_dates(refusal) => without_self_signed(intermediates),
                    _ => None,
                };
                let again = without.and_then(|needed| verify_with(&needed, at).err());
                again.filter(|again| single_fault(again) == CertificateFault::Untrusted).map_or(verdict, Err)
            };
            pinned.verify(leaf, name, at).unwrap_or_else(all)
        };
        let at = Timestamp::from_secs(now.as_secs());
        let chain = Fingerprint::of(leaf, intermediates, name);
        let (mut presented, verdict) = if let Some(known) = accepted.get(&chain, at) {
            (PresentedChain { at, ..PresentedChain::clone(&known) }, Ok(ServerCertVerified::assertion()))
        } else {
            let mut verdict = verify(now);
            // A chain that is good but for the host has a path as well.
            let has_path =
                verdict.as_ref().err().is_none_or(|error| single_fault(error) == CertificateFault::WrongHost);
            let has_path = has_path && !pinned.contains(leaf);
            let path = if has_path { roots.best(leaf, intermediates, now, *algorithms) } else { None };
            if let Some(fault) = path.as_ref().and_then(|path| root_fault(path, at)) {
                verdict = Err(TlsError::InvalidCertificate(fault));
            }
            let shown = Presentation { leaf, intermediates, name, at };
            let (presented, is_whole) = shown.read(verdict.as_ref().err(), path, &verify);
            if is_whole && verdict.is_ok() {
                accepted.insert(chain, Arc::new(presented.clone()));
            }
            (presented, verdict)
        };
        presented.is_overruled = self.accept_any;
        if self.reads_keys {
            presented.keys = public_keys::pins([leaf].into_iter().chain(intermediates.iter().take(CHAIN_MAX)));
        }
        *lock(&self.presented) = Some(presented);
        if self.accept_any { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.chains.algorithms;
        self.signed(certificate, verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.chains.algorithms;
        self.signed(certificate, verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let verified = self.chains.algorithms.supported_schemes();
        let mut schemes = verified.clone();
        if self.accepts_any_signature() {
            schemes.extend(UNVERIFIED_SCHEMES.into_iter().filter(|scheme| !verified.contains(scheme)));
        }
        schemes
    }
}

/// Schemes that are offered only where nothing is verified: old appliances have no others. Under TLS 1.2 rustls accepts none
/// that it has no name for.
const UNVERIFIED_SCHEMES: [SignatureScheme; 13] = [
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    // RSA keys for PSS alone (rsa_pss_pss_*), and the brainpool curves (RFC 8734).
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    SignatureScheme::Unknown(0x081a),
    SignatureScheme::Unknown(0x081b),
    SignatureScheme::Unknown(0x081c),
];

/// `intermediates` without those that vouch for themselves; none if there is no such.
fn without_self_signed<'a>(intermediates: &[CertificateDer<'a>]) -> Option<Vec<CertificateDer<'a>>> {
    let needed: Vec<_> = intermediates.iter().filter(|der| !is_self_signed(der)).cloned().collect();
    (needed.len() < intermediates.len()).then_some(needed)
}

fn is_about_dates(refusal: &TlsError) -> bool {
    matches!(single_fault(refusal), CertificateFault::Expired | CertificateFault::NotYetValid)
}

/// The fault of the root of `path` at `at`, which webpki does not look for.
fn root_fault(path: &Path, at: Timestamp) -> Option<CertificateError> {
    let (_, root) = &path.root;
    if at > root.until {
        Some(CertificateError::Expired)
    } else {
        (at < root.from).then_some(CertificateError::NotValidYet)
    }
}

/// The certificates that a server presents in one handshake.
struct Presentation<'a> {
    leaf: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    at: Timestamp,
}

impl Presentation<'_> {
    /// Reads the chain, and says whether the verdict holds as long as its validity. `refusal` is the verdict of now, `verify` gives
    /// that of other times; the validity is that of the `path`, if there is one.
    fn read(
        &self,
        refusal: Option<&TlsError>,
        path: Option<Path>,
        verify: &dyn Fn(UnixTime) -> Verdict,
    ) -> (PresentedChain, bool) {
        let &Self { leaf, intermediates, name, at } = self;
        let host = shown(&name.to_str());
        let mut presented = PresentedChain { host, at, refusal: refusal.cloned(), ..PresentedChain::default() };
        let Some(parsed) = parse(leaf) else { return (presented, false) };
        let above: Vec<_> = intermediates.iter().take(CHAIN_MAX).filter_map(|der| parse(der)).collect();
        let faults = refusal.map_or_else(Vec::new, |refusal| {
            let is_wrong_host = ParsedCertificate::try_from(leaf)
                .is_ok_and(|certificate| verify_server_name(&certificate, name).is_err());
            RefusedChain { leaf: &parsed, above: &above, is_wrong_host, refusal }.faults(at, verify)
        });
        // Without a path, only certificates that are valid now were used, unless the refusal is about dates.
        let is_about_dates = refusal.is_some_and(is_about_dates);
        let is_used = |above: &&X509Certificate<'_>| is_about_dates || Validity::of(above).contains(at);
        let used: Vec<_> = above.iter().filter(is_used).collect();
        let of_path = path.as_ref().map(|path| path.validity);
        presented.names = alternative_names(&parsed);
        presented.common_name = own_name(parsed.subject());
        presented.leaf = Validity::of(&parsed);
        presented.chain = of_path.unwrap_or_else(|| likely_validity(&parsed, &used));
        presented.root = path.map(|path| path.root);
        let subject = presented.common_name.clone().or_else(|| presented.names.first.clone());
        presented.certificate = Some(Arc::new(Certificate {
            subject: subject.unwrap_or_else(|| shown(&parsed.subject().to_string())),
            issuer: common_name(parsed.issuer()),
            not_before: presented.leaf.from,
            not_after: presented.chain.until,
            faults,
        }));
        let is_whole = of_path.is_some() || above.len() == intermediates.len();
        (presented, is_whole)
    }
}

fn alternative_names(leaf: &X509Certificate<'_>) -> CertificateNames {
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else { return CertificateNames::default() };
    let mut names = alternatives.value.general_names.iter().filter_map(|name| match name {
        // An address that is written as a name does not count as an address.
        GeneralName::DNSName(name) if name.parse::<IpAddr>().is_ok() => Some(format!("the DNS name {}", shown(name))),
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => {
            let ip = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            ip.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    });
    let first = names.next();
    CertificateNames { count: usize::from(first.is_some()) + names.count(), first }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use std::time::Duration;

    use super::*;

    /// Accepts all chains that are valid by their dates, and counts the calls.
    #[derive(Debug, Default)]
    struct Counting {
        refuses: bool,
        asked: AtomicUsize,
    }

    impl ServerCertVerifier for Counting {
        fn verify_server_cert(
            &self,
            leaf: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            now: UnixTime,
        ) -> Result<ServerCertVerified, TlsError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.refuses {
                return Err(TlsError::InvalidCertificate(CertificateError::UnknownIssuer));
            }
            if Timestamp::from_secs(now.as_secs()) > Validity::of(&parse(leaf).unwrap()).until {
                return Err(TlsError::InvalidCertificate(CertificateError::Expired));
            }
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, TlsError> {
            Err(TlsError::HandshakeNotComplete)
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, TlsError> {
            Err(TlsError::HandshakeNotComplete)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Vec::new()
        }
    }

    fn chains_of(counting: &Arc<Counting>) -> ChainVerifier {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        ChainVerifier::new(Some(Arc::clone(counting) as Arc<dyn ServerCertVerifier>), Vec::new(), algorithms)
    }

    /// A certificate for `a.test` that is valid in 2026.
    fn certificate() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Presents `chain` for `name` to a new verifier; returns whether it was accepted, and its faults.
    fn present_to(
        chains: &Arc<ChainVerifier>,
        chain: &[CertificateDer<'_>],
        name: &'static str,
        secs: u64,
    ) -> (bool, usize) {
        let recorder = RecordingVerifier::new(Arc::clone(chains), false);
        let name = ServerName::try_from(name).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let verdict = recorder.verify_server_cert(&chain[0], &chain[1..], &name, &[], now);
        let presented = recorder.take().expect("each handshake records what it was shown");
        (verdict.is_ok(), presented.certificate.expect("it can be read").faults.len())
    }

    const IN_2026: u64 = 1_780_000_000;
    const IN_2027: u64 = 1_800_000_000;

    #[test]
    fn a_chain_is_verified_once_and_its_dates_each_time() {
        let counting = Arc::new(Counting::default());
        let chains = Arc::new(chains_of(&counting));
        let (one, other) = (certificate(), certificate());
        let alone = std::slice::from_ref(&one);
        for (case, chain, name, at, good, asked) in [
            ("seen first", alone, "a.test", IN_2026, true, 1),
            ("again", alone, "a.test", IN_2026 + 9, true, 0),
            ("under another name", alone, "b.test", IN_2026, true, 1),
            ("with another certificate above", &[one.clone(), other.clone()], "a.test", IN_2026, true, 1),
            ("of another key", &[other], "a.test", IN_2026, true, 1),
            ("the first one again", alone, "a.test", IN_2026, true, 0),
            // Once for the verdict, once for faults other than the dates.
            ("expired", alone, "a.test", IN_2027, false, 2),
            ("expired still", alone, "a.test", IN_2027, false, 2),
        ] {
            let before = counting.asked.load(Ordering::SeqCst);
            assert_eq!(present_to(&chains, chain, name, at), (good, usize::from(!good)), "{case}");
            // Where the system decides, nothing is remembered.
            let spared = cfg!(any(target_vendor = "apple", windows, target_os = "android")) && asked == 0;
            assert_eq!(counting.asked.load(Ordering::SeqCst) - before, asked + usize::from(spared), "{case}");
        }
    }

    /// Wrong texts, lengths and tags, and dates that end before they begin.
    #[test]
    fn no_certificate_is_too_odd_to_be_looked_at() {
        let counting = Arc::new(Counting { refuses: true, ..Counting::default() });
        let chains = Arc::new(chains_of(&counting));
        let (leaf, name) = (certificate(), ServerName::try_from("a.test").unwrap());
        let mut readable = 0;
        for (index, change) in (0..leaf.len()).flat_map(|index| [1, 8, 0x80, 0xff].map(|change| (index, change))) {
            let mut odd = leaf.to_vec();
            odd[index] ^= change;
            let odd = [CertificateDer::from(odd), leaf.clone()];
            for at in [0, IN_2026, IN_2027] {
                let (recorder, now) = (
                    RecordingVerifier::new(Arc::clone(&chains), false),
                    UnixTime::since_unix_epoch(Duration::from_secs(at)),
                );
                assert!(recorder.verify_server_cert(&odd[0], &odd, &name, &[], now).is_err());
                let presented = recorder.take().expect("each handshake records what it was shown");
                let shown = presented.certificate;
                assert!(shown.as_ref().is_none_or(|shown| !shown.faults.is_empty()), "byte {index}: {shown:?}");
                readable += u32::from(shown.is_some());
            }
        }
        assert!(readable > 1_000, "{readable}");
    }

    #[test]
    fn a_machine_without_roots_refuses_every_chain() {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let chains = Arc::new(ChainVerifier::new(None, Vec::new(), algorithms));
        assert_eq!(present_to(&chains, &[certificate()], "a.test", IN_2026), (false, 1));
        assert!(!RecordingVerifier::new(chains, false).supported_verify_schemes().is_empty());
    }

    #[test]
    fn a_refusal_and_what_cannot_be_read_are_never_remembered() {
        let broken = CertificateDer::from(vec![0x30, 0]);
        for (refuses, chain) in [(true, vec![certificate()]), (false, vec![certificate(), broken])] {
            let counting = Arc::new(Counting { refuses, ..Counting::default() });
            let chains = Arc::new(chains_of(&counting));
            for check in 1..=3 {
                assert_eq!(present_to(&chains, &chain, "a.test", IN_2026).0, !refuses);
                assert_eq!(counting.asked.load(Ordering::SeqCst), check);
            }
        }
    }
}
