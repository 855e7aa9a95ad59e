//! Three locations whose clocks differ from that of the hub, over minutes: what they say counts, and only what they do not say is
//! missed.

use proptest::prelude::*;

use super::*;
use crate::app::tests::monitor::parsed;
use crate::engine::{Engine, SiteInput, SiteState};
use crate::model::{Cause, Micros, Observation, Place};
use crate::ring::Producer;

const NAMES: [&str; 3] = ["a/api", "b/api", "c/api"];

const SILENT_AFTER: Duration = Duration::from_secs(10);

/// The time that a program's clock shows so many seconds after the start, `ahead` seconds ahead of a right one.
fn clock(second: u64, ahead: i64) -> Timestamp {
    Timestamp::from_secs(1_795_340_000 + second)
        .after(Duration::from_secs(ahead.max(0).unsigned_abs()))
        .before(Duration::from_secs(ahead.min(0).unsigned_abs()))
}

/// Where a site called `location/name` comes from.
pub fn origin(name: &str) -> Origin {
    let (location, site) = name.split_once('/').unwrap();
    Origin {
        location: Location::new(location).unwrap(),
        store: StoreId([1; 16]),
        site: SiteId(0),
        name: site.into(),
        group: None,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        url: "http://a/".into(),
    }
}

/// A hub, and what its locations send it.
struct Hub {
    gathered: Vec<(Arc<str>, Origin)>,
    rings: Vec<Producer>,
    engine: Engine,
    judging: Judging,
    now: u64,
    told: Vec<String>,
}

impl Hub {
    fn new() -> Self {
        let config = parsed(
            "{ defaults: { interval: 1s, timeout: 1s, alert: { threshold: 80%, window: 10s } }, \
             sites: [{ name: api, url: 'http://a/' }] }",
        );
        let gathered: Vec<(Arc<str>, Origin)> = NAMES.iter().map(|name| (Arc::from(*name), origin(name))).collect();
        let judging = Judging::new(&FleetSite::all(&config), (SILENT_AFTER, true), clock(0, 0).into());
        let rings: Vec<Producer> = NAMES.iter().map(|_| Producer::new(1_000, 0)).collect();
        let engine = Engine::new(Vec::new(), Vec::new(), clock(0, 0));
        let mut hub = Self { gathered, rings, engine, judging, now: 0, told: Vec::new() };
        hub.begin_anew();
        hub
    }

    /// Lets the engine begin with the rings as they are, as it does where a time falls.
    fn begin_anew(&mut self) {
        let cadence = Cadence { interval: Duration::from_secs(1), timeout: Duration::from_secs(1) };
        let inputs =
            self.gathered.iter().zip(&self.rings).zip(self.now * 10..).map(|(((name, origin), ring), slot)| {
                SiteInput {
                    policies: self.judging.policies(&origin.name).unwrap_or_default(),
                    place: Place::At { location: origin.location.clone(), site: Arc::clone(&origin.name) },
                    ..SiteInput::new(SiteSlot(u32::try_from(slot).unwrap()), Arc::clone(name), cadence, ring.ring())
                }
            });
        self.engine.revise(Vec::new(), inputs.collect());
        self.judging.follow(&self.gathered, None, &self.engine.board().snapshot());
    }

    /// A second passes; the clocks of the locations are `ahead`, and those of `failing` see the site fail.
    fn pass(&mut self, ahead: [i64; 3], failing: &str) {
        self.now += 1;
        for ((ring, name), ahead) in self.rings.iter_mut().zip(NAMES).zip(ahead) {
            let cause = if failing.contains(&name[..1]) { Cause::Reset } else { Cause::Ok };
            ring.push(Observation::failed(cause, "").sample(clock(self.now, ahead), Micros::ZERO, 0));
        }
        self.look(ahead);
    }

    fn look(&mut self, ahead: [i64; 3]) {
        let now = clock(self.now, 0);
        let reports: Vec<Report> = self
            .gathered
            .iter()
            .zip(ahead)
            .map(|((_, origin), ahead)| Report {
                sent: Some(clock(self.now, ahead)),
                ahead: Some(ahead * 1_000_000),
                ..Report::plain(origin.location.name(), Some(now))
            })
            .collect();
        self.engine.set_clocks(&Report::clocks(&reports));
        self.engine.step(now);
        let alerts = self.judging.look(&self.engine.board().snapshot(), &reports, |_| None, now.into());
        self.told.extend(alerts.iter().map(|alert| format!("{} {}", alert.site, alert.state.name())));
    }

    fn votes(&self) -> usize {
        let (votes, _) = self.judging.verdict(0).unwrap();
        usize::try_from(votes.tally.votes()).unwrap()
    }
}

/// One was an hour ahead and was set right: from then on it votes.
#[test]
fn a_location_whose_clock_was_set_right_votes() {
    let mut hub = Hub::new();
    (0..20).for_each(|_| hub.pass([0, 0, 1], ""));
    assert_eq!(hub.votes(), 3);
    hub.rings[2] = Producer::new(1_000, 20);
    hub.begin_anew();
    (0..15).for_each(|_| hub.pass([0; 3], ""));
    assert_eq!(hub.votes(), 3);
}

/// The checks in an earlier store of a location say nothing about its clock of today.
#[test]
fn an_older_store_with_later_times_takes_no_vote_away() {
    let mut hub = Hub::new();
    let older = Origin { store: StoreId([9; 16]), ..origin("c/api") };
    hub.gathered.push(("c/api of before".into(), older));
    hub.rings.push(Producer::new(1_000, 0));
    hub.begin_anew();
    for _ in 0..20 {
        let at = clock(hub.now + 1, 0);
        hub.rings[3].push(Observation::failed(Cause::Ok, "").sample(at, Micros::ZERO, 0));
        hub.pass([0, 0, -60], "");
    }
    assert_eq!(hub.votes(), 3);
}

/// The clock of the hub is set back by an hour while the server is away, and c never comes back.
#[test]
fn a_hub_whose_clock_was_set_back_misses_who_falls_silent() {
    let mut hub = Hub::new();
    (0..20).for_each(|_| hub.pass([0; 3], ""));
    let (heard, snapshot) = (clock(20, 0), hub.engine.board().snapshot());
    let moment = |second: u64| Moment { steady: clock(second, 0), wall: clock(second, -3_600) };
    hub.judging.hear_none(moment(21));
    let mut told = Vec::new();
    for second in 22..40 {
        let report = |name: &&str| match *name {
            "c" => Report::plain(name, Some(heard)),
            name => Report::plain(name, Some(clock(second, 0))),
        };
        let reports: Vec<Report> = ["a", "b", "c"].iter().map(report).collect();
        let alerts = hub.judging.look(&snapshot, &reports, |_| None, moment(second));
        told.extend(alerts.iter().map(|alert| (second, alert.at, alert.site.to_string(), alert.reading.clone())));
        let health = hub.judging.attendance(&reports, moment(second));
        let c = &health.locations[2];
        assert_eq!((c.presence == Presence::Silent, c.heard), (second > 31, Some(clock(20, -3_600))));
    }
    let last = Some(Reading::Silent { last: Some(clock(20, -3_600)) });
    assert_eq!(told, [(32, clock(32, -3_600), "c".to_owned(), last)]);
}

/// The state of each location's site, as the hub shows it.
fn states(hub: &Hub) -> Vec<SiteState> {
    hub.engine.board().snapshot().sites.iter().map(|site| site.state).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever the clocks show: all vote, no state flaps, and an outage is told as early as by clocks that are right.
    #[test]
    fn a_clock_that_is_wrong_changes_no_verdict(offsets in prop::array::uniform3(-4_000i64..4_000)) {
        let told = |ahead: [i64; 3]| {
            let (mut hub, mut told) = (Hub::new(), Vec::new());
            for second in 0..90 {
                hub.pass(ahead, if (40..60).contains(&second) { "ab" } else { "" });
                told.extend(hub.told.drain(..).map(|line| (second, line)));
                if (15..40).contains(&second) {
                    assert_eq!((hub.votes(), states(&hub)), (3, vec![SiteState::Up; 3]), "second {second}, {ahead:?}");
                }
            }
            told
        };
        let right = told([0; 3]);
        prop_assert!(right.len() == 2 && right[0].1 == "api down", "{:?}", right);
        prop_assert_eq!(told(offsets), right);
    }
}

/// The clock of c is set, forward or back, while its checks go on.
#[test]
fn a_clock_that_is_set_takes_a_vote_for_moments_only() {
    for by in [-3_600, -60, 60, 3_600] {
        let mut hub = Hub::new();
        (0..20).for_each(|_| hub.pass([0; 3], ""));
        if by < 0 {
            // Times in a ring rise: those who follow the store begin anew where one falls.
            hub.rings[2] = Producer::new(1_000, 20);
        }
        hub.pass([0, 0, by], "");
        if by < 0 {
            hub.begin_anew();
        }
        (0..15).for_each(|_| hub.pass([0, 0, by], ""));
        assert_eq!((hub.votes(), states(&hub)), (3, vec![SiteState::Up; 3]), "{by}");
    }
}
