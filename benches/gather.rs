//! Measures what a hub does for the frames of many locations: `cargo bench --bench gather --features nats [-- MINUTES]`.
//!
//! It replays the frames that 100 locations with 300 sites each publish in an hour, every site once in 10 s, through decoding, the
//! gatherer and a commit for each second, into a store in a temporary folder. Budgets: 10 µs of CPU a sample, at least 50 times as
//! fast as they were made. Beside it, what of that is the store alone. Making the frames is not counted.

#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use std::fs;
use std::time::{Duration, Instant};

use webmon::fleet::frame::{self, Body, FailureRun, Frame, Group, Origin, Packing, Roster, RosterSite};
use webmon::fleet::gather::{Gathering, Heard, WriterKeeper};
use webmon::model::{Cause, Location, SiteId, StoreId, Timestamp};
use webmon::store::{Options, Origins, Store, StreamPosition, Writer};

#[path = "weather/mod.rs"]
mod weather;

const LOCATIONS: u64 = 100;
const SITES: u32 = 300;

/// Seconds between two checks of a site.
const STEP: u64 = 10;

/// The first check, seconds since the epoch.
const START: u64 = 1_795_255_200;

fn store_id(location: u64) -> StoreId {
    StoreId([u8::try_from(location).expect("a hundred"); 16])
}

fn framed(location: u64, number: u64, second: u64, body: Body) -> Vec<u8> {
    let sent = Timestamp::from_secs(START + second);
    let mut out = Vec::new();
    Frame { origin: Origin { store: store_id(location), session: 1, number, sent }, body }
        .encode(Packing::Plain, &mut out);
    out
}

fn roster(location: u64) -> Vec<u8> {
    let site = |site: u32| RosterSite {
        site: SiteId(site),
        name: format!("site {site}"),
        group: String::new(),
        interval: Duration::from_secs(STEP),
        timeout: Duration::from_secs(5),
        url: format!("https://site{site}.example/"),
        hash: u64::from(site),
    };
    framed(
        location,
        1,
        0,
        Body::Roster(Roster { revision: 1, part: 0, parts: 1, sites: (0..SITES).map(site).collect() }),
    )
}

/// The checks that a location made in this second: a tenth of its sites, one of ten with a text.
fn checks(location: u64, second: u64) -> Vec<u8> {
    let group = |site: u32| {
        let (seq, seed) = (second / STEP, location << 20 | u64::from(site));
        let at = Timestamp::from_micros((START + second) * 1_000_000 + u64::from(site) * 1_000);
        let sample = weather::sample(seed, seq, at);
        let text = || FailureRun { first: seq, last: seq, detail: "HTTP 503".to_owned(), address: None };
        let texts = (sample.cause != Cause::Ok).then(text).into_iter().collect();
        Group { site: SiteId(site), first_seq: seq, samples: vec![sample], texts }
    };
    let due = (0..SITES).filter(|site| u64::from(*site) % STEP == second % STEP);
    framed(location, second + 2, second, Body::Samples(due.map(group).collect()))
}

/// Time that this thread has computed.
fn computed() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// Memory of this process, KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

fn main() {
    let minutes = std::env::args().find_map(|word| word.parse::<u64>().ok()).unwrap_or(60);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hub.redb");
    let opened = Store::open(&path, &Options::default(), Timestamp::from_secs(START)).expect("a new store");
    let mut writer = Writer::new(opened.store, Vec::new()).expect("an empty store");
    let mut gathering = Gathering::new(&Origins::new(), |_| 0, 30_000);
    let names: Vec<Location> = (0..LOCATIONS).filter_map(|n| Location::new(&format!("place{n}"))).collect();
    let (mut cpu, mut wall, mut commits, mut sequence, mut samples, mut bytes) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0_u64, 0_u64, 0_u64);
    let before = memory();
    for second in 0..minutes * 60 {
        let frames: Vec<(&Location, Vec<u8>)> = names
            .iter()
            .zip(0..)
            .flat_map(|(name, location)| {
                let roster = (second == 0).then(|| roster(location));
                roster.into_iter().chain([checks(location, second)]).map(move |frame| (name, frame))
            })
            .collect();
        let now = Timestamp::from_secs(START + second);
        let (began, computed_before) = (Instant::now(), computed());
        for (name, bytes_of) in &frames {
            let frame = frame::decode(bytes_of).expect("it was written above");
            let heard = Heard { at: now, is_live: true };
            let mut keeper = WriterKeeper::new(&mut writer, now);
            gathering.take(name, &frame, heard, &mut keeper).expect("the store takes it");
            (sequence, bytes) = (sequence + 1, bytes + bytes_of.len() as u64);
        }
        let stream = StreamPosition { stream: "WEBMON".into(), created: Timestamp::ZERO, sequence };
        writer.entrance().lock().expect("nobody panicked").take_position(stream);
        let committing = computed();
        samples += writer.flush(now).committed;
        gathering.committed();
        commits += computed().saturating_sub(committing);
        (wall, cpu) = (wall + began.elapsed(), cpu + computed().saturating_sub(computed_before));
    }
    assert_eq!(samples, LOCATIONS * u64::from(SITES) * minutes * 60 / STEP, "every sample is taken");
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    let figure = |number: u64| number as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / figure(samples);
    let a_sample = figure(bytes) / figure(samples);
    let a_pair = figure(memory().saturating_sub(before)) / figure(LOCATIONS * u64::from(SITES));
    let speed = figure(minutes * 60) / wall.as_secs_f64();
    println!(
        "{samples} samples of {LOCATIONS} x {SITES} sites in {minutes} min, {sequence} frames, {a_sample:.1} bytes a sample"
    );
    println!("{:.2} µs of CPU a sample, {:.2} µs of them in the store's commits", micros(cpu), micros(commits));
    println!("{speed:.0} times as fast as they were made, {a_pair:.1} KiB of memory a pair");
    println!("{} MiB on the disk", fs::metadata(&path).map_or(0, |file| file.len() >> 20));
}
