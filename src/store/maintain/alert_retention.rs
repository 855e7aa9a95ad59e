//! Removal of old alerts: beyond their age, and beyond their share of a full file.
//!
//! Months of flapping leave more alerts than samples, so they may take a quarter of a full file. A damaged alert has no
//! age and is removed if the first sound one after it is old. Times need not rise, since a clock may have been ahead: a
//! young alert is skipped, but after [`PASSED_MAX`] of them in a row the rest is kept.
//!
//! Invariants: the newest alert of a site stays while it is a `down`, an open incident; the newest alert of all stays,
//! because later numbers and export cursors continue from it. Neither counts towards the share.
//! Bounds: about as many per transaction as the caller allows.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::model::Timestamp;
use crate::store::tables::alert::decode_alert;
use crate::store::tables::{outbox, schema};

/// What outlets were told goes with the alerts: so many records with each.
const TOLD_EACH: usize = 16;

/// Alerts may take one part in this many of a full file.
const SHARE: u64 = 4;

/// The removed alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Alerts.
    pub removed: u64,
    /// Their approximate bytes.
    pub bytes: u64,
    /// There may be more to remove.
    pub more: bool,
}

/// Alerts exempt from removal, once known; no alert is added during one trimming.
#[derive(Clone, Debug, Default)]
pub struct KeptAlerts(Option<Vec<u64>>);

/// Removes about `most` alerts: those from before `cutoff`, and the oldest while all take more than their share of
/// `max_size`.
pub fn trim(
    transaction: &WriteTransaction,
    (cutoff, max_size): (Option<Timestamp>, Option<u64>),
    most: usize,
    kept: &mut KeptAlerts,
) -> Result<Gone, redb::Error> {
    let mut alerts = transaction.open_table(schema::ALERTS)?;
    let count = alerts.len()?;
    let stats = alerts.stats()?;
    let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
    let each = (bytes / count.max(1)).max(1);
    let mut beyond = max_size.map_or(0, |max_size| bytes.saturating_sub(max_size / SHARE).div_ceil(each));
    if beyond == 0 && !has_old(&alerts, cutoff)? {
        return Ok(Gone::default());
    }
    let kept = match &mut kept.0 {
        Some(kept) => kept,
        none => none.insert(open_and_newest(&alerts)?),
    };
    let (mut gone, mut unknown, mut passed) = (Vec::new(), Vec::new(), 0);
    for row in alerts.iter()? {
        let (number, frame) = row?;
        if gone.len() >= most || passed == PASSED_MAX {
            break;
        }
        let number = number.value();
        if kept.binary_search(&number).is_ok() {
            continue;
        }
        if beyond > 0 {
            beyond -= 1;
            gone.push(number);
            continue;
        }
        passed += 1;
        match is_old(frame.value(), cutoff) {
            None => unknown.push(number),
            Some(true) => {
                gone.append(&mut unknown);
                gone.push(number);
                passed = 0;
            }
            Some(false) => unknown.clear(),
        }
    }
    for number in &gone {
        alerts.remove(number)?;
    }
    if !gone.is_empty() {
        let over = match cutoff {
            Some(cutoff) => Some(cutoff),
            None => oldest(&alerts, kept)?,
        };
        if let Some(over) = over {
            outbox::trim_told(transaction, over, gone.len().saturating_mul(TOLD_EACH))?;
        }
    }
    let removed = gone.len() as u64;
    Ok(Gone { removed, bytes: removed * each, more: gone.len() >= most })
}

/// After this many young alerts in a row the rest counts as young.
const PASSED_MAX: usize = 256;

/// The time of the oldest alert that is not exempt.
fn oldest(alerts: &impl ReadableTable<u64, &'static [u8]>, kept: &[u64]) -> Result<Option<Timestamp>, redb::Error> {
    for row in alerts.iter()? {
        let (number, frame) = row?;
        if kept.binary_search(&number.value()).is_err()
            && let Ok((_, alert)) = decode_alert(frame.value(), |_| "".into())
        {
            return Ok(Some(alert.at));
        }
    }
    Ok(None)
}

/// Whether an alert is older than `cutoff`; `None` if damaged.
fn is_old(frame: &[u8], cutoff: Option<Timestamp>) -> Option<bool> {
    let Some(cutoff) = cutoff else { return Some(false) };
    decode_alert(frame, |_| "".into()).ok().map(|(_, alert)| alert.at < cutoff)
}

/// Whether any of the first alerts is old; it may be an exempt one.
fn has_old(alerts: &impl ReadableTable<u64, &'static [u8]>, cutoff: Option<Timestamp>) -> Result<bool, redb::Error> {
    if cutoff.is_none() {
        return Ok(false);
    }
    for row in alerts.iter()?.take(PASSED_MAX) {
        if is_old(row?.1.value(), cutoff) == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The numbers of open incidents, and that of the newest alert, in order.
fn open_and_newest(alerts: &impl ReadableTable<u64, &'static [u8]>) -> Result<Vec<u64>, redb::Error> {
    let mut open = HashMap::new();
    let mut newest = None;
    for row in alerts.iter()? {
        let (number, frame) = row?;
        newest = Some(number.value());
        if let Ok((site, alert)) = decode_alert(frame.value(), |_| "".into()) {
            // Of webmon itself, each location has an incident of its own, under its name.
            let key = (site, alert.rule, Arc::clone(&alert.site));
            if alert.state.is_opening() {
                open.insert(key, number.value());
            } else {
                open.remove(&key);
            }
        }
    }
    let mut kept: Vec<u64> = open.into_values().chain(newest).collect();
    kept.sort_unstable();
    Ok(kept)
}

#[cfg(test)]
mod tests {

    use redb::ReadableDatabase as _;

    use super::*;
    use crate::alert::record::tests::record;
    use crate::alert::{Alert, AlertRecord, AlertState, Reading};
    use crate::model::{Location, SiteId};
    use crate::store::tables::alert::encode_alert;
    use crate::store::tests::simulated_disk::Disk;

    fn put(transaction: &WriteTransaction, number: u64, site: u32, state: AlertState, at: u64) {
        let at = Timestamp::from_secs(at);
        let alert = AlertRecord { message: "Website api changed".to_owned(), ..record("api", state, at) };
        let mut bytes = Vec::new();
        encode_alert(SiteId(site), &alert, &mut bytes);
        transaction.open_table(schema::ALERTS).unwrap().insert(number, bytes.as_slice()).unwrap();
    }

    fn once(
        write: &WriteTransaction,
        cutoff: Option<Timestamp>,
        max_size: Option<u64>,
        most: usize,
    ) -> Result<Gone, redb::Error> {
        trim(write, (cutoff, max_size), most, &mut KeptAlerts::default())
    }

    fn left(write: &WriteTransaction) -> Vec<u64> {
        write.open_table(schema::ALERTS).unwrap().iter().unwrap().map(|row| row.unwrap().0.value()).collect()
    }

    #[test]
    fn an_alert_of_a_clock_that_was_ahead_holds_no_old_ones_back() {
        let database = Disk::default().open().unwrap();
        let write = database.begin_write().unwrap();
        let cutoff = Some(Timestamp::from_secs(1_000));
        // The clock was ahead for the first, and for some in between.
        let ahead = |number: u64| number == 0 || (300..310).contains(&number);
        for number in 0..800 {
            let at = if ahead(number) { 9_000_000 } else { number + u64::from(number >= 500) * 1_000 };
            put(&write, number, 3, AlertState::Up, at);
        }
        // A damaged one goes with the old one after it, but not with a young one.
        for damaged in [1, 305, 499] {
            write.open_table(schema::ALERTS).unwrap().insert(damaged, [1, 2, 3].as_slice()).unwrap();
        }
        let gone = once(&write, cutoff, None, 10_000).unwrap();
        assert_eq!(left(&write), std::iter::once(0).chain(300..310).chain(499..800).collect::<Vec<_>>());
        assert_eq!((gone.removed, gone.more), (488, false));
        // Old ones behind many young ones wait until those are old.
        put(&write, 900, 3, AlertState::Up, 5);
        put(&write, 901, 3, AlertState::Up, 5);
        assert_eq!(once(&write, cutoff, None, 10_000).unwrap(), Gone::default());
    }

    #[test]
    fn what_outlets_were_told_goes_with_the_alerts() {
        use crate::alert::kept::change::{ChangeKey, Record};
        use crate::alert::kept::row::Told;

        let database = Disk::default().open().unwrap();
        for cutoff in [Some(Timestamp::from_secs(300)), None] {
            let write = database.begin_write().unwrap();
            let told = |incident: u64, closed: Option<u64>| {
                let told = Told { at: Timestamp::from_secs(incident), closed: closed.map(Timestamp::from_secs) };
                let bytes = outbox::encode(&Record::Told(told), |_| SiteId(3));
                (ChangeKey::Told("ops".into(), incident), Some(bytes))
            };
            let records: outbox::Waiting =
                (0..5_000).map(|number| told(number, Some(number))).chain([told(9_000, None)]).collect();
            outbox::write(&write, &records).unwrap();
            (0..5_000).for_each(|number| put(&write, number, 3, AlertState::Up, number));
            let mut kept = KeptAlerts::default();
            let max_size = cutoff.is_none().then_some(1 << 20);
            while trim(&write, (cutoff, max_size), 100, &mut kept).unwrap().more {}
            let first = left(&write)[0];
            assert!(first > 0 && (cutoff.is_none() || first == 300));
            let table = write.open_table(schema::OUTBOX).unwrap();
            let rows: Vec<u64> = table.iter().unwrap().map(|row| row.unwrap().0.value().1).collect();
            assert_eq!(rows, (first..5_000).chain([9_000]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn open_incidents_do_not_count_as_beyond_the_share() {
        let database = Disk::default().open().unwrap();
        let write = database.begin_write().unwrap();
        (0..500).for_each(|number| put(&write, number, u32::try_from(number).unwrap() + 10, AlertState::Down, number));
        (500..5_000).for_each(|number| put(&write, number, 3, AlertState::Up, number));
        let max_size = 1 << 20;
        let mut kept = KeptAlerts::default();
        while trim(&write, (None, Some(max_size)), 100, &mut kept).unwrap().more {}
        let stats = write.open_table(schema::ALERTS).unwrap().stats().unwrap();
        let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        assert!(bytes <= max_size / SHARE, "{bytes}");
        assert!(left(&write).starts_with(&(0..500).collect::<Vec<_>>()), "open incidents stay");
    }

    #[test]
    fn each_location_has_an_incident_of_its_own() {
        let database = Disk::default().open().unwrap();
        let write = database.begin_write().unwrap();
        for (number, name, state) in [
            (0, "fra1", AlertState::Breached),
            (1, "nyc1", AlertState::Breached),
            (2, "sgp1", AlertState::Breached),
            (3, "nyc1", AlertState::Cleared),
        ] {
            let at = Timestamp::from_secs(10 + number);
            let silent = Reading::Silent { last: None };
            let facts = Alert::of_location(&Location::new(name).unwrap(), state, silent, (at, at));
            let mut bytes = Vec::new();
            encode_alert(SiteId::OWN, &AlertRecord { facts, message: String::new() }, &mut bytes);
            write.open_table(schema::ALERTS).unwrap().insert(number, bytes.as_slice()).unwrap();
        }
        put(&write, 4, 3, AlertState::Up, 20);
        once(&write, Some(Timestamp::from_secs(1_000)), None, 1_000).unwrap();
        assert_eq!(left(&write), [0, 2, 4], "those that are open, and the newest");
    }

    #[test]
    fn old_alerts_go_in_bounded_steps_but_open_incidents_and_the_newest_stay() {
        let database = Disk::default().open().unwrap();
        let write = database.begin_write().unwrap();
        put(&write, 0, 7, AlertState::Down, 10);
        for number in 1..100 {
            let state = if number % 2 == 1 { AlertState::Down } else { AlertState::Up };
            put(&write, number, 3, state, 10 + number);
        }
        put(&write, 100, 3, AlertState::Up, 110);
        let cutoff = Some(Timestamp::from_secs(1_000));
        assert_eq!(once(&write, None, None, 1_000).unwrap(), Gone::default());
        assert_eq!(once(&write, Some(Timestamp::from_secs(5)), None, 1_000).unwrap(), Gone::default());
        let mut steps = Vec::new();
        loop {
            let gone = once(&write, cutoff, None, 40).unwrap();
            steps.push(gone.removed);
            if !gone.more {
                break;
            }
        }
        assert_eq!(steps, [40, 40, 19]);
        write.commit().unwrap();
        let alerts = database.begin_read().unwrap().open_table(schema::ALERTS).unwrap();
        let left: Vec<u64> = alerts.iter().unwrap().map(|row| row.unwrap().0.value()).collect();
        assert_eq!(left, [0, 100]);
    }

    #[test]
    fn alerts_beyond_their_share_of_a_full_file_go_oldest_first() {
        let database = Disk::default().open().unwrap();
        let write = database.begin_write().unwrap();
        (0..5_000).for_each(|number| put(&write, number, 3, AlertState::Up, number));
        let max_size = 1 << 20;
        let mut kept = KeptAlerts::default();
        while trim(&write, (None, Some(max_size)), 100, &mut kept).unwrap().more {}
        let alerts = write.open_table(schema::ALERTS).unwrap();
        let (count, stats) = (alerts.len().unwrap(), alerts.stats().unwrap());
        let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        assert!(bytes <= max_size / SHARE && bytes > max_size / SHARE / 2, "{bytes} of {count}");
        assert_eq!(alerts.last().unwrap().unwrap().0.value(), 4_999);
        assert_eq!(alerts.first().unwrap().unwrap().0.value(), 5_000 - count);
    }
}
