//! Applies clicks and the wheel to the state.
//!
//! What a click does is part of what is drawn ([`Click`]): the screen is drawn once more, and the cell under the pointer says
//! it. The wheel scrolls what is under the pointer, three lines per notch; over the chart of a site it zooms one span per
//! notch, inwards when it turns away from the user.

use ratatui::layout::Size;

use crate::tui::input::key::Mouse;
use crate::tui::inputs::Inputs;
use crate::tui::keymap::Action;
use crate::tui::page::{ExitRequest, InputMode, Page};
use crate::tui::screen::view;
use crate::tui::state::UiState;
use crate::tui::style::click::Click;
use crate::tui::view::frame::Frame;
use crate::tui::view::site;

const NOTCH: isize = 3;

impl UiState {
    /// Does what `mouse` asks for at the cell `at` (column, row). Some if the user leaves.
    pub(crate) fn point(&mut self, mouse: Mouse, at: (u16, u16), inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        let screen = view(inputs, self, size);
        let line = screen.lines.get(usize::from(at.1))?;
        let column = usize::from(at.0);
        let by = match mouse {
            Mouse::Click => return self.click(line.click_at(column)?, column, inputs, size),
            Mouse::WheelUp => -NOTCH,
            Mouse::WheelDown => NOTCH,
        };
        match line.area() {
            Some(Click::Chart) => {
                self.chart.zoom(mouse == Mouse::WheelUp, inputs, self.sites.tables(inputs.snapshot));
            }
            Some(Click::InRegion(_) | Click::Press(Action::Alerts)) => self.alerts.scroll_region(by.signum()),
            _ => self.scroll(by, inputs),
        }
        None
    }

    fn click(&mut self, click: Click, column: usize, inputs: &Inputs, size: Size) -> Option<ExitRequest> {
        match click {
            Click::Press(action) => return self.press(action, inputs, size),
            Click::Sort(key) => {
                self.nav.mode = InputMode::Keys;
                self.sort_by(key);
            }
            Click::View(index) => self.sites.show_view(index),
            // The chart of an incident has the period of that.
            Click::Period(_) if self.nav.page() == Page::Incident => {}
            Click::Period(span) => self.chart.show(span, inputs, self.sites.tables(inputs.snapshot)),
            Click::Row(below) => {
                if self.sites.select(below, inputs.snapshot) == Some(true) && self.nav.page() == Page::Overview {
                    self.open(inputs);
                }
            }
            Click::Alert(entry) => {
                if self.alerts.select(entry) {
                    self.open(inputs);
                }
            }
            Click::InRegion(entry) => {
                self.open_alerts();
                self.alerts.select_in_region(entry);
            }
            Click::Recorded(index) => {
                self.open_alerts();
                self.alerts.select_recorded(index);
            }
            Click::Chart => {
                let plan = self.plan(inputs, size);
                if let Some(at) = site::cell_at(&Frame::of(inputs, self, size, &plan), column) {
                    self.chart.point(at);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::arrangement::sort::SortKey;
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
            // Below them is the footer, whose keys are no rows.
            for y in 0..23 {
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
    fn a_key_that_is_shown_does_the_same_when_it_is_clicked() {
        let size = Size { width: 200, height: 60 };
        let world = fixtures::with_history(100);
        for pages in ["", "a", "\r", "T", "?", "\r?", "d", "\rc"] {
            let mut state = fixtures::state();
            state.settle(&world.inputs(), size);
            for c in pages.chars() {
                let key = if c == '\r' { Key::Enter } else { Key::Char(c) };
                state.act(&key, &world.inputs(), size);
            }
            let footer = view(&world.inputs(), &state, size).lines.pop().unwrap();
            let mut left = 0;
            let mut clicked = 0;
            for span in footer.spans() {
                let column = u16::try_from(left).unwrap();
                left += crate::tui::style::line::width(&span.text);
                if span.role != crate::tui::Role::Key {
                    continue;
                }
                let key = match &*span.text {
                    "Enter" => Key::Enter,
                    "Esc" => Key::Esc,
                    "Tab" => Key::Tab,
                    "←" => Key::Left,
                    "→" => Key::Right,
                    text => Key::Char(text.chars().next().unwrap()),
                };
                let (mut by_key, mut by_click) = (state.clone(), state.clone());
                let exit = by_key.act(&key, &world.inputs(), size);
                let left = by_click.act(&Key::Mouse(Mouse::Click, column, 59), &world.inputs(), size);
                assert_eq!(exit, left, "{key:?} on {pages:?}");
                let [pressed, pointed] = [by_key, by_click].map(|state| view(&world.inputs(), &state, size));
                assert_eq!(pressed, pointed, "{key:?} on {pages:?}");
                clicked += 1;
            }
            assert!(clicked > 0, "{pages:?}: {}", footer.text());
        }
    }

    #[test]
    fn every_tab_of_a_site_can_be_clicked() {
        let (world, size) = (fixtures::with_history(100), Size { width: 120, height: 40 });
        let mut opened = fixtures::state();
        opened.settle(&world.inputs(), size);
        opened.act(&Key::Enter, &world.inputs(), size);
        let click = |state: &UiState, part: &str, words: &str| {
            let lines = view(&world.inputs(), state, size).lines;
            let (row, line) = lines.iter().enumerate().find(|(_, line)| line.text().contains(part)).unwrap();
            let text = line.text();
            let column = crate::tui::style::line::width(&text[..text.rfind(words).unwrap()]);
            let mut state = state.clone();
            let at = Key::Mouse(Mouse::Click, u16::try_from(column).unwrap(), u16::try_from(row).unwrap());
            assert_eq!(state.act(&at, &world.inputs(), size), None);
            state
        };
        let hour = click(&opened, "Response time ·", "1 h");
        assert_eq!(hour.chart.span(&world.inputs(), &world.snapshot), std::time::Duration::from_hours(1));
        let shorter = click(&hour, "Response time ·", "1 min");
        assert_eq!(shorter.chart.span(&world.inputs(), &world.snapshot), std::time::Duration::from_mins(1));
        assert_eq!(click(&opened, "Phases ·", "1 h").sites.view(), 1);
        assert_eq!(click(&opened, "‹ overview", "overview").nav.page(), Page::Overview);
        let alert = click(&opened, "Website", "Website");
        assert_eq!(alert.nav.page(), Page::Alerts);
        let selected = alert.alerts.selected(world.inputs().alerts).unwrap();
        assert_eq!(Some(&*selected.site), opened.sites.cursor());
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
