//! What the person did, and what must not change between two frames.
//!
//! Two entrances: [`UiState::act`] for keys, [`UiState::settle`] for new snapshots and sizes. Invariants: the cursor
//! stays on its *site*, not on its row (unless it was never moved: then it is at the top, where the worst is); the order of rows changes only when the first view was refreshed, or by the
//! person's own wish; the cursor is always within what is seen. The list of alerts is sorted into "open first, then
//! newest first" once when it changes, not once a frame.

use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Size;

use crate::alert::AlertState;
use crate::engine::snapshot::Snapshot;
use crate::model::Timestamp;

use super::action::{self, Action};
use super::alert_index::AlertIndex;
use super::frame::Inputs;
use super::key::Key;
use super::layout::{Demand, Plan};
use super::order::{self, Filter, Sort, SortKey};
use super::symbols::Symbols;
use super::theme::{Scheme, Theme};
use super::{banner, run::Settings};

/// How long something new is marked as new, and the least time between two bells.
pub const FRESH: Duration = Duration::from_secs(10);
/// Coverage below this is worth a mark.
pub const FULL_COVERAGE: f64 = 0.995;
const FILTER_MAX: usize = 200;

/// Which screen is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// All sites.
    #[default]
    Overview,
    /// All alerts.
    Alerts,
    /// One site.
    Site,
    /// The help, over one of the others.
    Help,
}

/// How a person leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Without a trace.
    Plain,
    /// The last screen stays.
    KeepScreen,
    /// By Ctrl-C, as if by SIGINT.
    Interrupt,
}

/// What the next keys go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Typing {
    /// The table of actions.
    #[default]
    Keys,
    /// The text of the filter.
    Filter,
    /// The letter of an order.
    Sort,
}

/// Everything about the dashboard that lasts from frame to frame.
#[derive(Clone, Debug)]
pub struct UiState {
    pub(super) place: Place,
    pub(super) under_help: Place,
    under_alerts: Place,
    pub(super) typing: Typing,
    pub(super) filter: Filter,
    pub(super) sort: Sort,
    pub(super) tab: usize,
    /// Indices of the listed sites, in order.
    pub(super) order: Vec<u32>,
    /// Row of the cursor and first row seen, both in `order`.
    pub(super) row: usize,
    pub(super) top: usize,
    /// First alert seen in the region of the overview, on the screen of alerts, and first line of the help.
    pub(super) region_top: usize,
    pub(super) alerts_top: usize,
    pub(super) help_top: usize,
    pub(super) site_top: usize,
    pub(super) frozen: Option<Arc<Snapshot>>,
    pub(super) alerts: AlertIndex,
    pub(super) coverage_seen: bool,
    pub(super) muted: bool,
    pub(super) symbols: Symbols,
    pub(super) started: Option<Timestamp>,
    /// Samples lost so far, and when that grew.
    pub(super) lost: (u64, Option<Timestamp>),
    cursor: Option<Arc<str>>,
    arranged: Option<(Option<Timestamp>, usize)>,
    bell_at: Option<Timestamp>,
    scheme: Scheme,
    color: bool,
}

impl UiState {
    /// The state at the start.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            place: Place::Overview,
            under_help: Place::Overview,
            under_alerts: Place::Overview,
            typing: Typing::Keys,
            filter: Filter::default(),
            sort: Sort { key: settings.sort, reversed: false },
            tab: 0,
            order: Vec::new(),
            row: 0,
            top: 0,
            region_top: 0,
            alerts_top: 0,
            help_top: 0,
            site_top: 0,
            frozen: None,
            alerts: AlertIndex::default(),
            coverage_seen: false,
            muted: !settings.bell,
            symbols: settings.symbols,
            started: None,
            lost: (0, None),
            cursor: None,
            arranged: None,
            bell_at: None,
            scheme: settings.scheme,
            color: settings.color,
        }
    }

    /// How it is to look.
    #[must_use]
    pub const fn theme(&self) -> Theme {
        Theme { scheme: self.scheme, color: self.color, symbols: self.symbols }
    }

    /// What the tables show: the snapshot, or the one at which they were frozen.
    pub(super) fn tables<'a>(&'a self, inputs: &Inputs<'a>) -> &'a Snapshot {
        self.frozen.as_deref().unwrap_or(inputs.snapshot)
    }

    /// The regions at this size.
    pub(super) fn plan(&self, inputs: &Inputs, size: Size) -> Plan {
        let tables = self.tables(inputs);
        Plan::new(&Demand {
            size,
            sites: tables.sites.len(),
            listed: self.order.len(),
            views: tables.views.len(),
            tab: self.tab,
            banner: banner::text(inputs, self).is_some(),
        })
    }

    /// The site that the person looks at, as an index into `tables`: on its own screen even if it is no longer listed.
    pub(super) fn focus(&self, tables: &Snapshot) -> Option<usize> {
        let alone = self.place == Place::Site || (self.place == Place::Help && self.under_help == Place::Site);
        match &self.cursor {
            Some(name) if alone => tables.sites.iter().position(|site| site.name == *name),
            _ => self.selected(),
        }
    }

    /// The listed site under the cursor, as an index into the tables.
    fn selected(&self) -> Option<usize> {
        self.order.get(self.row).and_then(|&i| usize::try_from(i).ok())
    }

    /// Takes in what changed: new figures, alerts, time, size. Returns whether the bell is to ring.
    pub fn settle(&mut self, inputs: &Inputs, size: Size) -> bool {
        let started = *self.started.get_or_insert(inputs.now);
        if inputs.health.lost_samples > self.lost.0 {
            self.lost = (inputs.health.lost_samples, Some(inputs.now));
        }
        let ring = self.index_alerts(inputs, started);
        self.rearrange(inputs);
        let plan = self.plan(inputs, size);
        self.keep_in_sight(plan.page());
        self.region_top = self.region_top.min(inputs.alerts.len().saturating_sub(1));
        self.alerts_top = self.alerts_top.min(inputs.alerts.len().saturating_sub(1));
        ring
    }

    /// Does what `key` asks for. Some when the person leaves.
    pub fn act(&mut self, key: &Key, inputs: &Inputs, size: Size) -> Option<Leave> {
        if *key == Key::Ctrl('c') {
            return Some(Leave::Interrupt);
        }
        match self.typing {
            Typing::Filter => self.type_filter(key),
            Typing::Sort => self.choose_order(key),
            Typing::Keys => {
                let action = action::of(key, self.place)?;
                return self.perform(action, key, inputs, size);
            }
        }
        self.settle(inputs, size);
        None
    }

    fn perform(&mut self, action: Action, key: &Key, inputs: &Inputs, size: Size) -> Option<Leave> {
        let page = match self.place {
            Place::Overview => self.plan(inputs, size).page(),
            Place::Alerts | Place::Site | Place::Help => usize::from(size.height).saturating_sub(4).max(1),
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
            Action::Open if self.order.is_empty() => {}
            Action::Open => {
                self.scroll(0, inputs);
                (self.place, self.site_top) = (Place::Site, 0);
            }
            Action::PreviousSite => self.neighbour(-1, inputs),
            Action::NextSite => self.neighbour(1, inputs),
            Action::AlertsUp => self.region_top = self.region_top.saturating_sub(1),
            Action::AlertsDown => self.region_top += 1,
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
            Action::Alerts if self.place == Place::Alerts => self.back(),
            Action::Alerts | Action::Newest => {
                if self.place != Place::Alerts {
                    self.under_alerts = self.place;
                }
                self.place = Place::Alerts;
                self.alerts_top = if action == Action::Newest { self.newest() } else { 0 };
            }
            Action::Theme => self.scheme = self.scheme.toggled(),
            Action::Mute => self.muted = !self.muted,
            Action::Help => self.toggle_help(),
            Action::Back => self.back(),
            Action::Quit if self.place == Place::Help => self.toggle_help(),
            Action::Quit => return Some(Leave::Plain),
            Action::QuitKeepScreen => return Some(Leave::KeepScreen),
        }
        self.settle(inputs, size);
        None
    }

    fn scroll(&mut self, by: isize, inputs: &Inputs) {
        let (at, last) = match self.place {
            Place::Overview => (&mut self.row, self.order.len().saturating_sub(1)),
            Place::Alerts => (&mut self.alerts_top, self.alerts.listed.len().saturating_sub(1)),
            Place::Site => (&mut self.site_top, super::site::LINES_MAX),
            Place::Help => (&mut self.help_top, super::help::LINES_MAX),
        };
        *at = at.saturating_add_signed(by).min(last);
        if self.place == Place::Overview {
            // At the very top it is no site's: the worst one is to be seen there, whichever that is.
            let tables = self.tables(inputs);
            let selected = self.selected().filter(|_| by != isize::MIN).and_then(|i| tables.sites.get(i));
            self.cursor = selected.map(|site| Arc::clone(&site.name));
        }
    }

    /// To the site `by` rows further in the list, on the screen of a site.
    fn neighbour(&mut self, by: isize, inputs: &Inputs) {
        self.place = Place::Overview;
        self.scroll(by, inputs);
        (self.place, self.site_top) = (Place::Site, 0);
    }

    fn turn(&mut self, key: &Key, inputs: &Inputs) {
        let views = self.tables(inputs).views.len().max(1);
        self.tab = (self.tab + if *key == Key::BackTab { views - 1 } else { 1 }) % views;
    }

    fn view_of(&mut self, key: &Key, inputs: &Inputs) {
        if let Key::Char(digit) = key
            && let Some(n) = digit.to_digit(10).and_then(|n| usize::try_from(n).ok())
            && (1..=self.tables(inputs).views.len()).contains(&n)
        {
            self.tab = n - 1;
        }
    }

    fn newest(&self) -> usize {
        let newest = self.alerts.listed.iter().copied().max();
        self.alerts.listed.iter().position(|&i| Some(i) == newest).unwrap_or(0)
    }

    fn toggle_help(&mut self) {
        if self.place == Place::Help {
            self.place = self.under_help;
        } else {
            self.under_help = self.place;
            self.place = Place::Help;
            self.help_top = 0;
        }
    }

    fn back(&mut self) {
        match self.place {
            Place::Help => self.toggle_help(),
            Place::Alerts => self.place = self.under_alerts,
            Place::Site => self.place = Place::Overview,
            Place::Overview => {
                self.filter = Filter::default();
                self.arranged = None;
            }
        }
    }

    fn type_filter(&mut self, key: &Key) {
        let text = &mut self.filter.text;
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
        self.arranged = None;
    }

    fn choose_order(&mut self, key: &Key) {
        self.typing = Typing::Keys;
        let Key::Char(letter) = key else { return };
        if let Some(&(key, ..)) = SortKey::ALL.iter().find(|(_, of, _)| of == letter) {
            let reversed = self.sort.key == key && !self.sort.reversed;
            self.sort = Sort { key, reversed };
            self.arranged = None;
        }
    }

    /// Makes the order anew when the first view was refreshed or the person changed what is listed.
    fn rearrange(&mut self, inputs: &Inputs) {
        let tables = self.frozen.clone();
        let tables = tables.as_deref().unwrap_or(inputs.snapshot);
        let stamp = Some((tables.views.first().map(|view| view.as_of), tables.sites.len()));
        if self.arranged == stamp {
            return;
        }
        self.arranged = stamp;
        self.order = order::arrange(tables, &self.filter, self.sort, self.tab);
        self.coverage_seen |= tables.views.iter().any(|view| {
            view.rows.iter().any(|row| row.summary.coverage.is_some_and(|coverage| coverage < FULL_COVERAGE))
        });
        if let Some(name) = &self.cursor {
            let held =
                |&i: &u32| usize::try_from(i).ok().and_then(|i| tables.sites.get(i)).is_some_and(|s| s.name == *name);
            if let Some(row) = self.order.iter().position(held) {
                self.row = row;
            }
        }
    }

    fn keep_in_sight(&mut self, page: usize) {
        self.row = self.row.min(self.order.len().saturating_sub(1));
        self.top = self.top.min(self.row).max((self.row + 1).saturating_sub(page));
        self.top = self.top.min(self.order.len().saturating_sub(page));
    }

    /// Sorts new alerts in. Whether a new one asks for the bell: one for a `down`, at most one in ten seconds.
    fn index_alerts(&mut self, inputs: &Inputs, started: Timestamp) -> bool {
        let alerts = inputs.alerts;
        if self.alerts.is_of(alerts) {
            return false;
        }
        let before = self.alerts.listed.len().min(alerts.len());
        let downs = alerts[before..].iter().any(|alert| alert.state == AlertState::Down && alert.at > started);
        self.alerts = AlertIndex::of(alerts);
        let quiet = self.bell_at.is_none_or(|at| inputs.now.since(at) >= FRESH);
        let ring = downs && quiet && !self.muted;
        if ring {
            self.bell_at = Some(inputs.now);
        }
        ring
    }
}

fn signed(n: usize) -> isize {
    isize::try_from(n).unwrap_or(isize::MAX)
}
