//! Outages of this machine's own network, of hosts at addresses of private networks.

use crate::alert::network::Mask;
use crate::alert::policy::Playback;
use crate::alert::{AlertState, NewsKind, RuleKind};
use crate::model::{Packed, Sample};
use crate::store::{Archive, Query, StoredSample, Verification};

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Six unrelated hosts, judged by their last two checks.
fn monitor(script: fn(Duration) -> (Duration, Cause)) -> TestMonitor {
    let mut trial = TestMonitor::new(&NAMES.map(|name| (name, script)));
    trial.config = parsed(&file(""));
    trial
}

fn file(alerting: &str) -> String {
    let site = |(number, name)| format!("  - {{ name: {name}, url: \"http://10.0.{number}.1/\" }}\n");
    let sites: String = NAMES.into_iter().enumerate().map(site).collect();
    format!("defaults: {{ interval: 10s, timeout: 5s }}\nalerting: {{ failures: 2, {alerting} }}\nsites:\n{sites}")
}

fn lost(at: Duration, from: u64, to: u64) -> (Duration, Cause) {
    let is_lost = (from..to).contains(&at.as_secs());
    (Duration::from_millis(20), if is_lost { Cause::ConnectTimeout } else { Cause::Ok })
}

fn told(run: &TestRun) -> Vec<(String, String)> {
    let alerts = run.face.alerts.list();
    alerts.iter().map(|alert| (alert.site.to_string(), alert.state.name().to_owned())).collect()
}

fn network(run: &TestRun) -> Vec<&str> {
    let events = run.events.iter().filter(|event| event["event"] == "network");
    events.map(|event| event["state"].as_str().unwrap()).collect()
}

/// The last figures of the last 10 minutes: availability and coverage, in ten-thousandths.
fn figures(run: &TestRun, site: &str) -> (u32, u32) {
    let stats = run.of("stats", site).filter(|stats| stats["timeframe"] == "10m").last().unwrap();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
    let whole = |share: &Value| (share.as_f64().unwrap() * 10_000.0).round() as u32;
    (whole(&stats["availability"]), whole(&stats["coverage"]))
}

/// Everything stored about `site`: its samples as they were observed, and its mask.
fn stored(store: &Store, site: u32) -> (Vec<Sample>, Mask) {
    let query = Query { sites: Some(vec![SiteId(site)]), ..Query::ALL };
    let mut samples = Vec::new();
    let each = |stored: &StoredSample<'_>| {
        samples.push(stored.sample);
        Ok::<(), ()>(())
    };
    store.samples(&query, each).unwrap().unwrap();
    (samples, store.outages().unwrap().of(SiteId(site)))
}

/// `webmon samples` lists each check as it was observed, and says which of them count as unknown.
fn listed_masks(store: &Path) {
    use crate::app::cli::args::{ColorChoice, CommonArgs, PeriodArgs};
    use crate::app::commands::history::stored_period::StoredPeriod;

    let file = store.with_file_name("none.yaml");
    let common = CommonArgs { config: file, store: Some(store.to_owned()), verbose: 0, color: ColorChoice::Never };
    let period = PeriodArgs {
        since: Some("2026-11-01".to_owned()),
        until: Some("2027-01-01".to_owned()),
        ..PeriodArgs::default()
    };
    let past = StoredPeriod::open(&period, &common, None).unwrap();
    let (mut failed, mut masked, mut said) = (0, 0, Vec::new());
    past.visit(|_, record| {
        failed += usize::from(record.sample.cause == Cause::ConnectTimeout);
        masked += usize::from(record.masked == Some(true));
        crate::report::json::sample(&mut said, record)
    })
    .unwrap();
    assert!(failed >= 6 && failed == masked, "{failed} failed, {masked} masked");
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.matches("\"masked\":true").count(), masked);
    assert_eq!(said.matches("\"masked\":").count(), masked, "what counts does not speak of it: {said}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_one_event_and_no_down_and_lowers_the_coverage_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let mut trial = monitor(|at| lost(at, 300, 318));
    trial.store = Some(path.clone());
    let run = trial.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online"]);
    assert_eq!(told(&run), [], "it was shorter than half a minute");
    assert_eq!(run.events.iter().filter(|event| event["event"] == "alert").count(), 0);
    for site in NAMES {
        let (availability, coverage) = figures(&run, site);
        assert!(availability == 10_000 && (9_000..9_800).contains(&coverage), "{site}: {availability}, {coverage}");
        let failed = run.of("sample", site).filter(|sample| sample["up"] == false).count();
        assert!((1..=2).contains(&failed), "every check is printed as it was observed: {failed}");
    }
    assert_eq!(run.face.board.snapshot().sites[0].state, SiteState::Up);
    let now = run.face.board.snapshot().at;
    let store = Store::open(&path, &Options::default(), now).unwrap().store;
    let (samples, mask) = stored(&store, 0);
    assert_eq!(mask.spans().len(), 1);
    assert!(samples.iter().any(|sample| sample.cause == Cause::ConnectTimeout), "stored as it was observed");
    let query = Query { sites: Some(vec![SiteId(0)]), ..Query::ALL };
    let counts = store.figures(&query, None).unwrap().remove(0).stretch.rollup;
    assert_eq!(counts.totals.counts.down, 0);
    drop(store);
    listed_masks(&path);
    // And after a restart.
    let again = trial.run(600 * SECOND, 650 * SECOND).await;
    let (availability, coverage) = figures(&again, "a");
    assert!(availability == 10_000 && coverage < 10_000, "{availability}, {coverage}");
    assert_eq!((told(&again), network(&again)), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_longer_one_is_one_incident_of_webmon() {
    let mut trial = monitor(|at| lost(at, 300, 400));
    // Each goes down at its first failure; the sixth is the one that tells that it is the network.
    trial.config = parsed(&file("").replace("failures: 2", "failures: 1"));
    let run = trial.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online"]);
    let own = |state: &str| ("webmon".to_owned(), state.to_owned());
    assert_eq!(told(&run), [own("breached"), own("cleared")]);
    let messages: Vec<String> = run.face.alerts.list().iter().map(|alert| alert.message.clone()).collect();
    assert!(
        messages[0].starts_with("webmon: None of 6 unrelated hosts in private networks has answered since"),
        "{messages:?}"
    );
    assert!(messages[1].contains("5 downs held back; these checks count as unknown"), "{messages:?}");
    let offline = run.events.iter().find(|event| event["event"] == "network").unwrap();
    assert_eq!((&offline["hosts"], &offline["realm"]), (&6.into(), &"private".into()));
}

/// A message about the outage finds no way out while that lasts, so what waits afterwards is one message that says all of it;
/// services that keep incidents need not hear of what is over.
#[tokio::test(start_paused = true)]
async fn after_an_outage_people_get_one_message_about_it() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outlets = format!(
        "notify: {{ ops: {{ slack: \"http://{nobody}/\" }}, chat: {{ discord: \"http://{nobody}/\" }}, \
         hook: {{ webhook: \"http://{nobody}/\" }} }}"
    );
    for calm in ["", ", group: 0s"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let mut trial = monitor(|at| lost(at, 300, 400));
        trial.config = parsed(&file(&format!("{outlets}{calm}")));
        trial.store = Some(path.clone());
        let run = trial.run(Duration::ZERO, 590 * SECOND).await;
        assert_eq!(network(&run), ["offline", "online"]);
        let store = Store::open(&path, &Options::default(), START.after(590 * SECOND)).unwrap().store;
        let mut rows = store.kept().unwrap().rows;
        assert!(rows.iter().all(|row| row.attempts > 0 || row.news.kind == NewsKind::Was), "{rows:#?}");
        rows.retain(|row| row.news.alert.rule == RuleKind::Network);
        let waiting: Vec<_> = rows.iter().map(|row| (&*row.outlet, row.news.kind)).collect();
        assert_eq!(waiting, [("chat", NewsKind::Was), ("ops", NewsKind::Was)], "{rows:#?}");
        for row in &rows {
            let message = &row.news.alert.message;
            assert!(message.contains("no network in private networks from"), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_one_host_answers_all_others_are_told_with_the_time_of_their_rule() {
    let mut trial = monitor(|at| lost(at, 300, 400));
    trial.scripts.insert("f", steady);
    let run = trial.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(network(&run), Vec::<&str>::new());
    let mut without = monitor(|at| lost(at, 300, 400));
    without.scripts.insert("f", steady);
    without.config = parsed(&file("own_network: off"));
    let without = without.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(told(&without).len(), 10, "five down, five up");
    for site in NAMES {
        let alerts = |run: &TestRun| run.of("alert", site).cloned().collect::<Vec<_>>();
        assert_eq!(alerts(&run), alerts(&without), "{site}");
    }
    assert!(figures(&run, "a").0 < 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrives_refutes_it_and_what_was_held_is_told() {
    let mut trial = monitor(|at| lost(at, 300, 500));
    trial.delivered = vec![(360 * SECOND, [10, 1, 1, 1].into())];
    let run = trial.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(network(&run), ["offline", "refuted"]);
    let own = |run: &TestRun| {
        told(run).into_iter().filter(|(site, _)| site == "webmon").map(|(_, state)| state).collect::<Vec<_>>()
    };
    assert_eq!(own(&run), ["breached", "cleared"]);
    let mut trial = monitor(|at| lost(at, 300, 500));
    trial.config = parsed(&file("own_network: off"));
    let without = trial.run(Duration::ZERO, 590 * SECOND).await;
    for site in NAMES {
        // The incidents of webmon have numbers, too.
        let alerts = |run: &TestRun| {
            run.of("alert", site)
                .map(|alert| [&alert["time"], &alert["state"], &alert["message"]].map(Value::clone))
                .collect::<Vec<_>>()
        };
        assert_eq!(alerts(&run), alerts(&without), "{site}");
        assert_eq!(figures(&run, site), figures(&without, site), "{site}");
    }
}

/// A delivery to another realm says nothing.
#[tokio::test(start_paused = true)]
async fn a_message_to_elsewhere_refutes_nothing() {
    let mut trial = monitor(|at| lost(at, 300, 500));
    trial.delivered = vec![(360 * SECOND, [127, 0, 0, 1].into()), (361 * SECOND, [203, 0, 113, 1].into())];
    let run = trial.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_goes_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let mut trial = monitor(|at| lost(at, 300, 500));
    trial.store = Some(path.clone());
    let before = trial.run(Duration::ZERO, 350 * SECOND).await;
    assert_eq!(network(&before), ["offline"]);
    let after = trial.run(360 * SECOND, 700 * SECOND).await;
    assert_eq!(network(&after), ["online"]);
    assert!(told(&after).iter().all(|(site, _)| site == "webmon"), "{:?}", told(&after));
    assert_eq!(figures(&after, "b").0, 10_000);
    let store = Store::open(&path, &Options::default(), START.after(700 * SECOND)).unwrap().store;
    let outages = store.outages().unwrap();
    assert_eq!((outages.open().count(), outages.of(SiteId(1)).spans().len()), (0, 1));
}

fn downs(run: &TestRun) -> Vec<String> {
    let is_down = |(site, state): &(String, String)| site != "webmon" && state == "down";
    told(run).into_iter().filter(is_down).map(|(site, _)| site).collect()
}

fn kept(path: &Path, secs: u32) -> Store {
    Store::open(path, &Options::default(), START.after(secs * SECOND)).unwrap().store
}

/// The alerts about webmon's network, once for each state in a row: a run that finds the incident open says so.
fn own(store: &Store) -> Vec<AlertState> {
    let alerts = store.alerts(&Query::ALL).unwrap();
    let own = alerts.iter().filter(|alert| alert.rule == RuleKind::Network);
    let mut own: Vec<AlertState> = own.map(|alert| alert.state).collect();
    own.dedup();
    own
}

/// The file with the first `left` sites.
fn shorter(left: usize) -> String {
    file("").split_inclusive('\n').take(3 + left).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrives_after_a_restart_refutes_and_all_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let mut trial = monitor(|at| lost(at, 300, 900));
    trial.store = Some(path.clone());
    trial.delivered = vec![(370 * SECOND, [10, 1, 1, 1].into())];
    assert_eq!(network(&trial.run(Duration::ZERO, 350 * SECOND).await), ["offline"]);
    let after = trial.run(360 * SECOND, 420 * SECOND).await;
    assert_eq!(network(&after), ["refuted"]);
    let mut downs = downs(&after);
    downs.sort_unstable();
    assert_eq!(downs, NAMES);
    let store = kept(&path, 420);
    assert_eq!(own(&store), [AlertState::Breached, AlertState::Cleared]);
    assert!(store.outages().unwrap().of(SiteId(0)).is_empty());
}

/// An outage that can no longer be judged ends: where the detection is turned off, and where too few sites are left.
#[tokio::test(start_paused = true)]
async fn an_outage_that_cannot_be_judged_after_a_restart_ends_with_it() {
    for (text, left) in [(file("own_network: off"), 6), (shorter(1), 1)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let mut trial = monitor(|at| lost(at, 300, 900));
        trial.store = Some(path.clone());
        trial.run(Duration::ZERO, 400 * SECOND).await;
        trial.config = parsed(&text);
        let after = trial.run(410 * SECOND, 440 * SECOND).await;
        assert_eq!(network(&after), ["online"], "{text}");
        assert_eq!(downs(&after).len(), left, "{text}");
        let store = kept(&path, 440);
        assert_eq!(own(&store), [AlertState::Breached, AlertState::Cleared], "{text}");
        let outages = store.outages().unwrap();
        assert_eq!(outages.open().count(), 0);
        for site in 0..6 {
            assert_eq!(outages.of(SiteId(site)).spans().len(), 1, "also of sites that left the file: {site}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_when_a_file_leaves_it_too_few_sites() {
    let mut trial = monitor(|at| lost(at, 300, 900));
    trial.files = vec![(350 * SECOND, shorter(1))];
    let run = trial.run(Duration::ZERO, 400 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online"]);
    assert_eq!(downs(&run), ["a"]);
}

/// A site that is back in the file is masked as long as the outage lasts, and no longer.
#[tokio::test(start_paused = true)]
async fn a_site_that_left_the_file_and_is_back_is_masked_until_the_outage_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let mut trial = monitor(|at| lost(at, 300, 400));
    trial.scripts.insert("f", |at| lost(at, 300, 900));
    trial.store = Some(path.clone());
    trial.files = vec![(340 * SECOND, shorter(5)), (350 * SECOND, file(""))];
    let run = trial.run(Duration::ZERO, 480 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online"]);
    assert_eq!(downs(&run), ["f"]);
}

/// The incident of two outages at once, of hosts at private addresses and of others, ends with the later one.
#[tokio::test(start_paused = true)]
async fn two_outages_at_once_are_one_incident() {
    let mut trial = monitor(|at| lost(at, 300, 400));
    for name in ["d", "e", "f"] {
        trial.scripts.insert(name, |at| lost(at, 300, 500));
    }
    let text = ["3", "4", "5"]
        .iter()
        .fold(file(""), |text, number| text.replace(&format!("10.0.{number}.1"), &format!("203.0.{number}.1")));
    trial.config = parsed(&text);
    let run = trial.run(Duration::ZERO, 590 * SECOND).await;
    assert_eq!(network(&run), ["offline", "offline", "online", "online"]);
    let own = |state: &str| ("webmon".to_owned(), state.to_owned());
    assert_eq!(told(&run), [own("breached"), own("breached"), own("cleared")]);
    let last = run.face.alerts.list().last().unwrap().message.clone();
    assert!(last.contains("no network in private networks from") && last.contains(". No network from"), "{last}");
}

/// What webmon tells of itself does not end with a site, since it has none, nor with a run.
#[tokio::test(start_paused = true)]
async fn the_incident_of_an_outage_goes_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    let mut trial = monitor(|at| lost(at, 300, 500));
    trial.store = Some(path.clone());
    trial.run(Duration::ZERO, 400 * SECOND).await;
    trial.run(410 * SECOND, 700 * SECOND).await;
    assert_eq!(own(&kept(&path, 700)), [AlertState::Breached, AlertState::Cleared]);
}

/// The store rolls up an hour at a sealing before it is decided whether its last checks are part of an outage.
#[tokio::test(start_paused = true)]
async fn an_hour_is_rolled_up_with_the_outage_that_is_found_after_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    // The hour ends at 1,600 s, and a run from 715 s seals at 1,615 s, when checks of the next hour are there. The sixth host
    // decides at 1,627 s.
    let mut trial = monitor(|at| lost(at, 1_575, 1_750));
    trial.config = parsed(&file("").replace("f, url: ", "f, interval: 57s, url: "));
    trial.store = Some(path.clone());
    let run = trial.run(715 * SECOND, 5_700 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online"]);
    let offline = run.events.iter().find(|event| event["event"] == "network").unwrap();
    let at = |field: &str| offline[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let start = i64::try_from(START.as_micros() / 1_000_000).unwrap();
    assert!(at("since") - start < 1_590 && at("time") - start > 1_617, "undecided at the sealing: {offline}");
    let verdict = Archive::open(&path).unwrap().verify().unwrap();
    assert!(verdict.is_sound(), "{verdict:?}");
    let store = Store::open(&path, &Options::default(), START.after(5_700 * SECOND)).unwrap().store;
    for site in 0..6 {
        let query = Query { sites: Some(vec![SiteId(site)]), ..Query::ALL };
        let counts = store.figures(&query, None).unwrap().remove(0).stretch.rollup.totals.counts;
        assert_eq!(counts.down, 0, "{site}");
        assert!(counts.unknown > 1, "{site}");
    }
}

fn outages(at: Duration) -> (Duration, Cause) {
    if at.as_secs() < 1_000 { lost(at, 300, 400) } else { lost(at, 1_200, 1_640) }
}

/// The law of the record: what the rules find in the stored samples, as they count, is what was published.
#[tokio::test(start_paused = true)]
async fn the_alerts_are_what_the_rules_find_in_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webmon.redb");
    // A site of its own trouble before, within and after two outages of the network.
    let troubled: Script = |at| {
        let own = matches!(at.as_secs(), 250..285 | 405..450 | 700..760 | 1_650..1_700);
        if own { (Duration::from_millis(20), Cause::ConnectTimeout) } else { outages(at) }
    };
    let mut trial = monitor(outages);
    trial.scripts.insert("c", troubled);
    trial.store = Some(path.clone());
    let run = trial.run(Duration::ZERO, 2_000 * SECOND).await;
    assert_eq!(network(&run), ["offline", "online", "offline", "online"]);
    let store = Store::open(&path, &Options::default(), START.after(2_000 * SECOND)).unwrap().store;
    let recorded = store.alerts(&Query::ALL).unwrap();
    for (index, watched) in trial.config.sites.iter().enumerate() {
        let (samples, mask) = stored(&store, u32::try_from(index).unwrap());
        let seen: Vec<Packed> = samples.iter().map(|sample| mask.seen(sample).packed()).collect();
        let mut found = Vec::new();
        let mut playback = Playback::new(&watched.policies, watched.site.interval, (&seen, 0), None);
        playback.advance(START.after(2_000 * SECOND), &mut found);
        let found: Vec<_> = found.iter().map(|found| (found.at, found.state, found.since)).collect();
        let of_site = recorded.iter().filter(|alert| alert.site == watched.site.name);
        let of_site: Vec<_> = of_site.map(|alert| (alert.at, alert.state, alert.since)).collect();
        assert_eq!(of_site, found, "{}", watched.site.name);
        let expected = if &*watched.site.name == "c" { 8 } else { 0 };
        assert_eq!(found.len(), expected, "{}", watched.site.name);
    }
    drop(store);
    let archive = Archive::open(&path).unwrap();
    let verdict: Verification = archive.verify().unwrap();
    assert!(verdict.is_sound(), "{verdict:?}");
}
