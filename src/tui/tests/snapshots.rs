//! Whole screens as snapshots, and what holds for every screen.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier};

use crate::tui::Symbols;
use crate::tui::input::key::{Key, Mouse};
use crate::tui::render::render;
use crate::tui::screen::view;
use crate::tui::state::UiState;
use crate::tui::style::theme::Theme;

use super::fixtures::{self, World};

pub(super) fn draw(world: &World, state: &UiState, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let screen = view(&world.inputs(), state, Size { width, height });
    terminal.draw(|frame| render(&screen, &state.theme, frame.area(), frame.buffer_mut())).unwrap();
    terminal.backend().clone()
}

pub(super) fn press(world: &World, state: &mut UiState, size: Size, keys: &str) {
    state.settle(&world.inputs(), size);
    for c in keys.chars() {
        let key = match c {
            '\n' => Key::Enter,
            '\x1b' => Key::Esc,
            '\t' => Key::Tab,
            '←' => Key::Left,
            '→' => Key::Right,
            '↘' => Key::End,
            c => Key::Char(c),
        };
        assert_eq!(state.act(&key, &world.inputs(), size), None);
    }
}

pub(super) fn picture(world: &World, keys: &str, width: u16, height: u16) -> TestBackend {
    let mut state = fixtures::state();
    press(world, &mut state, Size { width, height }, keys);
    draw(world, &state, width, height)
}

macro_rules! pictures {
    ($($name:ident: $world:expr, $keys:expr, $width:literal x $height:literal;)+) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(picture(&$world, $keys, $width, $height));
        }
    )+};
}
pub(super) use pictures;

pictures! {
    five_80x24: fixtures::five_sites(), "", 80 x 24;
    five_100x30: fixtures::five_sites(), "", 100 x 30;
    five_120x40: fixtures::five_sites(), "", 120 x 40;
    nine_80x24: fixtures::nine_sites(), "", 80 x 24;
    with_orders_80x24: fixtures::with_orders(), "", 80 x 24;
    with_orders_second_site_80x24: fixtures::with_orders(), "j", 80 x 24;
    with_orders_200x60: fixtures::with_orders(), "", 200 x 60;
    with_orders_alerts_80x24: fixtures::with_orders(), "a", 80 x 24;
    nine_120x40: fixtures::nine_sites(), "", 120 x 40;
    nine_160x45: fixtures::nine_sites(), "", 160 x 45;
    nine_200x60: fixtures::nine_sites(), "", 200 x 60;
    five_60x20: fixtures::five_sites(), "", 60 x 20;
    five_40x10: fixtures::five_sites(), "", 40 x 10;
    five_20x5: fixtures::five_sites(), "", 20 x 5;
    five_3x1: fixtures::five_sites(), "", 3 x 1;
    five_1x1: fixtures::five_sites(), "", 1 x 1;
    thousand_80x24_filtering: fixtures::many_sites(1000), "/eu down", 80 x 24;
    thousand_120x40_sorted: fixtures::many_sites(1000), "s9jj", 120 x 40;
    second_tab_frozen: fixtures::nine_sites(), "\tf", 80 x 24;
    only_not_up: fixtures::nine_sites(), "d", 120 x 40;
    nothing_matches: fixtures::five_sites(), "/foo\n", 80 x 24;
    choosing_an_order: fixtures::five_sites(), "s", 80 x 24;
    site_80x24: fixtures::five_sites(), "\n", 80 x 24;
    site_120x40: fixtures::nine_sites(), "\n\t", 120 x 40;
    site_without_answers_100x30: fixtures::many_sites(100), "\n", 100 x 30;
    site_zoomed_100x40: fixtures::five_sites(), "\n++", 100 x 40;
    site_new_80x24: fixtures::first_seconds(), "j\n", 80 x 24;
    site_40x12: fixtures::five_sites(), "jj\nG", 40 x 12;
    alerts_80x24: fixtures::five_sites(), "a", 80 x 24;
    alerts_120x40: fixtures::nine_sites(), "a", 120 x 40;
    folded_80x24: fixtures::nine_sites(), "o", 80 x 24;
    folded_and_one_unfolded_120x40: fixtures::nine_sites(), "o\n", 120 x 40;
    storm_80x24: fixtures::burst(12), "ajjjjj\n", 80 x 24;
    storm_120x40: fixtures::burst(20), "", 120 x 40;
    storm_found_100x30: fixtures::burst(12), "a/service up\n", 100 x 30;
    no_alert_found_80x24: fixtures::five_sites(), "a/foo\n", 80 x 24;
    five_one_view_alone_80x24: fixtures::five_sites(), "2", 80 x 24;
    help_80x24: fixtures::five_sites(), "?", 80 x 24;
    help_120x40: fixtures::nine_sites(), "?", 120 x 40;
    help_of_alerts_60x20: fixtures::nine_sites(), "a?", 60 x 20;
    eight_80x24: fixtures::eight_sites(), "", 80 x 24;
    offline_80x24: fixtures::offline(), "jj", 80 x 24;
    first_seconds_80x24: fixtures::first_seconds(), "j", 80 x 24;
    no_alerts_yet_100x30: fixtures::first_seconds(), "", 100 x 30;
    site_never_up_80x24: fixtures::never_up(), "\n", 80 x 24;
    site_with_limit_120x40: fixtures::limited(), "\n", 120 x 40;
    site_with_cursor_80x24: fixtures::limited(), "\nc←←←←←←", 80 x 24;
    site_with_cursor_200x60: fixtures::limited(), "\n\nc←←←←←←←←←←←←←←←←←←", 200 x 60;
    site_at_an_incident_120x40: fixtures::limited(), "\n\n\n", 120 x 40;
    site_opened_from_alerts_100x30: fixtures::five_sites(), "ao", 100 x 30;
    incident_80x24: fixtures::with_incident(), "a\n", 80 x 24;
    incident_scrolled_80x24: fixtures::with_incident(), "a\nG", 80 x 24;
    answer_of_incident_80x24: fixtures::with_incident(), "a\nv", 80 x 24;
    no_answer_of_site_80x24: fixtures::without_answer(), "\nv", 80 x 24;
    incident_40x12: fixtures::with_incident(), "a\n", 40 x 12;
    incident_120x40: fixtures::with_incident(), "a\n", 120 x 40;
    incident_200x60: fixtures::with_incident(), "a\n", 200 x 60;
    incident_being_read_80x24: fixtures::five_sites(), "a\n", 80 x 24;
    site_of_an_incident_80x24: fixtures::with_incident(), "a\n\n", 80 x 24;
    help_of_incident_80x24: fixtures::with_incident(), "a\n?", 80 x 24;
    site_with_usual_120x40: fixtures::with_usual(), "\n", 120 x 40;
    site_with_usual_80x24: fixtures::with_usual(), "\n", 80 x 24;
    site_past_80x24: fixtures::with_history(80), "\n←", 80 x 24;
    site_past_120x40: fixtures::with_history(120), "\n←l", 120 x 40;
    site_past_being_read_80x24: fixtures::with_history(100), "\n←", 80 x 24;
    site_below_the_table_200x60: fixtures::nine_sites(), "\n", 200 x 60;
    site_below_many_120x50: fixtures::many_sites(1000), "jjjjjjjjjjjjjjjjjjjj\n]", 120 x 50;
    site_after_a_second_enter_120x50: fixtures::many_sites(1000), "jj\n\n", 120 x 50;
    site_week_80x24: fixtures::with_hours(80, true), "\n---", 80 x 24;
    site_past_of_hours_80x24: fixtures::with_hours(80, false), "\n←", 80 x 24;
    site_month_being_read_100x30: fixtures::with_history(100), "\n----", 100 x 30;
    objectives_80x24: fixtures::with_objectives(), "", 80 x 24;
    objectives_200x60: fixtures::with_objectives(), "", 200 x 60;
    site_with_missed_objective_80x24: fixtures::with_objectives(), "\n", 80 x 24;
    site_with_objective_200x60: fixtures::with_objectives(), "j\n", 200 x 60;
    site_with_untold_objective_80x24: fixtures::with_objectives(), "jjjjj\n", 80 x 24;
    tuning_80x24: fixtures::with_trial((900_000, 300), Ok(30)), "T++j++", 80 x 24;
    tuning_200x60: fixtures::with_trial((900_000, 120), Ok(3)), "\nT++", 200 x 60;
    tuning_being_judged_80x24: fixtures::with_trial((900_000, 300), Ok(30)), "T+", 80 x 24;
    tuning_without_checks_80x24: fixtures::with_trial((800_000, 120), Err("no checks of this site are stored yet")), "T", 80 x 24;
    tuning_without_a_store_80x24: fixtures::five_sites(), "T-", 80 x 24;
    tuning_help_120x40: fixtures::five_sites(), "T?", 120 x 40;
    watched_80x24: fixtures::watched(true), "r", 80 x 24;
    watched_help_120x40: fixtures::watched(true), "?", 120 x 40;
    watched_and_gone_120x40: fixtures::watched(false), "p", 120 x 40;
    stale_by_half_a_minute: fixtures::five_sites().later(31), "", 80 x 24;
}

#[test]
fn ascii_only_and_nothing_moves() {
    let world = fixtures::nine_sites();
    let mut state = fixtures::state();
    press(&world, &mut state, Size { width: 120, height: 40 }, "");
    state.theme.symbols = Symbols::Ascii;
    let backend = draw(&world, &state, 120, 40);
    assert!(backend.buffer().content().iter().all(|cell| cell.symbol().is_ascii()));
    insta::assert_snapshot!(backend);
}

#[test]
fn a_site_in_ascii() {
    let world = fixtures::limited();
    let mut state = fixtures::state();
    press(&world, &mut state, Size { width: 120, height: 40 }, "\n");
    state.theme.symbols = Symbols::Ascii;
    let backend = draw(&world, &state, 120, 40);
    assert!(backend.buffer().content().iter().all(|cell| cell.symbol().is_ascii()));
    insta::assert_snapshot!(backend);
}

#[test]
fn without_colour_modifiers_remain() {
    let world = fixtures::five_sites();
    let mut state = fixtures::state();
    press(&world, &mut state, Size { width: 80, height: 24 }, "");
    let screen = view(&world.inputs(), &state, Size { width: 80, height: 24 });
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
    render(&screen, &Theme { color: false, ..state.theme }, buffer.area, &mut buffer);
    assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert_eq!(buffer[(0, 3)].symbol(), "▼");
    assert_eq!(buffer[(0, 3)].modifier, Modifier::BOLD | Modifier::REVERSED);
}

#[test]
fn colours_show_the_state() {
    let world = fixtures::five_sites();
    let backend = picture(&world, "", 80, 24);
    let cell = |x, y| backend.buffer()[(x, y)].clone();
    assert_eq!((cell(0, 3).fg, cell(0, 3).modifier), (Color::Red, Modifier::BOLD | Modifier::REVERSED));
    assert_eq!((cell(0, 4).fg, cell(0, 4).modifier), (Color::Yellow, Modifier::BOLD));
    assert_eq!(cell(0, 5).fg, Color::Green);
    // The number of sites that are down is white on red, the cursor reversed; bars are green and red.
    assert_eq!((cell(9, 0).fg, cell(9, 0).bg), (Color::White, Color::Red));
    assert_eq!((cell(2, 3).symbol(), cell(2, 3).modifier), ("a", Modifier::REVERSED));
    assert_eq!((cell(70, 3).symbol(), cell(70, 3).fg), ("▇", Color::Green));
    assert_eq!((cell(79, 3).symbol(), cell(79, 3).fg), ("×", Color::Red));
}

mod behaviour {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::engine::snapshot::SiteState;
    use crate::model::{Cause, ClosedProxy, DomainExpiry, Health, OutletHealth, Sample, StoreHealth};
    use crate::tui::page::ExitRequest;
    use crate::tui::{DesktopProtocol, Settings};

    const SIZE: Size = Size { width: 80, height: 24 };

    fn text(world: &World, state: &UiState) -> String {
        view(&world.inputs(), state, SIZE).text()
    }

    /// The same world one tick of the first view later, with `name` in `to`.
    fn ticked(mut world: World, name: &str, to: SiteState) -> World {
        for site in &mut world.snapshot.sites {
            if &*site.name == name {
                Arc::make_mut(site).state = to;
            }
        }
        let view = Arc::make_mut(&mut world.snapshot.views[0]);
        view.as_of = view.as_of.after(Duration::from_secs(10));
        world
    }

    #[test]
    fn rows_move_at_a_tick_and_marks_change_at_once() {
        let mut world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "");
        Arc::make_mut(&mut world.snapshot.sites[4]).state = SiteState::Down;
        state.settle(&world.inputs(), SIZE);
        assert!(text(&world, &state).lines().nth(7).unwrap().starts_with("▼ blog"));
        let world = ticked(world, "blog", SiteState::Down);
        state.settle(&world.inputs(), SIZE);
        assert!(text(&world, &state).lines().nth(4).unwrap().starts_with("▼ blog"));
    }

    #[test]
    fn a_moved_cursor_stays_on_its_site() {
        let world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "jj");
        assert!(text(&world, &state).contains("● www.rust-lang.org  200 in"));
        let world = ticked(world, "blog", SiteState::Down);
        state.settle(&world.inputs(), SIZE);
        assert_eq!(state.sites.row(), 3);
        assert!(text(&world, &state).contains("● www.rust-lang.org  200 in"));
        press(&world, &mut state, SIZE, "g");
        assert!(text(&world, &state).contains("▼ api  503 Service Unavailable, 3 s ago"));
    }

    #[test]
    fn frozen_tables_do_not_stop_header_and_alerts() {
        let world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "f");
        let world = ticked(world, "blog", SiteState::Down);
        state.settle(&world.inputs(), SIZE);
        let frozen = text(&world, &state);
        assert!(frozen.contains("FROZEN at 14:02:10 (f)") && frozen.contains("▼ 2 DOWN"), "{frozen}");
        assert!(frozen.lines().nth(7).unwrap().starts_with("● blog"), "{frozen}");
        press(&world, &mut state, SIZE, "f");
        assert!(!text(&world, &state).contains("FROZEN"));
    }

    /// The chart of a site too: neither new checks nor the clock move it.
    #[test]
    fn a_frozen_chart_stands_still() {
        let body = |world: &World, state: &UiState| {
            let shown = view(&world.inputs(), state, Size { width: 120, height: 40 }).text();
            shown.lines().take(25).skip(1).collect::<Vec<_>>().join("\n")
        };
        let mut world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "\nf");
        let before = body(&world, &state);
        assert!(before.contains("1 cell = 35 s · frozen"), "{before}");
        let newest = *world.samples.last().unwrap();
        world.samples.extend((1..20).map(|n| Sample { at: newest.at.after(Duration::from_secs(5 * n)), ..newest }));
        world = world.later(100);
        state.settle(&world.inputs(), SIZE);
        assert_eq!(body(&world, &state), before);
        press(&world, &mut state, SIZE, "f");
        assert_ne!(body(&world, &state), before);
    }

    #[test]
    fn beside_the_past_stand_the_alerts_of_that_time() {
        let world = fixtures::with_history(120);
        let shown = |keys: &str| {
            let mut state = fixtures::state();
            let size = Size { width: 120, height: 60 };
            press(&world, &mut state, size, keys);
            view(&world.inputs(), &state, size).text()
        };
        let at_incident = shown("ajjo");
        let alerts = at_incident.split("Alerts of this site · in this period").nth(1).unwrap();
        assert!(alerts.contains("09:12:25  ") && alerts.contains("Website blog is up"), "{at_incident}");
        assert!(at_incident.contains("Last check · now") && at_incident.contains("[10 min]"), "{at_incident}");
        let earlier = shown("\n\n\n\n←");
        assert!(earlier.contains("Alerts of this site · in this period"), "{earlier}");
        assert!(earlier.split("in this period").nth(1).unwrap().contains("\n none"), "{earlier}");
    }

    #[test]
    fn a_recovering_site_says_once_that_it_is_up_again() {
        let mut world = fixtures::five_sites();
        let site = Arc::make_mut(&mut world.snapshot.sites[0]);
        site.state = SiteState::Recovering;
        site.last.as_mut().unwrap().sample.cause = Cause::Ok;
        let mut state = fixtures::state();
        let wide = Size { width: 120, height: 40 };
        press(&world, &mut state, wide, "\n");
        let shown = view(&world.inputs(), &state, wide).text();
        assert!(shown.contains("recovered: 503 in 35.3 ms") && !shown.contains("last up"), "{shown}");
    }

    #[test]
    fn what_a_key_refused_goes_before_a_new_alert() {
        let world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "j\n");
        let mut world = world.later(2);
        let mut alert = (*world.alerts[2]).clone();
        alert.facts.at = world.now;
        world.alerts.push(Arc::new(alert));
        press(&world, &mut state, SIZE, "");
        assert!(text(&world, &state).contains("▼ Website api is down"));
        press(&world, &mut state, SIZE, "\n");
        let shown = text(&world, &state);
        assert!(shown.contains("shop-checkout  no incident of this site is known"), "{shown}");
    }

    #[test]
    fn a_click_on_the_chart_puts_the_cursor_there() {
        let world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "\n");
        state.act(&Key::Mouse(Mouse::Click, 40, 8), &world.inputs(), SIZE);
        let scope = state.chart.scope(&world.inputs(), &world.snapshot, 80);
        assert_eq!(state.chart.cursor(&scope), Some(30));
        state.act(&Key::Mouse(Mouse::Click, 3, 8), &world.inputs(), SIZE);
        assert_eq!(state.chart.cursor(&scope), Some(30), "the scale is no cell");
        state.act(&Key::Mouse(Mouse::Click, 0, 0), &world.inputs(), SIZE);
        assert!(!state.chart.has_cursor());
    }

    #[test]
    fn new_alerts_become_notifications_of_the_desktop_unless_muted() {
        let variable = |name: &str| (name == "TERM").then(|| "foot".to_owned());
        let desktop = DesktopProtocol::of_environment(variable);
        let mut state = UiState::new(&Settings { desktop, ..fixtures::settings() });
        let mut world = fixtures::five_sites();
        let shown = |world: &World, state: &mut UiState| {
            state.settle(&world.inputs(), SIZE);
            state.take_notification(world.now)
        };
        assert_eq!(shown(&world, &mut state), None, "what is past is no news");
        world = world.later(10);
        let mut alert = (*world.alerts[2]).clone();
        // It was held back.
        alert.facts.at = world.now.before(Duration::from_mins(1));
        world.alerts.push(Arc::new(alert.clone()));
        let sequence = shown(&world, &mut state).unwrap();
        assert!(sequence.starts_with(&format!("\u{1b}]777;notify;{} is ", alert.site)), "{sequence:?}");
        assert_eq!(shown(&world, &mut state), None);
        press(&world, &mut state, SIZE, "b");
        world = world.later(10);
        world.alerts.push(Arc::new(alert));
        assert_eq!(shown(&world, &mut state), None, "muted");
    }

    #[test]
    fn only_a_new_down_rings_and_only_once() {
        let mut world = fixtures::five_sites();
        let mut state = fixtures::state();
        assert!(!state.settle(&world.inputs(), SIZE));
        let new_alert = |world: &World| {
            let mut alert = (*world.alerts[2]).clone();
            alert.facts.at = world.now;
            Arc::new(alert)
        };
        world = world.later(1);
        world.alerts.push(new_alert(&world));
        assert!(state.settle(&world.inputs(), SIZE));
        assert!(!state.settle(&world.inputs(), SIZE));
        world = world.later(60);
        world.alerts.push(new_alert(&world));
        assert_eq!(state.act(&Key::Char('j'), &world.inputs(), SIZE), None);
        assert!(state.settle(&world.inputs(), SIZE), "a key at the same moment does not suppress it");
        world = world.later(5);
        world.alerts.push(new_alert(&world));
        assert!(!state.settle(&world.inputs(), SIZE), "at most one bell in ten seconds");
        press(&world, &mut state, SIZE, "b");
        world = world.later(60);
        world.alerts.push(new_alert(&world));
        assert!(!state.settle(&world.inputs(), SIZE), "muted");
        assert!(text(&world, &state).contains("muted"));
    }

    #[test]
    fn the_banner_shows_the_worst_problem() {
        let mut world = fixtures::five_sites();
        let mut state = fixtures::state();
        let mut banner = |health: Health| {
            world.health = health;
            state.settle(&world.inputs(), SIZE);
            text(&world, &state).lines().nth(1).unwrap().to_owned()
        };
        let mut health = Health { notices: vec!["sites.yaml: 2 warnings".to_owned().into()], ..Health::default() };
        assert_eq!(banner(health.clone()), "! sites.yaml: 2 warnings");
        health.narration = Some("\"flappy\" stops answering in 4 s".to_owned());
        assert_eq!(banner(health.clone()), " demo: \"flappy\" stops answering in 4 s");
        health.late = Duration::from_secs(2);
        assert!(banner(health.clone()).starts_with("! checks start up to 2.00 s late"));
        // A stop delays checks, too; the machine is not to blame.
        health.stopped = Duration::from_millis(2_470);
        assert!(banner(health.clone()).starts_with("! webmon was stopped for 2.47 s; checks missed"));
        health.lost_samples = 7;
        assert!(banner(health.clone()).starts_with("! 7 samples lost so far"));
        let since = fixtures::now().before(Duration::from_secs(130));
        let reason = "503 Service Unavailable".to_owned();
        let failing = OutletHealth { key: "ops".into(), since, reason, waiting: 3 };
        health.failing_outlets = vec![failing.clone()];
        assert_eq!(
            banner(health.clone()),
            "! cannot notify ops since 14:00:03: 503 Service Unavailable; 3 messages wait"
        );
        health.failing_outlets.push(failing);
        assert!(banner(health.clone()).starts_with("! cannot notify ops and 1 more since 14:00:03: 503"));
        health.store = StoreHealth::NotSaving { since, reason: "disk full".to_owned() };
        assert!(banner(health.clone()).starts_with("! not saving since 14:00:03: disk full; this period"));
        let reason = "cannot reach the proxy p.test:3128: connection refused".to_owned();
        health.closed_proxy = Some(ClosedProxy { since, sites: 2, reason });
        assert!(
            banner(health.clone()).starts_with("! cannot reach the proxy p.test:3128: connection refused; 2 sites not")
        );
        health.offline_since = Some(since);
        assert!(banner(health).starts_with("! offline: no route since 14:00:03; checks"));
    }

    #[test]
    fn a_site_is_down_since_its_incident_began() {
        for keys in ["", "\n"] {
            let mut world = fixtures::five_sites();
            let (wide, small) = ((200, 60), (30, 8));
            let seen = [wide, small].map(|(width, height)| picture(&world, keys, width, height));
            let site = world.snapshot.sites.iter_mut().find(|site| &*site.name == "api").unwrap();
            Arc::make_mut(site).since = world.now.before(Duration::from_secs(1));
            for ((width, height), before) in [wide, small].into_iter().zip(seen) {
                assert_eq!(picture(&world, keys, width, height).buffer(), before.buffer(), "{keys:?} {width}");
            }
            let site = world.snapshot.sites.iter_mut().find(|site| &*site.name == "api").unwrap();
            Arc::make_mut(site).state = SiteState::Failing;
            assert!(picture(&world, keys, 200, 60).to_string().contains("1s"), "a failing site has no incident yet");
        }
    }

    #[test]
    fn an_expired_certificate_has_no_days_left() {
        let mut world = fixtures::five_sites();
        for site in &mut world.snapshot.sites {
            let observation = Arc::make_mut(site).last.as_mut().and_then(|last| last.observation.as_mut());
            if let Some(certificate) =
                observation.and_then(|observation| Arc::make_mut(observation).certificate.as_mut())
            {
                Arc::make_mut(certificate).not_after = fixtures::now().before(Duration::from_hours(30));
            }
        }
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        let narrow = text(&world, &state);
        assert!(narrow.contains("docs (cert exp) ") && narrow.contains("cert expired"), "{narrow}");
        assert!(!narrow.contains("-2 d"), "{narrow}");
        let size = Size { width: 200, height: 60 };
        let wide = view(&world.inputs(), &state, size).text();
        assert!(wide.contains("exp ") && wide.contains("certificate expired") && !wide.contains("-2d"), "{wide}");
    }

    #[test]
    fn a_domain_stands_below_the_certificate() {
        let day = Duration::from_hours(24);
        for (expires, line) in [
            (Some(fixtures::now().after(61 * day)), "domain example.org · 61 days ("),
            (Some(fixtures::now().before(2 * day)), "domain example.org · expired ("),
            (None, "domain example.org · expiry not known"),
        ] {
            let mut world = fixtures::five_sites();
            let domain = Arc::new(DomainExpiry { name: "example.org".into(), expires, warn: 30 * day });
            for site in &mut world.snapshot.sites {
                if let Some(observation) = Arc::make_mut(site).last.as_mut().and_then(|last| last.observation.as_mut())
                {
                    Arc::make_mut(observation).domain = Some(Arc::clone(&domain));
                }
            }
            for (width, height) in [(80, 60), (120, 40)] {
                let page = picture(&world, "\n", width, height).to_string();
                assert!(page.contains(line), "{line}: {page}");
            }
        }
    }

    #[test]
    fn a_demonstration_says_so() {
        let mut world = fixtures::five_sites();
        world.health.narration = Some("all is well".to_owned());
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        let screen = view(&world.inputs(), &state, SIZE);
        assert_eq!(screen.title, "webmon DEMO ▼1");
        assert!(screen.text().starts_with(" webmon DEMO  ▼ 1 DOWN"), "{}", screen.text());
    }

    #[test]
    fn a_view_can_be_alone_and_tab_goes_round() {
        let (world, size) = (fixtures::five_sites(), Size { width: 80, height: 24 });
        let shown = |keys: &str| {
            let mut state = fixtures::state();
            press(&world, &mut state, size, keys);
            let plan = state.plan(&world.inputs(), size);
            plan.views.iter().map(|placed| placed.view).collect::<Vec<_>>()
        };
        for (keys, views) in [
            ("", &[0, 1][..]),
            ("1", &[0]),
            ("11", &[0, 1]),
            ("12", &[1]),
            ("\t", &[0]),
            ("\t\t", &[1]),
            ("\t\t\t", &[0, 1]),
            ("9", &[0, 1]),
        ] {
            assert_eq!(shown(keys), views, "{keys:?}");
        }
    }

    #[test]
    fn keys_say_what_they_did() {
        let (world, size) = (fixtures::five_sites(), Size { width: 100, height: 24 });
        for (keys, said) in [
            ("t", "theme for a light background"),
            ("m", "mouse off"),
            ("b", "bell off"),
            ("9", "there is no such view"),
        ] {
            let mut state = fixtures::state();
            press(&world, &mut state, size, keys);
            let text = view(&world.inputs(), &state, size).text();
            assert!(text.contains(said), "{keys}: {text}");
        }
    }

    #[test]
    fn escape_goes_back_and_never_quits() {
        let world = fixtures::five_sites();
        let mut state = fixtures::state();
        press(&world, &mut state, SIZE, "/blog\na?\x1b\x1b");
        let text = text(&world, &state);
        assert!(text.contains("/blog") && !text.contains("▲ shop-checkout"), "{text}");
        press(&world, &mut state, SIZE, "\x1b\x1b\x1b");
        assert!(view(&world.inputs(), &state, SIZE).text().contains("▲ shop-checkout"));
        assert_eq!(state.act(&Key::Char('q'), &world.inputs(), SIZE), Some(ExitRequest::Plain));
    }

    #[test]
    fn hostile_texts_stay_in_their_cells() {
        let mut world = fixtures::five_sites();
        let evil = "a\x1b[2J\x1b]0;x\x07\u{202e}b\u{9b}31m\u{200d}\u{301}\r\n\t👨‍👩‍👧‍👦日本語";
        for site in &mut world.snapshot.sites {
            let site = Arc::make_mut(site);
            Arc::make_mut(&mut site.facts).name = evil.into();
            if let Some(observation) = site.last.as_mut().and_then(|last| last.observation.as_mut()) {
                Arc::make_mut(observation).detail = evil.repeat(20);
            }
        }
        let alert = Arc::make_mut(&mut world.alerts[2]);
        (alert.message, alert.facts.site) = (evil.repeat(9), evil.into());
        world.health.notices = vec![evil.to_owned().into()];
        world.about.version = evil.to_owned();
        for keys in ["", "a", "?", "\n", "/\u{202e}"] {
            for (width, height) in [(80, 24), (200, 60), (41, 9), (20, 5)] {
                let backend = picture(&world, keys, width, height);
                let harmful = |symbol: &str| symbol.chars().any(crate::model::text::is_harmful);
                assert!(!backend.buffer().content().iter().any(|cell| harmful(cell.symbol())), "{keys:?} {width}");
                if (keys, width) == ("", 80) {
                    // The columns after the name are where they are for a harmless name.
                    for y in 4..9 {
                        assert_eq!(backend.buffer()[(26, y)].symbol(), "%", "{backend}");
                    }
                }
            }
        }
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn nothing_panics_or_leaves_the_screen(
            width in 0u16..260, height in 0u16..80, sites in prop::sample::select(vec![0usize, 1, 5, 9, 17, 60]),
            keys in "[jkgGJKcc/dsnavm9tfa!?brpoo/+\\-l←→↘1-9\t\x1b\nxq \\[\\]]{0,12}", pages in prop::collection::vec(0u8..8, 0..6),
            later in 0u64..5_000, ascii: bool, mouse in prop::collection::vec((0u8..3, 0u16..270, 0u16..90), 0..6),
        ) {
            let world = match sites {
                1 => fixtures::with_history(width.max(12)),
                5 => fixtures::five_sites(),
                9 => fixtures::nine_sites(),
                17 => crate::tui::tests::hub::hub(),
                n => fixtures::many_sites(n),
            }.later(later);
            let size = Size { width, height };
            let mut state = fixtures::state();
            state.settle(&world.inputs(), size);
            let moves = [
                Key::PageDown, Key::PageUp, Key::End, Key::Home, Key::Ctrl('d'), Key::Ctrl('u'), Key::Backspace,
                Key::Paste("a\u{1b}b".to_owned()),
            ];
            let keys = keys.chars().map(|c| match c {
                '\n' => Key::Enter, '\x1b' => Key::Esc, '\t' => Key::Tab, '←' => Key::Left, '→' => Key::Right,
                '↘' => Key::End, c => Key::Char(c),
            });
            let mouse = mouse.into_iter().map(|(what, x, y)| {
                Key::Mouse([Mouse::Click, Mouse::WheelUp, Mouse::WheelDown][usize::from(what)], x, y)
            });
            for key in keys.chain(pages.iter().map(|i| moves[usize::from(*i)].clone())).chain(mouse) {
                // The loop would leave; here the dashboard stays.
                let _ = state.act(&key, &world.inputs(), size);
            }
            if ascii {
                state.theme.symbols = Symbols::Ascii;
            }
            let screen = view(&world.inputs(), &state, size);
            prop_assert!(screen.lines.len() <= usize::from(height).max(1), "{} lines", screen.lines.len());
            for line in &screen.lines {
                prop_assert!(line.width() <= usize::from(width.max(1)), "{}: {:?}", line.width(), line.text());
            }
            // Into a larger buffer: nothing outside the area is touched.
            let area = Rect::new(2, 1, width, height);
            let mut buffer = Buffer::empty(Rect::new(0, 0, width + 4, height + 2));
            render(&screen, &state.theme, area, &mut buffer);
            for y in 0..buffer.area.height {
                for x in (0..2).chain(width + 2..width + 4) {
                    prop_assert_eq!(buffer[(x, y)].symbol(), " ");
                }
            }
            if !screen.lines.is_empty() && width >= 40 && height >= 8 {
                let selected_seen = state.sites.len() == 0
                    || (state.sites.top()..state.sites.top() + height as usize).contains(&state.sites.row());
                prop_assert!(selected_seen);
            }
        }
    }
}

/// Keys and columns that the user arranged.
mod arranged {
    use super::*;
    use crate::tui::Arrangement;
    use crate::tui::arrangement::column::Column;
    use crate::tui::arrangement::keys::Keymap;
    use crate::tui::page::Page;

    fn world() -> fixtures::World {
        let mut world = fixtures::five_sites();
        let keys = Keymap::new(vec![
            ("sort", vec![Key::Char('o')]),
            ("groups", vec![Key::Char('s')]),
            ("back", vec![Key::Backspace]),
            ("help", vec![Key::Ctrl('g')]),
            ("previous-row", vec![Key::Char('e')]),
            ("silence", vec![]),
        ]);
        world.arrangement = Arrangement { keys, columns: vec![Column::Bar, Column::P99, Column::Availability] };
        world
    }

    fn pressed(world: &fixtures::World, keys: &[Key], size: Size) -> (UiState, String) {
        let mut state = fixtures::state();
        state.settle(&world.inputs(), size);
        for key in keys {
            state.act(key, &world.inputs(), size);
        }
        let text = view(&world.inputs(), &state, size).text();
        (state, text)
    }

    #[test]
    fn keys_do_what_the_user_gave_them() {
        let world = world();
        let size = Size { width: 120, height: 40 };
        let (state, text) = pressed(&world, &[Key::Char('o'), Key::Char('n')], size);
        assert!(text.contains("sort name"), "{text}");
        assert_eq!(state.nav.page(), Page::Overview);
        let (state, _) = pressed(&world, &[Key::Char('?')], size);
        assert_eq!(state.nav.page(), Page::Overview, "the usual key is free now");
        let (state, _) = pressed(&world, &[Key::Ctrl('g'), Key::Esc], size);
        assert_eq!(state.nav.page(), Page::Help);
        let (state, _) = pressed(&world, &[Key::Ctrl('g'), Key::Backspace], size);
        assert_eq!(state.nav.page(), Page::Overview);
    }

    #[test]
    fn footer_and_help_show_the_keys_that_hold() {
        let world = world();
        let (_, text) = pressed(&world, &[], Size { width: 160, height: 40 });
        let footer = text.lines().last().unwrap();
        for (there, words) in
            [(true, "o sort"), (true, "s groups"), (true, "^G help"), (false, "silence"), (true, "r recheck")]
        {
            assert_eq!(footer.contains(words), there, "{words}: {footer}");
        }
        let (_, text) = pressed(&world, &[Key::Ctrl('g')], Size { width: 120, height: 40 });
        for words in ["j e ↓ ", "Backspace closes", "o         sort the sites"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn a_chosen_difference_is_that_to_the_same_hour_of_the_days_before() {
        let mut world = fixtures::with_usual();
        world.arrangement.columns = vec![Column::P95, Column::Difference];
        let size = Size { width: 80, height: 24 };
        let (state, _) = pressed(&world, &[], size);
        let wanted = state.usual_request(&world.inputs(), size).expect("the column is shown");
        assert!(wanted.sites.len() > 1 && wanted.hours.len() == 7, "{wanted:?}");
        let (_, text) = pressed(&world, &[], size);
        let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(row("SITE").contains("P95   DIFF") && row("▼ api").contains("53.2 ms    +4%"), "{text}");
        assert!(!row("docs").contains('%'), "nothing is known of it: {text}");
        world.has_history = false;
        assert_eq!(pressed(&world, &[], size).0.usual_request(&world.inputs(), size), None, "there is no store");
    }

    #[test]
    fn columns_come_in_the_order_of_the_user() {
        let (_, text) = pressed(&world(), &[], Size { width: 120, height: 40 });
        let head = text.lines().find(|line| line.contains("SITE")).unwrap();
        let words: Vec<&str> = head.split_whitespace().collect();
        assert_eq!(words, ["SITE", "-10m───────────────────────now", "P99", "AVAIL"], "{head}");
    }
}
