//! Loads sites.yaml from its file: for a monitor, which needs all of it; for commands that read what a monitor stored; and without
//! variables at all.

use std::io;
use std::path::Path;

use super::excerpt::redact::Redactor;
use super::excerpt::source::SourceText;
use super::files::file;
use super::syntax::fault::Fault;
use super::syntax::needed::Needed;
use super::syntax::variables::{Env, Substitutions};
use super::{Config, ConfigError, FILE_MAX, validate};

/// Reads and validates the file at `path`.
///
/// # Errors
/// [`ConfigError::Missing`] when there is no file, [`ConfigError::Unreadable`] when it cannot be read, and
/// [`ConfigError::Invalid`] with every fault of its text.
pub fn load(path: &Path, env: &Env<'_>) -> Result<Config, ConfigError> {
    load_with(path, |base_dir| Substitutions::new(Some(env), base_dir))
}

/// Reads the file at `path` for a command that checks nothing, in a shell without the secrets of the monitor. Of what is not `needed`, a
/// value counts as absent if its variable is not set, its file cannot be read, or its content is not valid; a site whose name does is
/// left out, and one whose URL does is not. [`Config::absent`] tells what of this changes figures, pages or names.
///
/// # Errors
/// As [`load`].
pub fn load_for_reading(path: &Path, env: &Env<'_>, needed: Needed) -> Result<Config, ConfigError> {
    load_with(path, |base_dir| Substitutions::for_reading(env, needed, base_dir))
}

/// Validates the file at `path` without expanding `${…}`, where the variables are those of another machine: a value with an
/// expression counts as absent.
///
/// # Errors
/// As [`load`].
pub fn load_without_env(path: &Path) -> Result<Config, ConfigError> {
    load_with(path, |base_dir| Substitutions::new(None, base_dir))
}

fn load_with<'a>(path: &'a Path, scope: impl FnOnce(&'a Path) -> Substitutions<'a>) -> Result<Config, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = file::read(path, FILE_MAX as u64, file::PATIENCE_OF_CONFIG).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing { path: path.to_owned() },
        _ => unreadable(error),
    })?;
    let (exposed, name) = (is_exposed(path), path.display().to_string());
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let end = valid + char::REPLACEMENT_CHARACTER.len_utf8();
            let fault = Fault::new(valid..end, "this is not UTF-8").hint("save the file as UTF-8");
            return Err(SourceText::new(&name, &lossy).report(vec![fault], &Redactor::of_line(&lossy, valid)));
        }
    };
    validate(&text, &name, scope(path.parent().unwrap_or(Path::new(""))), exposed)
}

/// Whether users other than its owner can read the file at `path`.
#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "DATA" => Some("d".to_owned()),
            "WHO" => Some("s3cret-me".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn read(folder: &tempfile::TempDir, text: &str, needed: Needed) -> Result<Config, ConfigError> {
        let path = folder.path().join("sites.yaml");
        std::fs::write(&path, text).unwrap();
        load_for_reading(&path, &env, needed)
    }

    fn read_alone(text: &str, needed: Needed) -> Result<Config, String> {
        read(&tempfile::tempdir().unwrap(), text, needed).map_err(|error| error.to_string())
    }

    fn told(config: &Config) -> Vec<&str> {
        config.absent.iter().map(|line| line.rsplit_once("sites.yaml:").map_or(&**line, |(_, said)| said)).collect()
    }

    /// Commands that only read the store know each site, whatever its URL holds.
    #[test]
    fn without_the_environment_a_site_keeps_its_name_and_loses_what_variables_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        let text = "
            sites:
              - { name: key, group: shop, interval: 17s, url: 'https://a.example/x?key=${KEY}' }
              - { name: host, url: 'https://${HOST}/' }
              - { name: port, url: 'https://a.example:${PORT}/' }
              - { name: text, url: '${file:url.txt}' }
              - 'https://a.example/${KEY}'
        ";
        std::fs::write(&path, text).unwrap();
        for config in [load_without_env(&path).unwrap(), read(&folder, text, Needed::Store).unwrap()] {
            let known: Vec<(&str, &str)> =
                config.sites.iter().map(|site| (&*site.site.name, &*site.site.shown)).collect();
            assert_eq!(
                known,
                [
                    ("key", "https://a.example/x?key=***"),
                    ("host", "https://***/"),
                    ("port", "http://***"),
                    ("text", "http://***"),
                    ("https://a.example/***", "https://a.example/***"),
                ]
            );
            assert_eq!((config.sites[0].group.as_deref(), config.sites[0].site.interval.as_secs()), (Some("shop"), 17));
            assert_eq!((config.warnings, config.absent), (Vec::new(), Vec::new()));
        }
    }

    #[test]
    fn a_reader_expands_as_the_monitor_does() {
        let folder = tempfile::tempdir().unwrap();
        let text = "
            storage: { path: '${DATA}/k.redb' }
            page: { title: '${TITLE:-Ours}' }
            report: { out: '${OUT:-public}' }
            alerting: { slo: '${SLO:-99.9%}' }
            sites:
              - { name: '${WHO}-api', group: '${GRP:-shop}', interval: '${IV:-17s}', url: 'https://a.example/${DATA}' }
        ";
        let config = read(&folder, text, Needed::Store).unwrap();
        let whole = load(&folder.path().join("sites.yaml"), &env).unwrap();
        let site = &config.sites[0];
        assert_eq!((&*site.site.name, site.group.as_deref()), ("s3cret-me-api", Some("shop")));
        assert_eq!((site.site.interval.as_secs(), &*site.site.shown), (17, "https://a.example/***"));
        assert!(site.policies.slo.is_some());
        assert_eq!(config.storage.as_ref().unwrap().path, folder.path().join("d/k.redb"));
        assert_eq!((&config.storage, &config.report, &config.page), (&whole.storage, &whole.report, &whole.page));
        assert_eq!(config.secrets.iter().collect::<Vec<_>>(), whole.secrets.iter().collect::<Vec<_>>());
        assert!(config.secrets.iter().any(|secret| secret == "s3cret-me"));
        assert_eq!(config.absent, Vec::<String>::new());
    }

    #[test]
    fn a_value_without_its_variable_is_absent_and_told_if_it_is_no_secret() {
        let text = "
defaults: { interval: '${IV}', group: inherited, headers: { A: 'Bearer ${TOKEN}' } }
listen: { address: '0.0.0.0:1', token: '${TOKEN}', hosts: ['${HOST}'] }
alerting: { threshold: '${T}', recover: 70%, exec: ['${PROGRAM}'], notify: { chat: { slack: '${SLACK:-none}' } } }
page: { title: '${TITLE}' }
sites:
- { name: a, url: 'https://a', group: '${GRP}', timeout: '${EMPTY}', parent: nobody, body: '${file:none}' }
- { name: '${WHO_ELSE}', url: 'https://b' }
";
        let config = read_alone(text, Needed::Store).unwrap();
        let [site] = &config.sites[..] else { panic!("{:?}", config.sites) };
        assert_eq!((&*site.site.name, site.group.as_deref()), ("a", Some("inherited")));
        assert_eq!((site.site.interval.as_secs(), site.site.timeout.as_secs()), (10, 10));
        assert_eq!(
            told(&config),
            [
                "2:23: environment variable IV is not set, so this value counts as absent",
                "4:24: environment variable T is not set, so this value counts as absent",
                "5:16: environment variable TITLE is not set, so this value counts as absent",
                "7:39: environment variable GRP is not set, so this value counts as absent",
                "7:58: the expanded value is not valid here: it is empty, so this value counts as absent",
                "1 more such value counts as absent",
            ]
        );
    }

    /// The store of another name is another store.
    #[test]
    fn the_path_of_the_store_has_no_default_in_place_of_its_variable() {
        let text =
            "{ storage: { path: '${NO_SUCH}/k.redb' }, sites: [{ url: 'https://a', headers: { A: '${TOKEN}' } }] }";
        let refused = read_alone(text, Needed::Store).unwrap_err();
        for part in [
            "environment variable NO_SUCH is not set",
            "sites.yaml:1:21",
            "as for the monitor",
            "--store FILE",
            "1 error;",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
        assert!(read_alone(text, Needed::Hub).is_err() && read_alone(text, Needed::All).is_err());
        for needed in [Needed::Nothing, Needed::Fleet] {
            assert_eq!(read_alone(text, needed).unwrap().absent, Vec::<String>::new());
        }
        for wrong in ["${EMPTY}", "${file:none}", "${DATA}/"] {
            let text = format!("{{ storage: {{ path: '{wrong}' }}, sites: ['https://a'] }}");
            assert!(read_alone(&text, Needed::Store).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_in_the_file_itself_stays_a_fault() {
        for text in [
            "sites: [{ url: 'https://${NO_SUCH}', intervall: 1s }]",
            "sites: [{ url: 'https://a', interval: '${NO_SUCH' }]",
            "sites: [{ url: 'https://a', interval: 'ten', group: '${NO_SUCH}' }]",
            "sites: ['${NO_SUCH}']",
        ] {
            let refused = read_alone(text, Needed::Store).unwrap_err();
            assert!(refused.contains("1 error;"), "{refused}");
        }
        // Two names may differ for the monitor only.
        let twice = "sites: [{ name: '${A:-x}', url: 'https://a' }, { name: '${B:-x}', url: 'https://b' }]";
        let config = read_alone(twice, Needed::Store).unwrap();
        assert_eq!((config.sites.len(), config.absent.len()), (1, 1), "{:?}", config.absent);
        assert!(config.absent[0].ends_with(", so this site is left out"), "{:?}", config.absent);
    }

    #[test]
    fn a_hub_and_the_commands_of_a_fleet_need_their_own_secrets() {
        let sites = "sites: [{ url: 'https://a', headers: { A: '${TOKEN}' } }]";
        let fleet = format!("fleet: {{ server: nats://localhost, token: '${{TOKEN}}' }}\n{sites}");
        let listen = format!("listen: {{ token: '${{TOKEN}}' }}\n{sites}");
        let outlet = format!("alerting: {{ notify: {{ chat: {{ slack: '${{TOKEN}}' }} }} }}\n{sites}");
        for (text, needed, is_taken) in [
            (&fleet, Needed::Fleet, false),
            (&fleet, Needed::Hub, false),
            (&fleet, Needed::Store, true),
            (&listen, Needed::Fleet, true),
            (&listen, Needed::Hub, false),
            (&outlet, Needed::Fleet, true),
        ] {
            assert_eq!(read_alone(text, needed).is_ok(), is_taken, "{text} {needed:?}");
        }
        let hub = read_alone(&outlet, Needed::Hub).unwrap();
        assert_eq!(told(&hub).len(), 1, "of its sites it needs none: {:?}", hub.absent);
        // A fleet's certificates are read where they are used.
        let certificates = format!("fleet: {{ server: nats://localhost, client_cert: none.pem }}\n{sites}");
        assert!(read_alone(&certificates, Needed::Store).is_ok() && read_alone(&certificates, Needed::Fleet).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_reader_leaves_a_fifo_to_the_monitor() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let config = read(&folder, "sites: [{ url: 'https://a', body: '${file:fifo}' }]", Needed::Store).unwrap();
        assert!(config.sites[0].site.body.is_none());
    }
}
