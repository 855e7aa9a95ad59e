//! The path by which a chain was accepted: leaf, the intermediates that it used, and the root from the store.
//!
//! Servers send more than is needed: an expired cross-signature, last year's leaf, an old edition of the root. Only the dates
//! of the path count, its root's included: webpki takes any root for valid for ever, while curl, Go and OpenSSL refuse an
//! expired one. So webpki is asked again with each root alone that may have issued what was presented, and the path that
//! stays valid longest is the answer. Limits: four such roots; none is known on platforms that keep theirs to themselves.

use std::collections::HashMap;
use std::sync::OnceLock;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::certificate::{begin, common_name, expiry};
use super::proven::Dates;

/// Roots of one name that are tried at most.
const ROOTS_MAX: usize = 4;

/// A way from a leaf to a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Within which dates all of it is valid.
    pub(super) dates: Dates,
    /// What the root is called, and its dates.
    pub(super) root: (String, Dates),
}

/// Roots that are trusted, by the bytes of their subjects.
#[derive(Debug, Default)]
pub(super) struct Roots(HashMap<Vec<u8>, Vec<Root>>);

#[derive(Debug)]
struct Root {
    der: CertificateDer<'static>,
    name: String,
    dates: Dates,
}

impl Roots {
    /// Those of `ders` that can be read.
    pub(super) fn of(ders: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots: HashMap<Vec<u8>, Vec<Root>> = HashMap::new();
        for der in ders {
            let Ok((_, parsed)) = X509Certificate::from_der(&der) else { continue };
            let subject = parsed.subject().as_raw().to_vec();
            let (name, dates) = (common_name(parsed.subject()), (begin(&parsed), expiry(&parsed)));
            roots.entry(subject).or_default().push(Root { der, name, dates });
        }
        Self(roots)
    }

    /// The path from `leaf` that stays valid longest, one for each known root, among those that are valid at `now` but for
    /// the dates of their roots; none without a known root. Limit: of several editions of an intermediate, webpki chooses.
    pub(super) fn best(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Option<Path> {
        let issuers = std::iter::once(leaf).chain(intermediates);
        let issuers = issuers.filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1.issuer().as_raw().to_vec()));
        let mut issuers: Vec<Vec<u8>> = issuers.collect();
        issuers.sort();
        issuers.dedup();
        let known = |issuer: &Vec<u8>| {
            let own = self.0.get(issuer).into_iter().flatten();
            own.chain(platform().0.get(issuer).into_iter().flatten()).take(ROOTS_MAX)
        };
        let paths = issuers.iter().flat_map(known).filter_map(|root| root.path(leaf, intermediates, now, algorithms));
        paths.max_by_key(|path| path.dates.1)
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
        let path = end.verify_for_usage(algorithms.all, &anchors, intermediates, now, usage, None, None).ok()?;
        let used = path.intermediate_certificates().map(webpki::Cert::der);
        let used = std::iter::once(CertificateDer::from(&leaf[..])).chain(used);
        let dates = used.filter_map(|der| {
            let (_, parsed) = X509Certificate::from_der(&der).ok()?;
            Some((begin(&parsed), expiry(&parsed)))
        });
        let dates = dates.fold(self.dates, |(from, until), (begin, end)| (from.max(begin), until.min(end)));
        Some(Path { dates, root: (self.name.clone(), self.dates) })
    }
}

/// The roots of the platform, read once a process; the first call reads files.
pub(super) fn platform() -> &'static Roots {
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
