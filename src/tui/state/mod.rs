//! What the person did, and what must not change between two frames.
//!
//! Two entrances: [`UiState::act`] for keys (in [`super::update::keys`]), [`UiState::settle`] for new snapshots and sizes. Invariants: the cursor
//! stays on its *site*, not on its row (unless it was never moved: then it is at the top, where the worst is); the order of rows changes only when the first view was refreshed, or by the
//! person's own wish; the cursor is always within what is seen. The list of alerts is sorted into "open first, then
//! newest first" once when it changes, not once a frame.

pub(crate) mod alert_lines;
pub(crate) mod alert_list;
pub(crate) mod banner;
pub(crate) mod chart_range;
pub(crate) mod digest;
pub(crate) mod groups;
pub(crate) mod site_list;
pub(crate) mod state_counts;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Size;

use crate::alert::{AlertRecord, AlertState};
use crate::engine::snapshot::Snapshot;
use crate::model::command::SiteCommand;
use crate::model::{SiteIndex, Timestamp};
use crate::tui::page::{Page, Typing};

use super::inputs::Inputs;
use super::layout::{Demand, OverviewLayout};
use super::settings::Settings;
use super::style::symbols::Symbols;
use super::style::theme::{Scheme, Theme};
use alert_list::{AlertBurst, AlertEntry, AlertIndex};
use chart_range::ChartRange;
use digest::OverviewFacts;
use groups::GroupedList;
use site_list::{SiteFilter, Sort};

/// How long something new is marked as new, and the least time between two bells.
pub const FRESH: Duration = Duration::from_secs(10);

/// Everything about the dashboard that lasts from frame to frame.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "switches that a person sets one by one")]
pub struct UiState {
    pub(crate) place: Page,
    pub(crate) under_help: Page,
    pub(crate) under_alerts: Page,
    pub(crate) under_site: Page,
    pub(crate) typing: Typing,
    pub(crate) filter: SiteFilter,
    pub(crate) sort: Sort,
    pub(crate) tab: usize,
    /// Indices of the listed sites, in order.
    pub(crate) order: Vec<u32>,
    /// How the sites are folded by group.
    pub(crate) folding: GroupedList,
    /// Row of the cursor and first row seen, both in `order`.
    pub(crate) row: usize,
    pub(crate) top: usize,
    /// First alert seen in the region of the overview.
    pub(crate) region_top: usize,
    /// Entry of the cursor and first entry seen on the screen of alerts, both in `found`.
    pub(crate) alerts_row: usize,
    pub(crate) alerts_top: usize,
    /// First lines seen of the help and of a site.
    pub(crate) help_top: usize,
    pub(crate) site_top: usize,
    /// Whether a site is shown below the table where there is room for both.
    pub(crate) halved: bool,
    /// Which time the chart of a site shows.
    pub(crate) travel: ChartRange,
    pub(crate) frozen: Option<Arc<Snapshot>>,
    /// All alerts, and those that the screen of alerts lists.
    pub(crate) alerts: AlertIndex,
    pub(crate) found: AlertIndex,
    pub(crate) alerts_filter: String,
    pub(crate) unfolded: HashSet<AlertBurst>,
    pub(crate) indexed: Option<(usize, Option<Timestamp>)>,
    pub(crate) digest: OverviewFacts,
    pub(crate) muted: bool,
    /// Whether the mouse is ours, not the terminal's.
    pub(crate) mouse: bool,
    pub(crate) symbols: Symbols,
    pub(crate) started: Option<Timestamp>,
    /// Samples lost so far, and when that grew.
    pub(crate) lost: (u64, Option<Timestamp>),
    /// Notices so far, and when one came after the start.
    pub(crate) noticed: (u64, Option<Timestamp>),
    pub(crate) cursor: Option<Arc<str>>,
    pub(crate) arranged: Option<(Option<Timestamp>, usize)>,
    /// What the person asked for and was not passed on yet.
    pub(crate) commands: Vec<SiteCommand>,
    /// When they last asked for what cannot be done here.
    pub(crate) refused: Option<Timestamp>,
    bell_at: Option<Timestamp>,
    /// When it was last brought up to date.
    settled: Option<Timestamp>,
    bell_due: bool,
    pub(crate) scheme: Scheme,
    color: bool,
}

impl UiState {
    /// The state at the start.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            place: Page::Overview,
            under_help: Page::Overview,
            under_alerts: Page::Overview,
            under_site: Page::Overview,
            typing: Typing::Keys,
            filter: SiteFilter::default(),
            sort: Sort { key: settings.sort, reversed: false },
            tab: 0,
            order: Vec::new(),
            folding: GroupedList::default(),
            row: 0,
            top: 0,
            region_top: 0,
            alerts_row: 0,
            alerts_top: 0,
            help_top: 0,
            site_top: 0,
            halved: false,
            travel: ChartRange::default(),
            frozen: None,
            alerts: AlertIndex::default(),
            found: AlertIndex::default(),
            alerts_filter: String::new(),
            unfolded: HashSet::new(),
            indexed: None,
            digest: OverviewFacts::default(),
            muted: !settings.bell,
            mouse: true,
            symbols: settings.symbols,
            started: None,
            lost: (0, None),
            noticed: (0, None),
            cursor: None,
            arranged: None,
            commands: Vec::new(),
            refused: None,
            bell_at: None,
            settled: None,
            bell_due: false,
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
    pub(crate) fn tables<'a>(&'a self, inputs: &Inputs<'a>) -> &'a Snapshot {
        self.frozen.as_deref().unwrap_or(inputs.snapshot)
    }

    /// The regions at this size.
    pub(crate) fn plan(&self, inputs: &Inputs, size: Size) -> OverviewLayout {
        let tables = self.tables(inputs);
        OverviewLayout::new(&Demand {
            size,
            sites: tables.sites.len(),
            listed: self.order.len(),
            views: tables.views.len(),
            tab: self.tab,
            banner: banner::is_shown(inputs, self),
            below: self.place == Page::Site && self.halved,
        })
    }

    /// The site that the person looks at, as an index into the tables: on its own screen even if it is no longer
    /// listed, among the alerts the one of the alert under the cursor.
    pub(crate) fn focus(&self, inputs: &Inputs) -> Option<usize> {
        let tables = self.tables(inputs);
        let named = |name: &Arc<str>| tables.sites.iter().position(|site| site.name == *name);
        let place = if self.place == Page::Help { self.under_help } else { self.place };
        match (place, &self.cursor) {
            (Page::Site, Some(name)) => named(name),
            (Page::Alerts, _) => named(&self.alert(inputs)?.site),
            _ => self.selected(),
        }
    }

    /// The sites that a table of this terminal may show, by number, from the top.
    #[must_use]
    pub fn seen(&self, size: Size) -> Vec<SiteIndex> {
        let rows = self.top..self.order.len().min(self.top + usize::from(size.height));
        rows.filter_map(|at| Some(SiteIndex(*self.order.get(at)?))).collect()
    }

    /// The site whose samples are wanted.
    #[must_use]
    pub fn opened(&self, inputs: &Inputs) -> Option<usize> {
        let place = if self.place == Page::Help { self.under_help } else { self.place };
        self.focus(inputs).filter(|_| place == Page::Site)
    }

    /// The alert under the cursor on the screen of alerts; of folded ones the newest.
    pub(crate) fn alert<'a>(&self, inputs: &Inputs<'a>) -> Option<&'a AlertRecord> {
        let entry = self.found.listed.get(self.alerts_row)?;
        inputs.alerts.get(entry.newest()).map(|alert| &**alert)
    }

    /// The group whose row the cursor is on.
    pub(crate) fn selected_group(&self, inputs: &Inputs) -> Option<Arc<str>> {
        let on_head = self.place == Page::Overview && self.folding.heads.get(self.row) == Some(&true);
        self.tables(inputs).sites.get(self.selected().filter(|_| on_head)?)?.group.clone()
    }

    /// The listed site under the cursor, as an index into the tables.
    pub(crate) fn selected(&self) -> Option<usize> {
        self.order.get(self.row).and_then(|&i| usize::try_from(i).ok())
    }

    /// What the person asked for since this was last asked.
    pub fn take_commands(&mut self) -> Vec<SiteCommand> {
        std::mem::take(&mut self.commands)
    }

    /// Takes in what changed: new figures, alerts, time, size. Returns whether the bell is to ring.
    pub fn settle(&mut self, inputs: &Inputs, size: Size) -> bool {
        self.adjust(inputs, size);
        std::mem::take(&mut self.bell_due)
    }

    /// The same; a bell that is due waits for the next frame.
    pub(crate) fn adjust(&mut self, inputs: &Inputs, size: Size) {
        self.note_time(inputs.now);
        let started = *self.started.get_or_insert(inputs.now);
        if inputs.health.lost_samples > self.lost.0 {
            self.lost = (inputs.health.lost_samples, Some(inputs.now));
        }
        let notices = inputs.health.forgotten_notices + inputs.health.notices.len() as u64;
        if notices > self.noticed.0 {
            // Those of the start are there in the first frame.
            self.noticed = (notices, (started < inputs.now).then_some(inputs.now));
        }
        self.bell_due |= self.index_alerts(inputs, started);
        self.digest.refresh(self.frozen.as_deref().unwrap_or(inputs.snapshot));
        self.rearrange(inputs);
        self.folding.count(inputs.snapshot);
        let plan = self.plan(inputs, size);
        self.keep_in_sight(plan.page());
        self.region_top = self.region_top.min(self.alerts.listed.len().saturating_sub(1));
        self.keep_alert_in_sight(inputs, size);
    }

    /// After a clock that was set back, what is new is new for as long as it would have been.
    fn note_time(&mut self, now: Timestamp) {
        let before = self.settled.replace(now).unwrap_or(now);
        let back = before.since(now);
        if back < Duration::from_secs(1) {
            return;
        }
        let indexed = self.indexed.as_mut().map(|(_, newest)| newest);
        let times = [&mut self.started, &mut self.lost.1, &mut self.noticed.1, &mut self.refused, &mut self.bell_at];
        for at in times.into_iter().chain(indexed).flatten() {
            *at = at.before(back);
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
        self.order = site_list::arrange(tables, &self.filter, self.sort, self.tab);
        self.order = self.folding.fold(std::mem::take(&mut self.order), tables);
        if let Some(name) = &self.cursor {
            let held =
                |&i: &u32| usize::try_from(i).ok().and_then(|i| tables.sites.get(i)).is_some_and(|s| s.name == *name);
            // A group and its first member have the same site: the row stays on the one it was on.
            let stays = self.order.get(self.row).is_some_and(held);
            if let Some(row) = self.order.iter().position(held).filter(|_| !stays) {
                self.row = row;
            }
        }
    }

    fn keep_in_sight(&mut self, page: usize) {
        self.row = self.row.min(self.order.len().saturating_sub(1));
        self.top = self.top.min(self.row).max((self.row + 1).saturating_sub(page));
        self.top = self.top.min(self.order.len().saturating_sub(page));
    }

    fn keep_alert_in_sight(&mut self, inputs: &Inputs, size: Size) {
        self.alerts_row = self.alerts_row.min(self.found.listed.len().saturating_sub(1));
        self.alerts_top = self.alerts_top.min(self.alerts_row);
        let banner = usize::from(banner::is_shown(inputs, self));
        // Header, title, selection line, footer, and the line of the first day.
        let mut room = usize::from(size.height).saturating_sub(5 + banner);
        let mut first = self.alerts_row + 1;
        while first > self.alerts_top {
            let lines = alert_lines::height(inputs, self, first - 1, usize::from(size.width));
            if lines > room {
                break;
            }
            room -= lines;
            first -= 1;
        }
        self.alerts_top = first.min(self.alerts_row);
    }

    /// Lists the alerts of the screen of alerts anew.
    pub(crate) fn find_alerts(&mut self, alerts: &[Arc<AlertRecord>]) {
        let at_top = self.alerts_row == 0;
        let held = self.found.listed.get(self.alerts_row).map(AlertEntry::newest).filter(|_| !at_top);
        self.found = AlertIndex::of(alerts, &self.alerts_filter, &self.unfolded);
        // The cursor stays on its alert unless it is at the top, where the newest is.
        if let Some(row) = held.and_then(|held| self.found.listed.iter().position(|entry| entry.newest() == held)) {
            self.alerts_row = row;
        }
    }

    /// Sorts new alerts in. Whether a new one asks for the bell: one for a `down`, at most one in ten seconds.
    fn index_alerts(&mut self, inputs: &Inputs, started: Timestamp) -> bool {
        let alerts = inputs.alerts;
        let newest = alerts.last().map(|alert| alert.at);
        let stamp = Some((alerts.len(), newest));
        if self.indexed == stamp {
            return false;
        }
        let known = self.indexed.and_then(|(_, newest)| newest).unwrap_or(started).max(started);
        let downs = alerts.iter().rev().take_while(|alert| alert.at > known).any(|a| a.state == AlertState::Down);
        self.indexed = stamp;
        self.alerts = AlertIndex::of(alerts, "", &HashSet::new());
        self.find_alerts(alerts);
        let quiet = self.bell_at.is_none_or(|at| inputs.now.since(at) >= FRESH);
        let ring = downs && quiet && !self.muted;
        if ring {
            self.bell_at = Some(inputs.now);
        }
        ring
    }
}
