//! The folder of certificates: what is there stays, what is missing is made.
//!
//! Invariants: no file is ever overwritten; either all missing files are written or none; a key is readable by its owner only. A key
//! may have been moved to its machine, so a certificate without a key is not missing anything.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::fleet::connection::CA_FILE;
use crate::fleet::subjects::{HUB_USER, WATCH_USER};
use crate::model::text::shown_path;
use crate::model::{Location, Timestamp};

use super::authority::{Authority, Holder, Pair, hosts};

/// Why nothing was written, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; nothing was written")]
pub struct ServerFault(String);

/// What a folder holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The names of the files that were written.
    pub written: Vec<String>,
    /// The locations that have a certificate, sorted.
    pub locations: Vec<Location>,
}

/// A file to be written.
struct NewFile {
    name: String,
    text: String,
    is_key: bool,
}

/// Makes in `folder` what is missing: the authority, the certificate of a server at `hosts`, those of `locations`, of hubs and of
/// watchers.
///
/// # Errors
/// [`ServerFault`].
pub fn prepare(
    folder: &Path,
    locations: &[Location],
    hosts: &[String],
    now: Timestamp,
) -> Result<Prepared, ServerFault> {
    let there = names(folder)?;
    let has = |name: &str, end: &str| there.contains(&format!("{name}.{end}"));
    check_server(folder, hosts, has("server", "pem"))?;
    let clients = locations.iter().map(Location::name).chain([HUB_USER, WATCH_USER]);
    let mut holders: Vec<(&str, Holder<'_>)> = vec![("server", Holder::Server(hosts))];
    holders.extend(clients.map(|name| (name, Holder::Client(name))));
    let mut missing = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, holder) in holders {
        match (has(name, "pem"), has(name, "key")) {
            (true, _) => {}
            (false, true) => return Err(fault(folder, &format!("there is a {name}.key, but no {name}.pem"))),
            (false, false) => missing.extend(seen.insert(name).then_some((name, holder))),
        }
    }
    let mut files: Vec<NewFile> = Vec::new();
    let mut add = |name: &str, pair: Pair| {
        files.push(NewFile { name: format!("{name}.key"), text: pair.key, is_key: true });
        files.push(NewFile { name: format!("{name}.pem"), text: pair.certificate, is_key: false });
    };
    if !missing.is_empty() {
        let authority = match (has("ca", "pem"), has("ca", "key")) {
            (false, false) => {
                let (authority, pair) = Authority::new(now).map_err(|why| fault(folder, &why))?;
                add("ca", pair);
                authority
            }
            (true, true) => {
                let read = |name: &str| {
                    fs::read(folder.join(name)).map_err(|error| fault(folder, &format!("cannot read {name}: {error}")))
                };
                Authority::read(&read(CA_FILE)?, &read("ca.key")?, now).map_err(|why| fault(folder, &why))?
            }
            (pem, _) => {
                let (one, other) = if pem { (CA_FILE, "ca.key") } else { ("ca.key", CA_FILE) };
                let why = format!("there is a {one}, but no {other}, so {} cannot be signed", missing[0].0);
                return Err(fault(folder, &why));
            }
        };
        for (name, holder) in missing {
            add(name, authority.sign(holder).map_err(|why| fault(folder, &why))?);
        }
    }
    write(folder, &files)?;
    let written: Vec<String> = files.into_iter().map(|file| file.name).collect();
    let pems = there.iter().chain(&written).filter_map(|name| Location::new(name.strip_suffix(".pem")?));
    let locations: BTreeSet<Location> = pems.filter(|location| !location.is_reserved()).collect();
    Ok(Prepared { written, locations: locations.into_iter().collect() })
}

/// The names of the files in `folder`; none if there is no such folder.
fn names(folder: &Path) -> Result<BTreeSet<String>, ServerFault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(|error| fault(folder, &error.to_string()))?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(|error| fault(folder, &error.to_string()))
}

/// Faults a server's certificate that is there and lacks one of `wanted`.
fn check_server(folder: &Path, wanted: &[String], is_there: bool) -> Result<(), ServerFault> {
    if !is_there {
        return Ok(());
    }
    let pem = fs::read(folder.join("server.pem")).map_err(|error| fault(folder, &format!("server.pem: {error}")))?;
    let known = hosts(&pem).ok_or_else(|| fault(folder, "server.pem is not the certificate of a server"))?;
    match wanted.iter().find(|host| !known.contains(host)) {
        None => Ok(()),
        Some(host) => {
            let known = known.join(", ");
            let why = format!("server.pem is for {known}, not for {host}: move it and server.key away, and try again");
            Err(fault(folder, &why))
        }
    }
}

/// Writes all `files` into `folder`, or none.
fn write(folder: &Path, files: &[NewFile]) -> Result<(), ServerFault> {
    let mut written: Vec<PathBuf> = Vec::new();
    let result = (|| {
        if !files.is_empty() {
            fs::create_dir_all(folder)?;
        }
        for NewFile { name, text, is_key } in files {
            let path = folder.join(name);
            let mut file = options(*is_key).open(&path)?;
            written.push(path);
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
        }
        Ok(())
    })();
    result.map_err(|error: io::Error| {
        // Half a set would be taken for a whole one the next time.
        for path in &written {
            drop(fs::remove_file(path));
        }
        fault(folder, &format!("cannot write a file: {error}"))
    })
}

/// How a new file is opened.
#[cfg_attr(not(unix), allow(unused_variables, reason = "such systems have no modes"))]
fn options(is_key: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_key {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn fault(folder: &Path, why: &str) -> ServerFault {
    ServerFault(format!("{}: {why}", shown_path(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locations(names: &[&str]) -> Vec<Location> {
        names.iter().map(|name| Location::new(name).unwrap()).collect()
    }

    fn now() -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }

    fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
        names(folder).unwrap().into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
    }

    #[test]
    fn a_location_can_be_added_later_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("fleet");
        let made = prepare(&folder, &locations(&["b", "a", "a"]), &[], now()).unwrap();
        let all = ["ca", "server", "b", "a", "hub", "watch"].map(|name| [format!("{name}.key"), format!("{name}.pem")]);
        assert_eq!(made, Prepared { written: all.concat(), locations: locations(&["a", "b"]) });
        let before = content(&folder);
        let again = prepare(&folder, &locations(&["a"]), &["127.0.0.1".to_owned()], now()).unwrap();
        assert_eq!(again, Prepared { written: Vec::new(), locations: locations(&["a", "b"]) });
        assert_eq!(content(&folder), before);
        // Its key is on its machine by now.
        fs::remove_file(folder.join("a.key")).unwrap();
        let more = prepare(&folder, &locations(&["a", "c"]), &[], now()).unwrap();
        assert_eq!(more.written, ["c.key", "c.pem"]);
        assert_eq!(more.locations, locations(&["a", "b", "c"]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let rights = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
            for key in ["ca.key", "server.key", "c.key", "hub.key"] {
                assert_eq!(rights(key), 0o600, "{key}");
            }
        }
    }

    #[test]
    fn what_would_be_overwritten_or_cannot_be_signed_is_told_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        prepare(folder, &locations(&["a"]), &["nats.example.com".to_owned()], now()).unwrap();
        let told = |names: &[&str], hosts: &[&str]| {
            let before = content(folder);
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            let told = prepare(folder, &locations(names), &hosts, now()).unwrap_err().to_string();
            assert_eq!(content(folder), before);
            assert!(told.ends_with("; nothing was written"), "{told}");
            told
        };
        let other = told(&["a"], &["other.example.com"]);
        assert!(
            other.contains("for localhost, 127.0.0.1, ::1, nats.example.com, not for other.example.com"),
            "{other}"
        );
        fs::write(folder.join("b.key"), "").unwrap();
        assert!(told(&["b"], &[]).contains("there is a b.key, but no b.pem"));
        fs::rename(folder.join("ca.key"), folder.join("x")).unwrap();
        assert!(told(&["c"], &[]).contains("there is a ca.pem, but no ca.key, so c cannot be signed"));
        // Nothing is missing, so nothing has to be signed.
        assert_eq!(prepare(folder, &locations(&["a"]), &[], now()).unwrap().locations, locations(&["a"]));
        fs::remove_file(folder.join("ca.pem")).unwrap();
        fs::rename(folder.join("x"), folder.join("ca.key")).unwrap();
        assert!(told(&["c"], &[]).contains("there is a ca.key, but no ca.pem"));
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        assert!(prepare(&file, &[], &[], now()).unwrap_err().to_string().contains("Not a directory"));
    }
}
