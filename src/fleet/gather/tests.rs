//! The gatherer against a plain model: whatever is lost, repeated, late or out of order, it takes each sample once and in order.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fleet::frame::{Hole, Origin as FrameOrigin, RosterSite, Status};
use crate::model::{Cause, Micros, Observation, Sample};

const STORE: StoreId = StoreId([7; 16]);

/// What a store would hold.
#[derive(Debug, Default)]
struct Kept {
    origins: Vec<Origin>,
    samples: BTreeMap<SiteId, Vec<(u64, Sample)>>,
    texts: Vec<(SiteId, FailureRun)>,
    certificates: BTreeMap<SiteId, Certificate>,
    is_full: bool,
}

impl Keeper for Kept {
    fn adopt(&mut self, origins: &[Origin]) -> Result<Vec<Registered>, StoreError> {
        if self.is_full {
            return Err(StoreError::Closed { path: "disk full".into() });
        }
        let place = |origin: &Origin| {
            let same = |known: &Origin| {
                (&known.location, known.store, known.site) == (&origin.location, origin.store, origin.site)
            };
            let index = self.origins.iter().position(same).unwrap_or_else(|| {
                self.origins.push(origin.clone());
                self.origins.len() - 1
            });
            let id = SiteId(u32::try_from(index).unwrap());
            let next_seq = self.samples.get(&id).and_then(|samples| samples.last()).map_or(0, |(seq, _)| seq + 1);
            Registered { id, next_seq, last_at: None, known_since: Timestamp::ZERO }
        };
        Ok(origins.iter().map(place).collect())
    }

    fn take(&mut self, site: SiteId, group: &Group, passed: usize) {
        let numbered = (group.first_seq..).zip(group.samples.iter().copied()).skip(passed);
        self.samples.entry(site).or_default().extend(numbered);
    }

    fn text(&mut self, site: SiteId, run: &FailureRun) {
        self.texts.push((site, run.clone()));
    }

    fn certificate(&mut self, site: SiteId, certificate: Certificate) {
        self.certificates.insert(site, certificate);
    }
}

fn location(name: &str) -> Location {
    Location::new(name).unwrap()
}

fn at(second: u64) -> Heard {
    Heard { at: Timestamp::from_secs(1_795_340_000 + second), is_live: true }
}

fn sample(seq: u64) -> Sample {
    Observation::failed(Cause::Reset, "").sample(Timestamp::from_secs(1_000 + seq), Micros::ZERO, 0)
}

fn frame_of(store: StoreId, number: u64, body: Body) -> Frame {
    Frame { origin: FrameOrigin { store, session: 1, number, sent: at(0).at }, body }
}

fn frame(number: u64, body: Body) -> Frame {
    frame_of(STORE, number, body)
}

fn roster(sites: &[(u32, &str)]) -> Body {
    let site = |&(site, name): &(u32, &str)| RosterSite {
        site: SiteId(site),
        name: name.to_owned(),
        group: String::new(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        url: "http://a/".to_owned(),
        hash: 0,
    };
    Body::Roster(Roster { revision: 1, part: 0, parts: 1, sites: sites.iter().map(site).collect() })
}

fn group(site: u32, numbers: std::ops::Range<u64>) -> Group {
    let failure = |seq: u64| FailureRun { first: seq, last: seq, detail: format!("reset {seq}"), address: None };
    let texts = numbers.clone().map(failure).collect();
    Group { site: SiteId(site), first_seq: numbers.start, samples: numbers.map(sample).collect(), texts }
}

/// A gatherer, and what it has kept.
struct Rig {
    gathering: Gathering,
    kept: Kept,
    number: u64,
}

impl Rig {
    fn new(most: usize) -> Self {
        Self { gathering: Gathering::new(&Origins::new(), |_| 0, most), kept: Kept::default(), number: 0 }
    }

    fn give(&mut self, body: Body, heard: Heard) {
        self.number += 1;
        let frame = frame(self.number, body);
        self.gathering.take(&location("fra1"), &frame, heard, &mut self.kept).unwrap();
    }

    fn samples(&mut self, second: u64, groups: Vec<Group>) {
        self.give(Body::Samples(groups), at(second));
    }

    fn word(&self) -> Word {
        self.gathering.words().next().unwrap().1
    }

    fn numbers(&self, site: u32) -> Vec<u64> {
        self.kept.samples.get(&SiteId(site)).into_iter().flatten().map(|(seq, _)| *seq).collect()
    }

    fn report(&self, second: u64) -> Report {
        self.gathering.reports(at(second).at.into()).remove(0)
    }
}

proptest! {
    /// A location sends parts of its samples in any order, some of them never, and what is missing again once it has asked.
    #[test]
    fn each_sample_is_taken_once_and_in_order_with_its_text(
        parts in prop::collection::vec((0u32..3, 0u64..40, 1u64..20, any::<bool>()), 0..60),
        count in 1u64..60, hole in 0u64..10,
    ) {
        let mut rig = Rig::new(9);
        rig.give(roster(&[(0, "a"), (1, "b"), (2, "c")]), at(0));
        for (site, first, length, commits) in parts {
            rig.samples(1, vec![group(site, first..first + length)]);
            if commits {
                rig.gathering.committed();
            }
        }
        rig.gathering.committed();
        let (last_store, have) = rig.gathering.have(&location("fra1"), STORE, at(2).at);
        prop_assert_eq!(last_store, Some(STORE));
        prop_assert!(!rig.word().gap);
        for (SiteId(site), next) in have {
            prop_assert_eq!(rig.numbers(site), (0..next).collect::<Vec<_>>());
            // A hole is where nothing will ever come; then the rest, in parts that overlap what is known.
            let (from, to) = (next, next + hole);
            rig.give(Body::Gone(vec![Hole { site: SiteId(site), from: from.saturating_sub(3), to }]), at(3));
            rig.samples(3, vec![group(site, to.saturating_sub(2)..to + count), group(site, to + count / 2..to + count + 1)]);
            let expected: Vec<u64> = (0..next).chain(to..=to + count).collect();
            prop_assert_eq!(rig.numbers(site), expected.clone());
            let of_site = rig.kept.texts.iter().filter(|(id, _)| id.0 == site);
            let told: Vec<u64> = of_site.flat_map(|(_, run)| run.first..=run.last).collect();
            prop_assert_eq!(told, expected);
        }
        prop_assert!(!rig.word().gap);
    }
}

#[test]
fn samples_beyond_a_gap_are_asked_for_until_they_come() {
    let mut rig = Rig::new(9);
    // Before a roster the site is unknown.
    rig.samples(0, vec![group(0, 0..3)]);
    assert!(rig.word().gap);
    assert_eq!(rig.gathering.have(&location("fra1"), STORE, at(1).at), (Some(STORE), Vec::new()));
    rig.give(roster(&[(0, "a")]), at(1));
    rig.samples(1, vec![group(0, 0..3)]);
    assert!(!rig.word().gap);
    // A frame is lost.
    rig.samples(20, vec![group(0, 5..6)]);
    assert!(rig.word().gap, "it waits for nothing, because the location did not ask lately");
    rig.gathering.committed();
    assert_eq!(rig.gathering.have(&location("fra1"), STORE, at(21).at).1, [(SiteId(0), 3)]);
    // New ones go before old ones.
    rig.samples(22, vec![group(0, 6..7)]);
    assert!(!rig.word().gap && rig.report(22).is_filling);
    rig.samples(35, vec![group(0, 3..4)]);
    rig.samples(40, vec![group(0, 7..8)]);
    assert!(!rig.word().gap, "what was missing comes");
    // It stops to come.
    rig.samples(51, vec![group(0, 8..9)]);
    assert!(rig.word().gap);
    rig.gathering.have(&location("fra1"), STORE, at(51).at);
    rig.samples(52, vec![group(0, 4..9)]);
    assert_eq!(rig.numbers(0), (0..9).collect::<Vec<_>>());
    assert!(!rig.report(52).is_filling);
    rig.samples(80, vec![group(0, 9..10), group(0, 11..12)]);
    assert!(rig.word().gap);
}

#[test]
fn a_lost_frame_is_asked_for_even_if_its_sites_are_never_checked_again() {
    let mut rig = Rig::new(9);
    rig.give(roster(&[(0, "a")]), at(0));
    rig.samples(1, vec![group(0, 0..3)]);
    assert!(!rig.word().gap);
    rig.number += 1;
    let status = Status { version: String::new(), lag: 0, is_network_down: false, paused: Vec::new() };
    rig.give(Body::Status(status), at(2));
    assert!(rig.word().gap);
    rig.gathering.have(&location("fra1"), STORE, at(3).at);
    assert!(!rig.word().gap);
}

#[test]
fn a_word_says_only_what_is_on_the_disk() {
    let mut rig = Rig::new(9);
    rig.give(roster(&[(0, "a")]), at(0));
    rig.samples(1, vec![group(0, 0..3)]);
    assert_eq!(rig.word().number, 0);
    assert_eq!(rig.gathering.have(&location("fra1"), STORE, at(1).at).1, [(SiteId(0), 0)]);
    rig.gathering.committed();
    assert_eq!(rig.word(), Word { store: STORE, session: 1, number: 2, gap: false, refused: Arc::default() });
    rig.samples(2, vec![group(0, 3..4)]);
    assert_eq!(rig.word().number, 2);
    assert_eq!(rig.gathering.have(&location("fra1"), STORE, at(2).at).1, [(SiteId(0), 3)]);
}

#[test]
fn two_stores_of_a_location_are_kept_apart_and_told_only_if_both_are_alive() {
    let mut rig = Rig::new(9);
    let other = StoreId([9; 16]);
    let mut number = 0;
    let mut say = |rig: &mut Rig, store, second| {
        number += 1;
        let place = location("fra1");
        let (roster, samples) = (roster(&[(0, "a")]), Body::Samples(vec![group(0, number..number + 1)]));
        for body in [roster, samples] {
            rig.gathering.take(&place, &frame_of(store, number, body), at(second), &mut rig.kept).unwrap();
        }
        let report = rig.report(second);
        (report.store, report.stores, report.is_shared)
    };
    assert_eq!(say(&mut rig, STORE, 0), (STORE, 1, false));
    assert_eq!(say(&mut rig, other, 5), (other, 2, false), "the store was replaced");
    assert_eq!(say(&mut rig, other, 10), (other, 2, false));
    assert_eq!(say(&mut rig, STORE, 15), (STORE, 2, true), "the one before is still there");
    assert!(!rig.report(80).is_shared);
    assert_eq!(rig.kept.origins.len(), 2);
}

#[test]
fn sites_beyond_the_bound_are_counted_and_nothing_else_suffers() {
    let mut rig = Rig::new(2);
    rig.give(roster(&[(0, "a"), (1, "b"), (2, "c")]), at(0));
    rig.samples(1, vec![group(0, 0..1), group(2, 0..4)]);
    assert_eq!((rig.report(1).sites, rig.gathering.places()), ((2, 1), (2, 2)));
    assert_eq!((rig.numbers(0), rig.kept.samples.len(), rig.word().gap), (vec![0], 1, false));
    assert!(rig.word().refused.iter().eq(&[SiteId(2)]));
    // A site that is known stays.
    rig.give(roster(&[(1, "b"), (2, "c")]), at(2));
    assert_eq!(rig.report(2).sites, (2, 1));
}

#[test]
fn a_roster_that_the_store_cannot_take_changes_nothing() {
    let mut rig = Rig::new(9);
    rig.kept.is_full = true;
    let frame = frame(1, roster(&[(0, "a")]));
    assert!(rig.gathering.take(&location("fra1"), &frame, at(0), &mut rig.kept).is_err());
    assert_eq!(rig.gathering.words().count(), 0);
    rig.kept.is_full = false;
    rig.gathering.take(&location("fra1"), &frame, at(1), &mut rig.kept).unwrap();
    rig.samples(2, vec![group(0, 0..1)]);
    assert_eq!(rig.numbers(0), [0]);
}

#[test]
fn a_clock_that_differs_is_told_by_the_quickest_frame() {
    let mut rig = Rig::new(9);
    let status = Status { version: "9.9".to_owned(), lag: 3, is_network_down: true, paused: Vec::new() };
    for second in [9, 4, 7] {
        rig.give(Body::Status(status.clone()), at(second));
    }
    // One that waited in the stream says nothing about clocks.
    rig.give(Body::Status(status), Heard { is_live: false, ..at(1) });
    let report = rig.report(9);
    assert_eq!((report.ahead, report.lag, report.is_network_down), (Some(-4_000_000), 3, true));
    assert_eq!((report.version.as_str(), report.heard), ("9.9", Some(at(9).at)));
}

/// The hub is set back by an hour.
#[test]
fn the_clock_of_the_hub_changes_how_much_others_differ_and_not_when_they_were_heard() {
    let mut rig = Rig::new(9);
    let status = Status { version: String::new(), lag: 0, is_network_down: false, paused: Vec::new() };
    let now = |second: u64, back: u64| {
        let steady = at(second).at;
        Moment { steady, wall: steady.before(Duration::from_secs(back)) }
    };
    let report = |rig: &Rig, now: Moment| {
        let report = rig.gathering.reports(now).remove(0);
        (report.heard, report.ahead)
    };
    rig.give(Body::Status(status.clone()), Heard::new(now(0, 0), None));
    assert_eq!(report(&rig, now(1, 0)), (Some(at(0).at), Some(0)));
    assert_eq!(report(&rig, now(2, 3_600)), (Some(at(0).at), Some(3_600_000_000)));
    rig.give(Body::Status(status.clone()), Heard::new(now(3, 3_600), None));
    assert_eq!(report(&rig, now(4, 3_600)).0, Some(at(3).at));
    // The server is right: a frame that it got an hour later than it is here did not come from the future.
    rig.give(Body::Status(status), Heard::new(now(5, 3_600), Some(at(4).at)));
    assert_eq!(report(&rig, now(6, 3_600)).0, Some(at(5).at));
}

/// An hour ahead, set right, and then by a restart wrong and right again.
#[test]
fn what_time_it_is_at_a_location_is_what_its_newest_frame_says() {
    let mut rig = Rig::new(9);
    let mut say = |session: u64, number: u64, second: u64, ahead: u64| {
        let sent = at(second + ahead).at;
        let body = Body::Samples(Vec::new());
        let frame = Frame { origin: FrameOrigin { store: STORE, session, number, sent }, body };
        rig.gathering.take(&location("fra1"), &frame, at(second), &mut rig.kept).unwrap();
        let report = rig.report(second);
        (report.sent == Some(sent), report.ahead)
    };
    assert_eq!(say(1, 1, 10, 3_600), (true, Some(3_600_000_000)));
    assert_eq!(say(1, 2, 15, 3_600), (true, Some(3_600_000_000)));
    assert_eq!(say(1, 3, 20, 0), (true, Some(0)));
    assert!(!say(1, 2, 21, 3_600).0, "it is sent again, and says nothing new");
    assert_eq!(say(2, 1, 30, 3_600), (true, Some(3_600_000_000)));
    assert_eq!(say(3, 1, 40, 0), (true, Some(0)));
}

#[test]
fn what_the_store_knew_goes_on_after_a_restart() {
    let mut before = Rig::new(9);
    before.give(roster(&[(4, "a")]), at(0));
    before.samples(1, vec![group(4, 0..5)]);
    let known: Origins =
        before.kept.origins.iter().cloned().zip(0..).map(|(origin, id)| (SiteId(id), origin)).collect();
    let mut rig = Rig { gathering: Gathering::new(&known, |_| 5, 9), ..before };
    assert_eq!(rig.gathering.words().count(), 0, "nobody was heard yet");
    rig.samples(2, vec![group(4, 3..8)]);
    assert_eq!(rig.numbers(0), (0..8).collect::<Vec<_>>());
    assert_eq!(rig.gathering.tally(), Tally { taken: 3, doubled: 2, ..Tally::default() });
}

/// Nothing is sent again for a program that only looks on.
#[test]
fn an_onlooker_begins_anywhere_and_goes_on_behind_a_gap() {
    let mut rig = Rig { gathering: Gathering::looking_on(9), ..Rig::new(9) };
    rig.samples(0, vec![group(0, 100..103)]);
    assert!(rig.numbers(0).is_empty(), "the site has no name yet");
    rig.give(roster(&[(0, "a")]), at(1));
    rig.samples(2, vec![group(0, 103..105)]);
    rig.samples(3, vec![group(0, 104..106)]);
    rig.number += 5;
    rig.samples(4, vec![group(0, 120..122)]);
    rig.samples(5, vec![group(0, 0..50)]);
    assert_eq!(rig.numbers(0), [103, 104, 105, 120, 121]);
    assert!(!rig.report(6).is_filling);
}

/// What a location says of its sites costs no more memory than sites.yaml would allow.
#[test]
fn an_interval_of_nothing_and_a_timeout_of_ages_are_cut() {
    let mut rig = Rig::new(9);
    let Body::Roster(mut odd) = roster(&[(0, "a")]) else { unreachable!() };
    (odd.sites[0].interval, odd.sites[0].timeout) = (Duration::ZERO, Duration::MAX);
    rig.give(Body::Roster(odd), at(0));
    let origin = &rig.kept.origins[0];
    assert_eq!((origin.interval, origin.timeout), (Duration::from_millis(100), Duration::from_mins(10)));
}
