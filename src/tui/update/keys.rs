//! What keys change: one `match` over the actions, and what is typed into a filter or chosen as an order.

use std::sync::Arc;

use ratatui::layout::Size;

use crate::model::SortKey;
use crate::model::command::{SiteCommand, next_pause};
use crate::tui::input::key::Key;
use crate::tui::inputs::Inputs;
use crate::tui::keymap::{self, Action};
use crate::tui::page::{ExitRequest, Page, Typing};
use crate::tui::state::UiState;
use crate::tui::state::alert_list::AlertEntry;
use crate::tui::state::site_list::{SORT_KEYS, SiteFilter, Sort};

const FILTER_MAX: usize = 200;

impl UiState {
    /// Does what `key` asks for. Some when the person leaves.
    pub fn act(&mut self, key: &Key, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        match key {
            Key::Ctrl('c') => return Some(ExitRequest::Interrupt),
            Key::Ctrl('z') => return Some(ExitRequest::Rest),
            _ => {}
        }
        if let Key::Mouse(what, column, row) = *key {
            self.point(what, (column, row), inputs, size);
            self.adjust(inputs, size);
            return None;
        }
        match self.typing {
            Typing::Filter => self.type_filter(key),
            Typing::Sort => self.choose_order(key),
            Typing::Keys => {
                let action = keymap::of(key, self.place)?;
                return self.perform(action, key, inputs, size);
            }
        }
        self.adjust(inputs, size);
        None
    }

    fn perform(&mut self, action: Action, key: &Key, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        let page = match self.place {
            Page::Overview => self.plan(inputs, size).page(),
            Page::Site if self.plan(inputs, size).below > 0 => self.plan(inputs, size).below.saturating_sub(1).max(1),
            Page::Alerts | Page::Site | Page::Help => usize::from(size.height).saturating_sub(4).max(1),
        };
        match action {
            Action::Up => self.scroll(-1, inputs),
            Action::Down => self.scroll(1, inputs),
            Action::PageUp => self.scroll(-signed(page), inputs),
            Action::PageDown => self.scroll(signed(page), inputs),
            Action::HalfUp => self.scroll(-signed(page.div_ceil(2)), inputs),
            Action::HalfDown => self.scroll(signed(page.div_ceil(2)), inputs),
            Action::First => self.scroll(isize::MIN, inputs),
            Action::Last => self.scroll(isize::MAX, inputs),
            Action::Open => self.open(inputs),
            Action::PreviousSite => self.neighbour(-1, inputs),
            Action::ZoomIn => self.zoom(true, inputs),
            Action::ZoomOut => self.zoom(false, inputs),
            Action::Earlier => self.earlier(inputs),
            Action::Later => self.later(inputs),
            Action::Now => self.go_live(),
            // Below the table: first the whole screen.
            Action::Incident if self.plan(inputs, size).below > 0 => (self.halved, self.site_top) = (false, 0),
            Action::Incident => self.incident_before(inputs),
            Action::Logarithm => self.travel.log = !self.travel.log,
            Action::NextSite => self.neighbour(1, inputs),
            Action::AlertsUp => self.region_top = self.region_top.saturating_sub(1),
            Action::AlertsDown => self.region_top += 1,
            Action::NextView | Action::View if self.place == Page::Overview && !self.plan(inputs, size).tabs => {}
            Action::NextView => self.turn(key, inputs),
            Action::View => self.view_of(key, inputs),
            Action::Filter => self.typing = Typing::Filter,
            Action::NotUp => {
                self.filter.not_up = !self.filter.not_up;
                self.arranged = None;
            }
            Action::Sort => self.typing = Typing::Sort,
            Action::Freeze => {
                self.frozen = if self.frozen.is_some() { None } else { Some(Arc::new(inputs.snapshot.clone())) };
                self.arranged = None;
            }
            Action::Fold => {
                let grouped = self.tables(inputs).sites.iter().any(|site| site.group.is_some());
                self.folding.on = grouped && !self.folding.on;
                self.arranged = None;
            }
            Action::Recheck | Action::Pause => self.ask(action, inputs),
            Action::Alerts if self.place == Page::Alerts => self.back(),
            Action::Alerts | Action::Newest => {
                if self.place != Page::Alerts {
                    self.under_alerts = self.place;
                }
                self.place = Page::Alerts;
                self.alerts_row = if action == Action::Newest { self.newest() } else { 0 };
            }
            Action::Theme => self.scheme = self.scheme.toggled(),
            Action::Mute => self.muted = !self.muted,
            Action::Mouse => self.mouse = !self.mouse,
            Action::Help => self.toggle_help(),
            Action::Back => self.back(),
            Action::Quit if self.place == Page::Help => self.toggle_help(),
            Action::Quit => return Some(ExitRequest::Plain),
            Action::QuitKeepScreen => return Some(ExitRequest::KeepScreen),
            Action::Rest => return Some(ExitRequest::Rest),
        }
        self.adjust(inputs, size);
        None
    }

    /// Asks the monitor for something about the site under the cursor.
    fn ask(&mut self, action: Action, inputs: &Inputs) {
        if inputs.health.watching.is_some() {
            self.refused = Some(inputs.now);
            return;
        }
        // What is for one site is not done to a whole group.
        let focus = self.focus(inputs).filter(|_| self.selected_group(inputs).is_none());
        let live = focus.and_then(|i| inputs.snapshot.sites.get(i));
        self.commands.extend(live.map(|site| match action {
            Action::Pause => SiteCommand::Pause(site.slot, next_pause(site.paused_until, inputs.now)),
            _ => SiteCommand::Check(site.slot),
        }));
    }

    pub(crate) fn scroll(&mut self, by: isize, inputs: &Inputs) {
        let (at, last) = match self.place {
            Page::Overview => (&mut self.row, self.order.len().saturating_sub(1)),
            Page::Alerts => (&mut self.alerts_row, self.found.listed.len().saturating_sub(1)),
            Page::Site => (&mut self.site_top, crate::tui::view::site::LINES_MAX),
            Page::Help => (&mut self.help_top, crate::tui::view::chrome::help::LINES_MAX),
        };
        *at = at.saturating_add_signed(by).min(last);
        if self.place == Page::Overview {
            // At the very top it is no site's: the worst one is to be seen there, whichever that is.
            let tables = self.tables(inputs);
            let selected = self.selected().filter(|_| by != isize::MIN).and_then(|i| tables.sites.get(i));
            self.cursor = selected.map(|site| Arc::clone(&site.name));
        }
    }

    /// Opens what is under the cursor: a site, the site of an alert, or a storm of alerts.
    pub(crate) fn open(&mut self, inputs: &Inputs) {
        if self.place == Page::Alerts {
            if let Some(AlertEntry::Fold { storm, .. }) = self.found.listed.get(self.alerts_row) {
                let storm = *storm;
                if !self.unfolded.remove(&storm) {
                    self.unfolded.insert(storm);
                }
                self.find_alerts(inputs.alerts);
                return;
            }
            let Some(site) = self.focus(inputs) else { return };
            if let Some(alert) = self.alert(inputs) {
                self.jump(alert.at, inputs);
            }
            self.cursor = self.tables(inputs).sites.get(site).map(|site| Arc::clone(&site.name));
            self.arranged = None;
            // Back to the alerts, but never round in a circle.
            self.under_site = if self.under_alerts == Page::Site { Page::Overview } else { Page::Alerts };
            self.halved = false;
        } else if self.order.is_empty() {
            return;
        } else if let Some(group) = self.selected_group(inputs) {
            if !self.folding.unfolded.remove(&group) {
                self.folding.unfolded.insert(group);
            }
            self.arranged = None;
            return;
        } else {
            self.scroll(0, inputs);
            self.go_live();
            (self.under_site, self.halved) = (Page::Overview, true);
        }
        (self.place, self.site_top) = (Page::Site, 0);
    }

    /// To the site `by` rows further in the list, on the screen of a site.
    fn neighbour(&mut self, by: isize, inputs: &Inputs) {
        self.place = Page::Overview;
        self.scroll(by, inputs);
        (self.place, self.site_top) = (Page::Site, 0);
    }

    fn turn(&mut self, key: &Key, inputs: &Inputs) {
        let views = self.tables(inputs).views.len().max(1);
        self.tab = (self.tab + if *key == Key::BackTab { views - 1 } else { 1 }) % views;
        self.arranged = None;
    }

    fn view_of(&mut self, key: &Key, inputs: &Inputs) {
        if let Key::Char(digit) = key
            && let Some(n) = digit.to_digit(10).and_then(|n| usize::try_from(n).ok())
            && (1..=self.tables(inputs).views.len()).contains(&n)
        {
            self.tab = n - 1;
            self.arranged = None;
        }
    }

    fn newest(&self) -> usize {
        let newest = self.found.listed.iter().map(AlertEntry::newest).max();
        self.found.listed.iter().position(|entry| Some(entry.newest()) == newest).unwrap_or(0)
    }

    fn toggle_help(&mut self) {
        if self.place == Page::Help {
            self.place = self.under_help;
        } else {
            self.under_help = self.place;
            self.place = Page::Help;
            self.help_top = 0;
        }
    }

    pub(crate) fn back(&mut self) {
        match self.place {
            Page::Help => self.toggle_help(),
            Page::Alerts if !self.alerts_filter.is_empty() => {
                self.alerts_filter.clear();
                self.indexed = None;
            }
            Page::Alerts => self.place = self.under_alerts,
            Page::Site => self.place = self.under_site,
            Page::Overview => {
                self.filter = SiteFilter::default();
                self.arranged = None;
            }
        }
    }

    fn type_filter(&mut self, key: &Key) {
        let text = if self.place == Page::Alerts { &mut self.alerts_filter } else { &mut self.filter.text };
        match key {
            Key::Enter => self.typing = Typing::Keys,
            Key::Esc => {
                text.clear();
                self.typing = Typing::Keys;
            }
            Key::Backspace => drop(text.pop()),
            Key::Ctrl('u') => text.clear(),
            Key::Ctrl('w') => {
                let end = text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                text.truncate(end);
            }
            Key::Char(c) => text.push(*c),
            Key::Paste(pasted) => text.push_str(&crate::model::text::clean_line(pasted, FILTER_MAX)),
            _ => {}
        }
        while text.len() > FILTER_MAX {
            text.pop();
        }
        if self.place == Page::Alerts {
            (self.indexed, self.alerts_row) = (None, 0);
        } else {
            self.arranged = None;
        }
    }

    fn choose_order(&mut self, key: &Key) {
        self.typing = Typing::Keys;
        let Key::Char(letter) = key else { return };
        if let Some(&(key, ..)) = SORT_KEYS.iter().find(|(_, of, _)| of == letter) {
            self.sort_by(key);
        }
    }

    /// Orders by `key`; by the same once more, the other way round.
    pub(crate) fn sort_by(&mut self, key: SortKey) {
        let reversed = self.sort.key == key && !self.sort.reversed;
        self.sort = Sort { key, reversed };
        self.arranged = None;
    }
}

fn signed(n: usize) -> isize {
    isize::try_from(n).unwrap_or(isize::MAX)
}
