//! Which sites a command is about: names of the file, or URLs ad hoc.

use std::path::Path;
use std::sync::Arc;

use crate::app::exit::Failure;
use crate::config::{self, Config, ConfigError};
use crate::model::text::redact::redacted;
use crate::report::run::getting_started::first_steps;

use super::args::command_names;

/// The sites of a command.
#[derive(Debug)]
pub struct Selection {
    /// The configuration, holding the chosen sites only.
    pub config: Config,
    /// The names of all sites of the file, chosen or not; empty when everything is ad hoc.
    pub all_names: Vec<Arc<str>>,
    /// Whether a URL is among them, so that nothing is kept.
    pub ad_hoc: bool,
}

/// Reads the file if a name asks for it, and chooses `wanted`; nothing wanted is everything. What is both a name of the
/// file and an address is the name; for addresses alone the file may be missing or wrong.
///
/// # Errors
/// [`Failure::Usage`]: no file, its faults, a name that is no site's, a URL that is none.
pub fn select(path: &Path, wanted: &[String]) -> Result<Selection, Failure> {
    let loaded = load(path);
    if !wanted.is_empty() && wanted.iter().all(|text| is_url(text)) {
        let names = loaded.as_ref().map(names_of).unwrap_or_default();
        if !wanted.iter().any(|text| is_name(text, &names)) {
            let config = ad_hoc(wanted)?;
            return Ok(Selection { config, all_names: Vec::new(), ad_hoc: true });
        }
    }
    let mut config = loaded.map_err(|failure| if path.exists() { failure } else { slip(wanted, failure) })?;
    let all_names = names_of(&config);
    if wanted.is_empty() {
        return Ok(Selection { config, all_names, ad_hoc: false });
    }
    let (named, urls): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|text| is_name(text, &all_names));
    if let Some(stranger) = urls.iter().find(|text| !is_url(text)) {
        if config.disabled.iter().any(|watched| *watched.site.name == ***stranger) {
            let file = path.display();
            return Err(Failure::Usage(format!(
                "webmon: the site {stranger:?} is disabled in {file}; write enabled: true"
            )));
        }
        return Err(Failure::Usage(unknown(stranger, path, &all_names)));
    }
    config.sites.retain(|watched| named.iter().any(|name| ***name == *watched.site.name));
    let urls: Vec<String> = urls.into_iter().cloned().collect();
    let with_urls = !urls.is_empty();
    if with_urls {
        config.sites.extend(ad_hoc(&urls)?.sites);
    }
    Ok(Selection { config, all_names, ad_hoc: with_urls })
}

/// Reads the configuration file.
///
/// # Errors
/// [`Failure::Usage`] with the whole report; for a file that is not there, with the first steps.
pub fn load(path: &Path) -> Result<Config, Failure> {
    config::load(path, &|name| std::env::var(name).ok()).map_err(|error| refused(path, &error))
}

/// The same, with every `${…}` left unchecked.
///
/// # Errors
/// As [`load`].
pub fn load_without_env(path: &Path) -> Result<Config, Failure> {
    config::load_without_env(path).map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &ConfigError) -> Failure {
    match error {
        ConfigError::Missing { .. } => Failure::Usage(way_on(path)),
        faults => Failure::Usage(faults.to_string()),
    }
}

/// `failure`, that there is no file to find `wanted` in, after what was probably meant: a command.
fn slip(wanted: &[String], failure: Failure) -> Failure {
    let commands = command_words();
    let meant = wanted.first().and_then(|word| Some((word, nearest(word, commands.iter().map(String::as_str))?)));
    match (meant, failure) {
        (Some((word, near)), Failure::Usage(way_on)) => {
            Failure::Usage(format!("webmon: no command {:?}; did you mean {near:?}?\n{way_on}", redacted(word)))
        }
        (_, failure) => failure,
    }
}

/// What to do when there is no file at `path`.
fn way_on(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| std::env::current_dir().unwrap_or_default(), Path::to_owned);
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let mut text = Vec::new();
    first_steps(&mut text, &file, &folder.to_string_lossy()).expect("writing to a Vec cannot fail");
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// The site names nearest to `name`, if any is near enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    config::nearest(name, among)
}

fn ad_hoc(urls: &[String]) -> Result<Config, Failure> {
    config::ad_hoc(urls).map_err(|error| Failure::Usage(error.to_string()))
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

/// What can stand where a command can.
fn command_words() -> Vec<String> {
    let flags = ["--help", "--version"].map(str::to_owned);
    command_names().into_iter().chain(flags).collect()
}

fn unknown(name: &str, path: &Path, names: &[Arc<str>]) -> String {
    let commands = command_words();
    let near = nearest(name, names.iter().map(|name| &**name).chain(commands.iter().map(String::as_str)));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("webmon: no site named {:?} in {}{hint}", redacted(name), path.display())
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
            select(&path, &wanted).map(|selection| {
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
