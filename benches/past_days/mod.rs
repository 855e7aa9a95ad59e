//! Writes a store of many days for the benches: sites that are checked regularly, 1 % of the checks fail, in bursts of four.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use webmon::model::{Cause, Http, Micros, Phase, Phases, Sample, Status, StoreHealth, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Options, Store, Writer};

/// Time between two flushes.
const ROUND: Duration = Duration::from_hours(1);

/// Check `index` of `site`.
pub fn check(site: u64, index: u64, at: Timestamp) -> Sample {
    let noise = (site * 7_919 + index).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let burst = (site * 104_729 + index / 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let failed = burst.is_multiple_of(100);
    let spent = 20_000 + u32::try_from(noise % 60_000).unwrap_or_default();
    Sample {
        phases: Phases::NONE.with(Phase::Connect, Micros::new(9_000)).with(Phase::Processing, Micros::new(spent)),
        status: Status::new(if failed { 503 } else { 200 }),
        http: Http::V11,
        bytes: 15_000,
        late: Micros::new(300),
        ..Sample::bare(at, if failed { Cause::Status } else { Cause::Ok })
    }
}

/// Writes `days` days up to `now` of sites of these `names`, checked every `interval`, which divides an hour.
pub fn write(path: &Path, names: &[Arc<str>], (days, now): (u64, Timestamp), interval: Duration) {
    let start = now.before(Duration::from_hours(24 * days));
    let store = Store::open(path, &Options::default(), start).expect("an empty folder takes a store").store;
    let sites = store.register(names, start).expect("a new store takes sites");
    let mut producers: Vec<Producer> = sites.iter().map(|site| Producer::new(1_024, site.next_seq)).collect();
    let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).expect("the store is open");
    let each = ROUND.as_secs() / interval.as_secs();
    let mut flushed = start;
    for round in 0..days * 24 {
        for (site, producer) in producers.iter_mut().enumerate() {
            for index in round * each..(round + 1) * each {
                let at = start.after(interval * u32::try_from(index).expect("fewer than there are seconds"));
                producer.push(check(site as u64, index, at.after(Duration::from_millis(site as u64 + 1))));
            }
        }
        flushed = flushed.after(ROUND);
        assert!(matches!(writer.flush(flushed).health, StoreHealth::Ok { .. }));
    }
    assert_eq!(writer.close(now).notices, Vec::<String>::new());
}
