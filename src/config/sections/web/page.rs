//! The section `page`: how the status page looks.

use crate::config::keys::mapping::Keys;
use crate::model::PageTerms;
use crate::model::text::clean_line;

/// Most characters of a title.
const TITLE_MAX: usize = 200;

/// What is under `page`.
pub(crate) fn page(keys: &mut Keys<'_, '_>) -> PageTerms {
    let usual = PageTerms::default();
    let title = keys.value("title", |text| match clean_line(text, TITLE_MAX) {
        title if title.trim().is_empty() => Err("write a title, such as \"Status of example.org\"".to_owned()),
        title => Ok(title),
    });
    let groups = keys.names("groups").unwrap_or_default();
    PageTerms {
        title: title.map_or(usual.title, Into::into),
        groups: groups.into_iter().map(|group| group.value.into()).collect(),
        days: keys.whole("days").unwrap_or(usual.days),
        shows_urls: keys.boolean("show_url").unwrap_or(usual.shows_urls),
        shows_errors: keys.boolean("show_errors").unwrap_or(usual.shows_errors),
    }
}
