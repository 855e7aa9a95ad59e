//! Upkeep of the book: it follows a clock that was set, and reserves its numbers on the disk for as long as a
//! program runs ([`crate::alert::kept::numbers`]).

use crate::alert::incident::terms::Emitted;
use crate::model::time::leap::Leap;

use super::AlertBook;

impl AlertBook {
    /// Follows `leap`: incidents, silences and messages go on as if the clock had always been right.
    pub fn leap(&self, leap: &Leap) {
        let inner = &mut *self.inner();
        let mut out = Emitted::default();
        inner.ledger.leap(leap, &mut out);
        inner.outbox.leap(leap, &mut out.changes);
        for alert in &mut inner.own {
            (alert.at, alert.since) = (leap.retold(alert.at), leap.retold(alert.since));
        }
        self.keep(inner, Vec::new(), out.changes, false);
        // Also for what is stored nowhere.
        self.version.send_modify(|version| *version += 1);
    }

    /// Reserves numbers on the disk before the first ones go out.
    pub fn reserve_numbers(&self) {
        let inner = &mut *self.inner();
        let mut changes = Vec::new();
        inner.ledger.numbers().reserve(&mut changes);
        inner.outbox.numbers().reserve(&mut changes);
        self.keep(inner, Vec::new(), changes, true);
    }

    /// Gives back the numbers that were not used, at a clean end.
    pub fn release_numbers(&self) {
        let inner = &mut *self.inner();
        let mut changes = Vec::new();
        inner.ledger.numbers().release(&mut changes);
        inner.outbox.numbers().release(&mut changes);
        self.keep(inner, Vec::new(), changes, false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;
    use tokio::sync::watch;

    use super::*;
    use crate::alert::incident::terms::LedgerTerms;
    use crate::alert::kept::change::{ChangeKey, Record};
    use crate::alert::outbox::queue::{Delivery, OutletTerms};
    use crate::alert::{Alert, AlertState, Rule, Severity, SiteSelector};
    use crate::app::alerts::context::{Contexts, words};
    use crate::app::alerts::stored_report::{self, ReportReceiver};
    use crate::app::clock::Clock;
    use crate::app::status::health_meter::StoreStatus;
    use crate::model::Timestamp;
    use crate::store::Kept;

    const START: Timestamp = Timestamp::from_secs(1_795_340_000);

    /// A book that begins with the numbers in `next`.
    fn book(next: [u64; 3]) -> (AlertBook, ReportReceiver) {
        let (sender, reports) = stored_report::open();
        let store = (Some(sender), watch::Sender::new(StoreStatus::default()).subscribe());
        let kept = Kept { next, ..Kept::default() };
        let book =
            AlertBook::new(LedgerTerms::default(), kept, (7, words(TimeZone::UTC)), Clock::start_at(START), store);
        book.configure(
            LedgerTerms::default(),
            vec![OutletTerms {
                key: "pager".into(),
                name: "pager".into(),
                delivery: Delivery::Dedup,
                after: Duration::ZERO,
                only: Severity::Warning,
                sites: SiteSelector::All,
                is_forgetful: false,
            }],
        );
        book.reserve_numbers();
        (book, reports)
    }

    /// Commits what was reported: of it only the next numbers count here.
    fn commit(reports: &mut ReportReceiver, next: &mut [u64; 3]) {
        while let Some(report) = reports.next() {
            for change in report.changes {
                if let (ChangeKey::Next(counter), Some(Record::Next(number))) = change {
                    next[counter as usize] = number;
                }
            }
        }
    }

    /// The numbers of the incident and of the message when `site` goes down.
    fn told(book: &AlertBook, reports: &mut ReportReceiver, site: &str) -> [u64; 2] {
        let down = Alert { state: AlertState::Down, ..Alert::ended(site.into(), &Rule::default(), START, START) };
        book.publish(&[down], &Contexts::default(), START);
        let changes = std::iter::from_fn(|| reports.next()).flat_map(|report| report.changes);
        let row = changes.filter_map(|(_, record)| match record {
            Some(Record::Row(row)) => Some([row.incident, row.number]),
            _ => None,
        });
        row.last().unwrap()
    }

    /// A service takes one key for one piece of news: with the numbers of a, which it was told of, it dropped the news of c.
    #[test]
    fn a_start_after_a_full_disk_uses_no_number_again() {
        // Of an earlier version, which stored the next ones.
        let mut next = [5, 9, 1];
        let (first, mut reports) = book(next);
        commit(&mut reports, &mut next);
        // The disk is full from now on, also at the end.
        assert_eq!(told(&first, &mut reports, "a"), [5, 9]);
        first.release_numbers();
        drop(first);
        let (second, mut reports) = book(next);
        commit(&mut reports, &mut next);
        let [incident, row] = told(&second, &mut reports, "c");
        assert!(incident > 5 && row > 9, "{incident} {row}");
        second.release_numbers();
        commit(&mut reports, &mut next);
        assert_eq!(next, [incident + 1, row + 1, 1], "a clean end leaves nothing out");
    }
}
