//! A store with months of checks, and the alerts that a monitor would have found in them.
//!
//! Everything is drawn from a fixed seed: the same instant makes the same store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use webmon::alert::policy::Playback;
use webmon::alert::{Alert, AlertRecord, Policies};
use webmon::model::{Cause, Http, Micros, Packed, Phase, Phases, Sample, Status, StoreHealth, Timestamp};
use webmon::report::text::alert_text;
use webmon::ring::Producer;
use webmon::store::{Options, Store, Writer};

/// A site of the past.
pub struct PastSite {
    pub name: &'static str,
    /// Its median response time, ms.
    pub median: f64,
    /// How many days ago its first check was made.
    pub days: u64,
    /// Outages: how many hours before the end each began, how many checks failed, and why.
    pub outages: &'static [(u64, u64, Cause)],
}

/// Reproducible noise: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
struct Noise(u64);

impl Noise {
    /// In `0.0..1.0`.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// About `median` ms, seldom much more.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "response times are small and positive")]
    fn time(&mut self, median: f64) -> Micros {
        let bell = (0..6).map(|_| self.share()).sum::<f64>() - 3.0;
        let tail = if self.share() < 0.01 { 3.0 } else { 1.0 };
        Micros::new((median * 1_000.0 * (bell * 0.25).exp() * tail) as u32)
    }
}

fn sample(noise: &mut Noise, site: &PastSite, at: Timestamp, failure: Option<Cause>) -> Sample {
    // Afternoons are slower.
    let hour = f64::from(u32::try_from(at.as_micros() / 3_600_000_000 % 24).unwrap());
    let median = site.median * (1.0 + 0.3 * ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin());
    let mut phases = Phases::NONE.with(Phase::Resolve, noise.time(median * 0.08));
    let status = if failure == Some(Cause::Status) { Status::new(503) } else { Status::new(200) };
    if matches!(failure, None | Some(Cause::Status)) {
        phases = phases
            .with(Phase::Connect, noise.time(median * 0.2))
            .with(Phase::Tls, noise.time(median * 0.3))
            .with(Phase::Processing, noise.time(median * 0.38))
            .with(Phase::Transfer, noise.time(median * 0.04));
    }
    let answered = matches!(failure, None | Some(Cause::Status));
    Sample {
        phases,
        status: status.filter(|_| answered),
        http: if answered { Http::V2 } else { Http::None },
        bytes: if answered { 15_000 } else { 0 },
        late: Micros::new(300),
        ..Sample::bare(at, failure.unwrap_or(Cause::Ok))
    }
}

/// The checks of `site`, every `interval` up to `now`.
fn checks(noise: &mut Noise, site: &PastSite, interval: Duration, now: Timestamp) -> Vec<Sample> {
    let hour = Duration::from_hours(1);
    let first = now.before(Duration::from_hours(24 * site.days));
    let times = std::iter::successors(Some(first), |at| Some(at.after(interval))).take_while(|at| *at <= now);
    let failure = |at: Timestamp| {
        let of = |(hours, count, cause): &(u64, u64, Cause)| {
            let from = now.before(hour * u32::try_from(*hours).unwrap());
            let until = from.after(interval * u32::try_from(*count).unwrap());
            (from <= at && at < until).then_some(*cause)
        };
        site.outages.iter().find_map(of)
    };
    times.map(|at| sample(noise, site, at, failure(at))).collect()
}

/// Writes the checks of `sites`, every `interval` up to `now`, and their alerts by `policies`, into a new store.
pub fn write(path: &Path, sites: &[PastSite], (interval, policies): (Duration, &Policies), now: Timestamp) {
    let begin = now.before(Duration::from_hours(24 * sites.iter().map(|site| site.days).max().unwrap()));
    let store = Store::open(path, &Options::default(), begin).unwrap().store;
    let names: Vec<Arc<str>> = sites.iter().map(|site| Arc::from(site.name)).collect();
    let stored = store.register(&names, begin).unwrap();
    let mut noise = Noise(7);
    let checks: Vec<Vec<Sample>> = sites.iter().map(|site| checks(&mut noise, site, interval, now)).collect();
    let most = checks.iter().map(Vec::len).max().unwrap();
    let mut producers: Vec<Producer> = stored.iter().map(|site| Producer::new(most, site.next_seq)).collect();
    let readers = stored.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).unwrap();
    for ((samples, producer), (site, name)) in checks.iter().zip(&mut producers).zip(stored.iter().zip(&names)) {
        for sample in samples {
            producer.push(*sample);
        }
        let packed: Vec<Packed> = samples.iter().map(Sample::packed).collect();
        let (mut playback, mut found) = (Playback::new(policies, interval, (&packed, 0), None), Vec::new());
        playback.advance(now, &mut found);
        for transition in found {
            let facts = Alert::new(Arc::clone(name), policies, &transition);
            writer.note_alert(site.id, AlertRecord { message: alert_text(&facts, &TimeZone::UTC), facts });
        }
    }
    let flushed = writer.flush(now);
    assert!(matches!(flushed.health, StoreHealth::Ok { .. }), "{flushed:?}");
    drop(writer.close(now));
}
