//! The machine's clock is wrong when webmon starts, and is set right while it runs.

use std::cell::RefCell;

use super::*;

type Set = (Clock, Timestamp, fn(Duration) -> i64);

thread_local! {
    /// Ours, when it started, and what the system's is off from it so long after that.
    static SET: RefCell<Option<Set>> = const { RefCell::new(None) };
}

/// A system's clock that is `off` from what `clock` said at its start.
pub(in crate::app) fn wall(clock: &Clock, off: fn(Duration) -> i64) -> fn() -> Timestamp {
    SET.set(Some((clock.clone(), clock.now(), off)));
    || {
        SET.with_borrow(|set| {
            let (clock, start, off) = set.as_ref().unwrap();
            let (elapsed, by) = (clock.monotonic(), off(clock.monotonic()));
            let at = start.after(elapsed);
            if by < 0 {
                at.before(Duration::from_secs(by.unsigned_abs()))
            } else {
                at.after(Duration::from_secs(by.unsigned_abs()))
            }
        })
    }
}

const HOURS: Duration = Duration::from_hours(3);

/// Seconds after [`START`].
fn secs(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second() - 1_795_340_000
}

fn times(outcome: &TestRun, event: &str, site: &str) -> Vec<i64> {
    outcome.of(event, site).map(|object| secs(&object["time"])).collect()
}

/// Fails while the clock is wrong and for 50 s after, either way; the right times are those from `START` on.
fn failing_when_behind(at: Duration) -> (Duration, Cause) {
    let right = at.checked_sub(HOURS);
    let down = right.is_none_or(|right| right < 200 * SECOND);
    (Duration::from_millis(20), if down { Cause::ConnectRefused } else { Cause::Ok })
}

fn failing_when_ahead(at: Duration) -> (Duration, Cause) {
    let down = at >= HOURS || at < 200 * SECOND;
    (Duration::from_millis(20), if down { Cause::ConnectRefused } else { Cause::Ok })
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_takes_windows_incidents_and_the_next_start_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut trial = TestMonitor::new(&[("a", steady), ("b", failing_when_ahead)]);
    trial.store = Some(folder.path().join("webmon.redb"));
    trial.wall = Some(|elapsed| if elapsed < 150 * SECOND { 0 } else { -10_800 });
    let outcome = trial.run(HOURS, HOURS + 400 * SECOND).await;
    for site in ["a", "b"] {
        let (times, set) = (times(&outcome, "sample", site), 152);
        let ahead = times.iter().take_while(|&&time| time >= 10_800).count();
        assert!(times[..ahead].is_sorted() && times[ahead..].is_sorted(), "{site}: they fall once: {times:?}");
        assert!(times[..ahead].iter().all(|time| *time - 10_800 <= set), "{site}: {times:?}");
        assert!(times[ahead..].iter().all(|time| (set - 12..400).contains(time)), "{site}: {times:?}");
        let seqs: Vec<u64> = outcome.of("sample", site).map(|sample| sample["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, (0..times.len() as u64).collect::<Vec<_>>(), "{site}");
        assert!(outcome.of("sample", site).all(|sample| sample["skipped"] == 0), "{site}");
    }
    // The incident is as long as it was, and told once each way.
    let alerts: Vec<&Value> = outcome.of("alert", "b").collect();
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert_eq!((&alerts[0]["state"], &alerts[1]["state"]), (&Value::from("down"), &Value::from("up")));
    let (down, up) = (secs(&alerts[0]["time"]) - 10_800, secs(&alerts[1]["time"]));
    assert!((100..150).contains(&down) && (280..330).contains(&up), "{alerts:?}");
    assert!((secs(&alerts[1]["since"]) - down).abs() <= 1, "{alerts:?}");
    let downtime = alerts[1]["downtime_ms"].as_i64().unwrap() / 1_000;
    assert!((downtime - (up - down)).abs() <= 1, "{alerts:?}");
    // The windows lost nothing.
    let snapshot = outcome.face.board.snapshot();
    let row = &snapshot.views[0].rows[0].summary;
    assert!((39..=40).contains(&row.counts.checks()) && row.coverage == Some(1.0), "{row:?}");
    assert!(snapshot.at < START.after(401 * SECOND), "{:?}", snapshot.at);
    let notices = &outcome.face.health.borrow().notices;
    assert!(notices.iter().any(|notice| notice.contains("set back by 3h")), "{notices:?}");
    // What comes after a restart goes on where it stopped.
    trial.wall = None;
    let again = trial.run(410 * SECOND, 500 * SECOND).await;
    let first = again.of("sample", "a").next().unwrap();
    assert_eq!(first["seq"].as_u64(), Some(outcome.of("sample", "a").count() as u64));
    let summary = again.face.board.snapshot().views[0].rows[0].summary.clone();
    assert!(summary.counts.checks() > 30, "the samples since the clock was set are remembered: {summary:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_leaves_a_hole_that_is_no_part_of_an_incident() {
    let mut trial = TestMonitor::new(&[("a", steady), ("b", failing_when_behind)]);
    trial.wall = Some(|elapsed| if elapsed < 150 * SECOND { 0 } else { 10_800 });
    let outcome = trial.run(Duration::ZERO, 400 * SECOND).await;
    let times = times(&outcome, "sample", "a");
    assert!(times.is_sorted(), "{times:?}");
    let leap = times.windows(2).position(|pair| pair[1] - pair[0] > 60).unwrap();
    assert!(times[leap] <= 152 && (10_800 + 150..10_800 + 165).contains(&times[leap + 1]), "{times:?}");
    let skipped: Vec<u64> = outcome.of("sample", "a").map(|sample| sample["skipped"].as_u64().unwrap()).collect();
    assert_eq!(skipped[leap + 1], 1_079, "nobody looked in between");
    let alerts: Vec<&Value> = outcome.of("alert", "b").collect();
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    let (down, up) = (secs(&alerts[0]["time"]), secs(&alerts[1]["time"]) - 10_800);
    assert!((secs(&alerts[1]["since"]) - 10_800 - down).abs() <= 1, "{alerts:?}");
    let downtime = alerts[1]["downtime_ms"].as_i64().unwrap() / 1_000;
    assert!((downtime - (up - down)).abs() <= 1, "{alerts:?}");
}

/// Messages, calms and reminders count from the incident as it is kept, also after a restart.
#[tokio::test(start_paused = true)]
async fn an_open_incident_and_its_message_get_the_times_that_they_should_have_had() {
    let behind: (Duration, Script, fn(Duration) -> i64, i64) =
        (Duration::ZERO, failing_when_behind, |elapsed| if elapsed < 150 * SECOND { 0 } else { 10_800 }, 10_800);
    let ahead: (Duration, Script, fn(Duration) -> i64, i64) =
        (HOURS, failing_when_ahead, |elapsed| if elapsed < 150 * SECOND { 0 } else { -10_800 }, 0);
    for (from, script, off, right) in [behind, ahead] {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = TestMonitor::new(&[("a", steady), ("b", script)]);
        // Nothing listens there, so the message waits.
        trial.config = parsed(
            "defaults: { interval: 10s, timeout: 5s }\nsites:\n- { name: a, url: 'http://a/' }\n- { name: b, url: 'http://b/' }\n\
             alerting: { notify: { ops: { webhook: 'http://127.0.0.1:1/' } } }",
        );
        trial.store = Some(folder.path().join("webmon.redb"));
        trial.wall = Some(off);
        let outcome = trial.run(from, from + 190 * SECOND).await;
        let told = outcome.of("alert", "b").next().unwrap();
        assert_eq!(told["state"], "down");
        let down = secs(&told["time"]) - i64::try_from(from.as_secs()).unwrap() + right;
        let now = START.after(Duration::from_secs(right.unsigned_abs() + 190));
        let store = Store::open(&folder.path().join("webmon.redb"), &Options::default(), now).unwrap().store;
        let kept = store.kept().unwrap();
        let second = |at: Timestamp| at.since(START).as_secs().cast_signed();
        // That the outlet cannot be reached is an incident of webmon.
        let incidents = kept.incidents.iter().filter(|incident| &**incident.site() == "b");
        let incidents: Vec<i64> = incidents.map(|incident| second(incident.opened())).collect();
        assert_eq!(incidents, [down], "{:?}", kept.incidents);
        let rows = kept.rows.iter().filter(|row| &*row.news.alert.site == "b");
        let rows: Vec<i64> = rows.map(|row| second(row.made) - down).collect();
        assert!(matches!(rows[..], [0..=2]), "{rows:?} {:?}", kept.rows);
    }
}

/// A pause is as long as it was asked for, whatever the clock is set to meanwhile.
#[tokio::test(start_paused = true)]
async fn a_pause_lasts_as_long_as_was_asked_for() {
    for (from, off) in [
        (HOURS, (|elapsed| if elapsed < 60 * SECOND { 0 } else { -10_800 }) as fn(Duration) -> i64),
        (Duration::ZERO, |elapsed| if elapsed < 60 * SECOND { 0 } else { 10_800 }),
    ] {
        let mut trial = TestMonitor::new(&[("a", steady)]);
        trial.wall = Some(off);
        let until = START.after(from + 120 * SECOND);
        trial.commands = vec![(from + 30 * SECOND, SiteCommand::Pause(SiteSlot(0), Some(until)))];
        let outcome = trial.run(from, from + 200 * SECOND).await;
        let samples = times(&outcome, "sample", "a").len();
        assert!((10..=12).contains(&samples), "3 before, 8 after: {samples}");
    }
}

/// The sentence names the time since which the clock was wrong, not the start.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_twice_is_told_with_the_time_between() {
    let mut trial = TestMonitor::new(&[("a", steady)]);
    trial.wall = Some(|elapsed| if (50 * SECOND..100 * SECOND).contains(&elapsed) { 10_800 } else { 0 });
    let outcome = trial.run(Duration::ZERO, 150 * SECOND).await;
    let notices = &outcome.face.health.borrow().notices;
    // It started at 09:33:20, and was set forward by three hours 51 s or 52 s later.
    let told = |notice: &crate::model::Notice| {
        notice.contains("set back by 3h")
            && ["since 12:34:11 are 3h late", "since 12:34:12 are 3h late"].iter().any(|late| notice.ends_with(late))
    };
    assert!(notices.iter().any(told), "{notices:?}");
}

/// The next check of the site is an hour away, and times are right long before that.
#[tokio::test(start_paused = true)]
async fn a_suspend_is_noticed_also_while_no_check_is_due() {
    let mut trial = TestMonitor::new(&[("a", steady)]);
    trial.config = parsed("sites: [{ name: a, url: 'http://a/', interval: 1h, timeout: 5s }]");
    trial.wall = Some(|elapsed| if elapsed < 100 * SECOND { 0 } else { 28_800 });
    trial.suspend = Some((100 * SECOND, 8 * Duration::from_hours(1)));
    let outcome = trial.run(Duration::ZERO, 110 * SECOND).await;
    let at = outcome.face.board.snapshot().at;
    assert!(at >= START.after(28_905 * SECOND), "{at:?}");
    let notices = &outcome.face.health.borrow().notices;
    assert!(notices.iter().all(|notice| !notice.contains("was set")), "{notices:?}");
}
