//! The authority of a fleet: signs the certificates of its servers, locations, hubs and watchers.
//!
//! Keys are ECDSA on P-256. Certificates last [`YEARS`] years: who shall get in no longer is taken out of `nats-server.conf`, which
//! works at once. Invariant: a certificate has the name of its holder as the only attribute of its subject, for NATS maps it to the
//! user `CN=<name>`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::model::Timestamp;

/// The name of the authority.
const NAME: &str = "webmon fleet";

/// How long certificates last.
const YEARS: u64 = 10;

/// Clocks that are behind by less accept a new certificate.
const EARLIER: Duration = Duration::from_hours(24);

/// Names by which the machine of a server calls itself.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holder<'a> {
    /// A server with these names and addresses, besides those of every machine.
    Server(&'a [String]),
    /// A client of this name.
    Client(&'a str),
}

/// A certificate and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// See the module.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    now: Timestamp,
}

impl Authority {
    /// A new authority, and its files.
    pub(super) fn new(now: Timestamp) -> Result<(Self, Pair), String> {
        let key = KeyPair::generate().map_err(failed)?;
        let params = params(now);
        let certificate = params.self_signed(&key).map_err(failed)?;
        let pair =
            Pair { certificate: pem("CERTIFICATE", certificate.der()), key: pem("PRIVATE KEY", key.serialized_der()) };
        Ok((Self { issuer: Issuer::new(params, key), now }, pair))
    }

    /// The authority of these files.
    pub(super) fn read(certificate: &[u8], key: &[u8], now: Timestamp) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(key).ok().and_then(|der| KeyPair::try_from(&der).ok());
        let key = key.ok_or("ca.key holds no private key of an authority")?;
        let der = CertificateDer::from_pem_slice(certificate).map_err(|_| "ca.pem holds no certificate")?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| "ca.pem holds no certificate")?;
        if parsed.public_key().subject_public_key.data != key.public_key_raw() {
            return Err("ca.key is not the key of ca.pem".to_owned());
        }
        if parsed.subject().to_string() != format!("CN={NAME}") {
            return Err(
                "ca.pem was not made by webmon; sign the certificates with the tools of your authority".to_owned()
            );
        }
        Ok(Self { issuer: Issuer::new(params(now), key), now })
    }

    /// A certificate for `holder`.
    pub(super) fn sign(&self, holder: Holder<'_>) -> Result<Pair, String> {
        let (name, hosts, usage) = match holder {
            Holder::Server(hosts) => {
                let local = LOCAL.map(str::to_owned).into_iter();
                let own = hosts.iter().filter(|host| !LOCAL.contains(&host.as_str())).cloned();
                ("NATS server", local.chain(own).collect(), ExtendedKeyUsagePurpose::ServerAuth)
            }
            // NATS would try other names before the subject.
            Holder::Client(name) => (name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
        };
        let mut params = CertificateParams::new(hosts).map_err(failed)?;
        params.distinguished_name = subject(name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        lasting(&mut params, self.now);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Pair { certificate: pem("CERTIFICATE", certificate.der()), key: pem("PRIVATE KEY", key.serialized_der()) })
    }
}

/// The names and addresses that the server's certificate in `pem` is for.
pub(super) fn hosts(pem: &[u8]) -> Option<Vec<String>> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let (_, parsed) = X509Certificate::from_der(&der).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let address = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
    };
    let hosts = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    Some(hosts.collect())
}

/// The authority itself.
fn params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, now);
    params
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn lasting(params: &mut CertificateParams, now: Timestamp) {
    let date = |at: Timestamp| date_time_ymd(1970, 1, 1) + Duration::from_micros(at.as_micros());
    let until = now.after(Duration::from_hours(24 * 365 * YEARS + 24 * YEARS / 4));
    (params.not_before, params.not_after) = (date(now.before(EARLIER)), date(until));
}

/// `der` as text (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[allow(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn failed(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }

    #[test]
    fn an_authority_signs_on_after_it_was_read() {
        let (authority, files) = Authority::new(now()).unwrap();
        let read = Authority::read(files.certificate.as_bytes(), files.key.as_bytes(), now()).unwrap();
        let root = CertificateDer::from_pem_slice(files.certificate.as_bytes()).unwrap();
        let anchor = webpki_anchor(&root);
        for authority in [&authority, &read] {
            let pair = authority.sign(Holder::Client("fra1")).unwrap();
            let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
            let (_, parsed) = X509Certificate::from_der(&der).unwrap();
            assert_eq!(parsed.subject().to_string(), "CN=fra1");
            assert_eq!(parsed.issuer().to_string(), anchor);
            assert!(parsed.subject_alternative_name().unwrap().is_none());
            assert!(PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).is_ok());
            let (_, root) = X509Certificate::from_der(&root).unwrap();
            let ten_years = 10 * 365 * 24 * 3_600;
            let lasts = parsed.validity().not_after.timestamp() - 1_800_000_000;
            assert!((ten_years..ten_years + 4 * 24 * 3_600).contains(&lasts), "{lasts}");
            assert_eq!(root.validity().not_after, parsed.validity().not_after);
        }
    }

    fn webpki_anchor(root: &CertificateDer<'_>) -> String {
        X509Certificate::from_der(root).unwrap().1.subject().to_string()
    }

    #[test]
    fn a_server_is_known_by_its_names_and_addresses() {
        let (authority, _) = Authority::new(now()).unwrap();
        let names = ["nats.example.com".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()];
        let pair = authority.sign(Holder::Server(&names)).unwrap();
        let known = hosts(pair.certificate.as_bytes()).unwrap();
        assert_eq!(known, ["localhost", "127.0.0.1", "::1", "nats.example.com", "10.0.0.1"]);
        assert_eq!(hosts(b"hello"), None);
    }

    #[test]
    fn files_that_are_not_an_authority_of_webmon_are_refused() {
        let (_, files) = Authority::new(now()).unwrap();
        let (_, others) = Authority::new(now()).unwrap();
        let foreign = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&foreign).unwrap();
        for (certificate, key, fault) in [
            (&files.certificate, &others.key, "not the key of ca.pem"),
            (&files.key, &files.key, "ca.pem holds no certificate"),
            (&files.certificate, &files.certificate, "ca.key holds no private key"),
            (&certificate.pem(), &foreign.serialize_pem(), "was not made by webmon"),
        ] {
            let read = Authority::read(certificate.as_bytes(), key.as_bytes(), now());
            let error = read.err().unwrap();
            assert!(error.contains(fault), "{error}");
        }
    }
}
