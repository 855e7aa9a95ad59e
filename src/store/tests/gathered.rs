//! The store of a hub under faults: samples of others and the position in their stream belong together.

use std::time::Duration;

use crate::model::{Cause, Location, SiteId, StoreHealth, StoreId, Timestamp};
use crate::store::read::view::Query;
use crate::store::tables::hub::gathered::{Origin, StreamPosition};
use crate::store::writable::Store;
use crate::store::writer::Writer;

use super::samples::{Noise, day_of};
use super::simulated_disk::{Disk, after_power_loss};

const BEGIN: Timestamp = Timestamp::from_secs(1_795_255_200);

/// Samples of a site in a message of the stream.
const PART: usize = 5;

fn origin(site: u32) -> Origin {
    Origin {
        location: Location::new("fra1").unwrap(),
        store: StoreId([7; 16]),
        site: SiteId(site),
        name: format!("site {site}").into(),
        group: None,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        url: "http://a/".into(),
    }
}

fn position(sequence: u64) -> StreamPosition {
    StreamPosition { stream: "WEBMON".into(), created: BEGIN, sequence }
}

/// A hub: message `n` of the stream has part `n` of both sites.
struct Hub {
    writer: Writer,
    sites: Vec<SiteId>,
    now: Timestamp,
}

impl Hub {
    fn new(store: Store) -> Self {
        let adopted = store.adopt(&[origin(3), origin(8)], BEGIN).unwrap();
        let sites = adopted.iter().map(|site| site.id).collect();
        Self { writer: Writer::new(store, Vec::new()).unwrap(), sites, now: BEGIN }
    }

    fn take(&mut self, message: usize) {
        let intake = self.writer.entrance();
        let mut intake = intake.lock().unwrap();
        for (&site, day) in self.sites.iter().zip(0..) {
            let samples = day_of(day, ((message + 1) * PART) as u64).split_off(message * PART);
            let first = (message * PART) as u64;
            intake.take_samples(site, first, &samples);
            for (seq, sample) in (first..).zip(&samples).filter(|(_, sample)| sample.cause != Cause::Ok) {
                intake.take_text(site, seq..=seq, format!("{} at {seq}", sample.cause.name()), None);
            }
        }
        intake.take_position(position(message as u64 + 1));
    }

    fn flush(&mut self) -> crate::store::Flushed {
        self.now = self.now.after(Duration::from_secs(20));
        self.writer.flush(self.now)
    }
}

/// The messages of which the store has the samples, all of them and nothing else.
fn messages(store: &Store) -> usize {
    let mut samples = vec![Vec::new(); 2];
    let passed = store.samples(&Query::ALL, |found| {
        samples[found.site.0 as usize].push(found.sample);
        let text = (found.sample.cause != Cause::Ok).then(|| format!("{} at {}", found.sample.cause.name(), found.seq));
        assert_eq!(found.detail, text.as_deref());
        Ok::<(), ()>(())
    });
    assert_eq!(passed.unwrap().unwrap().damaged, 0);
    let count = samples[0].len() / PART;
    for (day, samples) in (0..).zip(&samples) {
        assert_eq!(*samples, day_of(day, (count * PART) as u64), "site {day} of {count} messages");
    }
    count
}

#[test]
fn whenever_the_power_fails_the_position_is_that_of_the_samples() {
    let disk = Disk::default();
    let mut hub = Hub::new(disk.store().unwrap());
    let begin = disk.log_length();
    for message in 0..60 {
        hub.take(message);
        if message % 3 != 1 {
            assert!(matches!(hub.flush().health, StoreHealth::Ok { .. }));
        }
    }
    assert!(hub.writer.close(hub.now).notices.is_empty());
    let (log, mut noise) = (disk.log(), Noise(5));
    for end in (begin..=log.len()).step_by(3) {
        let store = Disk::of(after_power_loss(&log[..end], &mut noise)).store().unwrap();
        let read = store.position("WEBMON").unwrap().map_or(0, |position| position.sequence);
        assert_eq!(messages(&store) as u64, read, "after {end} of {} operations", log.len());
        assert_eq!(store.gathered().unwrap().1[&SiteId(1)], read * PART as u64);
    }
}

/// While the disk is full everything waits; a position goes with its samples, and a restart reads the rest of the stream again.
#[test]
fn a_full_disk_holds_the_position_back_with_the_samples() {
    let disk = Disk::default();
    let mut hub = Hub::new(disk.store().unwrap());
    hub.take(0);
    hub.flush();
    disk.set_room(Some(0));
    hub.take(1);
    assert!(matches!(hub.flush().health, StoreHealth::NotSaving { .. }));
    assert!(hub.writer.adopt(&[origin(9)], BEGIN).is_err());
    let killed = Disk::of(disk.image()).store().unwrap();
    assert_eq!((messages(&killed), killed.position("WEBMON").unwrap()), (1, Some(position(1))));
    disk.set_room(None);
    hub.take(2);
    assert!(matches!(hub.flush().health, StoreHealth::Ok { .. }));
    assert!(hub.writer.close(hub.now).notices.is_empty());
    let store = disk.store().unwrap();
    assert_eq!((messages(&store), store.position("WEBMON").unwrap()), (3, Some(position(3))));
    assert_eq!(store.position("OTHER").unwrap(), None);
}
