//! Badges: the state and the availability of a site as a picture, and for shields.io.

use maud::html;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use crate::engine::SiteState;
use crate::model::figures;
use crate::model::text::clean_line;
use crate::stats::Availability;

/// Most bytes of a label.
const LABEL_MAX: usize = 60;

/// Width of a terminal cell at the size of a badge, tenths of a pixel: an upper bound for the usual characters. Wide ones, such as those of
/// Chinese, take two.
const CELL: usize = 72;

/// What a badge says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BadgeTerms<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its state.
    pub state: SiteState,
    /// Its availability over the period; `None` without a check.
    pub availability: Option<Availability>,
}

impl BadgeTerms<'_> {
    fn label(&self) -> String {
        clean_line(self.site, LABEL_MAX)
    }

    fn message(&self) -> String {
        let share = self.availability.map(|availability| figures::percent(availability.up, availability.checks));
        share.map_or_else(|| self.state.name().to_owned(), |share| format!("{} {share}", self.state.name()))
    }

    /// As a name of shields.io, and as a colour on which white text can be read.
    const fn colour(&self) -> (&'static str, &'static str) {
        match self.state {
            SiteState::Up => ("success", "#1a7f37"),
            SiteState::Down => ("critical", "#c4212d"),
            SiteState::Failing | SiteState::Recovering => ("important", "#8a5a00"),
            SiteState::Unknown | SiteState::New | SiteState::Paused => ("inactive", "#57606a"),
        }
    }
}

/// The badge as a picture.
#[must_use]
pub fn svg(terms: &BadgeTerms<'_>) -> String {
    let (label, message) = (terms.label(), terms.message());
    let width = |text: &str| (text.width() * CELL).div_ceil(10) + 12;
    let (left, right) = (width(&label), width(&message));
    let (all, title) = (left + right, format!("{label}: {message}"));
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(all) height="20" role="img" aria-label=(title) {
            title { (title) }
            rect width=(all) height="20" rx="3" fill="#3d444d" {}
            path fill=(terms.colour().1) d=(format!("M{left} 0h{}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{}z", right - 3, right - 3)) {}
            g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle" {
                text x=(left / 2) y="14" { (label) }
                text x=(left + right / 2) y="14" { (message) }
            }
        }
    };
    picture.into_string()
}

/// The badge in the endpoint schema of shields.io.
#[must_use]
pub fn json(terms: &BadgeTerms<'_>) -> String {
    json!({
        "schemaVersion": 1,
        "label": terms.label(),
        "message": terms.message(),
        "color": terms.colour().0,
        "isError": terms.state == SiteState::Down,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_of_wide_characters_is_as_wide_as_they_are() {
        let width = |site| {
            let picture = svg(&BadgeTerms { site, state: SiteState::Up, availability: None });
            let (_, width) = picture.split_once("width=\"").unwrap();
            width.split('"').next().unwrap().parse::<usize>().unwrap()
        };
        // Full-width characters are as wide as the size of the text, 11 px.
        assert_eq!(width("東京都庁") - width(""), width("abcdefgh") - width(""));
        assert!(width("東京都庁") - width("") >= 4 * 11);
        assert_eq!(width("e\u{301}"), width("e"), "a mark above a letter takes no place");
    }

    #[test]
    fn a_badge_says_state_and_availability_and_no_name_breaks_it() {
        let terms = BadgeTerms {
            site: "<b>\"a\"</b> & \u{202e}co",
            state: SiteState::Up,
            availability: Some(Availability { up: 99_999, checks: 100_000 }),
        };
        let picture = svg(&terms);
        assert!(
            picture.contains("&lt;b&gt;&quot;a&quot;&lt;/b&gt; &amp; ") && !picture.contains('\u{202e}'),
            "{picture}"
        );
        assert!(picture.contains("up 99.99%"), "{picture}");
        let value: serde_json::Value = serde_json::from_str(&json(&terms)).unwrap();
        assert_eq!((&value["schemaVersion"], &value["message"]), (&1.into(), &"up 99.99%".into()));
        let value: serde_json::Value =
            serde_json::from_str(&json(&BadgeTerms { state: SiteState::Down, availability: None, ..terms })).unwrap();
        assert_eq!((&value["message"], &value["color"]), (&"down".into(), &"critical".into()));
    }
}
