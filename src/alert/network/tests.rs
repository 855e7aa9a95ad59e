//! The correlation against a plain recomputation from the definitions, and its cases one by one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const NO_ANSWER: Cause = Cause::ConnectTimeout;
const OUTLET: &str = "198.51.100.1";

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn address(unit: usize) -> IpAddr {
    IpAddr::from([203, 0, u8::try_from(unit).unwrap(), 7])
}

/// A network of sites that are checked each 10 s and take no time, each in the unit of its number.
struct Bench {
    network: Network,
    events: Vec<NetworkEvent>,
}

impl Bench {
    fn new(sites: usize) -> Self {
        let mut network = Network::default();
        (0..sites).for_each(|site| network.watch(site, 10 * SECOND, 10 * SECOND, Some(address(site))));
        Self { network, events: Vec::new() }
    }

    fn check(&mut self, site: usize, secs: u64, cause: Cause) {
        let address = Some(address(site));
        let finished = Finished { site, start: at(secs), at: at(secs), cause, address };
        self.network.check(&finished, &mut self.events);
    }

    fn checks(&mut self, sites: impl IntoIterator<Item = usize>, secs: u64, cause: Cause) {
        sites.into_iter().for_each(|site| self.check(site, secs, cause));
    }

    fn down(&mut self, site: usize, secs: u64) -> bool {
        self.network.down(site, at(secs), NO_ANSWER, at(secs))
    }

    fn delivered(&mut self, secs: u64) {
        self.network.delivered(at(secs), OUTLET.parse().unwrap(), &mut self.events);
    }

    fn take(&mut self) -> Vec<NetworkEvent> {
        std::mem::take(&mut self.events)
    }
}

const REALM: Realm = Realm::Global;

fn offline(since: u64, units: usize) -> NetworkEvent {
    NetworkEvent::Offline { realm: REALM, since: at(since), units }
}

fn online(from: u64, to: u64) -> NetworkEvent {
    NetworkEvent::Online { realm: REALM, from: at(from), to: at(to) }
}

#[test]
fn a_whole_round_of_silence_is_an_outage_and_drops_what_it_explains() {
    let mut bench = Bench::new(4);
    bench.checks(0..4, 100, Cause::Ok);
    bench.check(0, 110, NO_ANSWER);
    assert!(bench.down(0, 110));
    bench.checks(1..3, 111, NO_ANSWER);
    assert_eq!(bench.take(), []);
    bench.check(3, 112, Cause::Local);
    assert_eq!(bench.take(), [offline(110, 4)]);
    assert!(bench.network.is_held(0), "until the outage is over or refuted");
    assert!(bench.down(2, 111));
    bench.network.tick(at(100_000), &mut bench.events);
    assert_eq!(bench.take(), []);
    assert_eq!(bench.network.blind(REALM), Some(Blind::open(REALM, at(110))));

    bench.check(1, 200, Cause::Status);
    assert_eq!(bench.take(), [online(110, 200), NetworkEvent::Drop(0), NetworkEvent::Drop(2)]);
    assert!(!bench.network.is_held(0) && bench.network.blind(REALM).is_none());
}

#[test]
fn the_contact_of_another_unit_releases() {
    let mut bench = Bench::new(4);
    bench.checks(0..4, 100, Cause::Ok);
    bench.check(0, 110, NO_ANSWER);
    assert!(bench.down(0, 110));
    bench.check(0, 120, Cause::Ok);
    assert_eq!(bench.take(), [], "its own contact says nothing of the network at 110 s");
    bench.check(1, 109, Cause::Ok);
    assert_eq!(bench.take(), [], "started before");
    bench.check(1, 110, Cause::ConnectRefused);
    assert_eq!(bench.take(), [NetworkEvent::Release(0)]);
    // Where that contact is known already, nothing is held; neither is what a host answered.
    assert!(!bench.down(2, 110));
    assert!(bench.down(2, 121));
    assert!(!bench.network.down(2, at(121), Cause::Status, at(121)), "it replaces the first");
    assert!(!bench.network.is_held(2));
}

#[test]
fn up_again_while_held_means_that_nobody_was_told() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    assert!(bench.down(0, 110));
    assert!(bench.network.cleared(0) && !bench.network.cleared(0));
    bench.check(1, 120, Cause::Ok);
    assert_eq!(bench.take(), []);
}

#[test]
fn a_delivery_refutes_only_if_the_panel_stays_silent_for_another_round() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    bench.checks(0..3, 110, NO_ANSWER);
    assert!(bench.down(1, 110));
    assert_eq!(bench.take(), [offline(110, 3)]);
    bench.delivered(140);
    bench.check(0, 139, NO_ANSWER);
    bench.checks(0..2, 141, NO_ANSWER);
    bench.delivered(145);
    assert_eq!(bench.take(), [], "the third unit is still to be checked");
    bench.check(2, 142, NO_ANSWER);
    assert_eq!(bench.take(), [NetworkEvent::Refuted { realm: REALM, since: at(110) }, NetworkEvent::Release(1)]);
    // Then nothing is held or declared before the panel answers.
    bench.checks(0..3, 150, NO_ANSWER);
    assert!(!bench.down(2, 150));
    assert_eq!(bench.take(), []);
    bench.check(2, 160, Cause::Ok);
    bench.checks(0..3, 170, NO_ANSWER);
    assert_eq!(bench.take(), [offline(170, 3)]);
}

#[test]
fn a_delivery_when_the_network_is_back_ends_the_outage() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    bench.checks(0..3, 110, NO_ANSWER);
    assert!(bench.down(1, 110));
    bench.delivered(200);
    bench.check(0, 205, Cause::Ok);
    assert_eq!(bench.take(), [offline(110, 3), online(110, 200), NetworkEvent::Drop(1)]);
}

#[test]
fn deliveries_to_healthy_outlets_are_contacts() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    bench.checks(0..2, 110, NO_ANSWER);
    assert!(bench.down(0, 110));
    bench.delivered(111);
    assert_eq!(bench.take(), [NetworkEvent::Release(0)]);
    bench.check(2, 112, NO_ANSWER);
    assert_eq!(bench.take(), [], "two of three are to be checked again");
    bench.checks(0..2, 120, NO_ANSWER);
    assert_eq!(bench.take(), [offline(112, 3)]);
}

#[test]
fn without_a_panel_nothing_is_held_and_that_is_said_once() {
    let mut bench = Bench::new(2);
    bench.network.watch(2, SECOND, SECOND, None);
    bench.checks(0..2, 100, Cause::Ok);
    assert_eq!(bench.take(), [], "one site is still to be checked");
    // It is a neighbour of the first.
    let neighbour = IpAddr::from([203, 0, 0, 99]);
    let finished = Finished { site: 2, start: at(101), at: at(101), cause: Cause::Ok, address: Some(neighbour) };
    bench.network.check(&finished, &mut bench.events);
    assert_eq!(bench.take(), [NetworkEvent::NoPanel { realm: REALM, units: 2 }]);
    bench.checks(0..2, 110, NO_ANSWER);
    assert!(!bench.down(0, 110));
    bench.network.forget(2, at(120), &mut bench.events);
    assert_eq!(bench.take(), []);
}

#[test]
fn sites_that_were_never_good_and_loopback_are_not_held() {
    let mut bench = Bench::new(3);
    for (site, address) in [(3, None), (4, Some("127.0.0.1")), (5, Some("203.0.9.9"))] {
        bench.network.watch(site, 10 * SECOND, SECOND, None);
        let address = address.map(|text| text.parse().unwrap());
        let finished = Finished { site, start: at(110), at: at(110), cause: NO_ANSWER, address };
        bench.network.check(&finished, &mut bench.events);
    }
    assert!(!bench.down(3, 110), "nothing is known of its address");
    assert!(!bench.down(4, 110));
    assert!(bench.down(5, 110), "it is in no unit, but of this realm");
    assert!(!bench.down(9, 110), "nobody watches it");
    assert_eq!(bench.network.panel(REALM), 3);
    bench.check(1, 111, Cause::Ok);
    assert_eq!(bench.take(), [NetworkEvent::Release(5)]);
}

#[test]
fn what_waits_twice_as_long_as_a_decision_takes_is_released() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    assert!(bench.down(0, 110));
    // R is 60 s, the timeout 10 s.
    bench.network.tick(at(250), &mut bench.events);
    assert_eq!(bench.take(), []);
    bench.network.tick(at(251), &mut bench.events);
    assert_eq!(bench.take(), [NetworkEvent::Release(0)]);
}

#[test]
fn a_panel_that_shrinks_below_three_releases_and_ends_an_outage() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    assert!(bench.down(0, 110));
    bench.network.forget(1, at(111), &mut bench.events);
    assert_eq!(bench.take(), [NetworkEvent::Release(0)]);

    let mut bench = Bench::new(3);
    bench.checks(0..3, 110, NO_ANSWER);
    assert!(bench.down(2, 110));
    bench.network.forget(0, at(120), &mut bench.events);
    let over = [offline(110, 3), online(110, 120), NetworkEvent::Release(2)];
    assert_eq!(bench.take(), over, "two hosts cannot tell that it is none");
    bench.checks(1..3, 130, NO_ANSWER);
    assert!(!bench.down(2, 130));
    bench.network.forget(1, at(140), &mut bench.events);
    bench.network.forget(2, at(141), &mut bench.events);
    assert_eq!(bench.take(), []);
}

#[test]
fn a_site_that_moves_leaves_its_unit() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 100, Cause::Ok);
    assert!(bench.down(0, 110));
    let moved =
        Finished { site: 2, start: at(109), at: at(110), cause: Cause::Ok, address: Some(IpAddr::from([10, 0, 0, 1])) };
    bench.network.check(&moved, &mut bench.events);
    assert_eq!((bench.network.realm_of(2), bench.network.panel(REALM)), (Some(Realm::Private), 0));
    assert_eq!(bench.take(), [NetworkEvent::Release(0)]);
}

#[test]
fn a_clock_that_was_set_ends_outages_and_holds() {
    let mut bench = Bench::new(3);
    bench.checks(0..3, 1_000, NO_ANSWER);
    assert!(bench.down(0, 1_000));
    bench.network.clock_set(at(1_100), &mut bench.events);
    assert_eq!(bench.take(), [offline(1_000, 3), online(1_000, 1_100), NetworkEvent::Release(0)]);
    // It goes on with earlier times.
    bench.checks(0..3, 500, NO_ANSWER);
    assert_eq!(bench.take(), [offline(500, 3)]);
}

impl Bench {
    /// After a restart at 90 s in an outage since 50 s, of which `left` sites are still watched.
    fn restarted(left: usize) -> Self {
        let mut bench = Self { network: Network::default(), events: Vec::new() };
        (0..left).for_each(|site| bench.network.watch(site, 10 * SECOND, 10 * SECOND, None));
        bench.network.resume((REALM, at(50)), 0..left, at(90), &mut bench.events);
        bench
    }
}

#[test]
fn an_outage_goes_on_after_a_restart() {
    let mut bench = Bench::restarted(3);
    bench.checks(0..3, 100, NO_ANSWER);
    assert!(bench.down(1, 100));
    assert_eq!(bench.take(), []);
    bench.check(0, 110, Cause::Ok);
    assert_eq!(bench.take(), [online(50, 110), NetworkEvent::Drop(1)]);
}

#[test]
fn a_delivery_after_a_restart_refutes_although_no_host_was_reached_since() {
    let mut bench = Bench::restarted(3);
    bench.checks(0..3, 100, NO_ANSWER);
    bench.delivered(101);
    bench.checks(0..2, 110, NO_ANSWER);
    assert_eq!(bench.take(), []);
    bench.check(2, 110, NO_ANSWER);
    assert_eq!(bench.take(), [NetworkEvent::Refuted { realm: REALM, since: at(50) }]);
    assert!(!bench.down(0, 110));
}

#[test]
fn an_outage_of_which_fewer_than_three_sites_are_left_ends_with_the_restart() {
    for left in 0..3 {
        let mut bench = Bench::restarted(left);
        assert_eq!(bench.take(), [online(50, 90)], "{left}");
        bench.checks(0..left, 100, NO_ANSWER);
        assert!(!bench.down(0, 100) && bench.network.blind(REALM).is_none());
    }
}

#[test]
fn a_resumed_site_that_is_reached_joins_its_neighbours() {
    let mut bench = Bench::restarted(3);
    let neighbour = |site| {
        let address = Some(IpAddr::from([203, 0, 0, u8::try_from(site).unwrap()]));
        Finished { site, start: at(100), at: at(100), cause: Cause::Ok, address }
    };
    bench.network.check(&neighbour(1), &mut bench.events);
    assert_eq!((bench.take(), bench.network.panel(REALM)), (vec![online(50, 100)], 3));
    bench.network.check(&neighbour(2), &mut bench.events);
    assert_eq!(bench.network.panel(REALM), 0, "two of the three are one host");
}

/// What a step of the property test does.
#[derive(Clone, Debug)]
enum Step {
    /// The site's next check: pause before it, duration, cause, and the unit of its address.
    Check {
        site: usize,
        pause: u64,
        lasts: u64,
        cause: Cause,
        unit: usize,
    },
    /// Its rule says down because of its last check.
    Down {
        site: usize,
    },
    Cleared {
        site: usize,
    },
    Delivery {
        ago: u64,
    },
}

/// The definitions, recomputed from all that happened.
#[derive(Default)]
struct Plain {
    /// Realm and unit of each site that was good.
    places: BTreeMap<usize, usize>,
    intervals: Vec<u64>,
    /// Silent checks of units that were of the panel then: start and unit.
    silent: Vec<(u64, usize)>,
    /// Contacts: start and unit, `None` for outlets.
    contacts: Vec<(u64, Option<usize>)>,
    /// The delivery that may refute the outage.
    doubted: Option<u64>,
    /// All of these: they too make earlier silence meaningless.
    doubts: Vec<u64>,
    offline: Option<u64>,
    refuted: bool,
    held: BTreeMap<usize, (u64, Option<usize>)>,
}

impl Plain {
    /// Interval by unit, of the units that have sites.
    fn units(&self) -> BTreeMap<usize, u64> {
        let mut units = BTreeMap::new();
        for (&site, &unit) in &self.places {
            let interval = units.entry(unit).or_insert(u64::MAX);
            *interval = self.intervals[site].min(*interval);
        }
        units
    }

    fn panel(&self) -> BTreeSet<usize> {
        let units = self.units();
        let mut intervals: Vec<u64> = units.values().copied().collect();
        intervals.sort_unstable();
        let Some(third) = intervals.get(2) else { return BTreeSet::new() };
        let reach = (*third).max(60);
        units.into_iter().filter(|(_, interval)| *interval <= reach).map(|(unit, _)| unit).collect()
    }

    /// T0, if all of the panel is silent.
    fn silent_since(&self) -> Option<u64> {
        let last = self.contacts.iter().map(|contact| contact.0).chain(self.doubts.iter().copied()).max();
        let later: Vec<_> = self.silent.iter().filter(|check| last.is_none_or(|last| last < check.0)).collect();
        let (panel, dark) = (self.panel(), later.iter().map(|check| check.1).collect::<BTreeSet<_>>());
        let since = later.iter().map(|check| check.0).min();
        since.filter(|_| !panel.is_empty() && panel.is_subset(&dark))
    }

    fn release(&mut self, is_over: impl Fn(u64, Option<usize>) -> bool) -> Vec<NetworkEvent> {
        let over: Vec<_> =
            self.held.iter().filter(|(_, (start, unit))| is_over(*start, *unit)).map(|(site, _)| *site).collect();
        self.held.retain(|site, _| !over.contains(site));
        over.into_iter().map(NetworkEvent::Release).collect()
    }

    fn contact(&mut self, start: u64, unit: Option<usize>) -> Vec<NetworkEvent> {
        self.contacts.push((start, unit));
        let mut events = Vec::new();
        if let Some(since) = self.offline.filter(|since| *since < start) {
            let to = self.doubted.map_or(start, |doubted| doubted.min(start));
            events.push(online(since, to));
            let masked = |hold: &(u64, Option<usize>)| since <= hold.0 && hold.0 < to;
            events.extend(self.held.iter().filter(|(_, hold)| masked(hold)).map(|(site, _)| NetworkEvent::Drop(*site)));
            self.held.retain(|_, hold| !masked(hold));
            self.offline = None;
        }
        events.extend(self.release(|from, of| from <= start && (unit.is_none() || of != unit)));
        events
    }

    fn without_panel(&mut self, now: u64) -> Vec<NetworkEvent> {
        let mut events = Vec::new();
        if let Some(since) = self.offline.take() {
            events.push(online(since, now));
            (self.silent, self.contacts, self.doubts) = (Vec::new(), Vec::new(), Vec::new());
        }
        events.extend(self.release(|_, _| true));
        events
    }

    fn silence(&mut self, start: u64, site: usize) -> Vec<NetworkEvent> {
        let Some(&unit) = self.places.get(&site) else { return Vec::new() };
        if self.panel().contains(&unit) {
            self.silent.push((start, unit));
        }
        match (self.silent_since(), self.offline) {
            (Some(since), None) if !self.refuted => {
                (self.offline, self.doubted) = (Some(since), None);
                vec![offline(since, self.panel().len())]
            }
            (Some(_), Some(since)) if self.doubted.is_some() => {
                (self.offline, self.refuted) = (None, true);
                let mut events = vec![NetworkEvent::Refuted { realm: REALM, since: at(since) }];
                events.extend(self.release(|_, _| true));
                events
            }
            _ => Vec::new(),
        }
    }

    fn delivery(&mut self, start: u64) -> Vec<NetworkEvent> {
        match self.offline {
            Some(since) if since < start => {
                if self.doubted.is_none() {
                    self.doubted = Some(start);
                    self.doubts.push(start);
                }
                Vec::new()
            }
            _ => self.contact(start, None),
        }
    }

    fn down(&mut self, site: usize, start: u64, cause: Cause, tried: bool) -> bool {
        self.held.remove(&site);
        let unit = self.places.get(&site).copied();
        let heard = self.contacts.iter().any(|(from, of)| start <= *from && (of.is_none() || *of != unit));
        let is_held =
            is_silence(cause) && (unit.is_some() || tried) && !self.panel().is_empty() && !self.refuted && !heard;
        if is_held {
            self.held.insert(site, (start, unit));
        }
        is_held
    }
}

const SITES: usize = 7;

fn step() -> impl Strategy<Value = Step> {
    let silence = prop_oneof![Just(NO_ANSWER), Just(Cause::DnsTimeout), Just(Cause::Local), Just(Cause::Reset)];
    let contact = prop_oneof![3 => Just(Cause::Ok), 1 => Just(Cause::Status), 1 => Just(Cause::ConnectRefused)];
    // Stretches of mostly silence, or nothing would ever be offline.
    let cause = prop_oneof![12 => silence, 1 => contact];
    let check = (0..SITES, 0u64..8, 0u64..12, cause, 0usize..5)
        .prop_map(|(site, pause, lasts, cause, unit)| Step::Check { site, pause, lasts, cause, unit });
    prop_oneof![
        16 => check,
        3 => (0..SITES).prop_map(|site| Step::Down { site }),
        1 => (0..SITES).prop_map(|site| Step::Cleared { site }),
        1 => (0u64..20).prop_map(|ago| Step::Delivery { ago }),
    ]
}

/// Sorted, since the order of releases within a step is not part of the contract.
fn sorted(events: &[NetworkEvent]) -> Vec<String> {
    let mut texts: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    texts.sort_unstable();
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn it_decides_as_a_recomputation_from_the_definitions(
        intervals in proptest::collection::vec(prop_oneof![3 => 5u64..60, 1 => 60u64..400], SITES),
        homes in proptest::collection::vec(0usize..5, SITES),
        steps in proptest::collection::vec(step(), 1..160),
    ) {
        let mut network = Network::default();
        let mut plain = Plain { intervals: intervals.clone(), ..Plain::default() };
        // The last two sites were never good at the start.
        for site in 0..SITES {
            let home = (site < SITES - 2).then(|| homes[site]);
            network.watch(site, Duration::from_secs(intervals[site]), SECOND, home.map(address));
            plain.places.extend(home.map(|home| (site, home)));
        }
        // Start and cause of the last check of each site, and until when it lasted.
        let mut last: BTreeMap<usize, (u64, Cause)> = BTreeMap::new();
        let mut busy = [1_000u64; SITES];
        let mut now = 1_000u64;
        for step in steps {
            let mut events = Vec::new();
            let expected = match step {
                Step::Check { site, pause, lasts, cause, unit } => {
                    // Checks finish in the order of the steps; each may have been on its way for long.
                    now += pause;
                    let start = busy[site].max(now.saturating_sub(lasts));
                    busy[site] = now;
                    last.insert(site, (start, cause));
                    let finished = Finished { site, start: at(start), at: at(now), cause, address: Some(address(unit)) };
                    network.check(&finished, &mut events);
                    if is_silence(cause) {
                        plain.silence(start, site)
                    } else {
                        if cause == Cause::Ok {
                            plain.places.insert(site, unit);
                        }
                        plain.refuted &= !plain.panel().contains(&unit);
                        let mut expected = plain.contact(start, Some(unit));
                        if plain.panel().is_empty() {
                            expected.extend(plain.without_panel(now));
                        }
                        expected
                    }
                }
                Step::Down { site } => {
                    if let Some(&(start, cause)) = last.get(&site) {
                        let is_held = network.down(site, at(start), cause, at(now));
                        prop_assert_eq!(is_held, plain.down(site, start, cause, true));
                    }
                    Vec::new()
                }
                Step::Cleared { site } => {
                    prop_assert_eq!(network.cleared(site), plain.held.remove(&site).is_some());
                    Vec::new()
                }
                Step::Delivery { ago } => {
                    let start = now.saturating_sub(ago);
                    network.delivered(at(start), OUTLET.parse().unwrap(), &mut events);
                    plain.delivery(start)
                }
            };
            events.retain(|event| !matches!(event, NetworkEvent::NoPanel { .. }));
            prop_assert_eq!(sorted(&events), sorted(&expected));
            let blind = plain.offline.map(|since| Blind::open(REALM, at(since)));
            prop_assert_eq!(network.blind(REALM), blind);
            prop_assert_eq!(network.panel(REALM), plain.panel().len());
            for site in 0..SITES {
                prop_assert_eq!(network.is_held(site), plain.held.contains_key(&site), "site {}", site);
            }
        }
    }
}
