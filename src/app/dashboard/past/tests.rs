//! The overview of an instant held to `webmon stats`, to a running monitor, and to what it read before.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::alert::AlertState;
use crate::alert::incident::list::IncidentList;
use crate::alert::network::{Blind, Outage, Realm};
use crate::alert::record::tests::record;
use crate::app::objectives::remaining::undivided;
use crate::engine::{Engine, SiteFacts, SiteInput, SiteSnapshot, SiteState};
use crate::model::lock::lock;
use crate::model::{
    Cause, Flags, Location, Micros, Observation, Phase, Place, Sample, SiteIndex, SiteSlot, Timeframe, Timestamp, View,
};
use crate::ring::Producer;
use crate::stats::{Beats, Cadence, Counts};
use crate::store::{Keep, Options, Store, Writer};

const START: Timestamp = Timestamp::from_secs(1_795_255_200);
const CADENCE: Cadence = Cadence { interval: Duration::from_secs(30), timeout: Duration::from_secs(5) };
const NAMES: [&str; 3] = ["api", "docs", "blog"];

fn view(mins: u64) -> View {
    View { timeframe: Timeframe::new(Duration::from_mins(mins)), refresh: Duration::from_secs(10) }
}

fn at(secs: u64) -> Timestamp {
    START.after(Duration::from_secs(secs))
}

/// The check of `site` that is due at `tick`, if it is made: the second one pauses for twenty minutes, the third one begins later.
fn check(site: usize, tick: u64) -> Option<Sample> {
    match site {
        1 if (200..240).contains(&tick) => return None,
        2 if tick < 130 => return None,
        _ => {}
    }
    let cause = match tick {
        _ if tick % 41 < 3 => Cause::Status,
        _ if tick % 97 == 5 => Cause::ConnectTimeout,
        _ => Cause::Ok,
    };
    let mut observation = Observation::failed(cause, "");
    observation.status = crate::model::Status::new(if cause == Cause::Status { 503 } else { 200 });
    let spent = Micros::new(u32::try_from(20_000 + tick * 7_919 % 50_000).unwrap());
    observation.phases = observation.phases.with(Phase::Connect, spent);
    let due = at(tick * 30).after(Duration::from_millis(7 * (site as u64 + 1)));
    let is_first = site == 1 && tick == 240;
    let mut sample = observation.sample(due.after(spent.as_duration()), Micros::ZERO, if is_first { 40 } else { 0 });
    if is_first {
        sample.flags = Flags::AFTER_HOLE;
    }
    Some(sample)
}

/// A store of these ticks, kept for so long, with an outage of the own network.
fn stored(path: &Path, ticks: u64, retention: Option<Duration>) -> Writer {
    let options = Options { keep: Keep { retention, ..Keep::default() }, ..Options::default() };
    let store = Store::open(path, &options, START).unwrap().store;
    let sites = store.register(&NAMES.map(Arc::from), START).unwrap();
    let mut producers = NAMES.map(|_| Producer::new(4_000, 0));
    let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).unwrap();
    let blind = Blind { realm: Realm::Global, from: at(3_000), to: at(3_200) };
    lock(&writer.entrance()).note_outage(&Outage { blind, hosts: 5, sites: vec![sites[0].id] }, true);
    for tick in 0..ticks {
        for (site, producer) in producers.iter_mut().enumerate() {
            if let Some(sample) = check(site, tick) {
                producer.push(sample);
            }
        }
        if tick % 40 == 39 {
            let now = at(tick * 30 + 1);
            lock(&writer.entrance()).note_decided(now);
            writer.flush(now);
        }
    }
    writer.flush(at(ticks * 30));
    writer
}

fn facts() -> Vec<Arc<SiteFacts>> {
    let producer = Producer::new(8, 0);
    let input = |(slot, name)| SiteInput::new(SiteSlot::new(slot), name, CADENCE, producer.ring());
    let inputs = NAMES.into_iter().enumerate().map(input).collect();
    let engine = Engine::new(Vec::new(), inputs, START);
    engine.board().snapshot().sites.iter().map(|site| Arc::clone(&site.facts)).collect()
}

fn request(secs: u64, mins: &[u64]) -> PastRequest {
    PastRequest {
        number: secs,
        at: at(secs),
        sites: facts(),
        views: mins.iter().copied().map(view).collect(),
        alerts: Arc::default(),
        incidents: Arc::new(IncidentList::default()),
    }
}

fn read(library: &mut PastLibrary, request: &PastRequest) -> PastOverview {
    let ControlFlow::Continue(past) = library.read(request, || None) else { panic!("nothing newer was wished for") };
    past
}

/// The figures that `webmon stats` prints of the period of `view` until then.
fn printed(path: &Path, request: &PastRequest, view: View) -> Vec<crate::stats::Summary> {
    let archive = Archive::open(path).unwrap();
    let span = (view.timeframe.cutoff(request.at), request.at);
    let ids = NAMES.map(|name| archive.named(name).unwrap().unwrap());
    let query = Query { sites: Some(ids.to_vec()), since: span.0, until: span.1 };
    let figures = archive.moment().unwrap().figures(&query, None).unwrap();
    figures.into_iter().map(|one| undivided(one, span, Some(CADENCE)).parts.summary(span)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    /// Whatever the way through time: each row has the figures of the command, and each answer is that of a reader which
    /// comes from nowhere.
    #[test]
    fn every_row_is_that_of_the_command(
        ticks in 500u64..900, kept in prop::option::of(Just(Duration::from_hours(3))),
        ways in prop::collection::vec((0u64..27_000, 0u64..6, 1u64..90), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let _writer = stored(&path, ticks, kept);
        let mut library = PastLibrary::new(path.clone());
        for (from, count, step) in ways {
            for move_ in 0..=count {
                let request = request(from + move_ * step, &[10, 60, 180]);
                let past = read(&mut library, &request);
                for (view, shown) in request.views.iter().zip(&past.snapshot.views) {
                    let rows: Vec<_> = shown.rows.iter().map(|row| row.summary.clone()).collect();
                    prop_assert_eq!(rows, printed(&path, &request, *view), "{:?} at {:?}", view, request.at);
                }
                let fresh = read(&mut PastLibrary::new(path.clone()), &request);
                prop_assert_eq!(format!("{:?}", past.snapshot), format!("{:?}", fresh.snapshot));
            }
        }
    }
}

/// At an instant that is settled the past is what a monitor showed then.
#[test]
fn it_is_what_a_monitor_showed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let ticks = 500;
    let _writer = stored(&path, ticks, None);
    let mask = Archive::open(&path).unwrap().outages().unwrap().of(crate::model::SiteId(0));
    let mut producers = NAMES.map(|_| Producer::new(4_000, 0));
    for (site, producer) in producers.iter_mut().enumerate() {
        (0..ticks).filter_map(|tick| check(site, tick)).for_each(|sample| _ = producer.push(sample));
    }
    let mut library = PastLibrary::new(path);
    for secs in [7_230, 9_000, 14_990] {
        let asked = request(secs, &[10, 60]);
        let input = |(facts, producer): (&Arc<SiteFacts>, &Producer)| SiteInput {
            policies: facts.policies,
            mask: if facts.slot.0 == 0 { mask.clone() } else { crate::alert::network::Mask::default() },
            ..SiteInput::new(facts.slot, Arc::clone(&facts.name), CADENCE, producer.ring())
        };
        let inputs = asked.sites.iter().zip(&producers).map(input).collect();
        let live = Engine::new(asked.views.clone(), inputs, asked.at).board().snapshot();
        let past = read(&mut library, &asked).snapshot;
        for (live, past) in live.views.iter().zip(&past.views) {
            assert_eq!((live.as_of, live.timeframe), (past.as_of, past.timeframe));
            for (place, (live, past)) in live.rows.iter().zip(&past.rows).enumerate() {
                assert_eq!(live.beats, past.beats, "{place} at {secs}");
                assert_eq!(
                    (&live.summary.counts.up, &live.summary.answers),
                    (&past.summary.counts.up, &past.summary.answers)
                );
                assert_eq!((live.summary.response, live.summary.ttfb), (past.summary.response, past.summary.ttfb));
            }
        }
        for (live, past) in live.sites.iter().zip(&past.sites) {
            // A monitor that starts then holds the state of a site for its next check.
            assert_eq!((live.state, live.last_up), (past.state, past.last_up), "{} at {secs}", live.name);
            assert_eq!(live.last.as_ref().map(|last| last.seq), past.last.as_ref().map(|last| last.seq));
        }
    }
}

#[test]
fn marks_are_those_of_the_alerts_until_then() {
    use SiteState::{Failing, New, Recovering, Unknown, Up};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let _writer = stored(&path, 300, None);
    let alert = |site: &str, state, secs| {
        let mut record = record(site, state, at(secs));
        record.facts.incident = Some(secs / 100);
        Arc::new(record)
    };
    let alerts: Arc<[Arc<AlertRecord>]> = Arc::new([
        alert("api", AlertState::Down, 2_000),
        alert("docs", AlertState::Down, 5_000),
        alert("api", AlertState::Up, 6_000),
    ]);
    let mut library = PastLibrary::new(path);
    let mut told = |secs| {
        let past = read(&mut library, &PastRequest { alerts: Arc::clone(&alerts), ..request(secs, &[10]) });
        let open: Vec<u64> = past.incidents.incidents.iter().map(|incident| incident.number).collect();
        let states: Vec<SiteState> = past.snapshot.sites.iter().map(|site| site.state).collect();
        (past.alerts.len(), open, states)
    };
    assert_eq!(told(1_990), (0, vec![], vec![Up, Up, New]));
    // What happens at the instant itself is not yet past.
    assert_eq!(told(2_000).0, 0);
    assert_eq!(told(2_120), (1, vec![20], vec![Recovering, Up, New]));
    assert_eq!(told(5_100), (2, vec![20, 50], vec![Recovering, Recovering, Up]));
    assert_eq!(told(6_240), (3, vec![50], vec![Failing, Unknown, Failing]));
}

/// A site whose locations are the stored ones, as a hub has them.
#[test]
fn a_site_over_its_locations_is_made_of_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.redb");
    let _writer = stored(&path, 200, None);
    let mut asked = request(4_000, &[60]);
    let parts = asked.sites.clone();
    for (number, part) in asked.sites.iter_mut().enumerate() {
        let location = Location::new(&format!("place{number}")).unwrap();
        Arc::make_mut(part).place = Place::At { location, site: "all".into() };
    }
    let whole = SiteFacts { name: "all".into(), place: Place::Everywhere, ..(*parts[0]).clone() };
    asked.sites.insert(0, Arc::new(whole));
    let mut library = PastLibrary::new(path);
    let past = read(&mut library, &asked);
    let rows = &past.snapshot.views[0].rows;
    let sum = |count: fn(&Counts) -> u64| rows[1..].iter().map(|row| count(&row.summary.counts)).sum::<u64>();
    let counts = rows[0].summary.counts;
    assert_eq!((counts.up, counts.down), (sum(|counts| counts.up), sum(|counts| counts.down)));
    assert!(counts.up > 0 && !rows[0].is_exact, "{counts:?}");
    let longest = rows[1..].iter().filter_map(|row| row.summary.response).map(|times| times.max).max();
    assert_eq!(rows[0].summary.response.map(|times| times.max), longest);
    assert_eq!(past.begins[0], past.begins[1..].iter().flatten().min().copied());
    let sites = &past.snapshot.sites;
    let last = |site: &SiteSnapshot| site.last.as_ref().map(|last| last.sample.at);
    assert_eq!(last(&sites[0]), sites[1..].iter().map(|site| last(site)).max().flatten());
    let is_failing = sites[1..].iter().any(|site| site.state == SiteState::Failing);
    assert_eq!(sites[0].state == SiteState::Failing, is_failing);
}

#[test]
fn what_was_not_watched_is_not_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let writer = stored(&path, 300, None);
    assert!(writer.close(at(300 * 30)).notices.is_empty());
    let mut library = PastLibrary::new(path.clone());
    for (secs, blank) in [(0, true), (600, false), (8_990, false), (40_000, true)] {
        let past = read(&mut library, &request(secs, &[10]));
        assert_eq!(past.is_blank(), blank, "{secs}");
        let is_up = |site: &Arc<crate::engine::SiteSnapshot>| site.state == SiteState::Up;
        assert!(!blank || !past.snapshot.sites.iter().any(is_up), "{secs}");
        let rows = &past.snapshot.views[0].rows;
        assert!(!blank || rows.iter().all(|row| row.summary.coverage == Some(0.0)));
        assert_eq!(past.store_begins(), Some(at(0).after(Duration::from_millis(7))));
        assert_eq!(rows[0].beats.cells.len(), Beats::CELLS);
    }
    let past = read(&mut PastLibrary::new(folder.path().join("none.redb")), &request(600, &[10]));
    assert_eq!(past.trouble.as_deref(), Some("the file is gone"));
    assert!(past.is_blank() && past.snapshot.sites.len() == 3 && past.snapshot.views[0].rows.len() == 3);
    assert_eq!(SiteIndex(0).get(), 0);
}

#[test]
fn steps_find_what_was_read_and_the_newest_request_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let _writer = stored(&path, 800, None);
    let mut library = PastLibrary::new(path.clone());
    read(&mut library, &request(12_000, &[10, 60]));
    let kept = library.kept();
    assert!((400..550).contains(&kept), "an hour, and up to half an hour before and after, of three sites: {kept}");
    read(&mut library, &request(12_060, &[10, 60]));
    assert_eq!(library.kept(), kept);
    read(&mut library, &request(100, &[10, 60]));
    assert!(library.kept() < kept);

    let reader = open(path).unwrap();
    for secs in 0..40 {
        reader.request(request(9_000 + secs, &[10, 60]));
    }
    let past = loop {
        if let Some(past) = reader.read().filter(|past| past.number == 9_039) {
            break past;
        }
        std::thread::yield_now();
    };
    assert_eq!(past.at, at(9_039));
}
