//! The path by which a chain was accepted: leaf, the intermediates that it used, and the root from the store.
//!
//! Servers send more than is needed: an expired cross-signature, last year's leaf, an old edition of the root. Only the dates
//! of the path count, its root's included: webpki takes any root for valid for ever, while curl, Go and OpenSSL refuse an
//! expired one. So webpki is asked again with each root alone that may have issued what was presented, and refuses every
//! path that it finds until no better one is possible: the path that stays valid longest is the answer, whichever edition of
//! an intermediate comes first. Limits: four such roots of one name and 16 in all; the 100 signatures that webpki verifies in one search; no root is
//! known on platforms that keep theirs to themselves.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::OnceLock;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::model::Timestamp;

use super::cache::Dates;
use super::x509::{begin, common_name, expiry};

/// Roots of one name that are tried at most.
const ROOTS_MAX: usize = 4;
/// Roots of all names that are tried at most.
const TRIED_MAX: usize = 16;

/// A way from a leaf to a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Within which dates all of it is valid.
    pub(crate) dates: Dates,
    /// What the root is called, and its dates.
    pub(crate) root: (String, Dates),
}

/// Roots that are trusted, by the bytes of their subjects.
#[derive(Debug, Default)]
pub(crate) struct Roots(HashMap<Vec<u8>, Vec<Root>>);

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    name: String,
    dates: Dates,
}

impl Roots {
    /// Those of `ders` that can be read.
    pub(crate) fn of(ders: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots: HashMap<Vec<u8>, Vec<Root>> = HashMap::new();
        for der in ders {
            let Ok((_, parsed)) = X509Certificate::from_der(&der) else { continue };
            let subject = parsed.subject().as_raw().to_vec();
            let (name, dates) = (common_name(parsed.subject()), (begin(&parsed), expiry(&parsed)));
            roots.entry(subject).or_default().push(Root { der, name, dates });
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
        paths.max_by_key(|path| (path.dates.0 <= at && at <= path.dates.1, path.dates.1))
    }
}

impl Roots {
    /// Those that may have issued what was presented, the issuer of `leaf` first.
    fn candidates(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Vec<&Root> {
        let mut issuers: Vec<Vec<u8>> = Vec::new();
        for der in std::iter::once(leaf).chain(intermediates) {
            let Ok((_, parsed)) = X509Certificate::from_der(der) else { continue };
            let issuer = parsed.issuer().as_raw();
            if !issuers.iter().any(|known| known == issuer) {
                issuers.push(issuer.to_vec());
            }
        }
        let known = |issuer: &Vec<u8>| {
            let own = self.0.get(issuer).into_iter().flatten();
            own.chain(platform().0.get(issuer).into_iter().flatten()).take(ROOTS_MAX)
        };
        issuers.iter().flat_map(known).take(TRIED_MAX).collect()
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
        let anchors: [TrustAnchor<'_>; 1] = [webpki::anchor_from_trusted_cert(&self.der).ok()?];
        let end = EndEntityCert::try_from(leaf).ok()?;
        let usage = KeyUsage::server_auth();
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let own = within(self.dates, (begin(&parsed), expiry(&parsed)));
        let best: Cell<Option<Dates>> = Cell::new(None);
        let look = |path: &VerifiedPath<'_>| {
            let used = path.intermediate_certificates().map(webpki::Cert::der);
            let dates = used.filter_map(|der| {
                let (_, parsed) = X509Certificate::from_der(&der).ok()?;
                Some((begin(&parsed), expiry(&parsed)))
            });
            let dates = dates.fold(own, within);
            if best.get().is_none_or(|(_, until)| until < dates.1) {
                best.set(Some(dates));
            }
            // A refusal is what makes webpki look for another path; nothing ends later than the leaf and the root.
            if dates.1 == own.1 { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
        };
        // What it found is in `best`.
        drop(end.verify_for_usage(algorithms.all, &anchors, intermediates, now, usage, None, Some(&look)));
        let dates = best.get()?;
        Some(Path { dates, root: (self.name.clone(), self.dates) })
    }
}

/// The dates that are within both.
fn within((from, until): Dates, (begin, end): Dates) -> Dates {
    (from.max(begin), until.min(end))
}

/// Those `above` the leaf that it most likely needs, by names alone: for each issuer the edition that ends last. It is for
/// chains that no root vouches for.
pub(crate) fn likely<'a>(leaf: &X509Certificate<'a>, above: &[X509Certificate<'a>]) -> Vec<X509Certificate<'a>> {
    let mut used: Vec<X509Certificate<'a>> = Vec::new();
    loop {
        let below = used.last().unwrap_or(leaf);
        if below.subject() == below.issuer() {
            return used;
        }
        let issuers = above.iter().filter(|one| one.subject() == below.issuer() && !used.contains(one));
        let Some(issuer) = issuers.max_by_key(|one| expiry(one)) else { return used };
        used.push(issuer.clone());
    }
}

/// Whether `der` was signed with its own key. No path needs such a certificate: either a root vouches for the key without
/// it, or none does. RFC 5280 lets only these leave out the key identifier of their issuer.
pub(crate) fn is_self_signed(der: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(der) else { return false };
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

/// The roots of the platform, read once a process; the first call reads files.
pub(crate) fn platform() -> &'static Roots {
    static PLATFORM: OnceLock<Roots> = OnceLock::new();
    PLATFORM.get_or_init(|| Roots::of(native()))
}

#[cfg(not(any(target_vendor = "apple", windows, target_os = "android")))]
fn native() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

#[cfg(any(target_vendor = "apple", windows, target_os = "android"))]
fn native() -> Vec<CertificateDer<'static>> {
    Vec::new()
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
        assert_eq!(roots.candidates(leaf, &[]).len(), ROOTS_MAX);
        let tried = roots.candidates(leaf, others);
        assert_eq!(tried.len(), TRIED_MAX);
        assert!(tried[..ROOTS_MAX].iter().all(|root| root.name == "0"), "the issuer of the leaf is the first");
    }
}
