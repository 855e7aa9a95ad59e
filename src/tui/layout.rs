//! Which regions a terminal of some size has room for, and how tall each is.
//!
//! Header, selection line and footer are always there. The views are stacked when each has room for all its sites or for
//! ten of them; else tabs show one view at a time, because two views of five rows each are of no use with a thousand
//! sites, or the user wants one alone. Alerts have at least two lines and take what the views leave. A terminal of fewer than 14 rows has no alerts
//! region, one below 40×8 only the summary. With 50 rows and more a site opens below one shortened table, in two thirds of
//! the screen. Where alerts have more room than they need, the chart of the site under the cursor takes some of it.

use ratatui::layout::Size;

/// The smallest terminal for tables.
pub const MIN: Size = Size { width: 40, height: 8 };
const STACK_ROWS: usize = 10;
const ALERTS_FROM_HEIGHT: usize = 14;
const ALERTS_MIN: usize = 2;
/// Lines that alerts keep beside a chart.
const ALERTS_BESIDE: usize = 10;
/// Lines of the chart of the site under the cursor.
const PREVIEW: (usize, usize) = (14, 24);
/// From this height on a site has room below the table.
const HALVED_FROM_HEIGHT: u16 = 50;

/// The demands on a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    pub size: Size,
    pub sites: usize,
    /// Rows: the sites that pass the filter, or their groups.
    pub listed: usize,
    pub views: usize,
    /// Index of the view that tabs show.
    pub tab: usize,
    /// The user wants this view alone.
    pub alone: bool,
    pub banner: bool,
    pub extra: Extra,
}

/// What is shown besides views and alerts if there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    Nothing,
    /// A site below the table.
    Site,
    /// The chart of the site under the cursor.
    Preview,
}

/// A view on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub view: usize,
    /// Show the heads of the columns.
    pub head: bool,
    /// Lines for sites, at least 1 if there is any room.
    pub rows: usize,
}

/// The regions of an overview, from top to bottom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverviewLayout {
    /// The summary alone.
    pub summary: bool,
    pub tabs: bool,
    pub views: Vec<Placed>,
    /// The line that says which part of the list is shown.
    pub range: bool,
    /// Lines of the alerts region with its title; 0 without it.
    pub alerts: usize,
    /// Lines of the site below the table with its header; 0 without it.
    pub below: usize,
    /// Lines of the chart of the site under the cursor, below the alerts; 0 without it.
    pub preview: usize,
}

impl OverviewLayout {
    /// The rows of sites that one view shows.
    pub fn page(&self) -> usize {
        self.views.first().map_or(1, |view| view.rows.max(1))
    }

    pub fn new(demand: &Demand) -> Self {
        if demand.size.width < MIN.width || demand.size.height < MIN.height {
            return Self { summary: true, ..Self::default() };
        }
        let height = usize::from(demand.size.height);
        let body = height - 3 - usize::from(demand.banner);
        if demand.extra == Extra::Site && demand.size.height >= HALVED_FROM_HEIGHT {
            return Self::halved(demand, body);
        }
        let alerts = if height >= ALERTS_FROM_HEIGHT { ALERTS_MIN } else { 0 };
        let plan = Self { alerts, ..Self::default() };
        let least = demand.sites.clamp(1, STACK_ROWS);
        if demand.views > 1 && !demand.alone && demand.views * (1 + least) + 1 + alerts <= body {
            plan.stacked(demand, body).with_preview(demand)
        } else {
            plan.tabbed(demand, body).with_preview(demand)
        }
    }

    fn with_preview(mut self, demand: &Demand) -> Self {
        let spare = self.alerts.saturating_sub(ALERTS_BESIDE);
        if demand.extra == Extra::Preview && spare >= PREVIEW.0 {
            self.preview = spare.min(PREVIEW.1);
            self.alerts -= self.preview;
        }
        self
    }

    fn halved(demand: &Demand, body: usize) -> Self {
        let mut plan = Self::default().tabbed(demand, body / 3);
        let tables: usize = plan.views.iter().map(|view| 1 + usize::from(view.head) + view.rows).sum();
        plan.below = body - tables - usize::from(plan.range);
        plan
    }

    fn stacked(mut self, demand: &Demand, body: usize) -> Self {
        let count = demand.views;
        let want = demand.listed.max(1);
        let room = body - self.alerts;
        let all_heads = count * (2 + want) <= room;
        let heads = if all_heads { count } else { 1 };
        let mut rows = want;
        if count * (1 + want) + heads > room {
            self.range = true;
            // With more sites than rows, alerts still get a few lines if there is much room.
            self.alerts += (room / 10).min(4);
            rows = (body - self.alerts - 1 - count - heads) / count;
        }
        self.views = (0..count).map(|view| Placed { view, head: all_heads || view == 0, rows }).collect();
        let used = count * (1 + rows) + heads + usize::from(self.range);
        if self.alerts > 0 {
            self.alerts = body - used;
        }
        self
    }

    fn tabbed(mut self, demand: &Demand, body: usize) -> Self {
        self.tabs = demand.views > 1;
        let want = demand.listed.max(1);
        let mut room = body - self.alerts - 2;
        let mut rows = want.min(room);
        if want > room {
            if room > 3 {
                self.range = true;
                room -= 1;
            }
            if self.alerts > 0 {
                let more = (room / 10).min(4);
                self.alerts += more;
                room -= more;
            }
            rows = room;
        } else if self.alerts > 0 {
            self.alerts = body - 2 - rows;
        }
        if demand.views > 0 {
            self.views = vec![Placed { view: demand.tab.min(demand.views - 1), head: true, rows }];
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(width: u16, height: u16, sites: usize) -> OverviewLayout {
        let size = Size { width, height };
        OverviewLayout::new(&Demand {
            size,
            sites,
            listed: sites,
            views: 2,
            tab: 1,
            alone: false,
            banner: false,
            extra: Extra::Nothing,
        })
    }

    #[test]
    fn a_few_sites_are_stacked_and_many_are_tabbed() {
        for (height, sites, tabs, rows, alerts) in [
            (24, 5, false, 5, 7),
            (24, 8, false, 8, 2),
            (24, 9, true, 9, 10),
            (24, 1000, true, 15, 3),
            (40, 9, false, 9, 15),
            (40, 1000, false, 14, 5),
            (10, 5, true, 5, 0),
            (13, 9, true, 7, 0),
        ] {
            let plan = plan(80, height, sites);
            assert_eq!((plan.tabs, plan.page(), plan.alerts), (tabs, rows, alerts), "{height} rows, {sites} sites");
        }
        assert!(plan(39, 24, 5).summary && plan(80, 7, 5).summary && !plan(40, 8, 5).summary);
    }

    proptest! {
        #[test]
        fn regions_fill_no_more_than_the_screen(
            width in 0u16..250, height in 0u16..120, sites in 0usize..2000, listed in 0usize..2000,
            views in 0usize..9, tab in 0usize..9, alone: bool, banner: bool, extra in 0usize..3,
        ) {
            let size = Size { width, height };
            let listed = listed.min(sites);
            let extra = [Extra::Nothing, Extra::Site, Extra::Preview][extra];
            let plan = OverviewLayout::new(&Demand { size, sites, listed, views, tab, alone, banner, extra });
            if !plan.summary {
                let tables: usize = plan.views.iter().map(|view| 1 + usize::from(view.head) + view.rows).sum();
                let halved = extra == Extra::Site && height >= HALVED_FROM_HEIGHT;
                let used = 3 + usize::from(banner) + tables + usize::from(plan.range) + plan.alerts + plan.below + plan.preview;
                prop_assert!(plan.preview == 0 || extra == Extra::Preview && plan.preview >= PREVIEW.0);
                prop_assert!(used <= usize::from(height), "{plan:?}");
                prop_assert!(plan.views.iter().all(|view| view.rows >= 1), "{plan:?}");
                prop_assert_eq!(halved, plan.below >= 30, "{:?}", plan);
            }
        }
    }
}
