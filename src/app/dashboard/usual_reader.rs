//! Reads what is usual at a site for the dashboard: stored totals of a few hours. The file is opened for each read, beside its
//! writer. What cannot be read has no figures; the chart of the same page says why.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::stats::series::usual::UsualTimes;
use crate::store::{Archive, StoreError};
use crate::tui::{Usual, UsualRequest};

use super::reader_thread::ReaderThread;

/// A reader of what is usual.
pub type UsualReader = ReaderThread<UsualRequest, Option<Arc<Usual>>>;

/// Starts a reader of the store at `path`.
///
/// # Errors
/// The system refuses a thread.
pub fn open(path: PathBuf) -> io::Result<UsualReader> {
    ReaderThread::open("webmon-usual", None, move |wanted, _| {
        ControlFlow::Continue(Some(Arc::new(usual(&path, wanted))))
    })
}

/// What is usual, read by this thread.
#[must_use]
pub fn usual(path: &Path, wanted: UsualRequest) -> Usual {
    let read = || -> Result<Vec<Option<UsualTimes>>, StoreError> {
        let archive = Archive::open(path)?;
        let moment = archive.moment()?;
        let of = |name: &Arc<str>| match archive.named(name)? {
            Some(site) => Ok(UsualTimes::of(&moment.sums(site, &wanted.hours)?)),
            None => Ok(None),
        };
        wanted.sites.iter().map(of).collect()
    };
    let times = read().unwrap_or_default();
    Usual { wanted, times }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase, Phases, Timestamp};
    use crate::ring::Producer;
    use crate::store::{Options, Store, Writer};

    /// A whole hour.
    const START: Timestamp = Timestamp::from_secs(1_795_255_200);

    /// Five days of a check a minute: 20 ms in the first hour of each day since the start, 50 ms in the others.
    #[test]
    fn the_same_hour_of_the_days_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let id = store.register(&["api".into()], START).unwrap()[0].id;
        let mut producer = Producer::new(2_000, 0);
        let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
        let at = |minute: u64| START.after(Duration::from_mins(minute));
        for minute in 0..5 * 24 * 60 {
            let mut observation = Observation::failed(Cause::Ok, "");
            let micros = if minute / 60 % 24 == 0 { 20_000 } else { 50_000 };
            observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(micros));
            producer.push(observation.sample(at(minute), Micros::ZERO, 0));
            if minute % 600 == 599 {
                writer.flush(at(minute + 1));
            }
        }
        writer.flush(at(5 * 24 * 60));

        let reader = open(path.clone()).unwrap();
        let wanted = |name: &str, hour: u64| {
            UsualRequest::new(vec![name.into()], at(5 * 24 * 60 + hour * 60 + 7), &TimeZone::UTC)
        };
        reader.request(wanted("api", 0));
        let found = loop {
            if let Some(found) = reader.read() {
                break found;
            }
            std::thread::yield_now();
        };
        let times = *found.of("api").unwrap();
        assert_eq!((found.wanted.clone(), times.days), (wanted("api", 0), 5));
        assert!((times.avg - 20_000.0).abs() < 1.0 && times.p95.abs_diff(20_000) <= 200, "{times:?}");
        let next = *usual(&path, wanted("api", 1)).of("api").unwrap();
        assert!((next.avg - 50_000.0).abs() < 1.0, "{next:?}");
        assert_eq!(usual(&path, wanted("nobody", 0)).times, [None]);
        assert_eq!(usual(&folder.path().join("none.redb"), wanted("api", 0)).times, []);
    }
}
