//! The overview as of an instant of the past, on whole screens, and its keys.

use std::sync::Arc;
use std::time::Duration;

use ratatui::layout::Size;

use crate::alert::incident::list::IncidentList;
use crate::alert::{Alert, AlertRecord, AlertState, Rule};
use crate::engine::snapshot::{Row, SiteState};
use crate::model::{Observation, Timestamp};
use crate::tui::input::key::{Key, Mouse};
use crate::tui::past::PastOverview;
use crate::tui::screen::view;
use crate::tui::state::UiState;
use crate::tui::style::line::Line;
use crate::tui::style::symbols::Symbols;

use super::fixtures::{self, World};
use super::snapshots::{picture, pictures, press};

const SIZE: Size = Size { width: 80, height: 24 };

/// `world` 22 minutes later; what it was is the past that the user turned to.
fn turned(mut world: World) -> World {
    let at = world.now;
    let mut snapshot = world.snapshot.clone();
    for site in &mut snapshot.sites {
        let site = Arc::make_mut(site);
        let Some(last) = &mut site.last else { continue };
        let known =
            last.observation.take().map(|known| Arc::new(Observation { certificate: None, ..(*known).clone() }));
        last.observation = known.filter(|known| !known.detail.is_empty());
    }
    let begins = snapshot.sites.iter().map(|_| Some(at.before(Duration::from_hours(24)))).collect();
    let alerts = world.alerts.clone();
    let incidents = IncidentList::default();
    world.past = Some(PastOverview { number: 1, at, snapshot, alerts, incidents, begins, trouble: None });
    world.has_history = true;
    world.alerts.push(alert("docs", AlertState::Down, at.after(Duration::from_secs(700))));
    world.later(1_330)
}

fn alert(site: &str, state: AlertState, at: Timestamp) -> Arc<AlertRecord> {
    let facts = Alert { state, downtime: None, ..Alert::ended(site.into(), &Rule::default(), at, at) };
    Arc::new(AlertRecord { facts, message: format!("Website {site} is {}.", state.name()) })
}

/// A past of which nothing is known, of a store whose first check was due then.
fn unwatched(begins: Option<Timestamp>, trouble: Option<&str>) -> World {
    let mut world = turned(fixtures::five_sites());
    let past = world.past.as_mut().unwrap();
    for site in &mut past.snapshot.sites {
        let site = Arc::make_mut(site);
        (site.state, site.last, site.last_up, site.incident) = (SiteState::Unknown, None, None, None);
    }
    for view in &mut past.snapshot.views {
        let view = Arc::make_mut(view);
        view.rows.iter_mut().for_each(|row| *row = Arc::new(Row::empty(view.as_of, view.timeframe)));
    }
    past.alerts.clear();
    past.begins = vec![begins; 5];
    past.trouble = trouble.map(str::to_owned);
    world
}

pictures! {
    past_80x24: turned(fixtures::five_sites()), "←", 80 x 24;
    past_120x40: turned(fixtures::nine_sites()), "←", 120 x 40;
    past_200x60: turned(fixtures::nine_sites()), "←", 200 x 60;
    past_40x10: turned(fixtures::five_sites()), "←", 40 x 10;
    past_20x5: turned(fixtures::five_sites()), "←", 20 x 5;
    past_playing_80x24: turned(fixtures::five_sites()), "←← ", 80 x 24;
    past_alerts_80x24: turned(fixtures::five_sites()), "←a", 80 x 24;
    past_site_being_read_80x24: turned(fixtures::five_sites()), "←\n", 80 x 24;
    past_with_budgets_200x60: turned(fixtures::with_objectives()), "←", 200 x 60;
    past_before_the_store_80x24: unwatched(Some(fixtures::now().after(Duration::from_mins(3))), None), "←", 80 x 24;
    past_without_a_monitor_120x40: unwatched(Some(fixtures::now().before(Duration::from_hours(9))), None), "←", 120 x 40;
    past_that_cannot_be_read_80x24: unwatched(None, Some("the file is gone")), "←", 80 x 24;
}

fn text(world: &World, state: &UiState) -> String {
    let screen = view(&world.inputs(), state, SIZE);
    screen.lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
}

/// The state after these keys.
fn pressed(world: &World, keys: &str) -> UiState {
    let mut state = fixtures::state();
    press(world, &mut state, SIZE, keys);
    state
}

fn ago(world: &World, state: &UiState) -> Option<u64> {
    state.instant().map(|at| world.inputs().clock().since(at).as_secs())
}

#[test]
fn arrows_move_by_steps_and_end_and_esc_return() {
    let mut world = fixtures::five_sites();
    world.has_history = true;
    // It is 14:02:13, and steps lead to round instants.
    for (keys, expected) in [
        ("", None),
        ("←", Some(13)),
        ("←←", Some(73)),
        ("←←→", Some(13)),
        ("←→", None),
        ("←←↘", None),
        ("←←\x1b", None),
        ("+←", Some(3)),
        ("-←", Some(133)),
        ("--←", Some(133)),
        ("---←←", Some(2 * 3_600 - 15 * 60 + 2 * 60 + 13)),
        ("2←", Some(133)),
        ("[", Some(251)),
        ("[[", Some(17_387)),
        ("[[]", Some(17_262 - 17_011)),
        ("[]", None),
    ] {
        assert_eq!(ago(&world, &pressed(&world, keys)), expected, "{keys:?}");
    }
    assert_eq!(pressed(&fixtures::five_sites(), "←").instant(), None);
    assert!(
        text(&fixtures::five_sites(), &pressed(&fixtures::five_sites(), "←"))
            .contains("no store: nothing to go back to")
    );
    // At now, these keys do what they did before.
    assert_eq!(pressed(&world, "↘").sites.row(), 4);
    assert!(pressed(&fixtures::many_sites(100), " ").sites.row() > 5);
}

#[test]
fn the_first_step_back_begins_where_the_tables_were_frozen() {
    let mut world = fixtures::five_sites();
    world.has_history = true;
    let mut state = pressed(&world, "f");
    let world = world.later(600);
    press(&world, &mut state, SIZE, "←");
    assert_eq!((ago(&world, &state), state.sites.is_frozen()), (Some(613), false));
    press(&turned(fixtures::five_sites()), &mut state, SIZE, "f");
    assert!(!state.sites.is_frozen());
}

#[test]
fn the_past_takes_no_commands_and_says_so() {
    let world = turned(fixtures::five_sites());
    for key in "rpxzTf".chars() {
        let mut state = pressed(&world, "←");
        state.act(&Key::Char(key), &world.inputs(), SIZE);
        assert_eq!(state.take_commands(), [], "{key}");
        assert!(text(&world, &state).contains("End returns to now"), "{key}: {}", text(&world, &state));
    }
}

#[test]
fn a_click_on_a_command_is_refused_in_the_past_as_its_key_is() {
    let world = turned(fixtures::five_sites());
    let mut state = pressed(&world, "←\n");
    let size = Size { width: 200, height: 40 };
    let footer = view(&world.inputs(), &state, size).lines[39].text();
    let column = crate::tui::style::line::width(&footer[..footer.find("recheck").unwrap()]);
    let click = Key::Mouse(Mouse::Click, u16::try_from(column).unwrap(), 39);
    state.act(&click, &world.inputs(), size);
    assert_eq!(state.take_commands(), []);
    let screen = view(&world.inputs(), &state, size).text();
    assert!(screen.contains("End returns to now"), "{screen}");
}

/// The reply of a key goes after some seconds of the present, however far the past is.
#[test]
fn what_happens_now_is_heard_in_the_past() {
    let mut world = turned(fixtures::five_sites());
    let mut state = pressed(&world, "←");
    state.act(&Key::Char('r'), &world.inputs(), SIZE);
    assert!(!state.settle(&world.inputs(), SIZE), "the alerts of before ring no bell");
    let later = world.now.after(Duration::from_secs(8));
    world.now = later;
    world.alerts.push(alert("docs", AlertState::Down, later));
    assert!(state.settle(&world.inputs(), SIZE), "a new one does");
    assert!(!text(&world, &state).contains("End returns to now"));
    assert!(!state.settle(&world.inputs(), SIZE));
    world.past = None;
    state.act(&Key::End, &world.inputs(), SIZE);
    assert!(!state.settle(&world.inputs(), SIZE), "known since");
}

#[test]
fn a_site_opened_in_the_past_is_shown_up_to_then() {
    let world = turned(fixtures::five_sites());
    let state = pressed(&world, "←\n");
    let request = state.history_request(&world.inputs(), SIZE).unwrap();
    let past = world.past.as_ref().unwrap();
    assert_eq!((request.until, request.live, &*request.site), (past.at, false, "api"));
    // End leads to now from there as well, and Esc to the overview of then.
    assert_eq!(pressed(&world, "←\n↘").instant(), None);
    assert!(pressed(&world, "←\n\x1b").instant().is_some());
}

#[test]
fn it_says_so_without_colour_and_without_unicode() {
    let world = turned(fixtures::five_sites());
    let mut state = pressed(&world, "←← ");
    state.theme.symbols = Symbols::Ascii;
    let header = view(&world.inputs(), &state, SIZE).lines[0].text();
    assert!(header.contains("PAST 14:02:13 · 22m10s ago"), "{header}");
    for width in 8..200 {
        let size = Size { width, height: 24 };
        let lines = view(&world.inputs(), &state, size).lines;
        assert!(width < 14 || lines.iter().any(|line| line.text().contains("PAST")), "{width}");
    }
}

/// An instant at which the present was refreshed, too: what is down then comes first.
#[test]
fn the_past_has_its_own_order() {
    let mut world = turned(fixtures::five_sites());
    let mut then = world.past.take();
    let past = then.as_mut().unwrap();
    let (down, up) = (past.snapshot.sites[0].state, past.snapshot.sites[4].state);
    Arc::make_mut(&mut past.snapshot.sites[0]).state = up;
    Arc::make_mut(&mut past.snapshot.sites[4]).state = down;
    let first =
        |world: &World, state: &UiState| world.inputs().snapshot.sites[state.sites.selected().unwrap()].name.clone();
    let mut state = pressed(&world, "←");
    assert_eq!(&*first(&world, &state), "api");
    world.past = then;
    state.settle(&world.inputs(), SIZE);
    assert_eq!(&*first(&world, &state), "blog");
}
