//! What a server's chain is and what is wrong with it, recorded whether the handshake succeeds or not.
//!
//! rustls gives one reason and keeps the chain only of handshakes that succeed. So each probe brings a
//! [`Recorder`]: it lets the real verifier judge, parses what was presented, works out *all* faults, and only
//! then passes the verdict on. Dates and names are read here; trust is asked of the real verifier, a second
//! time at a moment when the leaf was valid if the first answer was about dates, since it names only one
//! reason. With `insecure` the verdicts about the chain and the handshake's signature are recorded and then overruled.
//!
//! Invariant: no faults if and only if the real verifier accepted the chain, now or before ([`super::chain::cache`]), its root
//! is valid, and the server has proven that it has the key.
//! Limit: a chain of which the leaf cannot be parsed has no [`Certificate`], only a refusal.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::model::{Certificate, CertificateFault, Timestamp};
use crate::probe::tls::chain::presented::{CertificateNames, Presented};
use crate::probe::tls::chain::x509::{begin, common_name, dates, expiry, keep, own_name};

use super::chain::cache::{ChainCache, Dates, Fingerprint};
use super::chain::faults::{faults, single_fault};
use super::chain::key::unproven;
use super::chain::path::{Path, Roots, is_self_signed, likely};
use super::chain::pinned::Pinned;
use super::chain::purpose::named;

/// Certificates of a presented chain that are looked at.
const CHAIN_MAX: usize = 16;

/// Who decides about all chains.
#[derive(Debug)]
pub(crate) struct Judge {
    verifier: Arc<dyn ServerCertVerifier>,
    pinned: Pinned,
    proven: ChainCache,
    /// Roots that are trusted besides the platform's.
    roots: Roots,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Judge {
    /// The real `verifier`, which has seen no chain yet and trusts `roots` besides the platform's, but for leaves that are
    /// among these; `algorithms` are those that it knows.
    pub(crate) fn new(
        verifier: Arc<dyn ServerCertVerifier>,
        roots: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let (proven, known) = (ChainCache::default(), Roots::of(roots.iter().cloned()));
        Self { verifier, pinned: Pinned(roots), proven, roots: known, algorithms }
    }
}

/// A verifier for one handshake that records what was presented.
#[derive(Debug)]
pub(crate) struct Recorder {
    judge: Arc<Judge>,
    accept_any: bool,
    presented: Mutex<Option<Presented>>,
}

impl Recorder {
    /// A recorder around `judge`; with `accept_any` every chain passes after it was recorded.
    pub(crate) fn new(judge: Arc<Judge>, accept_any: bool) -> Self {
        Self { judge, accept_any, presented: Mutex::new(None) }
    }

    /// What was presented, if it came to that.
    pub(crate) fn take(&self) -> Option<Presented> {
        self.presented.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What becomes of the signature with which the server proves that it has the key of `leaf`. A failure is a fault of the
    /// certificate unless there are others.
    fn signed(
        &self,
        leaf: &CertificateDer<'_>,
        verdict: Result<HandshakeSignatureValid, TlsError>,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let mut presented = self.presented.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Err(error), Some(presented)) = (&verdict, presented.as_mut())
            && let Some(certificate) = presented.certificate.as_mut().filter(|shown| shown.faults.is_empty())
        {
            Arc::make_mut(certificate).faults = vec![CertificateFault::Invalid];
            presented.refusal = Some(unproven(error, leaf));
        }
        if self.accept_any { Ok(HandshakeSignatureValid::assertion()) } else { verdict }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Judge { verifier, pinned, proven, roots, algorithms } = &*self.judge;
        let verified = |intermediates: &[CertificateDer<'_>], at| {
            let verdict = verifier.verify_server_cert(leaf, intermediates, name, ocsp, at);
            verdict.map_err(|refusal| named(refusal, leaf, intermediates))
        };
        let ask = |at| {
            let all = || {
                let verdict = verified(intermediates, at);
                // The dates of a root that was sent along do not matter: it is trusted or it is not.
                let without = match &verdict {
                    Err(refusal) if is_about_dates(refusal) => without_self_signed(intermediates),
                    _ => None,
                };
                let again = without.and_then(|needed| verified(&needed, at).err());
                again.filter(|again| single_fault(again) == CertificateFault::Untrusted).map_or(verdict, Err)
            };
            pinned.judge(leaf, name, at).unwrap_or_else(all)
        };
        let chain = Fingerprint::of(leaf, intermediates, name);
        let known = proven.holding(&chain, Timestamp::from_secs(now.as_secs()));
        let mut verdict = if known.is_some() { Ok(ServerCertVerified::assertion()) } else { ask(now) };
        // A chain that is good but for the host has a path as well.
        let has_path = verdict.as_ref().err().is_none_or(|error| single_fault(error) == CertificateFault::WrongHost);
        let path = match known {
            None if has_path && !pinned.holds(leaf) => roots.best(leaf, intermediates, now, *algorithms),
            _ => None,
        };
        if let Some(fault) = path.as_ref().and_then(|path| of_root(path, now)) {
            verdict = Err(TlsError::InvalidCertificate(fault));
        }
        let shown = HandshakeEvidence { leaf, intermediates, name, now };
        let (mut presented, dates) = present(&shown, verdict.as_ref().err(), known, path, &ask);
        if let (None, Ok(_), Some(dates)) = (known, &verdict, dates) {
            proven.learn(chain, dates);
        }
        presented.is_overruled = self.accept_any;
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Some(presented);
        if self.accept_any { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.signed(certificate, self.judge.verifier.verify_tls12_signature(message, certificate, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.signed(certificate, self.judge.verifier.verify_tls13_signature(message, certificate, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let verified = self.judge.verifier.supported_verify_schemes();
        let mut schemes = verified.clone();
        if self.accept_any {
            schemes.extend(UNVERIFIED_SCHEMES.into_iter().filter(|scheme| !verified.contains(scheme)));
        }
        schemes
    }
}

/// Schemes that are not verified, and offered only where nothing is: old appliances have no others. Limit: under TLS 1.2
/// rustls takes none to which it gives no name.
const UNVERIFIED_SCHEMES: [SignatureScheme; 13] = [
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    // RSA keys that are for PSS alone (rsa_pss_pss_*), and the curves of brainpool (RFC 8734).
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    SignatureScheme::Unknown(0x081a),
    SignatureScheme::Unknown(0x081b),
    SignatureScheme::Unknown(0x081c),
];

/// What one handshake showed, for which name and when.
struct HandshakeEvidence<'a> {
    leaf: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    now: UnixTime,
}

/// `intermediates` but for those that vouch for themselves; none if there is no such.
fn without_self_signed<'a>(intermediates: &[CertificateDer<'a>]) -> Option<Vec<CertificateDer<'a>>> {
    let needed: Vec<_> = intermediates.iter().filter(|der| !is_self_signed(der)).cloned().collect();
    (needed.len() < intermediates.len()).then_some(needed)
}

fn is_about_dates(refusal: &TlsError) -> bool {
    matches!(single_fault(refusal), CertificateFault::Expired | CertificateFault::NotYetValid)
}

/// What the dates of the root of `path` say against it.
fn of_root(path: &Path, now: UnixTime) -> Option<CertificateError> {
    let ((_, (begin, end)), now) = (&path.root, Timestamp::from_secs(now.as_secs()));
    if now > *end { Some(CertificateError::Expired) } else { (now < *begin).then_some(CertificateError::NotValidYet) }
}

/// Reads the chain, and within which dates it is good, as far as that can be told; `refusal` is the verdict of now, `ask`
/// gives that of other times. The dates are those `known` of before or else of the `path`.
fn present(
    shown: &HandshakeEvidence<'_>,
    refusal: Option<&TlsError>,
    known: Option<Dates>,
    path: Option<Path>,
    ask: &dyn Fn(UnixTime) -> Result<ServerCertVerified, TlsError>,
) -> (Presented, Option<Dates>) {
    let &HandshakeEvidence { leaf, intermediates, name, now } = shown;
    let at = Timestamp::from_secs(now.as_secs());
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        let never = (Timestamp::ZERO, Timestamp::ZERO);
        let refusal = refusal.cloned();
        return (
            Presented {
                certificate: None,
                host: keep(&name.to_str()),
                names: CertificateNames::default(),
                common_name: None,
                leaf: never,
                chain: never,
                root: None,
                at,
                refusal,
                is_overruled: false,
            },
            None,
        );
    };
    let above: Vec<X509Certificate<'_>> = intermediates
        .iter()
        .take(CHAIN_MAX)
        .filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate))
        .collect();
    let faults = refusal.map_or_else(Vec::new, |refusal| {
        let wrong_host =
            ParsedCertificate::try_from(leaf).is_ok_and(|certificate| verify_server_name(&certificate, name).is_err());
        faults(&parsed, &above, wrong_host, at, refusal, ask)
    });
    let names = names(&parsed);
    // What is not needed for the path may be of any date. Without a path, what has no date of now was not used, unless the
    // refusal is about dates.
    let is_about_dates = refusal.is_some_and(is_about_dates);
    let is_now = |above: &X509Certificate<'_>| is_about_dates || begin(above) <= at && at <= expiry(above);
    let used: Vec<X509Certificate<'_>> = above.iter().filter(|above| is_now(above)).cloned().collect();
    let used = likely(&parsed, &used);
    let from_path = path.as_ref().map(|path| path.dates);
    let chain = known.or(from_path).unwrap_or_else(|| dates(&parsed, &used));
    let proven = from_path.or_else(|| (above.len() == intermediates.len()).then_some(chain));
    let certificate = Certificate {
        subject: own_name(parsed.subject())
            .or_else(|| names.first.clone())
            .unwrap_or_else(|| keep(&parsed.subject().to_string())),
        issuer: common_name(parsed.issuer()),
        not_before: begin(&parsed),
        not_after: chain.1,
        faults,
    };
    let (leaf, refusal) = (dates(&parsed, &[]), refusal.cloned());
    (
        Presented {
            certificate: Some(Arc::new(certificate)),
            host: keep(&name.to_str()),
            names,
            common_name: own_name(parsed.subject()),
            leaf,
            chain,
            root: path.map(|path| path.root),
            at,
            refusal,
            is_overruled: false,
        },
        proven,
    )
}

/// The hosts that `leaf` is good for.
fn names(leaf: &X509Certificate<'_>) -> CertificateNames {
    let Ok(Some(alternatives)) = leaf.subject_alternative_name() else { return CertificateNames::default() };
    let mut shown = alternatives.value.general_names.iter().filter_map(|name| match name {
        // An address that is written as a name is none.
        GeneralName::DNSName(name) if name.parse::<IpAddr>().is_ok() => Some(format!("the DNS name {}", keep(name))),
        GeneralName::DNSName(name) => Some(keep(name)),
        GeneralName::IPAddress(bytes) => {
            let ip = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            ip.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    });
    let first = shown.next();
    CertificateNames { count: usize::from(first.is_some()) + shown.count(), first }
}

#[cfg(test)]
mod tests {
    use crate::probe::tls::chain::x509::seconds;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use std::time::Duration;

    use super::*;

    /// Accepts whatever is good by its dates, and counts how often it was asked; signatures are not its matter.
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
            let (_, leaf) = X509Certificate::from_der(leaf).unwrap();
            if seconds(i64::try_from(now.as_secs()).unwrap()) > expiry(&leaf) {
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

    fn judge_of(counting: &Arc<Counting>) -> Judge {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        Judge::new(Arc::clone(counting) as Arc<dyn ServerCertVerifier>, Vec::new(), algorithms)
    }

    /// A certificate for `a.test` that is valid in 2026.
    fn certificate() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Presents `chain` for `name` to a new recorder around `judge`; whether it was accepted, and with how many faults.
    fn present_to(judge: &Arc<Judge>, chain: &[CertificateDer<'_>], name: &'static str, secs: u64) -> (bool, usize) {
        let recorder = Recorder::new(Arc::clone(judge), false);
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
        let judge = Arc::new(judge_of(&counting));
        let (one, other) = (certificate(), certificate());
        let alone = std::slice::from_ref(&one);
        for (case, chain, name, at, good, asked) in [
            ("seen first", alone, "a.test", IN_2026, true, 1),
            ("again", alone, "a.test", IN_2026 + 9, true, 0),
            ("under another name", alone, "b.test", IN_2026, true, 1),
            ("with another certificate above", &[one.clone(), other.clone()], "a.test", IN_2026, true, 1),
            ("of another key", &[other], "a.test", IN_2026, true, 1),
            ("the first one again", alone, "a.test", IN_2026, true, 0),
            // Once for the verdict, once for what there is to say besides the dates.
            ("expired", alone, "a.test", IN_2027, false, 2),
            ("expired still", alone, "a.test", IN_2027, false, 2),
        ] {
            let before = counting.asked.load(Ordering::SeqCst);
            assert_eq!(present_to(&judge, chain, name, at), (good, usize::from(!good)), "{case}");
            // Where the system decides, it is asked each time.
            let spared = cfg!(any(target_vendor = "apple", windows, target_os = "android")) && asked == 0;
            assert_eq!(counting.asked.load(Ordering::SeqCst) - before, asked + usize::from(spared), "{case}");
        }
    }

    /// Dates that end before they begin are among them, and texts, lengths and tags of all kinds.
    #[test]
    fn no_certificate_is_too_odd_to_be_looked_at() {
        let counting = Arc::new(Counting { refuses: true, ..Counting::default() });
        let judge = Arc::new(judge_of(&counting));
        let (leaf, name) = (certificate(), ServerName::try_from("a.test").unwrap());
        let mut readable = 0;
        for (index, change) in (0..leaf.len()).flat_map(|index| [1, 8, 0x80, 0xff].map(|change| (index, change))) {
            let mut odd = leaf.to_vec();
            odd[index] ^= change;
            let odd = [CertificateDer::from(odd), leaf.clone()];
            for at in [0, IN_2026, IN_2027] {
                let (recorder, now) =
                    (Recorder::new(Arc::clone(&judge), false), UnixTime::since_unix_epoch(Duration::from_secs(at)));
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
    fn a_refusal_and_what_cannot_be_read_are_never_remembered() {
        let broken = CertificateDer::from(vec![0x30, 0]);
        for (refuses, chain) in [(true, vec![certificate()]), (false, vec![certificate(), broken])] {
            let counting = Arc::new(Counting { refuses, ..Counting::default() });
            let judge = Arc::new(judge_of(&counting));
            for check in 1..=3 {
                assert_eq!(present_to(&judge, &chain, "a.test", IN_2026).0, !refuses);
                assert_eq!(counting.asked.load(Ordering::SeqCst), check);
            }
        }
    }
}
