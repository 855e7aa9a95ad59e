//! Answers that are kept ready: each is made at most once a second, however many ask for it.
//!
//! Invariants: who asks while an answer is made waits for that one; it is finished even if all who asked have left, so a client
//! that asks and leaves costs no more than one that waits. Bounds: [`MAKERS`] answers are made at once, and each maker rests as
//! long as it worked, so all of them take the time of one processor at most; [`KEPT_MAX`] answers are kept, for a second or
//! twice as long as they took to make; an answer is waited for for [`PATIENCE`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex as PlainMutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore};

use crate::model::lock::lock;

use super::answer::Answer;
use super::render::render;
use super::route::Route;
use super::source::{Missing, Source};

/// Answers made at once; each reads the store at most once.
const MAKERS: usize = 2;

/// Answers that are kept.
const KEPT_MAX: usize = 64;

/// For how long an answer is good, at least.
const GOOD: Duration = Duration::from_secs(1);

/// For how long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(8);

/// An answer that is kept.
#[derive(Clone, Debug)]
struct Ready {
    answer: Answer,
    compressed: Option<Bytes>,
    good_until: Duration,
}

type Slot = Arc<Mutex<Option<Ready>>>;

/// See the module.
pub struct Cache {
    source: Arc<dyn Source>,
    slots: PlainMutex<HashMap<Route, Slot>>,
    makers: Arc<Semaphore>,
}

impl Cache {
    /// Keeps answers of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self { source, slots: PlainMutex::default(), makers: Arc::new(Semaphore::new(MAKERS)) }
    }

    /// The answer to `route`, and its compressed body if that is wanted and worth it.
    pub async fn answer(&self, route: &Route, compress: bool) -> (Answer, Option<Bytes>) {
        let ready = tokio::time::timeout(PATIENCE, self.ready(route, compress)).await;
        match ready {
            Ok(Some(ready)) => (ready.answer, ready.compressed.filter(|_| compress)),
            _ => (Missing::Unavailable("webmon is busy with other requests".to_owned()).into(), None),
        }
    }

    async fn ready(&self, route: &Route, compress: bool) -> Option<Ready> {
        let mut kept = self.slot(route)?.lock_owned().await;
        let is_good = |ready: &Ready| ready.good_until > self.source.elapsed();
        if let Some(ready) = kept.as_ref().filter(|ready| is_good(ready))
            && (!compress || ready.compressed.is_some() || ready.answer.long().is_none())
        {
            return Some(ready.clone());
        }
        let permit = Arc::clone(&self.makers).acquire_owned().await.ok()?;
        let (source, route) = (Arc::clone(&self.source), route.clone());
        // A task of its own, so that it ends although a client leaves.
        let task = tokio::spawn(async move {
            let began = source.elapsed();
            let before = kept.take().filter(|ready| ready.good_until > began);
            let maker = Arc::clone(&source);
            let made = tokio::task::spawn_blocking(move || make(&*maker, &route, before, compress)).await.ok()?;
            let took = source.elapsed().saturating_sub(began);
            let (answer, compressed, until) = made;
            let good_until = until.unwrap_or(began + GOOD.max(took * 2));
            let ready = Ready { answer, compressed, good_until };
            *kept = Some(ready.clone());
            tokio::spawn(async move {
                tokio::time::sleep(took).await;
                drop(permit);
            });
            Some(ready)
        });
        task.await.ok().flatten()
    }

    /// The place of `route`; none while too many are in use.
    fn slot(&self, route: &Route) -> Option<Slot> {
        let now = self.source.elapsed();
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(route) {
            return Some(Arc::clone(slot));
        }
        slots.retain(|_, slot| {
            // A client that holds it still needs it.
            Arc::strong_count(slot) > 1
                || slot.try_lock().is_ok_and(|kept| kept.as_ref().is_some_and(|ready| ready.good_until > now))
        });
        if slots.len() >= KEPT_MAX {
            let unused = slots.iter().find(|(_, slot)| Arc::strong_count(slot) == 1).map(|(route, _)| route.clone());
            slots.remove(&unused?);
        }
        Some(Arc::clone(slots.entry(route.clone()).or_default()))
    }
}

/// Makes the answer, or compresses the one from `before`; also for how long that one is good.
fn make(
    source: &dyn Source,
    route: &Route,
    before: Option<Ready>,
    compress: bool,
) -> (Answer, Option<Bytes>, Option<Duration>) {
    let until = before.as_ref().map(|ready| ready.good_until);
    let answer = before.map_or_else(|| render(source, route), |ready| ready.answer);
    let compressed = if compress { answer.compressed() } else { None };
    (answer, compressed, until)
}
