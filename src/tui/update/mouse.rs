//! Applies clicks and the wheel to the state.
//!
//! On the overview a click selects the site of its row, and opens it when it was selected already; on the head of a
//! column it sorts, on a tab it turns to that view, on the alerts it opens them. On the page of alerts a click selects one,
//! and opens its incident when it was selected already. Elsewhere a click on the first line goes back, and one on the chart of a site
//! puts its cursor there. The wheel scrolls what is under the pointer, three lines per notch; over the chart of a site it
//! zooms one span per notch, inwards when it turns away from the user.

use ratatui::layout::Size;

use crate::model::SortKey;
use crate::tui::input::key::Mouse;
use crate::tui::inputs::Inputs;
use crate::tui::layout::OverviewLayout;
use crate::tui::page::Page;
use crate::tui::screen::view;
use crate::tui::state::{UiState, banner};
use crate::tui::style::line::width;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::columns;
use crate::tui::view::{alerts, site};

const NOTCH: isize = 3;

/// A part of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The title of a view.
    Title,
    /// The heads of the columns.
    Head,
    /// So many rows below the first one shown.
    Row(usize),
    AlertsTitle,
    /// This line of the alerts, below their title.
    Alerts(usize),
    Nothing,
}

impl UiState {
    /// Does what `mouse` asks for at the cell `at` (column, row).
    pub(crate) fn point(&mut self, mouse: Mouse, at: (u16, u16), inputs: &Inputs, size: Size) {
        let row = usize::from(at.1);
        let is_overview = self.nav.page() == Page::Overview;
        let by = match mouse {
            Mouse::Click if is_overview => return self.click(at, inputs, size),
            Mouse::Click if row == 0 => return self.back(),
            Mouse::Click if self.nav.page() == Page::Alerts => return self.click_alert(row, inputs, size),
            Mouse::Click => return self.point_at_chart(at, inputs, size),
            Mouse::WheelUp => -NOTCH,
            Mouse::WheelDown => NOTCH,
        };
        let plan = self.plan(inputs, size);
        if self.nav.page() == Page::Site && self.is_over_chart(&plan, row, inputs, size) {
            self.chart.zoom(mouse == Mouse::WheelUp, inputs, self.sites.tables(inputs.snapshot));
        } else if is_overview && matches!(self.target(&plan, row, inputs), Target::Alerts(_) | Target::AlertsTitle) {
            self.alerts.scroll_region(by.signum());
        } else {
            self.scroll(by, inputs);
        }
    }

    /// Puts the cursor of the chart on the cell under the pointer.
    fn point_at_chart(&mut self, (column, row): (u16, u16), inputs: &Inputs, size: Size) {
        let plan = self.plan(inputs, size);
        if self.nav.page() != Page::Site || !self.is_over_chart(&plan, usize::from(row), inputs, size) {
            return;
        }
        if let Some(at) = site::cell_at(&Frame::of(inputs, self, size, &plan), usize::from(column)) {
            self.chart.point(at);
        }
    }

    /// Whether line `row` of the page of a site is part of its chart; [`view`] decides where the page lies.
    fn is_over_chart(&self, plan: &OverviewLayout, row: usize, inputs: &Inputs, size: Size) -> bool {
        let above = 1 + usize::from(banner::is_shown(inputs, &self.timers, &self.sites.facts));
        let height = match plan.below {
            0 => usize::from(size.height).saturating_sub(above + 2),
            below => below - 1,
        };
        let from = usize::from(size.height).saturating_sub(2 + height);
        let Some(row) = row.checked_sub(from).filter(|_| !plan.summary) else { return false };
        site::is_chart(&Frame::of(inputs, self, size, plan), height, row)
    }

    fn click(&mut self, (column, row): (u16, u16), inputs: &Inputs, size: Size) {
        let plan = self.plan(inputs, size);
        match self.target(&plan, usize::from(row), inputs) {
            Target::Title if plan.tabs => {
                if let Some(view) = self.tab_at((column, row), inputs, size) {
                    self.sites.show_view(view);
                }
            }
            Target::Head => {
                if let Some(key) = self.head_at(usize::from(column), inputs, size) {
                    self.sort_by(key);
                }
            }
            Target::Row(below) => {
                if self.sites.select(below, inputs.snapshot) == Some(true) {
                    self.open(inputs);
                }
            }
            Target::AlertsTitle => self.open_alerts(),
            Target::Alerts(line) => {
                let region =
                    alerts::entry_at(&Frame::of(inputs, self, size, &plan), &self.alerts.region(), plan.alerts, line);
                self.open_alerts();
                if let Some(entry) = region {
                    self.alerts.select_in_region(entry);
                }
            }
            Target::Title | Target::Nothing => {}
        }
    }

    /// On the page of alerts a click selects an alert; a second one opens it.
    fn click_alert(&mut self, row: usize, inputs: &Inputs, size: Size) {
        let above = 1 + usize::from(banner::is_shown(inputs, &self.timers, &self.sites.facts));
        let height = usize::from(size.height).saturating_sub(above + 2);
        let plan = self.plan(inputs, size);
        let Some(line) = row.checked_sub(above).filter(|line| *line < height && !plan.summary) else { return };
        let entry = alerts::entry_at(&Frame::of(inputs, self, size, &plan), &self.alerts.page(), height, line);
        if entry.is_some_and(|entry| self.alerts.select(entry)) {
            self.open(inputs);
        }
    }

    /// The part of the overview in line `row`; the order of the parts is that of [`view`].
    fn target(&self, plan: &OverviewLayout, row: usize, inputs: &Inputs) -> Target {
        let above = 1 + usize::from(banner::is_shown(inputs, &self.timers, &self.sites.facts));
        let Some(mut row) = row.checked_sub(above).filter(|_| !plan.summary) else { return Target::Nothing };
        for placed in &plan.views {
            let head = usize::from(placed.head);
            match row {
                0 => return Target::Title,
                1 if placed.head => return Target::Head,
                _ if row < 1 + head + placed.rows => return Target::Row(row - 1 - head),
                _ => row -= 1 + head + placed.rows,
            }
        }
        match row.checked_sub(usize::from(plan.range)) {
            Some(0) if plan.alerts > 0 => Target::AlertsTitle,
            Some(line) if line < plan.alerts => Target::Alerts(line),
            _ => Target::Nothing,
        }
    }

    /// What a click on the head at this column sorts by; the mark stands for the state.
    fn head_at(&self, column: usize, inputs: &Inputs, size: Size) -> Option<SortKey> {
        let mut left = 2;
        if column < left {
            return Some(SortKey::State);
        }
        let chosen = &inputs.arrangement.columns;
        for (head, cells) in
            columns::choose(usize::from(size.width), chosen, &self.sites.facts, self.sites.groups.is_on())
        {
            if column < left + cells {
                return head.sort_key();
            }
            left += cells + 1;
        }
        None
    }

    /// The tab at this cell: the span that begins with its number in brackets.
    fn tab_at(&self, (column, row): (u16, u16), inputs: &Inputs, size: Size) -> Option<usize> {
        let screen = view(inputs, self, size);
        let mut right = 0;
        let span = screen.lines.get(usize::from(row))?.spans().iter().find(|span| {
            right += width(&span.text);
            usize::from(column) < right
        })?;
        let number: usize = span.text.strip_prefix('[')?.split(']').next()?.parse().ok()?;
        number.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::input::key::Key;
    use crate::tui::tests::fixtures;
    use crate::tui::tests::fixtures::World;

    const SIZE: Size = Size { width: 80, height: 24 };

    fn pointed(world: &World, presses: &[(Mouse, u16, u16)]) -> UiState {
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        for &(what, column, row) in presses {
            assert_eq!(state.act(&Key::Mouse(what, column, row), &world.inputs(), SIZE), None);
        }
        state
    }

    #[test]
    fn a_click_selects_the_site_of_its_row_in_both_views_and_a_second_one_opens_it() {
        let world = fixtures::five_sites();
        for (row, selected) in [(3, "api"), (5, "www.rust-lang.org"), (10, "api"), (14, "blog")] {
            let once = pointed(&world, &[(Mouse::Click, 20, row)]);
            assert_eq!((once.sites.cursor(), once.nav.page()), (Some(selected), Page::Overview), "row {row}");
            let twice = pointed(&world, &[(Mouse::Click, 20, row), (Mouse::Click, 30, row)]);
            assert_eq!((twice.sites.cursor(), twice.nav.page()), (Some(selected), Page::Site), "row {row}");
        }
        let elsewhere = pointed(&world, &[(Mouse::Click, 20, 5), (Mouse::Click, 20, 6)]);
        assert_eq!((elsewhere.sites.cursor(), elsewhere.nav.page()), (Some("docs"), Page::Overview));
    }

    #[test]
    fn the_rows_that_are_clicked_are_the_rows_that_are_drawn() {
        for (world, keys) in [
            (fixtures::five_sites(), ""),
            (fixtures::many_sites(1000), "GGkk"),
            (fixtures::offline(), ""),
            (fixtures::nine_sites(), "\t"),
            (fixtures::many_sites(1000), "Gd"),
        ] {
            let mut state = fixtures::state();
            state.settle(&world.inputs(), SIZE);
            for c in keys.chars() {
                let key = if c == '\t' { Key::Tab } else { Key::Char(c) };
                state.act(&key, &world.inputs(), SIZE);
            }
            let screen = view(&world.inputs(), &state, SIZE);
            for y in 0..24 {
                let mut clicked = state.clone();
                let before = clicked.sites.row();
                clicked.sites.forget_cursor();
                clicked.act(&Key::Mouse(Mouse::Click, 5, y), &world.inputs(), SIZE);
                let Some(name) = clicked.sites.cursor() else {
                    assert_eq!(clicked.sites.row(), before);
                    continue;
                };
                let line = screen.lines[usize::from(y)].text();
                let end = &name[name.len() - 3..];
                assert!(line.contains(end), "line {y} is {name}: {line}");
            }
        }
    }

    #[test]
    fn a_click_on_a_head_sorts_and_a_second_one_turns_the_order_round() {
        let world = fixtures::five_sites();
        for (column, key) in [(0, SortKey::State), (4, SortKey::Name), (25, SortKey::Availability), (45, SortKey::Max)]
        {
            let once = pointed(&world, &[(Mouse::Click, 40, 2), (Mouse::Click, column, 2)]);
            assert_eq!((once.sites.sort().key, once.sites.sort().reversed), (key, false), "column {column}");
            let twice = pointed(&world, &[(Mouse::Click, column, 2), (Mouse::Click, column, 2)]);
            let from_the_start = key == SortKey::State;
            assert_eq!(
                (twice.sites.sort().key, twice.sites.sort().reversed),
                (key, !from_the_start),
                "column {column}"
            );
        }
    }

    #[test]
    fn over_the_chart_of_a_site_the_wheel_zooms_and_elsewhere_it_scrolls() {
        let world = fixtures::with_history(100);
        for size in [SIZE, Size { width: 100, height: 55 }] {
            over_the_chart(&world, size);
        }
    }

    fn over_the_chart(world: &World, size: Size) {
        let mut opened = fixtures::state();
        opened.settle(&world.inputs(), size);
        opened.act(&Key::Enter, &world.inputs(), size);
        let span = |state: &UiState| state.chart.span(&world.inputs(), &world.snapshot);
        let shown = span(&opened);
        let lines = view(&world.inputs(), &opened, size).lines;
        let at = |part: &str| lines.iter().position(|line| line.text().contains(part)).unwrap();
        let (title, legend) = (at("Response time"), at("(lower)"));
        assert!(title > 1 && legend > title + 5, "{title} {legend}");
        for row in 0..size.height {
            let turned = |what| {
                let mut state = opened.clone();
                state.act(&Key::Mouse(what, 40, row), &world.inputs(), size);
                (span(&state), state.nav.top())
            };
            let (towards, away) = (turned(Mouse::WheelDown), turned(Mouse::WheelUp));
            if (title..=legend).contains(&usize::from(row)) {
                assert!(towards.0 > shown && away.0 < shown && towards.1 == 0, "row {row}: {towards:?} {away:?}");
            } else {
                assert_eq!((towards, away), ((shown, 3), (shown, 0)), "row {row}");
            }
        }
    }

    #[test]
    fn clicks_on_alerts_select_and_open_them() {
        let world = fixtures::five_sites();
        // Below the title of the region: the open alert of api with two lines, then those of blog.
        let screen = view(&world.inputs(), &pointed(&world, &[]), SIZE);
        let row = |screen: &crate::tui::Screen, text: &str| {
            u16::try_from(screen.lines.iter().position(|line| line.text().contains(text)).unwrap()).unwrap()
        };
        let (api, blog) = (row(&screen, "api is down"), row(&screen, "blog is up"));
        let selected = |state: &UiState| state.alerts.selected(world.inputs().alerts).unwrap().site.to_string();
        for (line, site) in [(api, "api"), (api + 1, "api"), (blog, "blog")] {
            let state = pointed(&world, &[(Mouse::Click, 5, line)]);
            assert_eq!((state.nav.page(), selected(&state)), (Page::Alerts, site.to_owned()), "line {line}");
        }
        let mut state = pointed(&world, &[(Mouse::Click, 5, api)]);
        let page = view(&world.inputs(), &state, SIZE);
        for open in [false, true] {
            let click = Key::Mouse(Mouse::Click, 5, row(&page, "blog is up"));
            state.act(&click, &world.inputs(), SIZE);
            assert_eq!(selected(&state), "blog");
            assert_eq!(state.nav.page() == Page::Incident, open);
        }
        state.act(&Key::Mouse(Mouse::Click, 5, 0), &world.inputs(), SIZE);
        assert_eq!(state.nav.page(), Page::Alerts, "the first line leads back");
    }

    #[test]
    fn tabs_titles_and_the_wheel() {
        let world = fixtures::many_sites(1000);
        // Below the line about what the sites that are down have in common.
        assert_eq!(pointed(&world, &[(Mouse::Click, 18, 2)]).sites.view(), 1);
        assert_eq!(pointed(&world, &[(Mouse::Click, 18, 2), (Mouse::Click, 4, 2)]).sites.view(), 0);
        assert_eq!(pointed(&world, &[(Mouse::WheelDown, 4, 5), (Mouse::WheelDown, 4, 5)]).sites.row(), 6);
        assert_eq!(pointed(&world, &[(Mouse::WheelDown, 4, 5), (Mouse::WheelUp, 4, 5)]).sites.row(), 0);
        let few = fixtures::five_sites();
        assert_eq!(pointed(&few, &[(Mouse::WheelDown, 4, 20)]).alerts.region().top, 1);
        let alerts = pointed(&few, &[(Mouse::Click, 30, 15)]);
        assert_eq!(alerts.nav.page(), Page::Alerts);
        assert_eq!(pointed(&few, &[(Mouse::Click, 30, 15), (Mouse::Click, 3, 0)]).nav.page(), Page::Overview);
    }
}
