//! The desk of a hub: keeps its incidents, tells people, and takes the orders of users.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alert::{Alert, AlertRecord};
use crate::app::alerts::delivery::Deliveries;
use crate::app::alerts::heartbeat::HeartbeatTask;
use crate::app::alerts::publisher::Publisher;
use crate::app::alerts::stored_report::ReportSender;
use crate::app::clock::Clock;
use crate::app::fleet::hub::Part;
use crate::app::follow::ReadOnlyMonitor;
use crate::app::monitor::alerting;
use crate::app::orders::folder::OrderFolder;
use crate::app::orders::inbox::Inbox;
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::restore::Restored;
use crate::config::Config;
use crate::engine::Board;
use crate::fleet::lease::Leading;
use crate::model::Timestamp;

/// See the module.
pub(super) struct Desk {
    publisher: Publisher,
    deliveries: Deliveries,
    heartbeat: HeartbeatTask,
    inbox: Inbox,
    status: watch::Sender<StoreStatus>,
    clock: Clock,
    /// Incidents of sites that are not in the file any more.
    ended: Vec<Alert>,
}

/// The half of a [`Desk`] that publishes.
pub(super) struct Announcer {
    publisher: Publisher,
    steps: Arc<AtomicU64>,
    /// Whether this hub delivers, as of the last look.
    leading: Leading,
}

impl Desk {
    /// The desk for the sites of `config`, with what `memory` holds of them; `follower` shows what it does.
    pub(super) fn open(
        config: &Config,
        mut memory: Restored,
        (clock, zone): (&Clock, &TimeZone),
        (store, reports): (&Path, ReportSender),
        follower: &ReadOnlyMonitor,
    ) -> Self {
        let (status, clock) = (follower.keeping(), clock.clone());
        let ended = memory.ended.iter().map(|(_, alert)| alert.clone()).collect();
        let (publisher, deliveries) =
            alerting(config, &mut memory, &clock, zone.clone(), (Some(reports), status.clone()));
        let heartbeat = HeartbeatTask {
            terms: publisher.heartbeat(),
            steps: Arc::default(),
            book: Arc::clone(publisher.book()),
            status: status.clone(),
            clock: clock.clone(),
        };
        let inbox = Inbox::new(OrderFolder::of(store), Arc::clone(publisher.book()));
        Self { publisher, deliveries, heartbeat, inbox, status, clock, ended }
    }

    /// What publishes, and what works until `stop`: it delivers, beats and takes orders.
    pub(super) fn staffed(
        self,
        board: &Board,
        stop: CancellationToken,
    ) -> (Announcer, impl Future<Output = Option<String>> + use<>) {
        let Self { publisher, deliveries, heartbeat, inbox, status, clock, ended } = self;
        let (steps, leading) = (Arc::clone(&heartbeat.steps), Leading::Undecided);
        let book = Arc::clone(publisher.book());
        publisher.book().hold_back();
        let announcer = Announcer { publisher, steps, leading };
        announcer.publisher.publish(&ended, board, clock.now());
        let work = async move {
            let orders = inbox.run(clock, status, stop.clone());
            let (unsent, (), ()) =
                tokio::join!(Box::pin(deliveries.run(stop.clone())), Box::pin(heartbeat.run(stop.clone())), orders);
            book.release_numbers();
            unsent
        };
        (announcer, work)
    }
}

impl Announcer {
    /// Delivers or leaves it to another hub, as `part` says, and says what people were told of.
    pub(super) fn take(&mut self, part: &mut Part) {
        let leading = part.leading.borrow_and_update().clone();
        let book = self.publisher.book();
        match (&self.leading, &leading) {
            (before, after) if before == after => {}
            (_, Leading::Leads) => {
                book.lead(&part.told.borrow());
                // What the hub before wrote must not be taken for this one's.
                part.telling.send_replace(book.told());
            }
            (Leading::Follows(_), Leading::Follows(_)) | (_, Leading::Undecided) => {}
            (_, Leading::Follows(_)) => book.follow(),
        }
        self.leading = leading;
        if self.leading == Leading::Leads {
            let told = book.told();
            part.telling.send_if_modified(|known| std::mem::replace(known, told.clone()) != told);
        }
    }

    /// Publishes `alerts`, and lets time pass until `now`. Returns them with their messages.
    pub(super) fn publish(&self, alerts: &[Alert], board: &Board, now: Timestamp) -> Vec<AlertRecord> {
        let (records, _lost) = self.publisher.publish(alerts, board, now);
        self.steps.fetch_add(1, Ordering::Relaxed);
        records
    }
}
