//! Publishes alerts: all of them go one way, to the history, the log, the `exec` queue and the store, in this order.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use crate::alert::{Alert, AlertRecord};
use crate::app::log::events;
use crate::config::Exec;
use crate::report::text::alert_text;

use super::dispatcher::AlertQueue;
use super::history::AlertLog;

/// Words alerts and hands them to everything that listens.
pub struct Publisher {
    zone: TimeZone,
    history: Arc<AlertLog>,
    exec: AlertQueue,
    store: Option<mpsc::Sender<AlertRecord>>,
}

impl Publisher {
    /// A publisher whose messages give times in `zone`; without a store it keeps alerts in `history` only.
    #[must_use]
    pub const fn new(
        zone: TimeZone,
        history: Arc<AlertLog>,
        exec: AlertQueue,
        store: Option<mpsc::Sender<AlertRecord>>,
    ) -> Self {
        Self { zone, history, exec, store }
    }

    /// All alerts so far.
    #[must_use]
    pub const fn history(&self) -> &Arc<AlertLog> {
        &self.history
    }

    /// Runs `exec` for the alerts from now on.
    pub fn set_exec(&mut self, exec: Option<Arc<Exec>>) {
        self.exec.tell(exec);
    }

    /// Publishes the alerts of one moment. Returns them with their messages, and how many the store could not take.
    pub fn publish(&self, alerts: &[Alert]) -> (Vec<AlertRecord>, u64) {
        let record = |alert: &Alert| AlertRecord { message: alert_text(alert, &self.zone), facts: alert.clone() };
        let records: Vec<AlertRecord> = alerts.iter().map(record).collect();
        self.history.append(records.clone());
        events::alerts(&records);
        self.exec.announce(&records);
        // The store's queue holds thousands and is emptied at every flush: only a dead store loses alerts.
        let is_lost =
            |record: &&AlertRecord| self.store.as_ref().is_some_and(|to| to.try_send((*record).clone()).is_err());
        let lost = records.iter().filter(is_lost).count() as u64;
        (records, lost)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::alert::Rule;
    use crate::app::alerts::dispatcher::{self, tests::sh};
    use crate::app::status::health_meter::StoreStatus;
    use crate::model::Timestamp;
    use crate::report::tests::fixtures;

    #[tokio::test]
    async fn every_alert_goes_everywhere_in_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let exec = sh(&format!("cat >> '{}'", out.display()));
        let (queue, dispatcher) = dispatcher::open(Some(exec), watch::Sender::new(StoreStatus::default()));
        let (to_store, mut stored) = mpsc::channel(3);
        let publisher = Publisher::new(TimeZone::UTC, Arc::default(), queue, Some(to_store));
        let at = Timestamp::from_secs(1_795_340_000);
        let ended = Alert::ended("gone".into(), &Rule::default(), at, at.after(Duration::from_secs(9)));
        let (mut records, lost) = publisher.publish(&[fixtures::alert().facts, ended.clone()]);
        assert_eq!(lost, 0);
        assert_eq!(records[0].message, "Website api is down. availability=79.17%, time=2026-11-22T09:00:00+00:00");
        assert_eq!(records[1].message, "", "an incident that ends with its site has no message");
        // A store whose queue is full loses alerts and counts them; nothing else does.
        let (more, lost) = publisher.publish(&[ended.clone(), ended]);
        assert_eq!(lost, 1);
        records.extend(more);

        let history: Vec<AlertRecord> = publisher.history().list().iter().map(|record| (**record).clone()).collect();
        assert_eq!(history, records);
        drop(publisher);
        assert_eq!(std::iter::from_fn(|| stored.try_recv().ok()).collect::<Vec<_>>(), records[..3]);
        assert_eq!(dispatcher.run(CancellationToken::new()).await, None);
        let lines = std::fs::read_to_string(&out).unwrap();
        let states: Vec<bool> = lines.lines().map(|line| line.contains("\"state\":\"ended\"")).collect();
        assert_eq!(states, [false, true, true, true]);
    }
}
