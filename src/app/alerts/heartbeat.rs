//! Requests the URL of a dead man's switch while webmon works: the only signal that can tell that webmon itself is dead.
//!
//! All is well while the engine has stepped since the last beat, the store saves, and no outlet is broken. Otherwise the
//! service hears of it where it knows failures, and hears nothing where it does not.
//!
//! Invariants: it delays nothing else. A beat that fails is reported once, and again when its reason changes; no report
//! holds the URL. Bounds: one request at a time, at most every [`FIRST`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::alert::RuleKind;
use crate::app::clock::Clock;
use crate::app::log::about;
use crate::app::status::health_meter::StoreStatus;
use crate::config::Heartbeat as HeartbeatTerms;
use crate::http::Terms;
use crate::model::StoreHealth;
use crate::notify::Heartbeat;

use super::book::AlertBook;

/// From the start, or a change of the settings, to the first beat; by then the engine has stepped.
pub const FIRST: Duration = Duration::from_secs(1);

/// Makes requests.
pub trait Beat {
    /// Signals that all is well, or that it is not. Returns whether a request was made.
    ///
    /// # Errors
    /// Why the signal did not arrive.
    fn beat(&mut self, is_well: bool) -> impl Future<Output = Result<bool, String>>;
}

impl Beat for Heartbeat {
    fn beat(&mut self, is_well: bool) -> impl Future<Output = Result<bool, String>> {
        Self::beat(self, is_well)
    }
}

/// See the module.
pub struct HeartbeatTask {
    /// The settings, which may change.
    pub terms: watch::Receiver<Option<HeartbeatTerms>>,
    /// How often the engine has stepped.
    pub steps: Arc<AtomicU64>,
    /// The outlets.
    pub book: Arc<AlertBook>,
    /// The store, and where notices go.
    pub status: watch::Sender<StoreStatus>,
    /// The clock.
    pub clock: Clock,
}

impl HeartbeatTask {
    /// Beats until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let make =
            |terms: &HeartbeatTerms| Heartbeat::new(&terms.url, &Terms::default()).map_err(|error| error.to_string());
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.beat_with(make) => {}
        }
    }

    /// Beats for ever, with what `make` makes of the settings.
    async fn beat_with<B: Beat>(mut self, make: impl Fn(&HeartbeatTerms) -> Result<B, String>) {
        loop {
            let terms = self.terms.borrow_and_update().clone();
            let mut changes = self.terms.clone();
            let other_terms = async {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            match terms {
                None => other_terms.await,
                Some(terms) => tokio::select! {
                    () = other_terms => {}
                    () = self.beat_by(&terms, &make) => {}
                },
            }
        }
    }

    async fn beat_by<B: Beat>(&self, terms: &HeartbeatTerms, make: &impl Fn(&HeartbeatTerms) -> Result<B, String>) {
        let mut heartbeat = match make(terms) {
            Ok(heartbeat) => heartbeat,
            Err(reason) => {
                self.tell(format!("heartbeat: {reason}"));
                return std::future::pending().await;
            }
        };
        let mut beats = interval_at(self.clock.instant(self.clock.monotonic() + FIRST), terms.every.max(FIRST));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut failure) = (0, None);
        loop {
            beats.tick().await;
            let steps = self.steps.load(Ordering::Relaxed);
            let is_well = steps != std::mem::replace(&mut seen, steps) && self.is_well();
            match heartbeat.beat(is_well).await {
                Ok(is_made) => {
                    debug!(target: about::NOTIFY, is_well, is_made, "heartbeat");
                    if is_made && failure.take().is_some() {
                        self.tell("heartbeat: works again".to_owned());
                    }
                }
                Err(reason) => {
                    if failure.as_ref() != Some(&reason) {
                        self.tell(format!("heartbeat: {reason}"));
                    }
                    failure = Some(reason);
                }
            }
        }
    }

    /// Whether the store saves and every outlet is notified.
    fn is_well(&self) -> bool {
        let status = self.status.borrow();
        let is_saving = status.stuck.is_none() && !matches!(status.store, StoreHealth::NotSaving { .. });
        drop(status);
        is_saving && !self.book.is_breached(RuleKind::Outlet)
    }

    fn tell(&self, message: String) {
        self.status.send_modify(|status| status.tell(message));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::tz::TimeZone;
    use url::Url;

    use super::*;
    use crate::alert::incident::terms::LedgerTerms;
    use crate::app::alerts::context::words;
    use crate::model::{SecretUrl, Timestamp};
    use crate::store::Kept;

    const SECOND: Duration = Duration::from_secs(1);

    /// What was signalled, and how long after the start; every signal of a service that is away fails.
    #[derive(Clone)]
    struct Switch {
        beats: Arc<Mutex<Vec<(u64, bool)>>>,
        clock: Clock,
        is_away: Arc<AtomicU64>,
    }

    impl Beat for Switch {
        async fn beat(&mut self, is_well: bool) -> Result<bool, String> {
            if self.is_away.load(Ordering::Relaxed) > 0 {
                return Err("no answer within 30 s".to_owned());
            }
            self.beats.lock().unwrap().push((self.clock.monotonic().as_secs(), is_well));
            Ok(true)
        }
    }

    struct Scene {
        terms: watch::Sender<Option<HeartbeatTerms>>,
        steps: Arc<AtomicU64>,
        status: watch::Sender<StoreStatus>,
        switch: Switch,
    }

    fn every(secs: u64) -> HeartbeatTerms {
        let url = SecretUrl::new(Url::parse("https://hc-ping.com/1").unwrap());
        HeartbeatTerms { url, every: Duration::from_secs(secs) }
    }

    fn begin() -> (Scene, impl Future<Output = ()>) {
        let clock = Clock::start_at(Timestamp::from_secs(1_795_340_000));
        let status = watch::Sender::new(StoreStatus::default());
        let word = (7, words(TimeZone::UTC));
        let book =
            AlertBook::new(LedgerTerms::default(), Kept::default(), word, clock.clone(), (None, status.subscribe()));
        let (terms, settings) = watch::channel(Some(every(60)));
        let steps = Arc::new(AtomicU64::new(1));
        let switch = Switch { beats: Arc::default(), clock: clock.clone(), is_away: Arc::default() };
        let task = HeartbeatTask {
            terms: settings,
            steps: Arc::clone(&steps),
            book: Arc::new(book),
            status: status.clone(),
            clock,
        };
        let made = switch.clone();
        (Scene { terms, steps, status, switch }, task.beat_with(move |_| Ok(made.clone())))
    }

    impl Scene {
        async fn step_for(&self, secs: u64) {
            for _ in 0..secs {
                self.steps.fetch_add(4, Ordering::Relaxed);
                tokio::time::sleep(SECOND).await;
            }
        }

        fn beats(&self) -> Vec<(u64, bool)> {
            self.switch.beats.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_beats_while_the_engine_steps_and_the_store_saves_and_follows_its_settings() {
        let (scene, beating) = begin();
        let story = async {
            scene.step_for(130).await;
            assert_eq!(scene.beats(), [(1, true), (61, true), (121, true)]);
            // The engine hangs.
            tokio::time::sleep(110 * SECOND).await;
            assert_eq!(scene.beats()[3..], [(181, true), (241, false)][..1], "it had stepped at 129 s");
            tokio::time::sleep(10 * SECOND).await;
            assert_eq!(scene.beats()[4..], [(241, false)]);
            let at = Timestamp::from_secs(1);
            let failing = StoreHealth::NotSaving { since: at, reason: "disk full".to_owned() };
            scene.status.send_modify(|status| status.store = failing);
            scene.step_for(60).await;
            assert_eq!(scene.beats()[5..], [(301, false)]);
            scene.status.send_modify(|status| status.store = StoreHealth::Ok { bytes: 1 });
            scene.step_for(60).await;
            assert_eq!(scene.beats()[6..], [(361, true)]);
            // Another file: more often, then not at all.
            scene.terms.send_replace(Some(every(10)));
            scene.step_for(22).await;
            assert_eq!(scene.beats()[7..], [(371, true), (381, true), (391, true)]);
            scene.terms.send_replace(None);
            scene.step_for(300).await;
            assert_eq!(scene.beats().len(), 10);
        };
        tokio::select! {
            () = beating => unreachable!("it beats for ever"),
            () = story => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_that_fails_is_told_once_until_one_arrives() {
        let (scene, beating) = begin();
        let story = async {
            scene.switch.is_away.store(1, Ordering::Relaxed);
            scene.step_for(200).await;
            let told = scene.status.borrow().notices.clone();
            assert_eq!(told, ["heartbeat: no answer within 30 s"]);
            scene.switch.is_away.store(0, Ordering::Relaxed);
            scene.step_for(60).await;
            assert_eq!(scene.status.borrow().notices[1..], ["heartbeat: works again"]);
        };
        tokio::select! {
            () = beating => unreachable!("it beats for ever"),
            () = story => {}
        }
    }
}
