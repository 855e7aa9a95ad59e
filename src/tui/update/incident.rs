//! What keys do about incidents (the page of one, the site of one) and what they copy.

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::model::Outcome;
use crate::model::text::clean_line;
use crate::tui::desktop::clipboard::{self, Copied};
use crate::tui::inputs::Inputs;
use crate::tui::keymap::Action;
use crate::tui::page::{IncidentPart, Page};
use crate::tui::state::UiState;
use crate::tui::style::time_text;

/// Longest reason of a failure that is copied, bytes.
const REASON_MAX: usize = 1_000;

impl UiState {
    /// Does what a key about incidents asks for.
    pub(crate) fn on_incident(&mut self, action: Action, inputs: &Inputs) {
        match action {
            Action::OpenIncident => self.open_incident_of_site(inputs),
            Action::Evidence => self.show_answer(inputs),
            Action::Copy if self.nav.page() == Page::Incident => self.copy_incident(inputs),
            Action::Copy => self.copy_check(inputs),
            Action::CopyError => self.copy_error(inputs),
            _ => self.open_site_of_alert(inputs),
        }
    }

    /// Opens the page of the incident that `alert` is about, with the chart of its site at it.
    pub(crate) fn open_incident(&mut self, alert: Arc<AlertRecord>, inputs: &Inputs) {
        self.show_at(&alert, inputs);
        (self.incident, self.incident_part) = (Some(alert), IncidentPart::All);
        self.nav.open(Page::Incident);
    }

    /// Shows what the site answered to the first failed check of the incident; on its page this is a toggle.
    fn show_answer(&mut self, inputs: &Inputs) {
        let before = self.nav.page();
        let is_shown = before == Page::Incident && self.incident_part == IncidentPart::Answer;
        match before {
            Page::Incident => self.nav.open(Page::Incident),
            Page::Alerts => {
                if let Some(alert) = self.alerts.selected(inputs.alerts).map(Arc::clone) {
                    self.open_incident(alert, inputs);
                }
            }
            _ => self.open_incident_of_site(inputs),
        }
        if self.nav.page() == Page::Incident {
            self.incident_part = if is_shown { IncidentPart::All } else { IncidentPart::Answer };
        }
    }

    /// Opens the site of the alert under the cursor, or of the open incident, with its chart at that.
    fn open_site_of_alert(&mut self, inputs: &Inputs) {
        let alert = match self.nav.page() {
            Page::Incident => self.incident.clone(),
            _ => self.alerts.selected(inputs.alerts).cloned(),
        };
        let Some(alert) = alert else { return };
        if self.show_at(&alert, inputs) {
            self.nav.open_site(false);
        } else {
            self.timers.say("this site is no longer monitored", inputs.now);
        }
    }

    /// Opens the page of the incident that the chart of the open site was moved to, or else of its newest one.
    fn open_incident_of_site(&mut self, inputs: &Inputs) {
        let site = self.focus(inputs).and_then(|index| self.tables(inputs).sites.get(index));
        let Some(name) = site.map(|site| &site.name) else { return };
        let of_site = || inputs.alerts.iter().rev().filter(|alert| alert.site == *name);
        let jumped = of_site().find(|alert| Some(alert.at) == self.chart.jumped());
        match jumped.or_else(|| of_site().next()).map(Arc::clone) {
            Some(alert) => self.open_incident(alert, inputs),
            None => self.timers.say("no incident of this site is known", inputs.now),
        }
    }

    /// Copies the open incident as Markdown.
    fn copy_incident(&mut self, inputs: &Inputs) {
        let page =
            inputs.incident.filter(|page| self.incident.as_ref().is_some_and(|alert| page.request.is_about(alert)));
        let Some(page) = page else { return self.timers.say("not gathered yet", inputs.now) };
        let what = page.number.map_or_else(|| "the incident".to_owned(), |number| format!("incident {number}"));
        let said = |lines: usize| format!("copied {} of {what} as Markdown", time_text::counted(lines as u64, "line"));
        self.copy(&page.markdown, said, inputs);
    }

    /// Copies the check of the site as a curl line.
    fn copy_check(&mut self, inputs: &Inputs) {
        let Some(site) = self.commanded(inputs) else { return };
        if site.curl.is_empty() {
            return self.timers.say("sites.yaml does not have this site", inputs.now);
        }
        let stars = if site.curl.contains("***") { "; *** stands for secrets" } else { "" };
        let line = if site.curl.starts_with("curl ") { "a curl line" } else { "a shell line" };
        self.copy(&site.curl, |_| format!("copied its check as {line}{stars}"), inputs);
    }

    /// Copies the URL of the site, and why its last check failed if it did.
    fn copy_error(&mut self, inputs: &Inputs) {
        let Some(site) = self.commanded(inputs) else { return };
        let failed = site.last.as_ref().filter(|last| last.sample.outcome() == Outcome::Down);
        let reason = failed.map(|last| match last.observation.as_ref().map(|observation| &*observation.detail) {
            Some(detail) if !detail.is_empty() => clean_line(detail, REASON_MAX),
            _ => last.sample.cause.name().replace('_', " "),
        });
        match reason {
            Some(reason) => {
                self.copy(&format!("{}: {reason}", site.url), |_| "copied its URL and error".to_owned(), inputs);
            }
            None => self.copy(&site.url, |_| "copied its URL".to_owned(), inputs),
        }
    }

    /// Puts `text` into the clipboard, and says so in the words that `said` has for its number of lines.
    pub(crate) fn copy(&mut self, text: &str, said: impl FnOnce(usize) -> String, inputs: &Inputs) {
        let Some(way) = self.clipboard else {
            return self.timers.say("this terminal has no clipboard that webmon knows", inputs.now);
        };
        let text = clipboard::bounded(text);
        self.timers.say(said(text.lines().count()), inputs.now);
        self.copied = Some(Copied { way, text });
    }

    /// Moves the chart, and the cursor of the table, to `alert` at its site. Returns whether that is monitored.
    fn show_at(&mut self, alert: &AlertRecord, inputs: &Inputs) -> bool {
        let tables = self.sites.tables(inputs.snapshot);
        let Some(place) = tables.sites.iter().position(|site| site.name == alert.site) else { return false };
        self.chart.jump(alert, tables.sites[place].interval, inputs, tables);
        self.chart.leave_cursor();
        self.sites.follow(place, inputs.snapshot);
        true
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Size;

    use super::*;
    use crate::tui::input::key::Key;
    use crate::tui::tests::fixtures::{self, World};

    const SIZE: Size = Size { width: 80, height: 24 };

    fn pressed(world: &World, mut state: UiState, keys: &str) -> UiState {
        state.settle(&world.inputs(), SIZE);
        for c in keys.chars() {
            let key = if c == '\n' { Key::Enter } else { Key::Char(c) };
            state.act(&key, &world.inputs(), SIZE);
        }
        state
    }

    #[test]
    fn an_incident_is_copied_once_as_markdown() {
        let world = fixtures::with_incident();
        let mut state = pressed(&world, fixtures::state(), "a\ny");
        assert_eq!(state.timers.reply(world.now), Some("copied 3 lines of incident 17 as Markdown"));
        let copied = state.take_copied().unwrap();
        assert_eq!(copied.text, *world.incident.as_ref().unwrap().markdown);
        assert_eq!(state.take_copied(), None);
    }

    #[test]
    fn a_check_is_copied_as_a_curl_line_and_an_error_with_its_url() {
        let world = fixtures::five_sites();
        for (keys, said, text) in [
            ("y", "copied its check as a curl line", "curl -sSi https://api.example.com/"),
            ("\ny", "copied its check as a curl line", "curl -sSi https://api.example.com/"),
            ("Y", "copied its URL and error", "https://api.example.com/: 503 Service Unavailable"),
            ("jjY", "copied its URL", "https://www.rust-lang.org.example.com/"),
        ] {
            let mut state = pressed(&world, fixtures::state(), keys);
            assert_eq!(state.timers.reply(world.now), Some(said), "{keys:?}");
            assert_eq!(state.take_copied().unwrap().text, text, "{keys:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_copied() {
        let unread = fixtures::five_sites();
        let mut state = pressed(&unread, fixtures::state(), "a\ny");
        assert_eq!(state.timers.reply(unread.now), Some("not gathered yet"));
        assert_eq!(state.take_copied(), None);
        let world = fixtures::with_incident();
        let mut state = fixtures::state();
        state.clipboard = None;
        let mut state = pressed(&world, state, "a\ny");
        let said = state.timers.reply(world.now);
        assert_eq!(said, Some("this terminal has no clipboard that webmon knows"));
        assert_eq!(state.take_copied(), None);
    }
}
