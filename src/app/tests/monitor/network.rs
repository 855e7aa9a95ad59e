//! Several network threads watch as one does: on paused time all schedulers share a runtime.

use std::num::NonZero;
use std::sync::Mutex;

use super::*;

/// When after [`START`] each check of each site was known, and its cause.
fn checks(run: &TestRun, names: &[&str]) -> Vec<(String, String, String)> {
    let of_site = |name: &&str| {
        let told = |sample: &Value| {
            let text = |key: &str| sample[key].to_string();
            ((*name).to_owned(), text("time"), text("cause") + &text("seq") + &text("skipped"))
        };
        run.of("sample", name).map(told).collect::<Vec<_>>()
    };
    names.iter().flat_map(of_site).collect()
}

#[tokio::test(start_paused = true)]
async fn the_number_of_threads_changes_no_check_and_no_alert() {
    let names = ["a", "b", "c", "d", "e", "f", "flappy", "hung"];
    let scripts: Vec<(&str, Script)> = names
        .iter()
        .map(|name| match *name {
            "flappy" => (*name, flapping as Script),
            "hung" => (*name, hanging as Script),
            _ => (*name, steady as Script),
        })
        .collect();
    let mut seen = Vec::new();
    for threads in [1, 2, 5, 64] {
        let mut trial = TestMonitor::new(&scripts);
        trial.threads = NonZero::new(threads).unwrap();
        // A site goes and another one comes, a pause, a suspend.
        let text = "defaults: { interval: 10s, timeout: 5s }\nsites:\n".to_owned();
        let entry = |name: &&str| format!("  - {{ name: {name}, url: \"http://{name}/\" }}\n");
        trial.files = vec![(200 * SECOND, text.clone() + &names[1..].iter().map(entry).collect::<String>())];
        trial.commands = vec![(100 * SECOND, SiteCommand::Pause(SiteSlot::new(2), Some(START.after(150 * SECOND))))];
        // At no instant of a check.
        trial.suspend = Some((Duration::from_millis(303_003), 45 * SECOND));
        let run = trial.run(Duration::ZERO, 500 * SECOND).await;
        let alerts: Vec<String> = run.face.alerts.list().iter().map(|alert| alert.message.clone()).collect();
        assert!(!alerts.is_empty(), "the flapping site goes down");
        seen.push((threads, checks(&run, &names), alerts));
    }
    let (_, first, alerts) = &seen[0];
    assert!(first.iter().filter(|(name, ..)| name == "a").count() < 25, "it goes");
    for (threads, others, messages) in &seen[1..] {
        let differs = others.iter().zip(first).find(|(other, first)| other != first);
        assert!(differs.is_none() && others.len() == first.len(), "{threads} threads: {differs:?}");
        assert_eq!(messages, alerts, "{threads} threads");
    }
}

/// Counts the probes in flight.
#[derive(Default)]
struct Crowd {
    in_flight: Mutex<(usize, usize)>,
}

impl Prober for Crowd {
    async fn probe(&self, site: &Site) -> Observation {
        let step = |change: fn(&mut usize)| {
            let mut counted = self.in_flight.lock().unwrap();
            change(&mut counted.0);
            counted.1 = counted.1.max(counted.0);
        };
        step(|now| *now += 1);
        tokio::time::sleep(site.timeout / 4).await;
        step(|now| *now -= 1);
        Observation::failed(Cause::Ok, "")
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_probes_in_flight_holds_over_all_threads_and_starves_none() {
    let names: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let sites: Vec<String> =
        names.iter().map(|name| format!("  - {{ name: {name}, url: \"http://{name}/\" }}")).collect();
    let sites = sites.join("\n");
    let crowd = Arc::new(Crowd::default());
    let clock = Clock::start_at(START);
    let trial = TestMonitor::new(&[("a", steady)]);
    let parts = MonitorOptions {
        config: parsed(&format!("defaults: {{ interval: 10s, timeout: 8s }}\nsites:\n{sites}")),
        // 40 checks of 2 s in 10 s need eight at a time.
        limits: Limits { in_flight: 9 },
        ..trial.parts_of(&clock, Arc::clone(&crowd))
    };
    let monitor = Monitor::new(parts, Ok).unwrap_or_else(|failure| panic!("{failure}"));
    let (lines, read) = Lines::channel();
    let monitor = monitor.with_headless(|feed| Headless::new(every_event(), lines, TimeZone::UTC, feed));
    let stop = CancellationToken::new();
    let ends = async |_| {
        tokio::time::sleep(100 * SECOND).await;
        stop.cancel();
    };
    Box::pin(monitor.run(stop.clone(), ends)).await;
    assert_eq!(crowd.in_flight.lock().unwrap().1, 9, "as many as allowed, and no more");
    let events = parse(&read);
    for name in &names {
        let checks = events.iter().filter(|object| object["event"] == "sample" && object["site"] == **name).count();
        assert!((8..=10).contains(&checks), "{name}: {checks}");
    }
}
