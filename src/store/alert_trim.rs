//! Letting go of old alerts: beyond their age, and beyond their share of a full file.
//!
//! Months of flapping leave more alerts than samples, so of a full file they have a quarter. Invariants: the newest alert of
//! a site stays while it is a `down`, which is an open incident; the newest alert of all stays, because the numbers of
//! those to come, and the place of an export, go on from it. A damaged alert does not tell its age and goes with the
//! first sound one after it. Limit: as many in one transaction as the caller says.

use std::collections::HashMap;

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::alert::AlertState;
use crate::model::Timestamp;

use super::record::decode_alert;
use super::schema;

/// What part of a full file alerts may take.
const SHARE: u64 = 4;

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Alerts.
    pub removed: u64,
    /// About so many bytes.
    pub bytes: u64,
    /// There is more to let go of.
    pub more: bool,
}

/// Removes at most `most` alerts: those from before `cutoff`, and the oldest while all take more than their share of
/// `max_size`.
pub fn trim(
    transaction: &WriteTransaction,
    cutoff: Option<Timestamp>,
    max_size: Option<u64>,
    most: usize,
) -> Result<Gone, redb::Error> {
    let mut alerts = transaction.open_table(schema::ALERTS)?;
    let count = alerts.len()?;
    let stats = alerts.stats()?;
    let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
    let each = (bytes / count.max(1)).max(1);
    let beyond = max_size.map_or(0, |max_size| bytes.saturating_sub(max_size / SHARE).div_ceil(each));
    let is_old = |frame: &[u8]| {
        let alert = decode_alert(frame, |_| "".into()).ok();
        cutoff.is_some_and(|cutoff| alert.is_none_or(|(_, alert)| alert.at < cutoff))
    };
    let is_first_old = alerts.first()?.is_some_and(|(_, frame)| is_old(frame.value()));
    if beyond == 0 && !is_first_old {
        // An open incident may stand before others that are old; those are few and go when the next one is found.
        let mut rows = alerts.iter()?.take(OPEN_SKIPPED);
        let hidden = rows.any(|row| row.is_ok_and(|(_, frame)| is_old(frame.value())));
        if !hidden {
            return Ok(Gone::default());
        }
    }
    let kept = kept(&alerts)?;
    let mut gone = Vec::new();
    for (index, row) in (0_u64..).zip(alerts.iter()?) {
        let (number, frame) = row?;
        if gone.len() == most || !(index < beyond || is_old(frame.value())) {
            break;
        }
        if !kept.contains(&number.value()) {
            gone.push(number.value());
        }
    }
    for number in &gone {
        alerts.remove(number)?;
    }
    let removed = gone.len() as u64;
    Ok(Gone { removed, bytes: removed * each, more: gone.len() == most })
}

/// Alerts at the front that are looked at: open incidents that are older than the others.
const OPEN_SKIPPED: usize = 256;

/// The numbers of open incidents, and that of the newest alert.
fn kept(alerts: &impl ReadableTable<u64, &'static [u8]>) -> Result<Vec<u64>, redb::Error> {
    let mut open = HashMap::new();
    let mut newest = None;
    for row in alerts.iter()? {
        let (number, frame) = row?;
        newest = Some(number.value());
        if let Ok((site, alert)) = decode_alert(frame.value(), |_| "".into()) {
            match alert.state {
                AlertState::Down => open.insert(site, number.value()),
                AlertState::Up | AlertState::Ended => open.remove(&site),
            };
        }
    }
    let mut kept: Vec<u64> = open.into_values().chain(newest).collect();
    kept.sort_unstable();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redb::ReadableDatabase as _;

    use super::super::disk::Disk;
    use super::super::record::encode_alert;
    use super::*;
    use crate::alert::{Alert, Threshold};
    use crate::model::SiteId;

    fn put(transaction: &WriteTransaction, number: u64, site: u32, state: AlertState, at: u64) {
        let at = Timestamp::from_secs(at);
        let alert = Alert {
            at,
            site: "api".into(),
            state,
            availability: None,
            threshold: Threshold::from_ppm(800_000).unwrap(),
            window: Duration::from_mins(2),
            since: at,
            downtime: None,
            message: "Website api changed".to_owned(),
        };
        let mut bytes = Vec::new();
        encode_alert(SiteId(site), &alert, &mut bytes);
        transaction.open_table(schema::ALERTS).unwrap().insert(number, bytes.as_slice()).unwrap();
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
        assert_eq!(trim(&write, None, None, 1_000).unwrap(), Gone::default());
        assert_eq!(trim(&write, Some(Timestamp::from_secs(5)), None, 1_000).unwrap(), Gone::default());
        let mut steps = Vec::new();
        loop {
            let gone = trim(&write, cutoff, None, 40).unwrap();
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
        while trim(&write, None, Some(max_size), 100).unwrap().more {}
        let alerts = write.open_table(schema::ALERTS).unwrap();
        let (count, stats) = (alerts.len().unwrap(), alerts.stats().unwrap());
        let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        assert!(bytes <= max_size / SHARE && bytes > max_size / SHARE / 2, "{bytes} of {count}");
        assert_eq!(alerts.last().unwrap().unwrap().0.value(), 4_999);
        assert_eq!(alerts.first().unwrap().unwrap().0.value(), 5_000 - count);
    }
}
