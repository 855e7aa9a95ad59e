//! Pictures of a hub: sites over three locations, and one that only a location has.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::quorum::{Tally, Verdict, Votes};
use crate::engine::snapshot::{OpenIncident, SiteState, ViewSnapshot};
use crate::model::{
    Cause, FleetHealth, FleetState, HubHealth, Location, LocationHealth, Place, Presence, SiteSlot, StoreHealth,
    Watched, Watching,
};

use super::fixtures::{self, Made, World};
use super::snapshots::{picture, pictures};

const PLACES: [&str; 3] = ["fra1", "nyc1", "sin1"];

/// How a location sees a site.
fn seen(made: &Made, state: SiteState) -> Made {
    match state {
        SiteState::Up => Made {
            state,
            since: 8_040,
            tail: &[],
            answers: &[(200, 60)],
            causes: &[],
            detail: "",
            cause: Cause::Ok,
            ..*made
        },
        SiteState::Unknown => Made { state, since: 130, cause: Cause::Local, detail: "no route", ..*made },
        _ => Made { state, ..*made },
    }
}

/// A hub: `api` is down at two of three, `shop` at one, all see `docs` up, of `blog` only one can tell; `fra1/old` is not in
/// sites.yaml.
pub(super) fn hub() -> World {
    use SiteState::{Down, Failing, Unknown, Up};
    let of = |name, made: &Made| Made { name, ..*made };
    let (bad, good) = (fixtures::api(), seen(&fixtures::api(), Up));
    let good = Made { cert_days: 80, times: Some([43.1, 41.0, 48.0, 53.2, 71.0, 96.0]), ..good };
    let sites = [
        (
            of("api", &bad),
            [Down, Down, Up],
            Votes { verdict: Verdict::Down, tally: Tally { up: 1, down: 2 }, assigned: 3 },
        ),
        (
            of("shop-checkout", &Made { state: Failing, ..good }),
            [Up, Down, Up],
            Votes { verdict: Verdict::Partial, tally: Tally { up: 2, down: 1 }, assigned: 3 },
        ),
        (of("docs", &good), [Up, Up, Up], Votes { verdict: Verdict::Up, tally: Tally { up: 3, down: 0 }, assigned: 3 }),
        (
            of("blog", &Made { state: Unknown, ..good }),
            [Unknown, Up, Unknown],
            Votes { verdict: Verdict::Unknown, tally: Tally { up: 0, down: 1 }, assigned: 3 },
        ),
    ];
    let mut made = Vec::new();
    let mut places = Vec::new();
    for (site, at, votes) in sites {
        made.push(site);
        places.push((Place::Everywhere, Some(votes)));
        for (place, state) in PLACES.into_iter().zip(at) {
            let base = if state == Up { good } else { bad };
            made.push(of(site.name, &seen(&base, state)));
            places.push((Place::At { location: Location::new(place).unwrap(), site: site.name.into() }, None));
        }
    }
    made.push(of("old", &good));
    places.push((Place::At { location: Location::new("fra1").unwrap(), site: "old".into() }, None));
    let mut world = fixtures::world(&made);
    for (number, (site, (place, votes))) in world.snapshot.sites.iter_mut().zip(places).enumerate() {
        let site = Arc::make_mut(site);
        let facts = Arc::make_mut(&mut site.facts);
        if let Place::At { location, site: there } = &place {
            facts.name = format!("{location}/{there}").into();
        }
        (facts.place, facts.slot, site.votes) = (place, SiteSlot::new(number), votes);
        let since = fixtures::now().before(Duration::from_secs(252));
        site.incident = (site.state == Down).then_some(OpenIncident { since });
    }
    let until = world.now.before(Duration::from_secs(2));
    world.health.watching = Some(Watching { process: None, alive: true, until, stored: Some(until), of: Watched::Hub });
    world.health.store = StoreHealth::Ok { bytes: 41_000_000 };
    world.health.hub = Some(Arc::new(heard(&world, Presence::Heard)));
    world
}

/// How the locations are; the last one like that, with a clock that is ahead.
fn heard(world: &World, last: Presence) -> HubHealth {
    let since = world.now.before(Duration::from_secs(70));
    let location = |place: &str| LocationHealth {
        location: Location::new(place).unwrap(),
        presence: if place == "sin1" { last } else { Presence::Heard },
        since: (place == "sin1" && last != Presence::Heard).then_some(since),
        heard: Some(if place == "sin1" { since } else { world.now }),
        ahead: Some(if place == "sin1" { 4_210_000 } else { 12_000 }),
        is_filling: false,
    };
    HubHealth { locations: PLACES.into_iter().map(location).collect() }
}

/// The same with a location that is not heard, or blind.
fn without(last: Presence) -> World {
    let mut world = hub();
    world.health.hub = Some(Arc::new(heard(&world, last)));
    world
}

/// A dashboard that only looks on, and whose server has been away for four minutes.
fn from_outside() -> World {
    let mut world = hub();
    if let Some(watching) = &mut world.health.watching {
        watching.of = Watched::Fleet;
    }
    let (since, reason) = (world.now.before(Duration::from_mins(4)), Some("connection refused".to_owned()));
    let state = FleetState::Unconnected { since, reason };
    world.health.fleet = Some(FleetHealth { state, ..FleetHealth::default() });
    world.health.store = StoreHealth::Off;
    world
}

/// The same with sites in groups.
fn grouped() -> World {
    let mut world = hub();
    for site in &mut world.snapshot.sites {
        let facts = Arc::make_mut(&mut Arc::make_mut(site).facts);
        let is_shop = facts.name.ends_with("api") || facts.name.ends_with("shop-checkout");
        facts.group = is_shop.then(|| "shop".into());
    }
    world
}

/// One view of ten minutes.
fn of_one_view() -> World {
    let mut world = hub();
    world.snapshot.views.truncate(1);
    let _: &Arc<ViewSnapshot> = &world.snapshot.views[0];
    world
}

pictures! {
    hub_80x24: hub(), "", 80 x 24;
    hub_200x60: hub(), "", 200 x 60;
    hub_unfolded_80x24: hub(), "l", 80 x 24;
    hub_unfolded_200x60: hub(), "ljjjjjl", 200 x 60;
    hub_folded_from_a_location_80x24: hub(), "ljjl", 80 x 24;
    hub_silent_80x24: without(Presence::Silent), "jjj", 80 x 24;
    hub_blind_120x40: without(Presence::Blind), "", 120 x 40;
    hub_groups_80x24: grouped(), "o\njl", 80 x 24;
    hub_filtered_80x24: hub(), "/down\n", 80 x 24;
    hub_sorted_80x24: of_one_view(), "snl", 80 x 24;
    hub_site_80x24: hub(), "\n", 80 x 24;
    hub_site_200x60: without(Presence::Silent), "\n\n", 200 x 60;
    hub_site_120x40: without(Presence::Blind), "\n", 120 x 40;
    hub_location_80x24: hub(), "ljj\n", 80 x 24;
    hub_stranger_80x24: hub(), "jjjjj\n", 80 x 24;
    hub_no_locations_80x24: hub(), "jjjjjl", 80 x 24;
    hub_tuning_80x24: hub(), "T", 80 x 24;
    hub_help_80x24: hub(), "?", 80 x 24;
    hub_help_120x40: hub(), "?", 120 x 40;
    hub_20x5: hub(), "", 20 x 5;
    hub_from_outside_80x24: from_outside(), "", 80 x 24;
    hub_from_outside_orders_80x24: from_outside(), "x", 80 x 24;
    hub_from_outside_help_120x40: from_outside(), "?", 120 x 40;
}

#[test]
fn only_sites_over_all_locations_and_strangers_count() {
    let world = hub();
    let named: Vec<&str> = world.snapshot.subjects().map(|(_, site)| &*site.name).collect();
    assert_eq!(named, ["api", "shop-checkout", "docs", "blog", "fra1/old"]);
    assert_eq!(world.snapshot.parts(0), 1..4);
    assert!(world.snapshot.parts(1).is_empty() && world.snapshot.parts(16).is_empty());
}

#[test]
fn without_a_hub_the_key_and_the_column_are_not_there() {
    let world = fixtures::nine_sites();
    let mut state = fixtures::state();
    let size = ratatui::layout::Size { width: 200, height: 60 };
    super::snapshots::press(&world, &mut state, size, "l");
    let screen = crate::tui::view(&world.inputs(), &state, size).text();
    assert!(
        screen.contains("no locations: ") && !screen.contains(" LOC ") && !screen.contains("  l locations"),
        "{screen}"
    );
}

#[test]
fn a_hub_in_ascii() {
    let world = without(Presence::Silent);
    let mut state = fixtures::state();
    let size = ratatui::layout::Size { width: 100, height: 30 };
    super::snapshots::press(&world, &mut state, size, "l");
    state.theme.symbols = crate::tui::Symbols::Ascii;
    let backend = super::snapshots::draw(&world, &state, 100, 30);
    assert!(backend.buffer().content().iter().all(|cell| cell.symbol().is_ascii()));
    insta::assert_snapshot!(backend);
}
