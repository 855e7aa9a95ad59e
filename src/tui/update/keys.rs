//! What keys change: a key is an [`Action`] by the [keys](crate::tui::arrangement::keys) that hold, or a character of what is typed.

use std::sync::Arc;

use jiff::civil::Time;
use ratatui::layout::Size;

use crate::alert::incident::list::ListedIncident;
use crate::alert::incident::order::next_silence;
use crate::engine::snapshot::SiteSnapshot;
use crate::model::command::{SiteCommand, next_pause};
use crate::model::text::clean_line;
use crate::model::time::next_clock::next_clock;
use crate::model::{Place, Watched};
use crate::tui::arrangement::sort::SortKey;
use crate::tui::incident_marks::own_silence;
use crate::tui::input::key::Key;
use crate::tui::inputs::Inputs;
use crate::tui::keymap::Action;
use crate::tui::layout::OverviewLayout;
use crate::tui::page::{ExitRequest, InputMode, Page};
use crate::tui::state::UiState;
use crate::tui::state::site_list::SORT_KEYS;
use crate::tui::style::line::short_name;
use crate::tui::style::theme::Scheme;
use crate::tui::tuning::Tuning;
use crate::tui::view::chrome::help;
use crate::tui::view::{incident, site, tuning};

const FILTER_MAX: usize = 200;

/// The longest silence of a key ends at this time of day.
const MORNING: Time = Time::constant(8, 0, 0, 0);

impl UiState {
    /// Does what `key` asks for. Some if the user leaves.
    pub fn act(&mut self, key: &Key, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        let mut exit = None;
        self.timers.update(inputs);
        match (key, self.nav.mode) {
            (Key::Ctrl('c'), _) => return Some(ExitRequest::Interrupt),
            (Key::Ctrl('z'), _) => return Some(ExitRequest::Suspend),
            (&Key::Mouse(what, column, row), _) => exit = self.point(what, (column, row), inputs, size),
            (&Key::Background { is_light }, _) => self.learn_background(is_light),
            (_, InputMode::Filter) => self.type_filter(key),
            (_, InputMode::Sort) => self.choose_sort_key(key),
            (_, InputMode::Keys) => {
                let action = inputs.arrangement.keys.action(key, self.nav.page())?;
                exit = self.press(action, inputs, size);
            }
        }
        self.refresh(inputs, size);
        exit
    }

    /// Does what a key or a click asks for, unless that is for the present only.
    pub(crate) fn press(&mut self, action: Action, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        if self.refuses(action, inputs) { None } else { self.perform(action, inputs, size) }
    }

    fn perform(&mut self, action: Action, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        let plan = self.plan(inputs, size);
        let page = self.page_rows(&plan, size);
        let rows = |rows: usize| isize::try_from(rows).unwrap_or(isize::MAX);
        let tables = self.sites.tables(inputs.snapshot);
        match action {
            Action::Rows(by) if self.nav.page() == Page::Tuning => self.tuning.iter_mut().for_each(|it| it.choose(by)),
            Action::Rows(by) => self.scroll(by, inputs),
            Action::Pages(by) => self.scroll(by * rows(page), inputs),
            Action::HalfPages(by) => self.scroll(by * rows(page.div_ceil(2)), inputs),
            Action::First => self.scroll(isize::MIN, inputs),
            Action::Last => self.scroll(isize::MAX, inputs),
            Action::ScrollAlerts(by) => self.alerts.scroll_region(by),
            Action::Open => self.open(inputs),
            Action::OpenSite | Action::OpenIncident | Action::Evidence | Action::Copy | Action::CopyError => {
                self.on_incident(action, inputs);
            }
            Action::OtherSite(by) => {
                self.sites.move_cursor(by, inputs.snapshot);
                self.nav.open(Page::Site);
            }
            Action::ZoomIn => self.chart.zoom(true, inputs, tables),
            Action::ZoomOut => self.chart.zoom(false, inputs, tables),
            Action::Earlier | Action::Later if self.chart.has_cursor() => {
                self.chart.move_cursor(action == Action::Earlier, inputs, tables, usize::from(size.width));
            }
            Action::Earlier => self.chart.earlier(inputs, tables),
            Action::Later => self.chart.later(inputs, tables),
            Action::ToggleCursor => self.chart.toggle_cursor(),
            Action::Now => self.go_live(),
            Action::Time(how) => self.travel(how, rows(page), inputs),
            // A site below the table fills the screen first.
            Action::PreviousIncident if plan.below > 0 => self.nav.open_site(false),
            Action::PreviousIncident => {
                let opened = self.focus(inputs).and_then(|site| tables.sites.get(site));
                if opened.is_some_and(|site| !self.chart.previous_incident(site, inputs, tables)) {
                    self.timers.say("no incident of this site is known", inputs.now);
                }
            }
            Action::ToggleLogScale => self.chart.log = !self.chart.log,
            Action::OtherView(by) => self.turn_view(by, inputs, size),
            Action::View(index) if index >= tables.views.len() => self.timers.say("there is no such view", inputs.now),
            Action::View(index) if self.nav.page() == Page::Overview => self.sites.toggle_alone(index),
            Action::View(index) => self.sites.show_view(index),
            Action::Filter => self.nav.mode = InputMode::Filter,
            Action::Sort => self.nav.mode = InputMode::Sort,
            Action::ToggleNotUp => self.sites.toggle_not_up(),
            Action::ToggleGroups => {
                if !self.sites.toggle_groups(inputs.snapshot) {
                    self.timers.say("no site has a group", inputs.now);
                }
            }
            Action::ToggleLocations => self.toggle_locations(inputs),
            Action::ToggleFreeze => self.sites.toggle_frozen(inputs.snapshot),
            Action::Tune => self.open_tuning(inputs),
            Action::TuneValue(by) => self.tuning.iter_mut().for_each(|it| it.turn(by)),
            Action::TuneReset => self.tuning.iter_mut().for_each(Tuning::reset),
            Action::CheckNow | Action::Pause => self.command(action, inputs),
            Action::Acknowledge | Action::Silence if is_of_fleet(inputs) => {
                self.timers.say("x and z are not available here; give orders at the hub", inputs.now);
            }
            Action::Acknowledge => self.acknowledge(inputs),
            Action::Silence => self.silence(inputs),
            Action::Alerts if self.nav.page() != Page::Alerts => self.open_alerts(),
            Action::NewestAlert => self.open_newest_alert(),
            Action::ToggleTheme | Action::ToggleBell | Action::ToggleMouse => self.toggle(action, inputs),
            Action::Back | Action::Alerts => self.back(),
            // The help is closed by its own key, and by the one that leaves.
            Action::ToggleHelp | Action::Exit(ExitRequest::Plain) if self.nav.page() == Page::Help => self.nav.back(),
            Action::ToggleHelp => self.nav.open(Page::Help),
            Action::Exit(exit) => return Some(exit),
        }
        None
    }

    /// Lists the locations of the site under the cursor, or no longer.
    fn toggle_locations(&mut self, inputs: &Inputs) {
        if !self.sites.toggle_locations(inputs.snapshot) {
            self.timers.say("no locations: select a site that several locations check", inputs.now);
        }
    }

    /// The rows that a page has on the screen.
    fn page_rows(&self, plan: &OverviewLayout, size: Size) -> usize {
        match self.nav.page() {
            Page::Overview => plan.page(),
            Page::Site if plan.below > 0 => plan.below.saturating_sub(1).max(1),
            Page::Alerts | Page::Incident | Page::Site | Page::Tuning | Page::Help => {
                usize::from(size.height).saturating_sub(4).max(1)
            }
        }
    }

    /// Switches something about the screen, and says to what.
    fn toggle(&mut self, action: Action, inputs: &Inputs) {
        let said = match action {
            Action::ToggleTheme => {
                self.theme.scheme = self.theme.scheme.toggled();
                (self.preferences.scheme, self.awaits_background) = (Some(self.theme.scheme), false);
                match self.theme.scheme {
                    Scheme::Dark => "theme for a dark background",
                    Scheme::Light => "theme for a light background",
                }
            }
            Action::ToggleBell => {
                self.muted = !self.muted;
                if self.muted { "bell off" } else { "bell on" }
            }
            _ => {
                self.mouse = !self.mouse;
                self.preferences.mouse = Some(self.mouse);
                if self.mouse { "mouse on: clicks and the wheel work" } else { "mouse off: the terminal selects text" }
            }
        };
        self.timers.say(said, inputs.now);
    }

    /// The terminal says what its background is. Only the first answer to a question of ours counts, and the user knows better.
    fn learn_background(&mut self, is_light: bool) {
        if std::mem::take(&mut self.awaits_background) {
            self.theme.scheme = if is_light { Scheme::Light } else { Scheme::Dark };
        }
    }

    /// Shows the next view; where there is room for all of them, these come after the last one.
    fn turn_view(&mut self, by: isize, inputs: &Inputs, size: Size) {
        let views = self.tables(inputs).views.len();
        if self.nav.page() == Page::Overview && self.would_stack(inputs, size) {
            self.sites.turn_alone(by, views);
        } else {
            self.sites.turn_view(by, views);
        }
    }

    /// The site that a command is for, as it is now: one for one site must not reach a whole group, and the tables may be frozen.
    /// Says why there is none.
    pub(crate) fn commanded<'a>(&mut self, inputs: &Inputs<'a>) -> Option<&'a Arc<SiteSnapshot>> {
        let focus = self.focus(inputs).filter(|_| self.selected_group(inputs).is_none());
        let shown = focus.and_then(|place| Some((place, self.tables(inputs).sites.get(place)?)));
        let live = shown.and_then(|(place, site)| inputs.snapshot.of_slot(site.slot, place));
        if live.is_none() {
            let gone = shown.map(|(_, site)| format!("{} is no longer monitored", short_name(&site.name)));
            self.timers.say(gone.unwrap_or_else(|| "no site is selected".to_owned()), inputs.now);
        }
        live
    }

    /// Acknowledges the open incidents of the site, or the incident of the alert, under the cursor; once all are, withdraws
    /// that.
    fn acknowledge(&mut self, inputs: &Inputs) {
        let of_alert =
            || self.alerts.selected(inputs.alerts).and_then(|alert| inputs.incidents.numbered(alert.incident?));
        let of_incident = || inputs.incidents.numbered(self.incident.as_ref()?.incident?);
        let one = match self.nav.page() {
            Page::Alerts => of_alert(),
            Page::Incident => of_incident(),
            _ => None,
        };
        let meant = if let Some(one) = one {
            std::slice::from_ref(one)
        } else {
            let Some(site) = self.commanded(inputs) else { return };
            inputs.incidents.of_site(&site.name)
        };
        if meant.is_empty() {
            return self.timers.say("no incident is open", inputs.now);
        }
        let is_withdrawn = meant.iter().all(|incident| incident.ack.is_some());
        let changed = meant.iter().filter(|incident| incident.ack.is_some() == is_withdrawn);
        let command = |incident: &ListedIncident| SiteCommand::Acknowledge { incident: incident.number, is_withdrawn };
        self.commands.extend(changed.map(command));
    }

    /// Silences the site under the cursor, for longer with each press, or ends that.
    fn silence(&mut self, inputs: &Inputs) {
        let Some(site) = self.commanded(inputs) else { return };
        let until = own_silence(inputs, site).map(|silence| silence.until);
        let morning = next_clock(inputs.now, MORNING, inputs.zone);
        self.commands.push(SiteCommand::Silence(site.slot, next_silence(until, inputs.now, morning)));
    }

    /// Gives the monitor a command for the site under the cursor.
    fn command(&mut self, action: Action, inputs: &Inputs) {
        if inputs.health.watching.is_some() {
            return self.timers.say("r and p are not available in read-only mode", inputs.now);
        }
        let live = self.commanded(inputs);
        self.commands.extend(live.map(|site| match action {
            Action::Pause => SiteCommand::Pause(site.slot, next_pause(site.paused_until, inputs.now)),
            _ => SiteCommand::Check(site.slot),
        }));
    }

    pub(crate) fn scroll(&mut self, by: isize, inputs: &Inputs) {
        match self.nav.page() {
            Page::Overview => self.sites.move_cursor(by, inputs.snapshot),
            Page::Alerts => self.alerts.move_cursor(by),
            Page::Incident => self.nav.scroll(by, incident::LINES_MAX),
            Page::Site => self.nav.scroll(by, site::LINES_MAX),
            Page::Tuning => self.nav.scroll(by, tuning::LISTED_MAX),
            Page::Help => self.nav.scroll(by, help::LINES_MAX),
        }
    }

    /// Opens what is under the cursor: a site, a group, the incident of an alert, or a burst of alerts.
    pub(crate) fn open(&mut self, inputs: &Inputs) {
        if self.nav.page() == Page::Alerts {
            if self.alerts.toggle_burst(inputs.alerts) {
                return;
            }
            if let Some(alert) = self.alerts.selected(inputs.alerts).map(Arc::clone) {
                self.open_incident(alert, inputs);
            }
        } else if let Some(group) = self.selected_group(inputs) {
            self.sites.toggle_group(group);
        } else if self.sites.selected().is_some() {
            self.sites.move_cursor(0, inputs.snapshot);
            self.chart.go_live();
            self.chart.leave_cursor();
            self.nav.open_site(true);
        }
    }

    /// Opens the trial of the site under the cursor, with its rule as it is.
    fn open_tuning(&mut self, inputs: &Inputs) {
        let focus = self.focus(inputs).filter(|_| self.selected_group(inputs).is_none());
        let Some(site) = focus.and_then(|index| self.tables(inputs).sites.get(index)) else { return };
        if site.place == Place::Everywhere {
            let key = inputs.arrangement.keys.key(Action::ToggleLocations);
            return self
                .timers
                .say(format!("rules are tried at one location: {key} on the overview lists them"), inputs.now);
        }
        self.tuning = Some(Tuning::new(site, inputs.now));
        self.nav.open(Page::Tuning);
    }

    fn open_newest_alert(&mut self) {
        self.alerts.select_newest();
        self.nav.open(Page::Alerts);
    }

    pub(crate) fn open_alerts(&mut self) {
        self.alerts.move_cursor(isize::MIN);
        self.nav.open(Page::Alerts);
    }

    pub(crate) fn back(&mut self) {
        match self.nav.page() {
            Page::Overview if self.leave_past() => {}
            Page::Overview => self.sites.clear_filter(),
            Page::Alerts if self.alerts.clear_filter() => {}
            Page::Site if self.chart.leave_cursor() => {}
            Page::Alerts | Page::Incident | Page::Site | Page::Tuning | Page::Help => self.nav.back(),
        }
        if self.nav.page() == Page::Overview {
            // What the overview shows is live, the chart on it as well.
            self.chart.go_live();
            self.chart.leave_cursor();
        }
    }

    fn type_filter(&mut self, key: &Key) {
        let text = if self.nav.page() == Page::Alerts { self.alerts.edit_filter() } else { self.sites.edit_filter() };
        match key {
            Key::Enter => self.nav.mode = InputMode::Keys,
            Key::Esc => {
                text.clear();
                self.nav.mode = InputMode::Keys;
            }
            Key::Backspace => drop(text.pop()),
            Key::Ctrl('u') => text.clear(),
            Key::Ctrl('w') => text.truncate(text.trim_end().rfind(' ').map_or(0, |space| space + 1)),
            Key::Char(c) => text.push(*c),
            Key::Paste(pasted) => text.push_str(&clean_line(pasted, FILTER_MAX)),
            _ => {}
        }
        text.truncate(text.floor_char_boundary(FILTER_MAX));
    }

    fn choose_sort_key(&mut self, key: &Key) {
        self.nav.mode = InputMode::Keys;
        let Key::Char(letter) = key else { return };
        if let Some(&(key, _)) = SORT_KEYS.iter().find(|(_, of)| of == letter) {
            self.sort_by(key);
        }
    }

    /// Sorts by `key`; in reverse if the rows are sorted by it already.
    pub(crate) fn sort_by(&mut self, key: SortKey) {
        self.sites.sort_by(key);
        self.preferences.sort = Some(self.sites.sort());
    }
}

/// Whether the dashboard only looks at a fleet.
fn is_of_fleet(inputs: &Inputs) -> bool {
    inputs.health.watching.is_some_and(|watching| watching.of == Watched::Fleet)
}
