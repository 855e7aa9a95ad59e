//! The control side of a monitor: the control loop, the store, and what runs beside them, started together and stopped in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::alerts::delivery::Deliveries;
use crate::app::alerts::heartbeat::HeartbeatTask;
use crate::app::clock::Clock;
use crate::app::domains::DomainTask;
use crate::app::orders::inbox::Inbox;
use crate::app::publish::{Publisher, ReportTask};
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::export_handle::LAST_FLUSH;
use crate::app::storage::task::StoreTask;
use crate::store::Flushed;

use super::control::Control;

/// The control side of a monitor whose scheduler runs elsewhere.
pub struct Controls {
    pub(super) control: Control,
    pub(super) deliveries: Deliveries,
    pub(super) orders: Option<(Inbox, Clock, watch::Sender<StoreStatus>)>,
    pub(super) heartbeat: HeartbeatTask,
    pub(super) report: Option<(ReportTask, Publisher)>,
    pub(super) domains: Option<DomainTask>,
    pub(super) store_task: Option<StoreTask>,
}

impl Controls {
    /// The time that a shutdown may take beyond [`SHUTDOWN`]: that of the last export.
    #[must_use]
    pub fn last_flush(&self) -> Duration {
        self.store_task.as_ref().and_then(|task| task.export.as_ref()).map_or(Duration::ZERO, |_| LAST_FLUSH)
    }

    /// Runs the engine and the store until `probing` has ended, then stops them in order.
    pub async fn run(self, probing: impl Future<Output = ()>) -> Last {
        let (stop_control, stop_store) = (CancellationToken::new(), CancellationToken::new());
        let control = self.control.run(stop_control.clone());
        let book = Arc::clone(&self.heartbeat.book);
        let store = async {
            match self.store_task {
                Some(task) => Some(task.run(stop_store.clone()).await),
                None => None,
            }
        };
        let probing = async {
            probing.await;
            stop_control.cancel();
        };
        let orders = async {
            if let Some((inbox, clock, status)) = self.orders {
                inbox.run(clock, status, stop_control.clone()).await;
            }
        };
        let report = async {
            if let Some((task, publisher)) = self.report {
                task.run(publisher, stop_control.clone()).await;
            }
        };
        let domains = async {
            if let Some(task) = self.domains {
                task.run(stop_control.clone()).await;
            }
        };
        let stop_deliveries = CancellationToken::new();
        let control = async {
            control.await;
            stop_deliveries.cancel();
        };
        // The store outlives the deliveries: it keeps what they have done.
        let deliveries = async {
            let unsent = Box::pin(self.deliveries.run(stop_deliveries.clone())).await;
            book.release_numbers();
            stop_store.cancel();
            unsent
        };
        let heartbeat = Box::pin(self.heartbeat.run(stop_deliveries.clone()));
        let files = async { tokio::join!(orders, Box::pin(report), Box::pin(domains)) };
        let ((), (), _, commit, unsent, ()) = tokio::join!(probing, control, files, store, deliveries, heartbeat);
        Last { commit, unsent }
    }
}

/// The end of a monitor, after the last step of the engine.
pub struct Last {
    /// The last commit, with a store.
    pub commit: Option<Flushed>,
    /// A sentence about messages that wait.
    pub unsent: Option<String>,
}

/// The longest clean shutdown, from the signal to the exit, without the last export.
pub const SHUTDOWN: Duration = Duration::from_millis(4_500);
