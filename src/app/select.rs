//! Which sites a command is about: names of the file, or URLs ad hoc.

use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config, ConfigError};

use crate::report::first_steps::first_steps;

use super::cli::command_names;
use super::exit::Failure;

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

/// Reads the file if a name asks for it, and chooses `wanted`; nothing wanted is everything.
///
/// # Errors
/// [`Failure::Usage`]: no file, its faults, a name that is no site's, a URL that is none.
pub fn select(path: &Path, wanted: &[String]) -> Result<Selection, Failure> {
    if !wanted.is_empty() && wanted.iter().all(|text| is_url(text)) {
        let config = ad_hoc(wanted)?;
        return Ok(Selection { config, all_names: Vec::new(), ad_hoc: true });
    }
    let mut config = load(path).map_err(|failure| if path.exists() { failure } else { slip(wanted, failure) })?;
    let all_names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
    if wanted.is_empty() {
        return Ok(Selection { config, all_names, ad_hoc: false });
    }
    // A short-form site's name is its URL: names go first.
    let (named, urls): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|text| is_name(text, &all_names));
    if let Some(stranger) = urls.iter().find(|text| !is_url(text)) {
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
    let commands = command_names();
    let meant = wanted.first().and_then(|word| Some((word, nearest(word, commands.iter().map(String::as_str))?)));
    match (meant, failure) {
        (Some((word, near)), Failure::Usage(way_on)) => {
            Failure::Usage(format!("webmon: no command {word:?}; did you mean {near:?}?\n{way_on}"))
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
    text.contains("://") || (text.contains('.') && !text.contains(char::is_whitespace))
}

fn is_name(text: &str, names: &[Arc<str>]) -> bool {
    names.iter().any(|name| **name == *text)
}

fn unknown(name: &str, path: &Path, names: &[Arc<str>]) -> String {
    let commands = command_names();
    let near = nearest(name, names.iter().map(|name| &**name).chain(commands.iter().map(String::as_str)));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("webmon: no site named {name:?} in {}{hint}", path.display())
}
