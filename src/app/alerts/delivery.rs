//! Delivers the messages of the outbox: one task per outlet, one request at a time each.
//!
//! A message is marked as begun on the disk before its request, and removed after the outlet took it; so a crash repeats it
//! under the same number, and a restart continues with what waits. A slow or dead outlet delays neither a probe nor
//! another outlet.
//!
//! Bounds: [`AT_ONCE`] requests at once; [`LAST`] for all after the last step of the engine; what is left then waits in the
//! store for the next start.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::alert::outbox::Outgoing;
use crate::alert::outbox::queue::{FailedRequest, Next};
use crate::app::clock::Clock;
use crate::app::log::about;
use crate::app::status::health_meter::StoreStatus;
use crate::model::Notice;
use crate::model::time::duration;
use crate::report::clock;

use super::book::{AlertBook, PROGRAM};
use super::outlets::{Courier, OutletSpec, Receipt};

/// Requests at once, over all outlets.
const AT_ONCE: usize = 8;

/// The longest time of all requests after the last step of the engine.
pub const LAST: Duration = Duration::from_millis(1_500);

/// How often an outlet that forgets hears again of what is open.
const REPEAT: Duration = Duration::from_mins(1);

/// A connection to an outlet stays for the next message within this time.
const KEEP_CONNECTION: Duration = Duration::from_secs(5);

/// How often old messages are given up.
const EXPIRE: Duration = Duration::from_mins(1);

/// See the module.
pub struct Deliveries {
    book: Arc<AlertBook>,
    outlets: watch::Receiver<Vec<OutletSpec>>,
    context: DeliveryContext,
}

/// What all deliveries share.
#[derive(Clone)]
pub struct DeliveryContext {
    /// The random name of this webmon.
    pub agent: String,
    /// The zone of times in messages.
    pub zone: TimeZone,
    /// The clock.
    pub clock: Clock,
    /// Accepts notices for the user.
    pub status: watch::Sender<StoreStatus>,
}

impl Deliveries {
    /// Deliveries of `book` to `outlets`, which may change.
    #[must_use]
    pub const fn new(
        book: Arc<AlertBook>,
        outlets: watch::Receiver<Vec<OutletSpec>>,
        context: DeliveryContext,
    ) -> Self {
        Self { book, outlets, context }
    }

    /// Delivers until `ending`, and then for at most [`LAST`]. Returns a sentence about messages that wait.
    pub async fn run(mut self, ending: CancellationToken) -> Option<String> {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        let mut running: HashMap<Arc<str>, (OutletSpec, CancellationToken)> = HashMap::new();
        let mut expiry = tokio::time::interval(EXPIRE);
        loop {
            let wanted = self.outlets.borrow_and_update().clone();
            running.retain(|_, (spec, stop)| {
                let stays = wanted.contains(spec);
                if !stays {
                    stop.cancel();
                }
                stays
            });
            for spec in wanted {
                running.entry(Arc::clone(&spec.terms.key)).or_insert_with(|| {
                    let stop = CancellationToken::new();
                    let task = OutletTask {
                        spec: spec.clone(),
                        book: Arc::clone(&self.book),
                        context: self.context.clone(),
                        slots: Arc::clone(&slots),
                        failure: None,
                    };
                    tasks.spawn(task.run(stop.clone()));
                    (spec, stop)
                });
            }
            tokio::select! {
                biased;
                () = ending.cancelled() => break,
                changed = self.outlets.changed() => if changed.is_err() { break },
                Some(ended) = tasks.join_next() => if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                },
                _ = expiry.tick() => self.expire(),
            }
        }
        for (_, stop) in running.values() {
            stop.cancel();
        }
        let all = async { while tasks.join_next().await.is_some() {} };
        let _in_time = tokio::time::timeout(LAST, all).await;
        tasks.shutdown().await;
        self.left_behind()
    }

    fn expire(&self) {
        for (outlet, count) in self.book.expire() {
            let message = format!("{outlet}: gave up {count} messages that waited for a day");
            self.context.status.send_modify(|status| status.tell(notice(&outlet, message)));
        }
    }

    fn left_behind(&self) -> Option<String> {
        let waiting: Vec<String> = self
            .book
            .outlets()
            .into_iter()
            .filter(|(_, state)| state.waiting > 0)
            .map(|(outlet, state)| format!("{} for {outlet}", state.waiting))
            .collect();
        let fate = if self.book.is_durable() { "are sent after the next start" } else { "are lost" };
        (!waiting.is_empty()).then(|| format!("messages that wait {fate}: {}", waiting.join(", ")))
    }
}

/// The delivery to one outlet.
struct OutletTask {
    spec: OutletSpec,
    book: Arc<AlertBook>,
    context: DeliveryContext,
    slots: Arc<Semaphore>,
    /// The failure that the user was told of.
    failure: Option<String>,
}

impl OutletTask {
    /// Delivers until `stop`, and then what may go out at once.
    async fn run(mut self, stop: CancellationToken) {
        let mut courier = Courier::new(&self.spec, &self.context.zone);
        let mut changes = self.book.subscribe();
        let mut repeat = self.context.clock.monotonic() + REPEAT;
        loop {
            changes.borrow_and_update();
            let next = self.book.next(&self.spec.terms.key);
            let wait = match next {
                Next::Send(rows) => {
                    self.send(&mut courier, &rows).await;
                    continue;
                }
                Next::Later(at) => Some(at),
                Next::Idle => None,
            };
            let elapsed = self.context.clock.monotonic();
            if self.spec.terms.is_forgetful && elapsed >= repeat {
                self.repeat(&mut courier).await;
                repeat = self.context.clock.monotonic() + REPEAT;
                continue;
            }
            let wake = match (wait, self.spec.terms.is_forgetful) {
                (Some(wait), true) => Some(wait.min(repeat)),
                (None, true) => Some(repeat),
                (wait, false) => wait,
            };
            // A connection that is kept over an outage of the network looks alive, and what goes out on it is lost.
            if wake.is_none_or(|at| KEEP_CONNECTION < at.saturating_sub(elapsed)) {
                courier.disconnect();
            }
            let pause = async {
                match wake {
                    Some(at) => tokio::time::sleep(at.saturating_sub(elapsed)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                ended = changes.changed() => if ended.is_err() { return },
                () = pause => {}
            }
        }
    }

    async fn send(&mut self, courier: &mut Courier, rows: &[u64]) {
        let key = Arc::clone(&self.spec.terms.key);
        let sending = self.book.begin(&key, rows);
        if sending.outgoing.rows.is_empty() {
            // An end has joined the messages to nothing meanwhile.
            return;
        }
        if sending.outgoing.is_marked {
            self.book.stored(sending.ticket).await;
        }
        let outgoing = &sending.outgoing;
        let (began, sent) = {
            let _slot = self.slots.acquire().await;
            let now = self.context.clock.now();
            (now, courier.send(outgoing, &self.context.agent, now).await)
        };
        match sent {
            Ok(Receipt { said, peer }) => {
                self.book.note_delivery(began, peer);
                let count = outgoing.rows.len() as u64;
                if *key == *PROGRAM {
                    debug!(target: about::EXEC, alerts = count, said, "{} was told", self.shown());
                } else {
                    debug!(target: about::NOTIFY, messages = count, said, "{key} was notified");
                }
                self.book.succeeded(&key, outgoing);
                if self.failure.take().is_some() {
                    self.tell(format!("{}: works again", self.shown()));
                }
            }
            Err(failed) => self.note_failure(&failed, outgoing),
        }
    }

    /// Reports a failure once, and again when its reason changes.
    fn note_failure(&mut self, failed: &FailedRequest, outgoing: &Outgoing) {
        let (key, reason) = (Arc::clone(&self.spec.terms.key), failed.reason.clone());
        let (resume, failures, given_up) = self.book.failed(&key, outgoing, failed);
        if given_up > 0 {
            self.tell(format!("{}: gave up {given_up} messages: {reason}", self.shown()));
            return;
        }
        if self.failure.as_ref() == Some(&reason) {
            return;
        }
        let wait = resume.saturating_sub(self.context.clock.monotonic());
        debug!(target: about::NOTIFY, failures, "{key}: {reason}");
        let message = if *key == *PROGRAM {
            reason.clone()
        } else {
            let now = self.context.clock.now();
            let since = outgoing.rows.first().map_or(now, |row| row.made);
            let (since, next) = (clock(since, &self.context.zone), clock(now.after(wait), &self.context.zone));
            let count = outgoing.rows.len();
            let waiting = if count == 1 { "1 message waits".to_owned() } else { format!("{count} messages wait") };
            format!("{}: {waiting} since {since}: {reason}; next try {next}", self.shown())
        };
        self.tell(message);
        self.failure = Some(reason);
    }

    /// Sends again what is open to an outlet that forgets it otherwise.
    async fn repeat(&mut self, courier: &mut Courier) {
        let news = self.book.to_repeat(&self.spec.terms.key);
        if news.is_empty() {
            return;
        }
        let _slot = self.slots.acquire().await;
        let now = self.context.clock.now();
        match courier.repeat(news, &self.context.agent, now).await {
            Ok(Receipt { peer, .. }) => self.book.note_delivery(now, peer),
            Err(FailedRequest { reason, .. }) => {
                let after = duration::format(REPEAT);
                debug!(target: about::NOTIFY, "{}: {reason}; repeated in {after}", self.spec.terms.key);
            }
        }
    }

    fn shown(&self) -> &str {
        self.spec.shown()
    }

    fn tell(&self, message: String) {
        self.context.status.send_modify(|status| status.tell(notice(&self.spec.terms.key, message)));
    }
}

/// A notice about `outlet`. Those about the program were there before there were outlets, and stay as they were.
fn notice(outlet: &str, message: String) -> Notice {
    if *outlet == *PROGRAM { message.into() } else { Notice::of_outlets(message) }
}
