//! Signs of life of a whole monitor of which one part stops: what `/healthz` and `/readyz` answer.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::*;
use crate::app::clock;
use crate::app::web::MonitorSource;
use crate::model::{PageTerms, StoreHealth};
use crate::serve::answer::Content;
use crate::serve::render::render;
use crate::serve::route::Route;

/// A part of a monitor that can be stopped, as its thread could be.
#[derive(Clone, Default)]
struct Brake(Arc<AtomicBool>);

impl Brake {
    fn set(&self, is_stopped: bool) {
        self.0.store(is_stopped, Ordering::Relaxed);
    }

    /// `part`, which does nothing while it is stopped. All parts are of one task, so another one wakes it afterwards.
    async fn on<T>(&self, part: impl Future<Output = T>) -> T {
        let mut part = Box::pin(part);
        poll_fn(|context| if self.0.load(Ordering::Relaxed) { Poll::Pending } else { part.as_mut().poll(context) })
            .await
    }
}

/// What is answered: the status and the sentence.
fn said(source: &MonitorSource, route: &Route) -> (u16, String) {
    let answer = render(source, route);
    let Content::Whole(body) = &answer.content else { panic!("a sentence is short") };
    (answer.status.as_u16(), String::from_utf8(body.to_vec()).unwrap().trim_end().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_part_that_stops_is_not_healthy_and_a_store_that_does_not_save_is_not_ready() {
    let trial = TestMonitor::new(&[("a", steady), ("b", steady)]);
    let clock = Clock::start_at(START);
    let parts = trial.parts(&clock, None);
    let (_page, terms) = watch::channel(Arc::new(PageTerms::default()));
    let source = MonitorSource::new(clock::stopwatch, Arc::default(), terms);
    let (alive, ready) = (|| said(&source, &Route::Alive), || said(&source, &Route::Ready));
    let ok = (200, "ok".to_owned());
    assert_eq!((alive(), ready()), (ok.clone(), (503, "starting".to_owned())), "it has yet to read its store");

    let mut monitor = Monitor::new(parts, Ok).unwrap_or_else(|failure| panic!("{failure}"));
    let keeping = monitor.keeping();
    source.attach(monitor.running(clock.clone(), None).0);
    let (scheduler, controls, _reconciler) = monitor.split();
    let (stop, of_scheduler, of_engine) = (CancellationToken::new(), Brake::default(), Brake::default());
    let probing = of_scheduler.on(scheduler.run(stop.clone()));
    let running = Box::pin(of_engine.on(controls.run(probing)));
    let story = async {
        tokio::time::sleep(30 * SECOND).await;
        assert_eq!((alive(), ready()), (ok.clone(), ok.clone()));

        // A check is due every 10 s at least.
        of_scheduler.set(true);
        tokio::time::sleep(20 * SECOND).await;
        let (status, why) = alive();
        assert!(status == 503 && why.starts_with("the scheduler has not turned for "), "{status} {why}");
        assert_eq!(ready(), (503, why));
        of_scheduler.set(false);
        tokio::time::sleep(SECOND).await;
        assert_eq!((alive(), ready()), (ok.clone(), ok.clone()));

        // The engine carries the scheduler in this test, so both stop; a listener with one ailment names the first.
        of_engine.set(true);
        tokio::time::sleep(6 * SECOND).await;
        assert_eq!(alive().0, 503);
        of_engine.set(false);
        // The first one wakes it, the second one lets it turn.
        tokio::time::sleep(SECOND).await;
        tokio::time::sleep(SECOND).await;
        assert_eq!(alive(), ok);

        let full = StoreHealth::NotSaving { since: clock.now(), reason: "disk full".to_owned() };
        keeping.send_modify(|status| status.store = full);
        assert_eq!((alive(), ready()), (ok.clone(), (503, "not saving: disk full".to_owned())));
        keeping.send_modify(|status| status.store = StoreHealth::Ok { bytes: 1 });
        assert_eq!(ready(), ok);
        stop.cancel();
    };
    let (_last, ()) = tokio::join!(running, story);
    assert_eq!(ready(), (503, "stopping".to_owned()));
}
