//! What goes to the store in one commit: alerts, and the changes of incidents and messages that belong to them.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use crate::alert::AlertRecord;
use crate::alert::kept::change::Change;
use crate::alert::network::Outage;

/// Reports on their way to the store.
const QUEUE: usize = 65_536;

/// One report.
#[derive(Debug, Default)]
pub struct StoredReport {
    /// Rises with each report.
    pub ticket: u64,
    /// Alerts.
    pub alerts: Vec<AlertRecord>,
    /// Changes, in order.
    pub changes: Vec<Change>,
    /// Outages of this machine's network.
    pub outages: Vec<KeptOutage>,
}

/// An outage of this machine's network on its way to the store.
#[derive(Clone, Debug)]
pub struct KeptOutage {
    /// The outage, with the sites that an earlier run wrote down: some may have left the file.
    pub outage: Outage,
    /// The names of the sites of this run.
    pub sites: Arc<[Arc<str>]>,
    /// Whether it is kept, or removed because it was none.
    pub is_kept: bool,
}

/// Sends reports to the store task.
#[derive(Clone, Debug)]
pub struct ReportSender {
    queue: mpsc::Sender<StoredReport>,
    urgent: Arc<Notify>,
}

/// Receives them.
#[derive(Debug)]
pub struct ReportReceiver {
    queue: mpsc::Receiver<StoredReport>,
    urgent: Arc<Notify>,
}

/// A queue of reports.
#[must_use]
pub fn open() -> (ReportSender, ReportReceiver) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let urgent = Arc::new(Notify::new());
    (ReportSender { queue: sender, urgent: Arc::clone(&urgent) }, ReportReceiver { queue, urgent })
}

impl ReportSender {
    /// Sends `report`; an urgent one does not wait for the next flush. Returns whether the queue had room.
    #[must_use]
    pub fn send(&self, report: StoredReport, is_urgent: bool) -> bool {
        let is_sent = self.queue.try_send(report).is_ok();
        if is_urgent {
            self.urgent.notify_one();
        }
        is_sent
    }
}

impl ReportReceiver {
    /// The next report, if one waits.
    pub fn next(&mut self) -> Option<StoredReport> {
        self.queue.try_recv().ok()
    }

    /// Notified of urgent reports.
    #[must_use]
    pub fn urgent(&self) -> Arc<Notify> {
        Arc::clone(&self.urgent)
    }
}
