//! The section `fleet`: the NATS servers at which several webmons meet, and who this one is.
//!
//! Certificates that are named one by one are read with the configuration, as those of sites are. A folder of certificates is
//! read by the program that connects, since only that program knows its role, and the file is shared by machines that have their own
//! certificate only. Invariant: no message shows a password or a token.

use std::path::PathBuf;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::reader::Scalar;
use crate::config::keys::value::{set, size_in};
use crate::config::syntax::fault::Fault;
use crate::model::{FleetCredential, FleetLogin, FleetServer, FleetTerms, LOCATION_MAX, Location, Secret, text};

use super::notes::Notes;
use super::tls::TlsSources;

/// Longest name of a stream (ADR-6 of NATS advises to stay below 32).
const STREAM_MAX: usize = 64;

/// Longest user, password or token, bytes.
const CREDENTIAL_MAX: usize = 1_024;

const EXAMPLE: &str = "example: server: tls://nats.example.com:4222";

/// The terms under `fleet`, if there are any. Adds its literal secrets to `notes`.
pub(crate) fn fleet(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> Option<FleetTerms> {
    let reader = keys.reader();
    let ValueForm::Section(declared) = *keys.form("fleet") else { unreachable!("fleet is declared as a section") };
    let section = keys.take("fleet").filter(|&id| !reader.is_null(id))?;
    let mut keys = Keys::of(reader, section, declared)?;
    let is_written = keys.place("server").is_some();
    let written = keys.names("server").unwrap_or_default();
    let mut servers = Vec::new();
    for text in &written {
        match FleetServer::parse(&text.value) {
            Ok(server) => servers.push(server),
            Err(message) => reader.fault(text.fault(message)),
        }
    }
    let mut terms = FleetTerms::at(servers);
    terms.location = keys.value("location", location);
    terms.login = login(&mut keys, notes);
    set(&mut terms.stream, keys.value("stream", stream));
    if keys.take_word("alone", "never") {
        terms.alone = None;
    } else {
        set(&mut terms.alone, keys.duration("alone").map(Some));
    }
    set(&mut terms.max_pairs, keys.whole("max_pairs"));
    set(&mut terms.silent_after, keys.duration("silent_after"));
    keys.finish();
    let may_lack = reader.scope().env.is_none() || reader.absences.is_lenient();
    if !is_written || (written.is_empty() && !may_lack) {
        reader.fault(Fault::new(reader.span(section), "this fleet has no `server`").hint(EXAMPLE));
    }
    // Where its variables are missing, a server is not known.
    (!terms.servers.is_empty()).then_some(terms)
}

fn login(keys: &mut Keys<'_, '_>, notes: &mut Notes) -> FleetLogin {
    let reader = keys.reader();
    let certs = keys.value("certs", folder).map(|path| reader.scope().base_dir.join(path));
    let mut files = TlsSources::default();
    files.read_files(keys);
    let [user_at, password_at, token_at] = ["user", "password", "token"].map(|key| keys.key(key));
    if let (Some(_), Some(at)) = (user_at, token_at) {
        reader.fault_at(at, "there are a token and a user; keep one of them");
    }
    match (user_at, password_at) {
        (Some(at), None) => reader.fault_at(at, "a user needs a `password` beside it"),
        (None, Some(at)) => reader.fault_at(at, "a password needs a `user` beside it"),
        _ => {}
    }
    let mut text = |key: &'static str| -> Option<Scalar> {
        let text = keys.take(key).and_then(|id| reader.text(id))?;
        let is_fit = (1..=CREDENTIAL_MAX).contains(&text.value.len()) && !text.value.chars().any(text::is_harmful);
        if !is_fit {
            let message = format!("a {key} has 1 to {CREDENTIAL_MAX} bytes and no control characters");
            reader.fault(Fault::new(text.span.clone(), message));
        }
        Some(text)
    };
    let (user, password, token) = (text("user"), text("password"), text("token"));
    for (text, what) in [(&password, "the fleet's password"), (&token, "the fleet's token")] {
        if let Some(text) = text {
            notes.credential(text, what);
        }
    }
    let user = user
        .zip(password)
        .map(|(user, password)| FleetCredential::User { name: user.value, password: Secret::new(password.value) });
    let token = token.map(|token| FleetCredential::Token(Secret::new(token.value)));
    FleetLogin { certs, roots: files.roots(), identity: files.identity(), credential: token.or(user) }
}

/// `text` as the name of a location.
///
/// # Errors
/// Why no location can have it.
pub fn location(text: &str) -> Result<Location, String> {
    let text = text.trim();
    let location = Location::new(text).ok_or_else(|| {
        format!("{text:?} is not a location; write 1 to {LOCATION_MAX} of a-z, 0-9 and -, such as fra1")
    })?;
    if location.is_reserved() {
        return Err(format!("{location} is the name of another part of a fleet; choose another, such as fra1"));
    }
    Ok(location)
}

/// `text` as the name of a stream.
///
/// # Errors
/// Why no stream can have it.
pub fn stream(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.is_empty() || text.len() > STREAM_MAX || !text.chars().all(is_plain) {
        return Err(format!("{text:?} is not the name of a stream; write 1 to {STREAM_MAX} letters, digits, - and _"));
    }
    Ok(text.to_owned())
}

/// `text` as the size of a stream.
///
/// # Errors
/// Why it is none.
pub fn stream_size(text: &str) -> Result<u64, String> {
    size_in(text, &(16 << 20..=1 << 50))
}

fn folder(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("{text:?} is not the path of a folder"));
    }
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, ConfigError, load_without_env, parse};

    fn read(fleet: &str) -> Result<Config, ConfigError> {
        let text = format!("sites: ['http://a']\nfleet: {{ {fleet} }}");
        parse(&text, "sites.yaml", Path::new("/etc/webmon"), &|name| (name == "T").then(|| "hunter2".to_owned()))
    }

    fn taken(fleet: &str) -> FleetTerms {
        read(fleet).unwrap_or_else(|error| panic!("{fleet}: {error}")).fleet.expect("there is a section")
    }

    #[test]
    fn the_section_is_read_as_written() {
        let terms = taken(
            "server: [tls://a, 'tls://b:4223'], location: fra1, certs: fleet/, stream: CHECKS, alone: never, \
             max_pairs: 7, silent_after: 1m",
        );
        let servers: Vec<String> = terms.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["tls://a:4222", "tls://b:4223"]);
        assert_eq!(terms.location, Location::new("fra1"));
        assert_eq!(terms.login.certs.as_deref(), Some(Path::new("/etc/webmon/fleet")));
        assert_eq!((&*terms.stream, terms.alone, terms.max_pairs), ("CHECKS", None, 7));
        assert_eq!(terms.silent_after, Duration::from_mins(1));
        let plain = taken("server: nats://localhost");
        assert_eq!(plain, FleetTerms::at(plain.servers.clone()));
        assert!(parse("sites: ['http://a']\nfleet:", "sites.yaml", Path::new("/"), &|_| None).unwrap().fleet.is_none());
    }

    #[test]
    fn a_credential_is_masked_everywhere() {
        for fleet in ["server: tls://a, token: '${T}'", "server: tls://a, user: ada, password: '${T}'"] {
            let config = read(fleet).unwrap_or_else(|error| panic!("{error}"));
            assert!(config.fleet.as_ref().is_some_and(|terms| terms.login.credential.is_some()));
            assert!(config.secrets.iter().any(|secret| secret == "hunter2"));
            assert!(!format!("{config:?}").contains("hunter2"));
        }
    }

    #[test]
    fn faults_say_what_to_write_and_never_show_a_secret() {
        for (fleet, fault) in [
            ("location: fra1", "this fleet has no `server`"),
            ("server: []", "this fleet has no `server`"),
            ("server: nats://nats.example.com", "write tls://nats.example.com:4222"),
            ("server: 'tls://ada:hunter2@a'", "`user` and `password`"),
            ("server: tls://a, location: Fra1", "1 to 32 of a-z, 0-9 and -"),
            ("server: tls://a, location: hub", "another part of a fleet"),
            ("server: tls://a, stream: a.b", "not the name of a stream"),
            ("server: tls://a, user: ada", "needs a `password`"),
            ("server: tls://a, password: hunter2", "needs a `user`"),
            ("server: tls://a, user: ada, password: hunter2, token: hunter2", "keep one of them"),
            ("server: tls://a, token: \"hunter2\\n\"", "no control characters"),
            ("server: tls://a, client_cert: none.pem", "cannot read this file"),
            ("server: tls://a, client_key: none.key", "`client_key` needs a `client_cert`"),
            ("server: tls://a, alone: 5s", "too short"),
            ("server: tls://a, alone: off", "or write never"),
            ("servers: tls://a", "did you mean `server`?"),
        ] {
            let report = read(fleet).expect_err(fleet).to_string();
            assert!(report.contains(fault) && !report.contains("hunter2"), "{fleet}: {report}");
            assert!(report.contains("sites.yaml:2:"), "{fleet}: {report}");
        }
    }

    #[test]
    fn what_the_document_shows_is_right() {
        let document = include_str!("../../../../docs/locations.md");
        let blocks = document.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
        let mut shown = 0;
        for block in blocks {
            // Within a list the text is indented, and so is the site.
            let indent = " ".repeat(block.len() - block.trim_start().len());
            let text = format!("{indent}sites: ['http://a']\n{block}");
            let config = parse(&text, "sites.yaml", Path::new("/"), &|_| None);
            assert!(config.unwrap_or_else(|error| panic!("{text}\n{error}")).fleet.is_some());
            shown += 1;
        }
        assert_eq!(shown, 2);
    }

    #[test]
    fn without_the_environment_a_server_may_be_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        std::fs::write(&path, "sites: ['http://a']\nfleet: { server: '${NATS}', client_cert: none.pem }").unwrap();
        assert_eq!(load_without_env(&path).unwrap_or_else(|error| panic!("{error}")).fleet, None);
    }
}
