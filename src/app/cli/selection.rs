//! Selects the sites of a command: names in the file, or ad hoc URLs.

use std::path::Path;
use std::sync::Arc;

use crate::app::clock::Clock;
use crate::app::exit::CommandError;
use crate::config::typed::TypedSettings;
use crate::config::{self, Config, ConfigError, Needed};
use crate::model::Timestamp;
use crate::model::text::redact::redacted;
use crate::model::text::shown_path;

use super::ad_hoc::AdHocArgs;
use super::args::{CommonArgs, command_names};
use super::zone;

/// The sites of a command.
#[derive(Debug)]
pub struct Selection {
    /// The configuration, holding the chosen sites only.
    pub config: Config,
    /// The names of all sites of the file, chosen or not; empty if all are ad hoc.
    pub all_names: Vec<Arc<str>>,
    /// Whether they include a URL, so that nothing is stored.
    pub ad_hoc: bool,
}

/// Selects the sites that `wanted` names, or all. A name in the file takes precedence over an address; for addresses alone
/// the file may be missing or faulty.
///
/// # Errors
/// [`CommandError`]: no file, its faults, an unknown name, an invalid URL, options for URLs without one or beside a name.
pub fn select(path: &Path, wanted: &[String], options: &AdHocArgs) -> Result<Selection, CommandError> {
    let given = options.given();
    if given.is_empty() {
        return choose(path, wanted, load(path));
    }
    let settings = options.settings()?;
    let loaded = load(path);
    let names = loaded.as_ref().map(names_of).unwrap_or_default();
    let is_for_urls = |what: String| {
        let (given, is) = (given.join(", "), if given.len() == 1 { "is" } else { "are" });
        Err(CommandError::Usage(format!("{given} {is} for URLs; {what}")))
    };
    match wanted.iter().find(|text| is_name(text, &names) || !is_url(text)) {
        _ if wanted.is_empty() => is_for_urls(format!("the settings of sites are in {}", shown_path(path))),
        Some(name) if is_name(name, &names) => {
            is_for_urls(format!("{:?} is a site of {}, which has its settings", redacted(name), shown_path(path)))
        }
        Some(word) => is_for_urls(format!("{:?} is not one", redacted(word))),
        None => Ok(of_urls(wanted, &settings)?),
    }
}

/// The selection of URLs alone.
fn of_urls(urls: &[String], settings: &TypedSettings) -> Result<Selection, ConfigError> {
    Ok(Selection { config: config::ad_hoc(urls, settings)?, all_names: Vec::new(), ad_hoc: true })
}

/// [`select`] without options, from a configuration that was `loaded` from `path`.
///
/// # Errors
/// As [`select`].
pub fn choose(path: &Path, wanted: &[String], loaded: Result<Config, ConfigError>) -> Result<Selection, CommandError> {
    if !wanted.is_empty() && wanted.iter().all(|text| is_url(text)) {
        let names = loaded.as_ref().map(names_of).unwrap_or_default();
        if !wanted.iter().any(|text| is_name(text, &names)) {
            return Ok(of_urls(wanted, &TypedSettings::default())?);
        }
    }
    let mut config = loaded.map_err(|error| mistyped(path, wanted).unwrap_or(error.into()))?;
    let all_names = names_of(&config);
    if wanted.is_empty() {
        return Ok(Selection { config, all_names, ad_hoc: false });
    }
    let (named, urls): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|text| is_name(text, &all_names));
    if let Some(stranger) = urls.iter().find(|text| !is_url(text)) {
        if config.disabled.iter().any(|watched| *watched.site.name == ***stranger) {
            let file = path.display();
            let disabled = format!("the site {stranger:?} is disabled in {file}; set enabled: true");
            return Err(CommandError::Usage(disabled));
        }
        let commands = command_words();
        let known = all_names.iter().map(|name| &**name).chain(commands.iter().map(String::as_str));
        return Err(unknown_site(stranger, path, known));
    }
    config.sites.retain(|watched| named.iter().any(|name| ***name == *watched.site.name));
    let urls: Vec<String> = urls.into_iter().cloned().collect();
    let with_urls = !urls.is_empty();
    if with_urls {
        config.sites.extend(config::ad_hoc(&urls, &TypedSettings::default())?.sites);
    }
    Ok(Selection { config, all_names, ad_hoc: with_urls })
}

/// Reads the configuration file.
///
/// # Errors
/// [`ConfigError`]: there is none, or its faults.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    config::load(path, &variable).map(settled)
}

/// Reads the configuration file for a command that checks nothing, in a shell that may lack the secrets of the monitor.
///
/// # Errors
/// [`ConfigError`]: there is none, its faults, or a variable that is not set and `needed`.
pub fn load_for_reading(path: &Path, needed: Needed) -> Result<Config, ConfigError> {
    config::load_for_reading(path, &variable, needed).map(settled)
}

/// The needs of a command that reads the store of `common`.
#[must_use]
pub const fn needed_for_store(common: &CommonArgs) -> Needed {
    if common.store.is_some() { Needed::Nothing } else { Needed::Store }
}

/// The variable `name` of this process.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `config` with the time zone of this machine.
#[must_use]
pub fn settled(mut config: Config) -> Config {
    config.settle_windows(&zone::local(), Clock::start(Timestamp::from_micros(0)).now());
    config
}

/// The error for a user without a file at `path` whose first word resembles a command.
fn mistyped(path: &Path, wanted: &[String]) -> Option<CommandError> {
    let (word, commands) = (wanted.first().filter(|_| !path.exists())?, command_words());
    let near = config::nearest(word, commands.iter().map(String::as_str))?;
    Some(CommandError::Usage(format!("no command {:?}; did you mean {near:?}?", redacted(word))))
}

/// The error for a `name` that is no site in the file or store at `path`, with the nearest of the `known` names.
pub fn unknown_site<'a>(name: &str, path: &Path, known: impl Iterator<Item = &'a str>) -> CommandError {
    let hint = config::nearest(name, known).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    CommandError::Usage(format!("no site named {:?} in {}{hint}", redacted(name), shown_path(path)))
}

fn is_url(text: &str) -> bool {
    let local = text.strip_prefix("localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']));
    let dotted = text.contains('.') && !text.contains(char::is_whitespace);
    text.contains("://") || dotted || local || text.starts_with('[')
}

fn names_of(config: &Config) -> Vec<Arc<str>> {
    config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect()
}

fn is_name(text: &str, names: &[Arc<str>]) -> bool {
    names.iter().any(|name| **name == *text)
}

/// The words that a user may mistype as a site.
fn command_words() -> Vec<String> {
    let flags = ["--help", "--version"].map(str::to_owned);
    command_names().into_iter().chain(flags).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_file_goes_before_an_address_and_addresses_need_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        let chosen = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|&text| text.to_owned()).collect();
            select(&path, &wanted, &AdHocArgs::default()).map(|selection| {
                let sites = selection.config.sites.iter();
                let sites = sites.map(|watched| (watched.site.name.to_string(), watched.site.interval.as_secs()));
                (sites.collect::<Vec<_>>(), selection.ad_hoc)
            })
        };
        let site = |name: &str, interval| (name.to_owned(), interval);
        assert_eq!(chosen(&["b.example"]).unwrap(), (vec![site("b.example", 10)], true));
        std::fs::write(&path, "sites: [{ name: b.example, url: 'https://c', interval: 5s }, https://a.example]")
            .unwrap();
        assert_eq!(chosen(&["b.example"]).unwrap(), (vec![site("b.example", 5)], false));
        assert_eq!(chosen(&["https://a.example"]).unwrap(), (vec![site("https://a.example", 10)], false));
        assert_eq!(chosen(&["x.example"]).unwrap(), (vec![site("x.example", 10)], true));
        let both = (vec![site("b.example", 5), site("x.example", 10)], true);
        assert_eq!(chosen(&["x.example", "b.example"]).unwrap(), both);
        std::fs::write(&path, "wrong").unwrap();
        assert_eq!(chosen(&["b.example"]).unwrap(), (vec![site("b.example", 10)], true));
        assert!(chosen(&["b"]).is_err() && chosen(&[]).is_err());
    }

    #[test]
    fn options_are_for_urls_alone_and_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.yaml");
        std::fs::write(&path, "sites: [{ name: api, url: 'https://c' }, https://a.example]").unwrap();
        let options = AdHocArgs { insecure: true, ipv4: true, ..AdHocArgs::default() };
        let chosen = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|&text| text.to_owned()).collect();
            select(&path, &wanted, &options).map_err(|error| error.to_string())
        };
        let selection = chosen(&["https://x.example"]).unwrap();
        assert!(selection.ad_hoc && selection.config.sites[0].site.tls.insecure);
        for (wanted, told) in [
            (&[][..], "the settings of sites are in "),
            (&["api"], "\"api\" is a site of "),
            (&["https://x.example", "api"], "\"api\" is a site of "),
            (&["https://a.example"], "\"https://a.example\" is a site of "),
            (&["https://x.example", "zzz"], "\"zzz\" is not one"),
        ] {
            let error = chosen(wanted).unwrap_err();
            assert!(error.starts_with("--insecure, --ipv4 are for URLs; ") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn what_looks_like_an_address_is_one() {
        for text in
            ["https://a", "a.example", "10.0.0.7:80/x", "localhost", "localhost:8080", "localhost/x", "[::1]:80"]
        {
            assert!(is_url(text), "{text}");
        }
        for text in ["api", "my shop 2.0", "localhosts", "db:5432", ""] {
            assert!(!is_url(text), "{text}");
        }
    }
}
