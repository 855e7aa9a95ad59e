//! Completes a login with the files of the folder `certs`: `ca.pem`, and `<name>.pem` with `<name>.key` of the role.
//!
//! Invariants: what the configuration names file by file counts before the folder; no message quotes a file. Bounds: 1 MiB a file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::text::shown_path;
use crate::model::{ClientIdentity, FleetLogin};

use super::Role;
use super::fault::ConnectFault;

/// Longest file, bytes.
const FILE_MAX: u64 = 1 << 20;

/// The name of the certificate of the authority.
pub const CA_FILE: &str = "ca.pem";

/// `login` with what its folder has for `role`.
///
/// # Errors
/// [`ConnectFault::Setup`]: which file cannot be used, and how it comes into being.
pub(super) fn complete(login: &FleetLogin, role: &Role) -> Result<FleetLogin, ConnectFault> {
    let mut login = login.clone();
    let Some(folder) = login.certs.clone() else { return Ok(login) };
    if login.roots.is_empty() {
        login.roots = Arc::new(certificates(&folder.join(CA_FILE))?);
    }
    if login.identity.is_none() {
        let name = role.name();
        let chain = certificates(&folder.join(format!("{name}.pem")))?;
        let key = key(&folder.join(format!("{name}.key")))?;
        login.identity = Some(Arc::new(ClientIdentity { chain, key }));
    }
    Ok(login)
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, ConnectFault> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&bytes).map(|der| der.map(|der| der.to_vec())).collect();
    let found = found.unwrap_or_default();
    if found.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM"));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<Vec<u8>, ConnectFault> {
    let key = PrivateKeyDer::from_pem_slice(&read(path)?);
    // The parser's message may quote the file.
    key.map(|key| key.secret_der().to_vec()).map_err(|_| unusable(path, "it holds no private key in PEM"))
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectFault> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(unusable(path, &error.to_string())),
        Ok(_) if bytes.len() as u64 > FILE_MAX => Err(unusable(path, "it is longer than 1 MiB")),
        Ok(_) => Ok(bytes),
    }
}

fn unusable(path: &Path, why: &str) -> ConnectFault {
    ConnectFault::Setup(format!(
        "cannot use {}: {why}; `webmon fleet server-config` writes the files of `fleet.certs`",
        shown_path(path)
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::Location;

    #[test]
    fn the_files_of_the_role_are_taken_and_named_ones_count_first() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let pair = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
            write(&format!("{name}.pem"), &certificate.pem());
            write(&format!("{name}.key"), &key.serialize_pem());
            certificate.der().to_vec()
        };
        let (ca, fra, hub) = (pair("ca"), pair("fra1"), pair("hub"));
        let login = FleetLogin { certs: Some(folder.path().to_owned()), ..FleetLogin::default() };
        let role = Role::Location(Location::new("fra1").unwrap());
        for (role, own) in [(&role, &fra), (&Role::Hub, &hub)] {
            let made = complete(&login, role).unwrap();
            assert_eq!(made.roots[0], ca);
            assert_eq!(made.identity.unwrap().chain[0], *own);
        }
        let identity = Some(Arc::new(ClientIdentity { chain: vec![vec![1]], key: vec![2] }));
        let named = FleetLogin { roots: Arc::new(vec![vec![3]]), identity, ..login.clone() };
        assert_eq!(complete(&named, &role).unwrap(), named);
        assert_eq!(complete(&FleetLogin::default(), &role).unwrap(), FleetLogin::default());

        let told = |login: &FleetLogin, role: &Role| complete(login, role).unwrap_err().to_string();
        let missing = told(&login, &Role::Watch);
        assert!(missing.contains("watch.pem: No such file"), "{missing}");
        assert!(missing.ends_with("`webmon fleet server-config` writes the files of `fleet.certs`"), "{missing}");
        write("hub.key", "-----BEGIN PRIVATE KEY-----\nhunter2");
        let broken = told(&login, &Role::Hub);
        assert!(broken.contains("hub.key: it holds no private key") && !broken.contains("hunter2"), "{broken}");
        write("ca.pem", "hunter2");
        let broken = told(&login, &role);
        assert!(broken.contains("ca.pem: it holds no certificate") && !broken.contains("hunter2"), "{broken}");
    }
}
