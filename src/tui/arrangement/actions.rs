//! The actions that can have other keys, by their names in sites.yaml.
//!
//! Invariant, held by a test: every action of the table of keys is named, but for Ctrl-C and Ctrl-Z, which always work.

use crate::tui::keymap::{Action, Travel};
use crate::tui::page::ExitRequest;

/// An action with a name.
#[derive(Clone, Copy, Debug)]
pub struct NamedAction {
    /// In lower case, with dashes.
    pub name: &'static str,
    pub(crate) action: Action,
    /// Half a line.
    pub doc: &'static str,
}

const fn named(name: &'static str, action: Action, doc: &'static str) -> NamedAction {
    NamedAction { name, action, doc }
}

/// All of them, in the order of the table of keys.
pub const NAMED: &[NamedAction] = &[
    named("next-row", Action::Rows(1), "one row down"),
    named("previous-row", Action::Rows(-1), "one row up"),
    named("next-page", Action::Pages(1), "one page down"),
    named("previous-page", Action::Pages(-1), "one page up"),
    named("next-half-page", Action::HalfPages(1), "half a page down"),
    named("previous-half-page", Action::HalfPages(-1), "half a page up"),
    named("first-row", Action::First, "to the first row"),
    named("last-row", Action::Last, "to the last row"),
    named("scroll-alerts-down", Action::ScrollAlerts(1), "scroll the alerts below the tables down"),
    named("scroll-alerts-up", Action::ScrollAlerts(-1), "scroll the alerts below the tables up"),
    named("previous-site", Action::OtherSite(-1), "open the previous site"),
    named("next-site", Action::OtherSite(1), "open the next site"),
    named("open", Action::Open, "open what is under the cursor"),
    named("zoom-in", Action::ZoomIn, "a shorter period in the chart"),
    named("zoom-out", Action::ZoomOut, "a longer period in the chart"),
    named("earlier", Action::Earlier, "back in time"),
    named("later", Action::Later, "forward in time"),
    named("now", Action::Now, "to the present"),
    named("cursor", Action::ToggleCursor, "read one cell of the chart"),
    named("previous-incident", Action::PreviousIncident, "to the previous incident of the site"),
    named("log-scale", Action::ToggleLogScale, "a logarithmic scale, on or off"),
    named("filter", Action::Filter, "type a filter"),
    named("not-up", Action::ToggleNotUp, "only sites that are not up, on or off"),
    named("sort", Action::Sort, "choose the order of the sites"),
    named("groups", Action::ToggleGroups, "fold the sites by group, on or off"),
    named("locations", Action::ToggleLocations, "list the locations of a site below it, or not (a hub)"),
    named("next-view", Action::OtherView(1), "the next view"),
    named("previous-view", Action::OtherView(-1), "the previous view"),
    named("view-1", Action::View(0), "the first view"),
    named("view-2", Action::View(1), "the second view"),
    named("view-3", Action::View(2), "the third view"),
    named("view-4", Action::View(3), "the fourth view"),
    named("view-5", Action::View(4), "the fifth view"),
    named("view-6", Action::View(5), "the sixth view"),
    named("view-7", Action::View(6), "the seventh view"),
    named("view-8", Action::View(7), "the eighth view"),
    named("view-9", Action::View(8), "the ninth view"),
    named("alerts", Action::Alerts, "open the alerts, and close them"),
    named("newest-alert", Action::NewestAlert, "open the newest alert"),
    named("freeze", Action::ToggleFreeze, "freeze the figures, on or off"),
    named("time-earlier", Action::Time(Travel::Earlier), "move the overview back in time"),
    named("time-later", Action::Time(Travel::Later), "move the overview forward in time"),
    named("time-present", Action::Time(Travel::Present), "return the overview to the present"),
    named("time-finer", Action::Time(Travel::Finer), "smaller steps in time"),
    named("time-coarser", Action::Time(Travel::Coarser), "larger steps in time"),
    named("time-play", Action::Time(Travel::Play), "let the past go on by itself, or stop it"),
    named("time-previous-alert", Action::Time(Travel::OtherAlert(-1)), "to the alert before what is shown"),
    named("time-next-alert", Action::Time(Travel::OtherAlert(1)), "to the alert after what is shown"),
    named("evidence", Action::Evidence, "show what the site answered when an incident began"),
    named("recheck", Action::CheckNow, "check the site now"),
    named("pause", Action::Pause, "pause the checks of the site, for longer with each press"),
    named("silence", Action::Silence, "silence the site, for longer with each press"),
    named("acknowledge", Action::Acknowledge, "acknowledge the incident, or withdraw that"),
    named("open-site", Action::OpenSite, "open the site of the alert or the incident"),
    named("open-incident", Action::OpenIncident, "open the newest incident of the site"),
    named("copy", Action::Copy, "copy the check as a curl line, or the incident as Markdown"),
    named("copy-error", Action::CopyError, "copy the URL of the site and why its last check failed"),
    named("tune", Action::Tune, "try another alert rule on the site"),
    named("tune-up", Action::TuneValue(1), "a larger value of the rule"),
    named("tune-down", Action::TuneValue(-1), "a smaller value of the rule"),
    named("tune-reset", Action::TuneReset, "the rule that holds"),
    named("theme", Action::ToggleTheme, "the colours for a dark or a light background"),
    named("bell", Action::ToggleBell, "the bell, on or off"),
    named("mouse", Action::ToggleMouse, "the mouse, on or off"),
    named("back", Action::Back, "back, or clear the filter"),
    named("help", Action::ToggleHelp, "open the help, and close it"),
    named("quit", Action::Exit(ExitRequest::Plain), "leave, or close the help"),
    named("quit-and-keep", Action::Exit(ExitRequest::KeepScreen), "leave, and keep the screen"),
];

/// The name of `action`; none for one whose key is fixed.
pub(crate) fn name_of(action: Action) -> Option<&'static str> {
    NAMED.iter().find(|named| named.action == action).map(|named| named.name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::tui::keymap::TABLE;

    #[test]
    fn every_action_of_the_table_has_a_name_of_its_own() {
        for binding in TABLE {
            let fixed = matches!(binding.action, Action::Exit(ExitRequest::Interrupt | ExitRequest::Suspend));
            assert_eq!(name_of(binding.action).is_none(), fixed, "{:?}", binding.action);
        }
        for named in NAMED {
            assert!(TABLE.iter().any(|binding| binding.action == named.action), "{} has no row", named.name);
            assert!(named.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        }
        let names: HashSet<&str> = NAMED.iter().map(|named| named.name).collect();
        assert_eq!(names.len(), NAMED.len());
    }
}
