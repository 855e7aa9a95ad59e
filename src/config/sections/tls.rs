//! The section `tls` of a site: the rules for its server, and certificate files.
//!
//! Files are read with the configuration, and a fault points at the name of its file. `client_cert` and `client_key` are one unit;
//! the key may be in the certificate's file. Sites that name the same files share their content. Whether a key belongs to its
//! certificate shows only in use. Bounds: 1 MiB per file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::{ConfigReader, Scalar};
use crate::config::keys::value::{self, set};
use crate::config::syntax::tree::NodeId;
use crate::model::{ClientIdentity, Pin, TlsFiles, TlsRules};

const FILE_MAX: u64 = 1 << 20;

/// The content of files and their paths.
#[derive(Clone, Debug)]
struct Loaded<T> {
    from: Vec<PathBuf>,
    content: Arc<T>,
}

/// Where the certificate files of a site come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSources {
    roots: Option<Loaded<Vec<Vec<u8>>>>,
    identity: Option<Loaded<ClientIdentity>>,
}

impl TlsSources {
    /// Replaces what is written in `keys`, here and in `rules`; adds to `secrets` what servers may repeat.
    pub(crate) fn read(&mut self, keys: &mut Keys<'_, '_>, rules: &mut TlsRules, secrets: &mut Vec<String>) {
        set(&mut rules.insecure, keys.boolean("insecure"));
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        set(&mut rules.warn, keys.whole("warn_days").map(days));
        set(&mut rules.pins, pins(keys));
        set(&mut rules.server_name, keys.secret_value("server_name", secrets, server_name).map(Some));
        self.read_files(keys);
        rules.files = self.files(keys.reader());
    }

    /// Replaces the files that are named in `keys`.
    pub(crate) fn read_files(&mut self, keys: &mut Keys<'_, '_>) {
        let reader = keys.reader();
        let roots = keys.take("ca_file").and_then(|id| roots(reader, id));
        set(&mut self.roots, roots.map(Some));
        let identity = match (keys.take("client_cert"), keys.take("client_key")) {
            (Some(certificate), key) => identity(reader, (certificate, key), "client_key"),
            (None, Some(key)) => {
                reader.fault_at(key, "`client_key` needs a `client_cert` beside it");
                None
            }
            (None, None) => None,
        };
        set(&mut self.identity, identity.map(Some));
    }

    /// The trusted roots.
    pub(crate) fn roots(&self) -> Arc<Vec<Vec<u8>>> {
        self.roots.as_ref().map(|roots| Arc::clone(&roots.content)).unwrap_or_default()
    }

    /// The client's certificate and key.
    pub(crate) fn identity(&self) -> Option<Arc<ClientIdentity>> {
        self.identity.as_ref().map(|identity| Arc::clone(&identity.content))
    }

    /// The contents, shared by all sites with the same sources.
    fn files(&self, reader: &ConfigReader<'_>) -> Option<Arc<TlsFiles>> {
        let (roots, identity) = (self.roots.as_ref(), self.identity.as_ref());
        if roots.is_none() && identity.is_none() {
            return None;
        }
        let paths = [roots.map(|roots| &roots.from), identity.map(|identity| &identity.from)];
        let mut shared = reader.cache.tls_files.borrow_mut();
        let files = shared.entry(paths.map(Option::<&Vec<PathBuf>>::cloned)).or_insert_with(|| {
            let roots = roots.map(|roots| Arc::clone(&roots.content)).unwrap_or_default();
            Arc::new(TlsFiles { roots, identity: identity.map(|identity| Arc::clone(&identity.content)) })
        });
        Some(Arc::clone(files))
    }
}

/// The keys under `pin`; an empty list allows any.
fn pins(keys: &mut Keys<'_, '_>) -> Option<Vec<Pin>> {
    let reader = keys.reader();
    let parse = |text: Scalar| value::pin(&text.value).map_err(|message| reader.fault(text.fault(message))).ok();
    // All are read, so that the user sees every fault at once.
    let pins: Vec<Option<Pin>> = keys.names("pin")?.into_iter().map(parse).collect();
    pins.into_iter().collect()
}

/// The name of a server: of the DNS, or an address.
fn server_name(text: &str) -> Result<Arc<str>, String> {
    let name = text.trim().trim_start_matches('[').trim_end_matches([']', '.']);
    match url::Host::parse(name).ok().or_else(|| name.parse().ok().map(url::Host::Ipv6)) {
        // The name of the DNS for `bücher.example`, for instance.
        Some(host) if ServerName::try_from(host.to_string().trim_matches(['[', ']'])).is_ok() => {
            Ok(host.to_string().into())
        }
        _ => Err(format!(
            "{text:?} is not the name of a server; write it without scheme, port and path: www.example.com"
        )),
    }
}

/// The path of the file that `id` names and its parsed content. None after a fault, or without one when files do not matter.
fn file<T>(
    reader: &ConfigReader<'_>,
    id: NodeId,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Option<(PathBuf, T)> {
    let path = path(reader, id)?;
    match reader.scope().files.with(&path, FILE_MAX, parse) {
        Ok(Ok(parsed)) => return Some((path, parsed)),
        Ok(Err(fault)) => reader.fault_at(id, fault),
        Err(why) if why.starts_with(':') => reader.fault_at(id, format!("cannot read this file{why}")),
        Err(_) => reader.fault_at(id, "this file is longer than 1 MiB"),
    }
    None
}

fn path(reader: &ConfigReader<'_>, id: NodeId) -> Option<PathBuf> {
    reader.file(&reader.text(id)?.value)
}

fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(bytes).map(|der| der.map(|der| der.to_vec())).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("there is no certificate in this file; it must be PEM (-----BEGIN CERTIFICATE-----)".to_owned()),
        Err(error) => Err(format!("this file is not valid PEM: {error}")),
    }
}

fn roots(reader: &ConfigReader<'_>, id: NodeId) -> Option<Loaded<Vec<Vec<u8>>>> {
    let named = path(reader, id)?;
    let known = reader.cache.roots.borrow().get(&named).cloned();
    let content = if let Some(known) = known {
        known
    } else {
        let made = Arc::new(file(reader, id, certificates)?.1);
        reader.cache.roots.borrow_mut().insert(named.clone(), Arc::clone(&made));
        made
    };
    Some(Loaded { from: vec![named], content })
}

/// The certificate and the key that webmon serves with, under `cert` and `key`.
pub(crate) fn server_identity(keys: &mut Keys<'_, '_>) -> Option<Arc<ClientIdentity>> {
    let reader = keys.reader();
    match (keys.take("cert"), keys.take("key")) {
        (Some(certificate), key) => identity(reader, (certificate, key), "key").map(|loaded| loaded.content),
        (None, Some(key)) => {
            reader.fault_at(key, "`key` needs a `cert` beside it");
            None
        }
        (None, None) => None,
    }
}

/// The certificate and its key; `key_name` is the key of the file that may name another file for the latter.
fn identity(
    reader: &ConfigReader<'_>,
    (certificate, key): (NodeId, Option<NodeId>),
    key_name: &str,
) -> Option<Loaded<ClientIdentity>> {
    let certificate_path = path(reader, certificate)?;
    let key_path = key.map_or_else(|| Some(certificate_path.clone()), |key| path(reader, key))?;
    let from = [certificate_path, key_path];
    let known = reader.cache.identities.borrow().get(&from).cloned();
    let content = if let Some(known) = known {
        known
    } else {
        let (_, chain) = file(reader, certificate, certificates)?;
        // The parser's message may quote the file, so it is not shown.
        let (_, key) = file(reader, key.unwrap_or(certificate), |bytes| {
            PrivateKeyDer::from_pem_slice(bytes).map(|der| der.secret_der().to_vec()).map_err(|_| match key {
                Some(_) => "there is no private key in this file; it must be PEM, without a passphrase".to_owned(),
                None => format!("there is no private key beside this certificate; name its file in {key_name}"),
            })
        })?;
        let made = Arc::new(ClientIdentity { chain, key });
        reader.cache.identities.borrow_mut().insert(from.clone(), Arc::clone(&made));
        made
    };
    Some(Loaded { from: from.to_vec(), content })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::{Config, ConfigError, parse};

    const NO_KEY: &str = "there is no private key";

    fn in_folder(folder: &tempfile::TempDir, text: &str) -> Result<Config, ConfigError> {
        parse(text, "sites.yaml", folder.path(), &|_| None)
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(folder.path().join("c.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("k.pem"), key.serialize_pem()).unwrap();
        fs::write(folder.path().join("both.pem"), certificate.pem() + &key.serialize_pem()).unwrap();
        fs::write(folder.path().join("text"), "hello").unwrap();
        folder
    }

    #[test]
    fn certificate_files_are_read_once_and_shared() {
        let text = "
            defaults: { tls: { ca_file: c.pem, warn_days: 7 } }
            sites:
              - https://a.test
              - { url: https://b.test, tls: { insecure: true } }
              - { url: https://c.test, tls: { client_cert: c.pem, client_key: k.pem } }
              - { url: https://d.test, tls: { client_cert: both.pem } }
        ";
        let config = in_folder(&folder(), text).unwrap_or_else(|error| panic!("{error}"));
        let rules: Vec<_> = config.sites.iter().map(|watched| &watched.site.tls).collect();
        let files: Vec<_> = rules.iter().map(|rules| rules.files.as_ref().unwrap()).collect();
        assert!(std::sync::Arc::ptr_eq(files[0], files[1]));
        assert_eq!((files[0].roots.len(), files[0].identity.is_some()), (1, false));
        assert_eq!((files[2].roots.len(), files[2].identity.is_some(), files[3].identity.is_some()), (1, true, true));
        assert_eq!((rules[0].warn.as_secs(), rules[1].insecure), (7 * 86_400, true));
    }

    #[test]
    fn an_unusable_file_is_a_fault_at_its_name() {
        for (tls, fault) in [
            ("ca_file: none.pem", "cannot read this file"),
            ("ca_file: k.pem", "there is no certificate in this file"),
            ("ca_file: text", "there is no certificate in this file"),
            ("client_cert: c.pem", NO_KEY),
            ("client_cert: c.pem, client_key: c.pem", NO_KEY),
            ("client_cert: c.pem, client_key: none.pem", "cannot read this file"),
            ("client_key: k.pem", "`client_key` needs a `client_cert`"),
            ("warn_days: many", "is not a whole number"),
        ] {
            let text = format!("sites: [ {{ url: 'https://a.test', tls: {{ {tls} }} }} ]");
            let report = in_folder(&folder(), &text).expect_err(tls).to_string();
            assert!(report.contains(fault) && report.contains("sites.yaml:1:"), "{tls}: {report}");
        }
    }

    #[test]
    fn without_an_environment_files_are_not_read() {
        let folder = folder();
        let path = folder.path().join("sites.yaml");
        fs::write(&path, "sites: [ { url: 'https://a.test', tls: { ca_file: none.pem } } ]").unwrap();
        assert!(crate::config::load_without_env(&path).is_ok());
    }
}
