//! sites.yaml changes while the user looks: whatever is shown and whatever a key does is about the site that the user means.

use ratatui::layout::Size;

use crate::model::SiteSlot;
use crate::model::command::SiteCommand;
use crate::tui::input::key::Key;
use crate::tui::screen::view;
use crate::tui::state::UiState;

use super::fixtures::{self, World};

const SIZE: Size = Size { width: 110, height: 24 };

fn pressed(world: &World, keys: &[Key]) -> UiState {
    let mut state = fixtures::state();
    state.settle(&world.inputs(), SIZE);
    press(&mut state, world, keys);
    state
}

fn press(state: &mut UiState, world: &World, keys: &[Key]) {
    for key in keys {
        state.act(key, &world.inputs(), SIZE);
    }
}

fn slot(world: &World, name: &str) -> SiteSlot {
    world.snapshot.sites.iter().find(|site| *site.name == *name).unwrap().slot
}

fn selected(state: &UiState, world: &World) -> String {
    let place = state.focus(&world.inputs()).unwrap();
    state.tables(&world.inputs()).sites[place].name.to_string()
}

fn is_paused(command: &SiteCommand) -> Option<SiteSlot> {
    match command {
        SiteCommand::Pause(slot, _) => Some(*slot),
        _ => None,
    }
}

/// A key reaches the monitor before the next frame, and the first view may refresh minutes later.
#[test]
fn rows_follow_the_sites_between_two_refreshes() {
    let mut world = fixtures::nine_sites();
    let filter: Vec<Key> = "/blog".chars().map(Key::Char).chain([Key::Enter]).collect();
    let mut filtered = pressed(&world, &filter);
    let mut moved = pressed(&world, &[Key::Down, Key::Down, Key::Down]);
    let name = selected(&moved, &world);
    world.rotate();
    for state in [&mut filtered, &mut moved] {
        state.follow_sites(&world.inputs());
    }
    assert_eq!((selected(&filtered, &world).as_str(), selected(&moved, &world)), ("blog", name));
    press(&mut filtered, &world, &[Key::Char('p')]);
    let paused: Vec<_> = filtered.take_commands().iter().filter_map(is_paused).collect();
    assert_eq!(paused, [slot(&world, "blog")]);
}

#[test]
fn a_command_at_frozen_tables_is_for_the_site_that_they_show() {
    let mut world = fixtures::nine_sites();
    let mut state = pressed(&world, &[Key::Down, Key::Down, Key::Char('f')]);
    let name = selected(&state, &world);
    let meant = slot(&world, &name);
    let first = world.snapshot.sites.iter().position(|site| *site.name != *name).unwrap();
    world.remove(first);
    state.settle(&world.inputs(), SIZE);
    for key in ['p', 'z', 'r'] {
        press(&mut state, &world, &[Key::Char(key)]);
    }
    let slots: Vec<SiteSlot> = state
        .take_commands()
        .into_iter()
        .map(|command| match command {
            SiteCommand::Pause(slot, _) | SiteCommand::Silence(slot, _) | SiteCommand::Check(slot) => slot,
            SiteCommand::Acknowledge { .. } => panic!("nothing was acknowledged"),
        })
        .collect();
    assert_eq!(slots, [meant; 3]);

    world.remove(world.snapshot.sites.iter().position(|site| *site.name == *name).unwrap());
    state.settle(&world.inputs(), SIZE);
    assert!(view(&world.inputs(), &state, SIZE).text().contains(&format!("{name}  no longer monitored")));
    for key in ['p', 'z', 'r', 'x', 'y', 'Y'] {
        press(&mut state, &world, &[Key::Char(key)]);
        let shown = view(&world.inputs(), &state, SIZE).text();
        assert!(shown.contains("is no longer monitored"), "{key}: {shown}");
    }
    assert_eq!(state.take_commands().len(), 0);
}
