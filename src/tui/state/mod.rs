//! The state of the dashboard between two frames, in parts.
//!
//! It changes by [`UiState::act`] for keys (in [`super::update`]) and by [`UiState::settle`] for new snapshots, times and sizes.
//! Invariant: the screen shows every cursor.

pub(crate) mod alert_lines;
pub(crate) mod alert_list;
pub(crate) mod alert_lists;
pub(crate) mod banner;
pub(crate) mod chart_range;
pub(crate) mod groups;
pub(crate) mod listed;
pub(crate) mod navigation;
pub(crate) mod overview_facts;
pub(crate) mod site_list;
pub(crate) mod site_table;
pub(crate) mod state_counts;
pub(crate) mod timers;

use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Size;

use crate::alert::AlertRecord;
use crate::alert::incident::page::IncidentRequest;
use crate::alert::trial::TrialRequest;
use crate::engine::snapshot::Snapshot;
use crate::model::command::SiteCommand;
use crate::model::{SiteIndex, Timestamp};
use crate::stats::series::HOUR;
use crate::stats::series::site_history::HistoryRequest;
use crate::stats::series::usual::UsualRequest;
use crate::tui::arrangement::column::Column;
use crate::tui::page::{IncidentPart, Page};

use super::desktop::clipboard::{Clipboard, Copied};
use super::desktop::hyperlinks::Hyperlinks;
use super::desktop::protocol::DesktopProtocol;
use super::inputs::Inputs;
use super::layout::{Demand, Extra, OverviewLayout};
use super::past::cursor::TimeCursor;
use super::settings::Settings;
use super::settings::preferences::Preferences;
use super::style::theme::Theme;
use super::tuning::Tuning;
use alert_lists::AlertLists;
use chart_range::{ChartRange, closed};
use navigation::Navigation;
use site_table::SiteTable;
use timers::Timers;

/// How often what is known about an incident is gathered again, and until how long after its end.
const REREAD: Duration = Duration::from_secs(10);
const SETTLED: Duration = Duration::from_mins(11);

/// Everything about the dashboard that lasts from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct UiState {
    pub(crate) nav: Navigation,
    pub(crate) sites: SiteTable,
    pub(crate) alerts: AlertLists,
    pub(crate) chart: ChartRange,
    pub(crate) timers: Timers,
    /// The instant that everything is shown of.
    pub(crate) time: TimeCursor,
    /// The trial of a rule, the last one also while its page is closed.
    pub(crate) tuning: Option<Tuning>,
    /// The alert whose incident is open, the last one also while its page is closed.
    pub(crate) incident: Option<Arc<AlertRecord>>,
    /// What its page shows.
    pub(crate) incident_part: IncidentPart,
    /// How the screen looks.
    pub theme: Theme,
    /// The terminal may still say what its background is.
    pub(crate) awaits_background: bool,
    pub(crate) muted: bool,
    desktop: Option<DesktopProtocol>,
    pub(crate) clipboard: Option<Clipboard>,
    /// A text for the clipboard that was not sent yet.
    pub(crate) copied: Option<Copied>,
    /// Whether the terminal takes hyperlinks.
    pub(crate) links: Hyperlinks,
    /// The dashboard gets clicks and the wheel; without it the terminal selects text.
    pub(crate) mouse: bool,
    /// What the user set by key, now or in an earlier dashboard.
    pub(crate) preferences: Preferences,
    /// Commands that were not sent yet.
    pub(crate) commands: Vec<SiteCommand>,
}

impl UiState {
    /// The state at the start.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let sites = SiteTable::new(settings.sort);
        let Settings { theme, asks_background: awaits_background, bell, desktop, clipboard, links, .. } = *settings;
        Self {
            sites,
            theme,
            awaits_background,
            muted: !bell,
            desktop,
            clipboard,
            links,
            mouse: settings.mouse,
            preferences: settings.remembered,
            ..Self::default()
        }
    }

    pub(crate) fn tables<'a>(&'a self, inputs: &Inputs<'a>) -> &'a Snapshot {
        self.sites.tables(inputs.snapshot)
    }

    /// The regions at this size.
    pub(crate) fn plan(&self, inputs: &Inputs, size: Size) -> OverviewLayout {
        OverviewLayout::new(&self.demand(inputs, size))
    }

    /// Whether there is room for all views at once.
    pub(crate) fn would_stack(&self, inputs: &Inputs, size: Size) -> bool {
        !OverviewLayout::new(&Demand { alone: false, ..self.demand(inputs, size) }).tabs
    }

    fn demand(&self, inputs: &Inputs, size: Size) -> Demand {
        let tables = self.tables(inputs);
        Demand {
            size,
            sites: self.sites.facts.sites,
            listed: self.sites.len(),
            views: tables.views.len(),
            tab: self.sites.view(),
            alone: self.sites.is_alone(),
            banner: banner::is_shown(inputs, &self.timers, &self.sites.facts),
            extra: match self.nav.page() {
                Page::Site if self.nav.is_split() => Extra::Site,
                Page::Overview if inputs.past.is_none() && self.sites.selected().is_some() => Extra::Preview,
                _ => Extra::Nothing,
            },
        }
    }

    /// The site that the user looks at, as an index into the tables: on its own page even if it is not listed, on the
    /// page of alerts the site of the alert under the cursor.
    pub(crate) fn focus(&self, inputs: &Inputs) -> Option<usize> {
        match self.nav.content() {
            Page::Site => self.sites.cursor_site(inputs.snapshot),
            Page::Alerts => {
                let alert = self.alerts.selected(inputs.alerts)?;
                self.tables(inputs).sites.iter().position(|site| site.name == alert.site)
            }
            Page::Incident => {
                let site = &self.incident.as_ref()?.site;
                self.tables(inputs).sites.iter().position(|known| known.name == *site)
            }
            Page::Tuning => {
                let site = &self.tuning.as_ref()?.site;
                self.tables(inputs).sites.iter().position(|known| known.name == *site)
            }
            Page::Overview | Page::Help => self.sites.selected(),
        }
    }

    /// The group whose row the cursor of the overview is on.
    pub(crate) fn selected_group(&self, inputs: &Inputs) -> Option<Arc<str>> {
        (self.nav.page() == Page::Overview).then(|| self.sites.selected_group(inputs.snapshot)).flatten()
    }

    /// The site whose chart is shown, as an index into the tables.
    #[must_use]
    pub fn opened(&self, inputs: &Inputs) -> Option<usize> {
        self.focus(inputs).filter(|_| matches!(self.nav.content(), Page::Site | Page::Incident))
    }

    /// The site whose chart is on the screen: the open one, or on a large overview the one under the cursor.
    #[must_use]
    pub fn charted(&self, inputs: &Inputs, size: Size) -> Option<usize> {
        let has_preview = self.nav.page() == Page::Overview && self.plan(inputs, size).preview > 0;
        self.opened(inputs).or_else(|| self.focus(inputs).filter(|_| has_preview))
    }

    /// The sites that a table of this size may show, from the top.
    #[must_use]
    pub fn visible(&self, size: Size) -> Vec<SiteIndex> {
        self.sites.shown(usize::from(size.height)).map(|(row, _)| SiteIndex::new(row.site)).collect()
    }

    /// What the page of a site needs from the store; none where the ring holds all of it.
    #[must_use]
    pub fn history_request(&self, inputs: &Inputs, size: Size) -> Option<HistoryRequest> {
        let tables = self.tables(inputs);
        let opened = tables.sites.get(self.charted(inputs, size)?)?;
        self.chart.request(opened, inputs, tables, usize::from(size.width))
    }

    /// What the phases on the page of a site, or the rows of the overview, are compared with; none without a store.
    #[must_use]
    pub fn usual_request(&self, inputs: &Inputs, size: Size) -> Option<UsualRequest> {
        let tables = self.tables(inputs);
        if self.nav.content() == Page::Overview {
            let is_shown =
                inputs.has_history && inputs.past.is_none() && inputs.arrangement.columns.contains(&Column::Difference);
            let view = tables.views.iter().find(|view| view.timeframe.length() <= HOUR).filter(|_| is_shown)?;
            let visible = self.visible(size).into_iter().filter_map(|index| tables.sites.get(index.get()));
            let at = view.as_of.before(view.timeframe.length() / 2);
            return Some(UsualRequest::new(visible.map(|site| site.name.clone()).collect(), at, inputs.zone));
        }
        let opened = tables.sites.get(self.opened(inputs).filter(|_| self.nav.content() == Page::Site)?)?;
        let (span, until) = if let Some(until) = self.chart.until() {
            (self.chart.span(inputs, tables), until)
        } else {
            let view = tables.views.get(self.sites.view()).or(tables.views.first())?;
            (view.timeframe.length(), view.as_of)
        };
        // An hour says nothing about a longer period.
        let is_comparable = inputs.has_history && span <= HOUR;
        is_comparable.then(|| UsualRequest::new(vec![opened.name.clone()], until.before(span / 2), inputs.zone))
    }

    /// What the page of an incident shows. One that goes on, or ended lately, is asked for again now and then.
    #[must_use]
    pub fn incident_request(&self, inputs: &Inputs) -> Option<IncidentRequest> {
        let alert = self.incident.as_ref().filter(|_| self.nav.content() == Page::Incident)?;
        let ended = closed(alert, inputs);
        let settled = ended.map_or(Timestamp::MAX, |ended| ended.after(SETTLED));
        let every = u64::try_from(REREAD.as_micros()).unwrap_or(u64::MAX);
        let now = Timestamp::from_micros(inputs.now.as_micros() / every * every);
        Some(IncidentRequest { alert: Arc::clone(alert), ended, as_of: now.max(alert.at).min(settled) })
    }

    /// What the page of a trial needs from the store.
    #[must_use]
    pub fn trial_request(&self) -> Option<TrialRequest> {
        let is_open = self.nav.content() == Page::Tuning;
        self.tuning.as_ref().filter(|_| is_open).map(Tuning::request)
    }

    /// The instant of the past that the user turned to.
    #[must_use]
    pub const fn instant(&self) -> Option<Timestamp> {
        self.time.at()
    }

    /// Takes the commands that the user gave since the last call.
    pub fn take_commands(&mut self) -> Vec<SiteCommand> {
        std::mem::take(&mut self.commands)
    }

    /// Takes what the user copied since the last call.
    pub(crate) fn take_copied(&mut self) -> Option<Copied> {
        self.copied.take()
    }

    /// Takes in that sites joined or left, before a key is pressed or a site is looked up: until then rows are indices of sites
    /// that may be gone.
    pub fn follow_sites(&mut self, inputs: &Inputs) {
        self.sites.follow_sites(inputs.snapshot, inputs.past.is_some());
    }

    /// Takes in new figures, alerts, time and size. Returns whether to ring the bell.
    pub fn settle(&mut self, inputs: &Inputs, size: Size) -> bool {
        self.refresh(inputs, size);
        self.timers.take_bell()
    }

    /// The sequence of the notification to show at `now`, if there is one.
    pub fn take_notification(&mut self, now: Timestamp) -> Option<String> {
        let shown = self.timers.take_notification(now)?;
        Some(self.desktop?.encode(&shown))
    }

    /// The same, but a bell that is due waits for the next frame.
    pub(crate) fn refresh(&mut self, inputs: &Inputs, size: Size) {
        self.timers.update(inputs);
        let is_new = self.alerts.update(inputs.alerts);
        match inputs.past {
            // What happens now is heard in the past as well.
            Some(past) => self.timers.hear(past.alerts, past.clock, self.muted),
            None if is_new => self.timers.hear(inputs.alerts, inputs.now, self.muted),
            None => {}
        }
        self.sites.update(inputs.snapshot, inputs.past.is_some());
        self.sites.scroll_to_cursor(self.plan(inputs, size).page());
        // All lines but the header, the title, the selection line, the footer, the first day and the banner.
        let others = 5 + usize::from(banner::is_shown(inputs, &self.timers, &self.sites.facts));
        let room = usize::from(size.height).saturating_sub(others);
        self.alerts.scroll_to_cursor(inputs, usize::from(size.width), room);
    }
}
