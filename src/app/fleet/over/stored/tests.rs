//! What is read of a store of three locations against what their samples say, with hours that are stored and without.

use std::ops::Range;

use proptest::prelude::*;

use super::super::row::{self, Witness};
use super::*;
use crate::alert::quorum::{QuorumRule, Seen, Sight, Track, spans};
use crate::app::tests::monitor::parsed;
use crate::model::lock::lock;
use crate::model::{Cause, Micros, Observation, Phase, Sample, SiteId, StoreId, Timeframe};
use crate::stats::Cadence;
use crate::store::{Options, Origin, Store, Writer};

/// The start of an hour.
const START: u64 = 1_795_255_200;

const CADENCE: Cadence = Cadence { interval: Duration::from_mins(1), timeout: Duration::from_secs(10) };

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(START + second)
}

/// A hub's store of the site `api` at a, b and c.
struct Rig {
    _folder: tempfile::TempDir,
    path: PathBuf,
    writer: Writer,
    sites: Vec<SiteId>,
    reader: StoredReader,
    news: mpsc::Receiver<SeenNews>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.redb");
        let store = Store::open(&path, &Options::default(), at(0)).unwrap().store;
        store.register(&["api".into()], at(0)).unwrap();
        let origin = |name: &str| Origin {
            location: Location::new(name).unwrap(),
            store: StoreId([1; 16]),
            site: SiteId(0),
            name: "api".into(),
            group: None,
            interval: CADENCE.interval,
            timeout: CADENCE.timeout,
            url: "http://a/".into(),
        };
        let origins = NAMES.map(origin);
        let sites = store.adopt(&origins, at(0)).unwrap().into_iter().map(|site| site.id).collect();
        let writer = Writer::new(store, Vec::new()).unwrap();
        let (to_store, news) = mpsc::channel(1_000);
        let reader = StoredReader::new(path.clone(), &parsed("sites: [{ name: api, url: 'http://a/' }]"), to_store);
        Self { _folder: folder, path, writer, sites, reader, news }
    }

    /// Stores the samples of a location from number `first` on.
    fn take(&mut self, location: usize, first: usize, samples: &[Sample]) {
        lock(&self.writer.entrance()).take_samples(self.sites[location], first as u64, samples);
        self.writer.flush(at(0));
    }

    /// A look after `seconds`; stores the hours that it passed on, and returns their numbers after [`START`].
    fn look(&mut self, seconds: u64, filling: &[&str]) -> Vec<u64> {
        let filling: Vec<Location> = filling.iter().map(|name| Location::new(name).unwrap()).collect();
        let shown = Archive::open(&self.path).unwrap().sites().unwrap().into_iter().map(|site| site.name).collect();
        self.reader.look(Vec::new(), (&filling, &shown), at(seconds));
        let news: Vec<SeenNews> = std::iter::from_fn(|| self.news.try_recv().ok()).collect();
        let hours = news.iter().map(|news| match news {
            SeenNews::Hour(_, hour, _) => hour - START / 3_600,
            SeenNews::Blind(..) => panic!("{news:?}"),
        });
        let hours = hours.collect();
        let intake = self.writer.entrance();
        for news in &news {
            lock(&intake).take_seen(news);
        }
        self.writer.flush(at(seconds));
        hours
    }

    /// What is seen in `period` at the end of the test, whether exactly, and the row of two hours that ends with it.
    fn seen(&self, period: Range<Timestamp>, now: u64) -> (Sight, bool, Row) {
        let archive = Archive::open(&self.path).unwrap();
        let (moment, blind) = (archive.moment().unwrap(), archive.blind_times().unwrap());
        let found = groups(&archive.sites().unwrap(), &archive.origins().unwrap(), &Rules::default());
        let group = found.into_iter().next().unwrap();
        let past = Past::new(&archive, &moment, &blind, at(now));
        let found = past.seen((&group, Some(Timestamp::ZERO)), period.clone(), None).unwrap();
        let row = past.row(&group, (Timeframe::new(Duration::from_hours(2)), period.end)).unwrap();
        (found.sight, found.is_exact, row)
    }
}

fn sample(second: u64, cause: Cause) -> Sample {
    let mut observation = Observation::failed(cause, "");
    let micros = u32::try_from(second % 997).unwrap() * 1_000 + 1;
    observation.phases = observation.phases.with(Phase::Connect, Micros::new(micros));
    observation.sample(at(second), Micros::ZERO, 0)
}

/// Checks of about five hours.
fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let cause = prop_oneof![5 => Just(Cause::Ok), 4 => Just(Cause::Reset), 1 => Just(Cause::Local)];
    // Runs of one cause, so that outages are longer than a check.
    prop::collection::vec((cause, 1usize..9, prop_oneof![9 => 30u64..75, 1 => 100u64..3_000]), 20..60).prop_map(
        |runs| {
            let mut second = 0;
            let mut samples = Vec::new();
            for (cause, length, gap) in runs {
                for number in 0..length {
                    second += if number == 0 { gap } else { 60 };
                    samples.push(sample(second, cause));
                }
            }
            samples
        },
    )
}

fn walked(all: &[Vec<Sample>], blind: &Range<Timestamp>, period: Range<Timestamp>) -> Sight {
    let track = |(place, samples): (usize, &Vec<Sample>)| Track {
        samples: samples.iter().map(|sample| (sample.at, sample.outcome())).collect::<Vec<_>>().into_iter(),
        hold: CADENCE.interval + CADENCE.timeout,
        blind: if place == 0 { vec![blind.clone()] } else { Vec::new() },
    };
    let mut sight = Sight::default();
    let tracks = all.iter().enumerate().map(track).collect();
    spans(tracks, period, &QuorumRule::default(), |verdict, span| sight.take(verdict, span));
    sight
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The model walks through all samples at once.
    #[test]
    fn stored_hours_are_what_the_checks_say(
        all in prop::collection::vec(any_samples(), 3), since in 0u64..9_000, length in 60u64..9_000, blind in (0u64..9_000, 1u64..9_000),
    ) {
        let mut rig = Rig::new();
        for (location, samples) in all.iter().enumerate() {
            rig.take(location, 0, samples);
        }
        let (period, blind) = (at(since)..at(since + length), at(blind.0)..at(blind.0 + blind.1));
        let spell = SeenNews::Blind(Location::new("a").unwrap(), blind.clone());
        lock(&rig.writer.entrance()).take_seen(&spell);
        rig.writer.flush(at(0));
        let expected = walked(&all, &blind, period.clone());
        let ends = all.iter().filter_map(|samples| samples.last()).map(|last| last.at).min().unwrap();
        let end = all.iter().filter_map(|samples| samples.last()).map(|last| last.at).max().unwrap();
        let now = end.as_micros() / 1_000_000 - START + 1;
        let before = rig.seen(period.clone(), now);
        prop_assert_eq!((before.0.seen, before.0.outages.longest), (expected.seen, expected.outages.longest));
        prop_assert_eq!(before.1, period.end <= ends.after(CADENCE.silence()));

        let hours = rig.look(now, &[]);
        let whole = (ends.as_micros() / 1_000_000 - START) / 3_600;
        prop_assert_eq!(hours, (0..whole).collect::<Vec<_>>(), "those that all are past");
        let after = rig.seen(period.clone(), now);
        prop_assert_eq!((after.0.seen, after.0.outages.longest), (expected.seen, expected.outages.longest));

        // A row of the same period, from rings.
        let witness = |(place, samples): (usize, &Vec<Sample>)| Witness {
            cadence: CADENCE,
            samples: samples.clone(),
            begins: samples.first().map(|sample| sample.at),
            blind: if place == 0 { vec![blind.clone()] } else { Vec::new() },
        };
        let witnesses: Vec<Witness> = all.iter().enumerate().map(witness).collect();
        let window = (Timeframe::new(Duration::from_hours(2)), period.end);
        let ring = row::row(&witnesses, window, &QuorumRule::default());
        for (_, _, stored) in [before, after] {
            prop_assert_eq!(stored.summary.availability, ring.summary.availability);
            prop_assert_eq!(stored.summary.counts.checks(), ring.summary.counts.checks());
            prop_assert_eq!(&stored.summary.response, &ring.summary.response);
            prop_assert_eq!((&stored.summary.causes, stored.beats), (&ring.summary.causes, ring.beats.clone()));
        }
    }
}

fn every_minute(minutes: Range<u64>) -> Vec<Sample> {
    minutes.map(|minute| sample(minute * 60 + 30, Cause::Ok)).collect()
}

#[test]
fn an_hour_waits_for_every_location_and_not_for_ever() {
    let mut rig = Rig::new();
    rig.take(0, 0, &every_minute(0..180));
    rig.take(1, 0, &every_minute(0..180));
    assert!(rig.look(10_800, &[]).is_empty(), "c has sent nothing yet");
    rig.take(2, 0, &every_minute(0..70));
    assert_eq!(rig.look(10_820, &[]), [0]);
    assert!(rig.look(10_840, &[]).is_empty(), "once");
    let (_, is_exact, _) = rig.seen(at(0)..at(3_600), 10_840);
    assert!(is_exact);
    let (sight, is_exact, _) = rig.seen(at(0)..at(10_800), 10_840);
    assert!(!is_exact, "c may yet have seen something else");
    // One that sees it up is proof, for the 70 s after a check; the first one came after 30 s.
    assert_eq!(sight.seen, Seen { up: 10_770_000_000, down: 0, unknown: 30_000_000 });
    let day = 24 * 3_600;
    assert!(rig.look(7_199 + day, &[]).is_empty());
    assert!(rig.look(7_210 + day, &["c"]).is_empty(), "it sends what is missing");
    assert_eq!(rig.look(7_230 + day, &[]), [1]);
    assert!(rig.seen(at(0)..at(7_200), 7_230 + day).1);
}

#[test]
fn a_start_goes_on_and_another_location_begins_anew() {
    let mut rig = Rig::new();
    for location in 0..3 {
        rig.take(location, 0, &every_minute(0..190));
    }
    assert_eq!(rig.look(11_400, &[]), [0, 1, 2]);
    let (to_store, news) = mpsc::channel(1_000);
    let config = parsed("sites: [{ name: api, url: 'http://a/' }]");
    (rig.reader, rig.news) = (StoredReader::new(rig.path.clone(), &config, to_store), news);
    assert!(rig.look(11_420, &[]).is_empty());
    let origin = rig.writer.store();
    let origins = Archive::open(&rig.path).unwrap().origins().unwrap();
    let late = Origin { location: Location::new("d").unwrap(), ..origins[&rig.sites[0]].clone() };
    let adopted = origin.adopt(&[late], at(0)).unwrap();
    rig.sites.push(adopted[0].id);
    assert!(rig.look(11_440, &[]).is_empty());
    rig.take(3, 0, &every_minute(0..125));
    assert_eq!(rig.look(11_460, &[]), [0, 1], "with what d has seen");
}
