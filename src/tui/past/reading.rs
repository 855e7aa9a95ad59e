//! What was asked of the reader of the past, and what it answered.
//!
//! Invariants: an answer from before the cursor left the present is never shown; while a newer one is read, the last one stays.
//! Near now, where the store may still lack checks, the same instant is asked for again.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::AlertRecord;
use crate::alert::incident::list::IncidentList;
use crate::engine::snapshot::{SiteFacts, Snapshot};
use crate::model::Timestamp;

use super::{PastOverview, PastRequest};

/// How long before now the store may still lack checks: the longest time between two commits, and a commit.
const SETTLING: Duration = Duration::from_secs(70);
/// The time between two requests for an instant that is not settled.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a frame waits for an answer.
const PATIENCE: Duration = Duration::from_millis(150);

/// See the module.
#[derive(Default)]
pub struct PastReading {
    /// The number of the last request, of this and of earlier journeys.
    number: u64,
    journey: Option<Journey>,
}

/// From the first step back until the return to now.
struct Journey {
    /// The number of its first request.
    first: u64,
    at: Timestamp,
    sites: Vec<Arc<SiteFacts>>,
    /// When it was asked for.
    asked: Timestamp,
    /// Since when an answer is awaited.
    waiting: Option<Timestamp>,
    shown: Option<Arc<PastOverview>>,
}

impl PastReading {
    /// Turns to `at`, or to the present. Some if that has to be read.
    pub fn turn_to(
        &mut self,
        at: Option<Timestamp>,
        snapshot: &Snapshot,
        (alerts, incidents): (&Arc<[Arc<AlertRecord>]>, &Arc<IncidentList>),
        now: Timestamp,
    ) -> Option<PastRequest> {
        let Some(at) = at else {
            self.journey = None;
            return None;
        };
        if let Some(journey) = &self.journey {
            let is_same = journey.sites.len() == snapshot.sites.len()
                && journey.sites.iter().zip(&snapshot.sites).all(|(known, site)| Arc::ptr_eq(known, &site.facts));
            let is_settled = now.since(at) > SETTLING || now.since(journey.asked) < AGAIN;
            if journey.at == at && is_same && is_settled {
                return None;
            }
        }
        self.number += 1;
        let sites: Vec<Arc<SiteFacts>> = snapshot.sites.iter().map(|site| Arc::clone(&site.facts)).collect();
        let before = self.journey.take();
        let (first, shown) = before.as_ref().map_or((self.number, None), |it| (it.first, it.shown.clone()));
        let waiting = before.and_then(|it| it.waiting).or(Some(now));
        self.journey = Some(Journey { first, at, sites: sites.clone(), asked: now, waiting, shown });
        Some(PastRequest {
            number: self.number,
            at,
            sites,
            views: snapshot.views.iter().map(|view| view.view()).collect(),
            alerts: Arc::clone(alerts),
            incidents: Arc::clone(incidents),
        })
    }

    /// Takes the last answer at `now`. Returns whether it is to be shown.
    pub fn receive(&mut self, answer: Option<Arc<PastOverview>>, now: Timestamp) -> bool {
        let Some(journey) = &mut self.journey else { return false };
        let shown = journey.shown.as_ref().map_or(journey.first, |shown| shown.number + 1);
        let Some(answer) = answer.filter(|answer| answer.number >= shown) else { return false };
        journey.waiting = (answer.number < self.number).then_some(now);
        journey.shown = Some(answer);
        true
    }

    /// The overview to show; none in the present, and until the first answer.
    pub fn shown(&self) -> Option<&PastOverview> {
        self.journey.as_ref()?.shown.as_deref()
    }

    /// Whether an answer will be there in a moment.
    pub fn is_awaited(&self, now: Timestamp) -> bool {
        let waiting = self.journey.as_ref().and_then(|journey| journey.waiting);
        waiting.is_some_and(|since| since <= now && now.since(since) < PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;

    fn answer(request: &PastRequest) -> Arc<PastOverview> {
        Arc::new(PastOverview {
            number: request.number,
            at: request.at,
            snapshot: Snapshot { at: request.at, sites: Vec::new(), views: Vec::new() },
            alerts: Vec::new(),
            incidents: IncidentList::default(),
            begins: Vec::new(),
            trouble: None,
        })
    }

    #[test]
    fn the_newest_answer_of_this_journey_is_shown() {
        let world = fixtures::five_sites();
        let (now, mut reading) = (world.now, PastReading::default());
        let known = (Arc::default(), Arc::default());
        let hour = |hours| now.before(Duration::from_hours(hours));
        let turn = |reading: &mut PastReading, at, now| reading.turn_to(at, &world.snapshot, (&known.0, &known.1), now);
        assert!(turn(&mut reading, None, now).is_none());
        let one = turn(&mut reading, Some(hour(1)), now).unwrap();
        assert!(turn(&mut reading, Some(hour(1)), now.after(Duration::from_hours(1))).is_none(), "it is settled");
        assert!(reading.is_awaited(now) && reading.shown().is_none());
        let two = turn(&mut reading, Some(hour(2)), now).unwrap();
        assert!(reading.receive(Some(answer(&one)), now));
        assert_eq!(reading.shown().unwrap().at, hour(1), "until the next one is there");
        assert!(reading.is_awaited(now) && !reading.is_awaited(now.after(PATIENCE)));
        assert!(reading.receive(Some(answer(&two)), now) && !reading.receive(Some(answer(&two)), now));
        assert!(!reading.receive(Some(answer(&one)), now) && !reading.is_awaited(now));
        turn(&mut reading, None, now);
        assert!(reading.shown().is_none() && !reading.receive(Some(answer(&two)), now));
        let three = turn(&mut reading, Some(hour(2)), now).unwrap();
        assert!(!reading.receive(Some(answer(&two)), now), "of the journey before");
        assert!(reading.receive(Some(answer(&three)), now));
    }

    #[test]
    fn an_instant_near_now_and_other_sites_are_read_again() {
        let mut world = fixtures::five_sites();
        let (now, mut reading) = (world.now, PastReading::default());
        let known: (Arc<_>, Arc<_>) = (Arc::default(), Arc::default());
        let at = Some(now.before(Duration::from_secs(5)));
        let mut turn = |world: &fixtures::World, secs: u64| {
            let request =
                reading.turn_to(at, &world.snapshot, (&known.0, &known.1), now.after(Duration::from_secs(secs)));
            request.map(|request| request.sites.len())
        };
        let asked: Vec<bool> = (0..5).map(|secs| turn(&world, secs).is_some()).collect();
        assert_eq!(asked, [true, false, true, false, true]);
        assert_eq!(turn(&world, 100), None, "it is settled now");
        world.snapshot.sites.pop();
        assert_eq!((turn(&world, 101), turn(&world, 102)), (Some(4), None));
    }
}
