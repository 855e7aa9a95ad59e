//! The section `page`: how the status page looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::value::{name, note};
use crate::model::PageTerms;
use crate::model::text::clean_line;

/// Most characters of a title.
const TITLE_MAX: usize = 200;

/// What is under `page`.
pub(crate) fn page(keys: &mut Keys<'_, '_>) -> PageTerms {
    let usual = PageTerms::default();
    let title = keys.value("title", title);
    let groups = keys.names("groups").unwrap_or_default();
    let group_notes = notes(keys);
    PageTerms {
        title: title.map_or(usual.title, Into::into),
        groups: groups.into_iter().map(|group| group.value.into()).collect(),
        group_notes,
        // Sites have theirs with them.
        site_notes: usual.site_notes,
        days: keys.whole("days").unwrap_or(usual.days),
        shows_urls: keys.boolean("show_url").unwrap_or(usual.shows_urls),
        shows_errors: keys.boolean("show_errors").unwrap_or(usual.shows_errors),
    }
}

/// The title of a page.
///
/// # Errors
/// It is empty.
pub fn title(text: &str) -> Result<String, String> {
    match clean_line(text, TITLE_MAX) {
        title if title.trim().is_empty() => Err("write a title, such as \"Status of example.org\"".to_owned()),
        title => Ok(title),
    }
}

/// The notes about groups under `notes`.
fn notes(keys: &mut Keys<'_, '_>) -> BTreeMap<Arc<str>, Arc<str>> {
    let reader = keys.reader();
    let ValueForm::Texts(most) = *keys.form("notes") else { unreachable!("notes are declared as texts") };
    let Some(id) = keys.take("notes") else { return BTreeMap::new() };
    let entries = reader.mapping(id).unwrap_or_default();
    if entries.len() > most {
        reader.fault_at(id, format!("{} notes are too many; the limit is {most}", entries.len()));
        return BTreeMap::new();
    }
    let mut notes = BTreeMap::new();
    for entry in entries {
        match name(entry.name) {
            Ok(group) => notes.extend(reader.parsed(entry.value, note).map(|note| (group.into(), note.into()))),
            Err(message) => reader.fault_at(entry.key, message),
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, ConfigError, parse};

    fn read(text: &str) -> Result<Config, ConfigError> {
        parse(text, "sites.yaml", Path::new("/etc/webmon"), &|_| None)
    }

    #[test]
    fn notes_belong_to_sites_and_to_groups() {
        let config = read(
            "
            defaults: { note: as usual }
            sites: [https://a, { name: b, url: 'https://b', group: shop, note: run by <others> }]
            page: { notes: { shop: '  our  shop ', www: never there } }
            ",
        );
        let page = config.unwrap_or_else(|error| panic!("{error}")).page;
        let notes = |notes: &std::collections::BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>>| {
            notes.iter().map(|(name, note)| format!("{name}: {note}")).collect::<Vec<_>>()
        };
        assert_eq!(notes(&page.site_notes), ["b: run by <others>", "https://a: as usual"]);
        assert_eq!(notes(&page.group_notes), ["shop: our shop", "www: never there"]);
    }

    #[test]
    fn faults_say_what_is_wrong_with_a_note() {
        let long = "x".repeat(401);
        for (text, fault) in [
            ("sites: [{ url: 'https://a', note: '' }]", "a note cannot be empty"),
            ("sites: [{ url: 'https://a', note: [x] }]", "sites.yaml:1:35"),
            ("sites: [{ url: 'https://a', note: \"a\\e[2J\" }]", "U+001B, a control character"),
            ("{ sites: [https://a], page: { notes: { shop: '' } } }", "a note cannot be empty"),
            ("{ sites: [https://a], page: { notes: { '': x } } }", "a name cannot be empty"),
            ("{ sites: [https://a], page: { notes: [shop] } }", "expected a mapping"),
            (&format!("sites: [{{ url: 'https://a', note: {long} }}]"), "401 bytes is too long; the limit is 400"),
        ] {
            let report = read(text).expect_err(text).to_string();
            assert!(report.contains(fault) && !report.contains('\u{1b}'), "{text}: {report}");
        }
    }
}
