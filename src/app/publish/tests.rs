//! When reports are written, and what is told of them: on paused time, with a publisher that does as it is told.

use std::sync::Mutex;

use super::*;
use crate::model::{KnownSecrets, Timestamp};

const SECOND: Duration = Duration::from_secs(1);

/// What a publisher did, how long after the start, and what it is to do.
#[derive(Default)]
struct Script {
    done: Vec<(u64, &'static str)>,
    titles: Vec<Arc<str>>,
    takes: Duration,
    writing: Option<&'static str>,
    publishing: Option<&'static str>,
}

#[derive(Clone)]
struct Fake {
    script: Arc<Mutex<Script>>,
    clock: Clock,
}

impl Fake {
    fn did(&self, what: &'static str) {
        self.script.lock().unwrap().done.push((self.clock.monotonic().as_secs(), what));
    }

    fn done(&self) -> Vec<(u64, &'static str)> {
        std::mem::take(&mut self.script.lock().unwrap().done)
    }
}

fn failing(reason: Option<&str>) -> Result<(), String> {
    reason.map_or(Ok(()), |reason| Err(reason.to_owned()))
}

impl Publish for Fake {
    async fn write(&self, _: &ReportTerms, page: &PageTerms, stop: &CancellationToken) -> Result<(), String> {
        let takes = self.script.lock().unwrap().takes;
        tokio::select! {
            () = tokio::time::sleep(takes) => {}
            () = stop.cancelled() => return Err("stopped".to_owned()),
        }
        self.did("written");
        let mut script = self.script.lock().unwrap();
        script.titles.push(Arc::clone(&page.title));
        failing(script.writing)
    }

    async fn publish(&self, _: &ReportTerms, _: &Exec) -> Result<(), String> {
        self.did("published");
        failing(self.script.lock().unwrap().publishing)
    }
}

struct Scene {
    plan: watch::Sender<ReportPlan>,
    status: watch::Sender<StoreStatus>,
    stop: CancellationToken,
    fake: Fake,
}

fn then() -> Arc<Exec> {
    let secrets = KnownSecrets::default();
    Arc::new(Exec { program: "sync".into(), arguments: Vec::new(), shown: "sync".to_owned(), secrets })
}

fn terms(every: u64, then: Option<Arc<Exec>>) -> ReportTerms {
    ReportTerms { out: "public".into(), every: Duration::from_secs(every), then, folder: PathBuf::new() }
}

impl Scene {
    fn begin(terms: ReportTerms) -> (Self, impl Future<Output = ()>) {
        let clock = Clock::start_at(Timestamp::from_secs(1_795_340_000));
        let (plan, plans) = watch::channel(ReportPlan { terms: Some(terms), page: PageTerms::default() });
        let status = watch::Sender::new(StoreStatus::default());
        let fake = Fake { script: Arc::default(), clock: clock.clone() };
        let task = ReportTask { plan: plans, clock, status: status.clone() };
        let stop = CancellationToken::new();
        let running = task.run(fake.clone(), stop.clone());
        (Self { plan, status, stop, fake }, running)
    }

    fn told(&self) -> Vec<String> {
        let notices = self.status.borrow().notices.clone();
        assert!(notices.iter().all(|notice| notice.about == "report"), "{notices:?}");
        self.status.send_modify(|status| status.notices.clear());
        notices.into_iter().map(|notice| notice.text).collect()
    }
}

/// Runs `running` beside `story`, which ends first.
async fn beside(running: impl Future<Output = ()>, story: impl Future<Output = ()>) {
    tokio::select! {
        () = running => unreachable!("it was not stopped"),
        () = story => {}
    }
}

#[tokio::test(start_paused = true)]
async fn reports_come_from_the_start_on_and_follow_the_file() {
    let (scene, running) = Scene::begin(terms(60, Some(then())));
    let story = async {
        tokio::time::sleep(130 * SECOND).await;
        let both = [2, 62, 122].into_iter().flat_map(|at| [(at, "written"), (at, "published")]);
        assert_eq!(scene.fake.done(), both.collect::<Vec<_>>());
        // Another title is no other section.
        scene.plan.send_modify(|plan| plan.page.title = "other".into());
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(scene.fake.done(), [(182, "written"), (182, "published")]);
        assert_eq!(*scene.fake.script.lock().unwrap().titles, ["Status", "Status", "Status", "other"].map(Arc::from));
        // At 190 s.
        scene.plan.send_modify(|plan| plan.terms = Some(terms(10, None)));
        tokio::time::sleep(15 * SECOND).await;
        assert_eq!(scene.fake.done(), [(192, "written"), (202, "written")]);
        scene.plan.send_modify(|plan| plan.terms = None);
        tokio::time::sleep(1_000 * SECOND).await;
        assert_eq!(scene.fake.done(), []);
        assert_eq!(scene.told(), [""; 0]);
    };
    beside(running, story).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_once_and_its_end_too() {
    let (scene, running) = Scene::begin(terms(10, Some(then())));
    let set = |writing, publishing| {
        let mut script = scene.fake.script.lock().unwrap();
        (script.writing, script.publishing) = (writing, publishing);
    };
    let story = async {
        set(Some("not written: disk \u{1b}full"), None);
        tokio::time::sleep(25 * SECOND).await;
        assert_eq!(scene.fake.done(), [2, 12, 22].map(|at| (at, "written")), "what is not whole is not published");
        assert_eq!(scene.told(), ["not written: disk \u{fffd}full"]);
        set(None, Some("report.then: sync failed"));
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(scene.told(), ["written again", "report.then: sync failed"]);
        set(None, Some("report.then: sync hangs"));
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(scene.told(), ["report.then: sync hangs"]);
        set(None, None);
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(scene.told(), ["`report.then` works again"]);
    };
    beside(running, story).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_too_long_skips_those_due_meanwhile_and_says_so_once() {
    let (scene, running) = Scene::begin(terms(10, None));
    let story = async {
        scene.fake.script.lock().unwrap().takes = 25 * SECOND;
        tokio::time::sleep(100 * SECOND).await;
        assert_eq!(scene.fake.done(), [27, 57, 87].map(|at| (at, "written")));
        assert_eq!(scene.told(), ["one took 25s, longer than `report.every` (10s); those due meanwhile are skipped"]);
    };
    beside(running, story).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_nothing_begins() {
    let (scene, running) = Scene::begin(terms(10, Some(then())));
    let story = async {
        scene.fake.script.lock().unwrap().takes = 5 * SECOND;
        tokio::time::sleep(14 * SECOND).await;
        scene.stop.cancel();
    };
    // One that was under way is given up.
    let ((), ()) = tokio::join!(running, story);
    assert_eq!(scene.fake.done(), [(7, "written"), (7, "published")]);
    assert_eq!(scene.fake.clock.monotonic().as_secs(), 14);
    assert_eq!(scene.told(), [""; 0]);
}
