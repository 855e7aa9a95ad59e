//! Whether the clock can be trusted to remove history by age.
//!
//! A clock that is a month ahead for two seconds makes everything a month older. The clock is therefore compared with
//! the newest stored sample, then each time with the time before; after a step of more than [`STEP`], nothing is
//! removed by age for [`PATIENCE`], in which such a clock is usually corrected.

use std::time::Duration;

use redb::{ReadTransaction, ReadableTable as _};

use crate::model::Timestamp;
use crate::store::tables::record::SealedRecord;
use crate::store::tables::schema;

/// A longer step forward is not trusted at once.
const STEP: Duration = Duration::from_hours(24);

/// Time until it is.
const PATIENCE: Duration = Duration::from_hours(1);

/// Trust in the clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockTrust {
    /// The last time seen, of a sample or of a call.
    last: Option<Timestamp>,
    /// Nothing is removed by age before this time.
    from: Timestamp,
}

impl ClockTrust {
    /// Starts from the time of the newest sample.
    pub const fn since(newest: Option<Timestamp>) -> Self {
        Self { last: newest, from: Timestamp::ZERO }
    }

    /// Whether history may be removed by age at `now`.
    pub fn by_age(&mut self, now: Timestamp) -> bool {
        match self.last.replace(now) {
            Some(last) if now.since(last) > STEP => self.from = now.after(PATIENCE),
            // It was set back, so the time of trust moves back too.
            Some(last) if now < last => self.from = self.from.min(now.after(PATIENCE)),
            _ => {}
        }
        now >= self.from
    }
}

/// The time of the newest sealed sample.
pub fn newest(transaction: &ReadTransaction) -> Result<Option<Timestamp>, redb::Error> {
    let mut newest = None;
    for row in transaction.open_table(schema::SEALED)?.iter()? {
        let (site, frame) = row?;
        let record = SealedRecord::decode((site.value(), 0), frame.value()).ok();
        newest = newest.max(record.filter(|record| record.next_seq > 0).map(|record| record.last_at));
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_more_than_a_day_is_not_believed_for_an_hour() {
        let at = |hours: u64| Timestamp::from_secs(hours * 3_600);
        let mut trust = ClockTrust::since(Some(at(1_000)));
        assert!(trust.by_age(at(1_024)));
        assert!(!trust.by_age(at(2_000)));
        assert!(!trust.by_age(at(2_000).after(Duration::from_mins(59))));
        assert!(trust.by_age(at(2_001)));
        // Ahead, and set right: an hour of patience from then on, not until the wrong time comes.
        assert!(!trust.by_age(at(9_000)));
        assert!(!trust.by_age(at(2_002)));
        assert!(trust.by_age(at(2_003)));
        assert!(ClockTrust::default().by_age(at(5)), "an empty store has nothing to lose");
    }
}
