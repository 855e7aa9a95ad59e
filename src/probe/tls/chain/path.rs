//! Finds the path by which a chain is accepted: leaf, the intermediates in use, and the root from the store.
//!
//! Servers send more than is needed: an expired cross-signature, last year's leaf, an old edition of the root. Only the dates of
//! the path count, its root's included: webpki ignores the dates of roots, while curl, Go and OpenSSL refuse an expired one.
//! webpki is therefore asked again with each root alone that may have issued the chain, and refuses every path that it finds
//! until no better one is possible. The path that stays valid longest wins.
//!
//! Bounds: four roots of one name, 16 in all; webpki verifies 100 signatures per search. Platforms that do not list their roots
//! have no path.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::OnceLock;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::model::Timestamp;

use super::x509::{Validity, common_name, parse};

const ROOTS_OF_NAME_MAX: usize = 4;
const ROOTS_MAX: usize = 16;

/// A way from a leaf to a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Of all its certificates.
    pub(crate) validity: Validity,
    /// The name and the validity of the root.
    pub(crate) root: (String, Validity),
}

/// Trusted roots, by the bytes of their subjects.
#[derive(Debug, Default)]
pub(crate) struct Roots(HashMap<Vec<u8>, Vec<Root>>);

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    name: String,
    validity: Validity,
}

impl Roots {
    /// Those of `ders` that can be parsed.
    pub(crate) fn of(ders: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots: HashMap<Vec<u8>, Vec<Root>> = HashMap::new();
        for der in ders {
            let Some(parsed) = parse(&der) else { continue };
            let subject = parsed.subject().as_raw().to_vec();
            let (name, validity) = (common_name(parsed.subject()), Validity::of(&parsed));
            roots.entry(subject).or_default().push(Root { der, name, validity });
        }
        Self(roots)
    }

    /// The path from `leaf` that stays valid longest among those that are valid at `now`; without one, among those that are
    /// valid but for the dates of their roots; none without a known root.
    pub(crate) fn best(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Option<Path> {
        let candidates = self.candidates(leaf, intermediates);
        let paths = candidates.iter().filter_map(|root| root.path(leaf, intermediates, now, algorithms));
        let at = Timestamp::from_secs(now.as_secs());
        paths.max_by_key(|path| (path.validity.contains(at), path.validity.until))
    }

    /// Those that may have issued one of the certificates, the issuer of `leaf` first.
    fn candidates(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Vec<&Root> {
        let mut issuers: Vec<Vec<u8>> = Vec::new();
        for parsed in std::iter::once(leaf).chain(intermediates).filter_map(|der| parse(der)) {
            let issuer = parsed.issuer().as_raw();
            if !issuers.iter().any(|known| known == issuer) {
                issuers.push(issuer.to_vec());
            }
        }
        let known = |issuer: &Vec<u8>| {
            let all = [self, platform()].into_iter().filter_map(|roots| roots.0.get(issuer));
            all.flatten().take(ROOTS_OF_NAME_MAX).collect::<Vec<_>>()
        };
        issuers.iter().flat_map(known).take(ROOTS_MAX).collect()
    }
}

impl Root {
    fn path(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Option<Path> {
        let anchors = [webpki::anchor_from_trusted_cert(&self.der).ok()?];
        let end = EndEntityCert::try_from(leaf).ok()?;
        let longest = self.validity.and(Validity::of(&parse(leaf)?));
        let best: Cell<Option<Validity>> = Cell::new(None);
        let verify = |path: &VerifiedPath<'_>| {
            let used = path.intermediate_certificates().map(webpki::Cert::der);
            let validity = used.filter_map(|der| parse(&der).as_ref().map(Validity::of)).fold(longest, Validity::and);
            if best.get().is_none_or(|best| best.until < validity.until) {
                best.set(Some(validity));
            }
            // A refusal makes webpki search for another path.
            if validity.until == longest.until { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
        };
        let usage = KeyUsage::server_auth();
        // `best` has the result.
        drop(end.verify_for_usage(algorithms.all, &anchors, intermediates, now, usage, None, Some(&verify)));
        Some(Path { validity: best.get()?, root: (self.name.clone(), self.validity) })
    }
}

/// The validity of `leaf` and those `above` it that it most likely needs, by names alone: of each issuer the edition that
/// ends last. For chains without a known root.
pub(crate) fn likely_validity<'a>(leaf: &X509Certificate<'a>, above: &[&X509Certificate<'a>]) -> Validity {
    let mut path = vec![leaf];
    loop {
        let below = path[path.len() - 1];
        let issuers = above.iter().filter(|one| one.subject() == below.issuer() && !path.contains(one));
        match issuers.max_by_key(|one| Validity::of(one).until) {
            Some(issuer) if below.subject() != below.issuer() => path.push(issuer),
            _ => return path.into_iter().map(Validity::of).reduce(Validity::and).unwrap_or_default(),
        }
    }
}

/// Whether `der` was signed with its own key. No path needs such a certificate: either a root vouches for the key without
/// it, or none does. Only these may omit the key identifier of their issuer (RFC 5280 §4.2.1.1).
pub(crate) fn is_self_signed(der: &CertificateDer<'_>) -> bool {
    let Some(parsed) = parse(der) else { return false };
    let (mut own, mut issuers) = (None, None);
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => own = Some(key.0),
            ParsedExtension::AuthorityKeyIdentifier(key) => issuers = key.key_identifier.as_ref().map(|key| key.0),
            _ => {}
        }
    }
    parsed.subject() == parsed.issuer() && (issuers.is_none() || issuers == own)
}

/// The platform's roots, read once per process; the first call reads files.
pub(crate) fn platform() -> &'static Roots {
    static PLATFORM: OnceLock<Roots> = OnceLock::new();
    PLATFORM.get_or_init(|| {
        #[cfg(not(any(target_vendor = "apple", windows, target_os = "android")))]
        let roots = rustls_native_certs::load_native_certs().certs;
        #[cfg(any(target_vendor = "apple", windows, target_os = "android"))]
        let roots = Vec::new();
        Roots::of(roots)
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn called(name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn however_many_issuers_a_server_names_few_roots_are_tried() {
        let all: Vec<_> = (0..8).map(|name| (0..6).map(|_| called(&name.to_string())).collect::<Vec<_>>()).collect();
        let roots = Roots::of(all.iter().flatten().cloned());
        let presented: Vec<_> = all.iter().map(|twins| twins[0].clone()).collect();
        let (leaf, others) = presented.split_first().unwrap();
        assert_eq!(roots.candidates(leaf, &[]).len(), ROOTS_OF_NAME_MAX);
        let tried = roots.candidates(leaf, others);
        assert_eq!(tried.len(), ROOTS_MAX);
        assert!(tried[..ROOTS_OF_NAME_MAX].iter().all(|root| root.name == "0"), "the issuer of the leaf is the first");
    }
}
