//! The headless monitor: its output, its store, and the servers' own records must agree.
//!
//! The servers listen on loopback. `WEBMON_TRIAL_SECONDS` (default 6) sets the length of the longest run.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use crate::support;
use crate::support::ports::{Blackhole, closed_port};
use crate::support::program::{Ended, Folder, PATIENCE, Running, json, now};
use crate::support::tls::{Authority, Identity, Leaf};
use crate::support::{Behaviour, Server, Step, redirect, response};
use rustix::process::Signal;
use serde_json::{Value, json};
use webmon::model::{Cause, Micros, Observation, Timestamp};
use webmon::ring::Producer;
use webmon::store::{Options, Store, Writer};

/// A clean end takes 3 s at most; the rest is for a busy machine, and is less than a check that hangs would take.
const IN_TIME: Duration = Duration::from_secs(10);

const SAMPLES: &str = "--headless --format json --events sample";

/// What `webmon samples` reads back, by site, in its order.
type History = BTreeMap<String, Vec<Value>>;

fn by_site(samples: impl IntoIterator<Item = Value>) -> History {
    let mut history = History::new();
    for sample in samples {
        assert_eq!(sample["event"], "sample", "{sample}");
        history.entry(sample["site"].as_str().unwrap().to_owned()).or_default().push(sample);
    }
    history
}

fn stored(folder: &Folder) -> History {
    by_site(folder.run("samples --format json").quietly().json())
}

/// The lines of this kind; the last may be half a line of a program that was killed.
fn live(stdout: &str, event: &str) -> Vec<Value> {
    let whole = &stdout[..stdout.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(json).filter(|line| line["event"] == event).collect()
}

fn count(sample: &Value, key: &str) -> u64 {
    sample[key].as_u64().unwrap_or_else(|| panic!("{key} of {sample}"))
}

/// When the outcome was known, µs since 1970.
fn at(sample: &Value) -> u64 {
    let time: jiff::Timestamp = sample["time"].as_str().unwrap().parse().unwrap();
    time.as_microsecond().try_into().unwrap()
}

/// The store keeps the texts of failed checks only.
fn as_stored(mut sample: Value) -> Value {
    if sample["cause"] == "ok" {
        sample["detail"] = Value::Null;
        sample["address"] = Value::Null;
    }
    sample
}

/// Asserts that each site's `seq` runs from 0 without a gap, and that its times rise.
#[track_caller]
fn assert_gap_free(history: &History) {
    for (site, samples) in history {
        for (expected, sample) in (0..).zip(samples) {
            assert_eq!(count(sample, "seq"), expected, "{site}: {sample}");
        }
        assert!(samples.is_sorted_by(|before, after| at(before) < at(after)), "{site}: time stands still");
    }
}

/// Asserts that `later` begins with all of `earlier`, unchanged.
#[track_caller]
fn assert_goes_on(earlier: &History, later: &History) {
    for (site, samples) in earlier {
        let after = later.get(site).map_or(&[][..], Vec::as_slice);
        assert!(after.len() >= samples.len(), "{site}: {} samples were shown, {} are left", samples.len(), after.len());
        for (before, after) in samples.iter().zip(after) {
            assert_eq!(before, after, "{site}");
        }
    }
}

/// A server and the statuses of its answers, in the order of its log.
struct Watched {
    server: Server,
    said: Arc<Mutex<Vec<u16>>>,
}

impl Watched {
    /// Its `n`th answer has status `status(n)` and comes after `wait_ms`.
    fn answering(status: impl Fn(usize) -> u16 + Send + Sync + 'static, wait_ms: u64, tls: Option<Identity>) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&said);
        let behaviour = Behaviour::answering(move |_| {
            let mut said = said.lock().unwrap();
            let status = status(said.len());
            said.push(status);
            vec![Step::wait_ms(wait_ms), Step::send(response(status, "a body of no interest"))]
        });
        let behaviour = tls.into_iter().fold(behaviour, Behaviour::over_tls);
        Self { server: Server::start(behaviour), said: log }
    }

    /// Always the same, whatever is asked.
    fn scripted(behaviour: Behaviour) -> Self {
        Self { server: Server::start(behaviour), said: Arc::default() }
    }
}

/// Compares the samples of a site with the requests for `path`: the same number, each within its check, in order, with the
/// status that the server sent.
#[track_caller]
fn assert_agree(site: &str, samples: &[Value], watched: &Watched, path: &str) {
    /// A busy machine may take the processor away before the clock is read, and the test compares two clocks. The tolerance is
    /// less than an interval, so a missing or extra sample still shows.
    const SLACK_US: u64 = 190_000;
    let mut checks: Vec<(u64, u64, &Value)> =
        samples.iter().map(|sample| (at(sample) - count(sample, "total_us"), at(sample), sample)).collect();
    checks.sort_by_key(|(start, ..)| *start);
    let mut requests = watched.server.requests();
    requests.retain(|request| request.target == path);
    let unfinished = requests.len().checked_sub(checks.len()).unwrap_or_else(|| panic!("{site}: invented checks"));
    // Checks under way at the end have reached the server and have no outcome.
    assert!(unfinished <= 10, "{site}: {unfinished} of {} requests have no sample", requests.len());
    let said = watched.said.lock().unwrap();
    for (index, ((start, end, sample), request)) in checks.iter().zip(&requests).enumerate() {
        let received = request.at.duration_since(UNIX_EPOCH).unwrap();
        let received = u64::try_from(received.as_micros()).unwrap();
        assert!(start - SLACK_US <= received && received <= end + SLACK_US, "{site}: {sample} against {request:?}");
        if let Some(status) = said.get(index) {
            assert_eq!(sample["status"], *status, "{site}");
            assert_eq!(sample["up"], (200..300).contains(status), "{sample}");
        }
    }
}

#[test]
fn the_logs_of_the_servers_agree_with_the_samples_request_by_request() {
    let identity = Authority::new().issue(&Leaf::naming(&["127.0.0.1"]));
    let good = Watched::answering(|n| if n % 5 == 3 { 503 } else { 200 }, 0, None);
    let slow = Watched::answering(|_| 200, 250, None);
    let secret = Watched::answering(|n| if n % 7 == 6 { 404 } else { 204 }, 0, Some(identity));
    let half = vec![Step::send("HTTP/1.1 200 OK\r\nContent-Le"), Step::Reset];
    let resetting = Watched::scripted(Behaviour::always(half));
    let moved = Watched::scripted(Behaviour::answering(|request| match request.target.as_str() {
        "/from" => vec![Step::send(redirect(302, "/to"))],
        _ => vec![Step::send(response(200, "arrived"))],
    }));
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 200ms, timeout: 10s }}\n\
         sites:\n\
         - {{ name: good, url: '{}' }}\n\
         - {{ name: slow, url: '{}' }}\n\
         - {{ name: resetting, url: '{}' }}\n\
         - {{ name: refusing, url: 'http://{}/' }}\n\
         - {{ name: moved, url: '{}' }}\n\
         - {{ name: secret, url: '{}', tls: {{ insecure: true }} }}\n\
         dashboard: {{ views: [{{ timeframe: 1m, refresh: 2s }}] }}\n\
         alerting: {{ window: 2s }}\n",
        good.server.url("/"),
        slow.server.url("/"),
        resetting.server.url("/"),
        closed_port(),
        moved.server.url("/from"),
        secret.server.url("/"),
    ));
    let seconds: u64 = std::env::var("WEBMON_TRIAL_SECONDS").map_or(6, |text| text.parse().unwrap());
    let run = format!("run --headless --format json --events sample,stats,alert --for {seconds}s");
    let lines = folder.start(&run).end_within(Duration::from_secs(seconds) + PATIENCE).quietly().json();

    let live = by_site(lines.iter().filter(|line| line["event"] == "sample").cloned());
    let stored = stored(&folder);
    assert_gap_free(&stored);
    let expected: History =
        live.into_iter().map(|(site, samples)| (site, samples.into_iter().map(as_stored).collect())).collect();
    assert_eq!(expected, stored, "what was said live is what is remembered");

    for (site, watched, path) in [
        ("good", &good, "/"),
        ("slow", &slow, "/"),
        ("resetting", &resetting, "/"),
        ("moved", &moved, "/from"),
        ("moved", &moved, "/to"),
        ("secret", &secret, "/"),
    ] {
        assert_agree(site, &stored[site], watched, path);
    }
    for (site, samples) in &stored {
        // A busy machine makes fewer than five a second; below this there is no history to compare.
        assert!(samples.len() as u64 >= seconds / 2, "{site}: {} checks in {seconds} s", samples.len());
    }
    assert_phases(&stored);
    assert_alerts(&folder, &lines);
    let last = lines.iter().rev().find(|line| line["event"] == "stats" && line["site"] == "good").unwrap();
    let window = at(last) - 60_000_000;
    let recent: Vec<&Value> = stored["good"].iter().filter(|sample| at(sample) > window).collect();
    let up = recent.iter().filter(|sample| sample["up"] == true).count();
    assert_eq!((count(last, "checks"), count(last, "up")), (recent.len() as u64, up as u64), "the last figures");
}

/// Checks what holds for every sample of a site, and for the phases of all.
#[track_caller]
fn assert_phases(stored: &History) {
    for (site, key, value) in [
        ("refusing", "cause", json!("connect_refused")),
        ("resetting", "cause", json!("reset")),
        ("moved", "redirects", json!(1)),
    ] {
        assert!(stored[site].iter().all(|sample| sample[key] == value), "{site}: {:?}", stored[site]);
    }
    assert!(stored["secret"].iter().all(|sample| count(sample, "tls_us") > 0));
    assert!(stored["slow"].iter().all(|sample| count(sample, "processing_us") >= 250_000));
    for sample in stored.values().flatten() {
        let phases = ["resolve_us", "connect_us", "tls_us", "processing_us", "transfer_us"];
        let sum: u64 = phases.iter().map(|phase| sample[*phase].as_u64().unwrap_or(0)).sum();
        assert_eq!(count(sample, "total_us"), sum, "{sample}");
    }
}

/// The alerts among `lines` are those that are remembered: one for each site that is down.
#[track_caller]
fn assert_alerts(folder: &Folder, lines: &[Value]) {
    let mut alerts: Vec<&Value> = lines.iter().filter(|line| line["event"] == "alert").collect();
    // A step reads the sites one after another, so alerts of two sites within moments may be printed in another order.
    alerts.sort_by_key(|alert| alert["time"].as_str());
    let remembered = folder.run("alerts --format json").quietly().json();
    assert_eq!(alerts, remembered.iter().collect::<Vec<_>>());
    for site in ["refusing", "resetting"] {
        let down = alerts.iter().filter(|alert| alert["site"] == site && alert["state"] == "down");
        assert_eq!(down.count(), 1, "{site}: {alerts:?}");
    }
    assert!(!alerts.iter().any(|alert| alert["site"] == "moved"), "{alerts:?}");
}

/// Three sites, ten checks a second each.
fn busy(server: &Server) -> String {
    format!(
        "defaults: {{ interval: 100ms, timeout: 10s }}\n\
         sites:\n\
         - {{ name: a, url: '{}' }}\n\
         - {{ name: b, url: '{}' }}\n\
         - {{ name: refusing, url: 'http://{}/' }}\n\
         alerting: {{ window: 1s }}\n\
         storage: {{ flush: 1s }}\n",
        server.url("/a"),
        server.url("/b"),
        closed_port()
    )
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_ever_shown() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    let mut shown = History::new();
    for round in [4, 31, 47, 1, 75, 38] {
        let mut monitor = folder.start(SAMPLES);
        // The last line may be a part of one, and what is not a sample does not count.
        monitor.until(|lines| lines.iter().filter(|line| line.contains("\"event\":\"sample\"")).count() > round);
        // Beside the running monitor: what it printed is stored.
        let beside = stored(&folder);
        assert_gap_free(&beside);
        assert_goes_on(&shown, &beside);
        let alerts = folder.run("alerts --format json").quietly();
        let killed = monitor.end_by(Signal::KILL);
        assert_eq!(killed.code, None);
        assert_eq!(killed.stderr, "", "not even the last kill is worth a complaint");

        let unclean = stored(&folder);
        assert_gap_free(&unclean);
        assert_goes_on(&beside, &unclean);
        let alerts_after = folder.run("alerts --format json").quietly();
        assert!(alerts_after.stdout.starts_with(&alerts.stdout), "{}\n{}", alerts.stdout, alerts_after.stdout);
        // Printed and stored samples are the same, except for those of the last flush.
        let live = live(&killed.stdout, "sample");
        // Killed after its first line, it may have printed no sample yet.
        let newest = live.iter().map(at).max().unwrap_or(0);
        for sample in live {
            let kept = unclean
                .get(sample["site"].as_str().unwrap())
                .and_then(|samples| samples.get(usize::try_from(count(&sample, "seq")).unwrap()));
            match kept {
                Some(kept) => assert_eq!(*kept, as_stored(sample)),
                None => assert!(newest - at(&sample) < 3_000_000, "lost long after its flush: {sample}"),
            }
        }
        shown = unclean;
    }
    let last = folder.start(&format!("{SAMPLES} --for 1500ms")).end().quietly();
    let history = stored(&folder);
    assert_gap_free(&history);
    assert_goes_on(&shown, &history);
    assert!(!last.json().is_empty());
    let down = folder.run("alerts --format json").quietly().json();
    let down: Vec<&Value> = down.iter().filter(|alert| alert["state"] == "down").collect();
    assert!(down.len() <= 1, "an incident is announced once, however often webmon dies in it: {down:?}");
    assert_eq!(folder.files(), ["sites.yaml", "webmon.redb"], "nothing else is left behind");
}

#[test]
fn a_second_monitor_is_refused_and_does_not_disturb_the_first() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    let mut first = folder.start(SAMPLES);
    first.until(|lines| lines.len() > 2);
    let second = folder.run("--headless --for 1s").with(3);
    assert!(second.stderr.contains("webmon.redb"), "{}", second.stderr);
    assert_eq!(second.stdout, "");
    // Without a store it may run beside another.
    folder.run("--headless --no-store --for 300ms").quietly();
    let before = first.lines().len();
    first.until(|lines| lines.len() > before);
    let ended = first.end_by(Signal::TERM).with(143);
    let live = by_site(live(&ended.stdout, "sample"));
    assert_eq!(stored(&folder).values().map(Vec::len).sum::<usize>(), live.values().map(Vec::len).sum::<usize>());
}

#[test]
fn without_a_store_nothing_is_left_and_nothing_can_be_read() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    let run = folder.run(&format!("{SAMPLES} --no-store --for 1500ms")).quietly();
    assert!(!run.json().is_empty());
    assert_eq!(folder.files(), ["sites.yaml"]);
    for command in ["samples", "alerts", "samples --format json"] {
        let ended = folder.run(command).with(3);
        assert!(
            ended.stderr.contains("webmon.redb") && ended.stderr.contains("run `webmon` first"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
    // A URL ad hoc keeps nothing either, in a folder without a file.
    let empty = Folder::empty();
    let run = empty.run(&format!("{} {SAMPLES} --for 500ms", server.url("/"))).quietly();
    assert!(live(&run.stdout, "sample").iter().all(|sample| sample["up"] == true), "{}", run.stdout);
    assert_eq!(empty.files(), [""; 0]);
}

#[test]
fn an_incident_survives_a_restart_and_ends_when_its_site_is_removed() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    let alerts = "--headless --format json --events alert";
    let mut monitor = folder.start(alerts);
    monitor.until(|lines| lines.iter().any(|line| line.contains("\"down\"")));
    monitor.end_by(Signal::INT).with(130);
    // After a restart it is not reported again.
    let again = folder.run(&format!("{alerts} --for 1500ms")).quietly();
    assert_eq!(live(&again.stdout, "alert"), [Value::Null; 0]);
    let without: String = busy(&server).split_inclusive('\n').filter(|line| !line.contains("refusing")).collect();
    folder.write("sites.yaml", &without);
    let removed = folder.run(&format!("{alerts} --for 300ms")).quietly();
    assert_eq!(live(&removed.stdout, "alert"), [Value::Null; 0], "it ends without a message");
    let history = folder.run("alerts --format json --site refusing").quietly().json();
    let states: Vec<&str> = history.iter().map(|alert| alert["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["down", "ended"]);
    assert_eq!(history[1]["since"], history[0]["since"]);
    // Added again, it starts from the beginning.
    folder.write("sites.yaml", &busy(&server));
    let mut back = folder.start(alerts);
    back.until(|lines| lines.iter().any(|line| line.contains("\"down\"")));
    back.end_by(Signal::TERM).with(143);
}

#[test]
fn a_signal_ends_it_in_time_with_everything_committed_hung_checks_or_not() {
    let hole = Blackhole::start();
    let server = Server::start(Behaviour::ok());
    let hanging = Server::start(Behaviour::always(vec![Step::send("HTTP/1.1 200 OK\r\n"), Step::Hang]));
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let folder = Folder::with(&format!(
            "sites:\n\
             - {{ name: good, url: '{}', interval: 100ms }}\n\
             - {{ name: hole, url: '{}', interval: 500ms, timeout: 30s }}\n\
             - {{ name: hanging, url: '{}', interval: 500ms, timeout: 30s }}\n\
             storage: {{ flush: 60s }}\n",
            server.url("/"),
            hole.url("/"),
            hanging.url("/")
        ));
        let asked = hanging.requests().len();
        let mut monitor = folder.start(SAMPLES);
        let samples = |lines: &[String]| lines.iter().filter(|line| line.contains("\"event\":\"sample\"")).count();
        monitor.until(|lines| samples(lines) > 10 && hanging.requests().len() > asked);
        let ended = monitor.end_by(signal);
        assert!(ended.took < IN_TIME, "{code}: {:?}", ended.took);
        let ended = ended.with(code);
        assert_eq!(ended.stderr, "");
        let live = by_site(live(&ended.stdout, "sample").into_iter().map(as_stored));
        assert_eq!(stored(&folder), live, "{code}");
        assert!(live["good"].len() >= 10);
        assert_eq!(live.keys().collect::<Vec<_>>(), ["good"], "a check that was abandoned has no outcome");
    }
}

#[test]
fn a_reader_that_leaves_is_a_quiet_end_with_everything_committed() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    let ended = through_a_shell(&folder, &format!("\"$0\" {SAMPLES} | head -n 3; exit ${{PIPESTATUS[0]}}")).quietly();
    let read = by_site(live(&ended.stdout, "sample"));
    assert_eq!(ended.stdout.lines().count(), 3);
    assert!(!read.is_empty());
    let stored = stored(&folder);
    for (site, samples) in read {
        for (live, kept) in samples.into_iter().zip(&stored[&site]) {
            assert_eq!(as_stored(live), *kept);
        }
    }
    // The same for a reading command with more output than a pipe holds.
    folder.run("--headless --for 1s").with(0);
    let text = through_a_shell(&folder, "\"$0\" samples | head -n 1; exit ${PIPESTATUS[0]}").quietly();
    assert_eq!(text.stdout.lines().count(), 1);
}

#[test]
fn it_runs_without_stdin_and_without_an_environment() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    // `command` clears the environment: there is no TERM, HOME, LANG or PATH.
    for redirection in ["<&-", "</dev/null", "2>&-"] {
        let ended = through_a_shell(&folder, &format!("exec \"$0\" {SAMPLES} --for 1500ms {redirection}")).quietly();
        assert!(!ended.json().is_empty(), "{redirection}: {}", ended.stdout);
    }
    // Without stdout it prints nothing and still stores.
    let before = stored(&folder).values().map(Vec::len).sum::<usize>();
    through_a_shell(&folder, &format!("exec \"$0\" {SAMPLES} --for 1500ms >&-"));
    assert!(stored(&folder).values().map(Vec::len).sum::<usize>() > before);
}

fn through_a_shell(folder: &Folder, script: &str) -> Ended {
    Running::start(shell(folder, script)).end()
}

/// `script` with webmon as its `$0`, in the folder.
fn shell(folder: &Folder, script: &str) -> Command {
    let program = folder.command("");
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", script]).arg(program.get_program()).current_dir(folder.path(""));
    shell.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC").stdin(Stdio::null());
    shell
}

/// A pipe that is full before the first line.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while (&writer).write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[test]
fn an_error_that_nobody_reads_keeps_nobody() {
    let folder = Folder::empty();
    for arguments in ["--headless", "-vv --headless", "watch"] {
        let (reader, writer) = full_pipe();
        Running::start_complaining_into(folder.command(arguments), writer).end().with(2);
        drop(reader);
    }
}

#[test]
fn a_reader_that_stops_reading_keeps_nobody() {
    let server = Server::start(Behaviour::ok());
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = Folder::with(&busy(&server));
        let (reader, writer) = full_pipe();
        let monitor = Running::start_into(folder.command(SAMPLES), writer);
        let start = now();
        while !folder.path("webmon.redb").exists() || folder.run("samples --format json").stdout.lines().count() < 10 {
            assert!(now() - start < PATIENCE, "a reader that stops stops the monitor");
        }
        let ended = monitor.end_by(signal);
        assert!(ended.took < IN_TIME, "{:?}", ended.took);
        assert_eq!(ended.with(code).stderr, "");
        assert_gap_free(&stored(&folder));
        drop(reader);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_at_once_and_at_the_end_and_loses_nothing_that_was_saved() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    folder.run("--headless --for 1s").with(0);
    let before = stored(&folder);
    let mut monitor = Running::start(shell(&folder, "exec \"$0\" --headless"));
    monitor.until(|lines| lines.iter().any(|line| line.starts_with("watching")));
    // From here no write succeeds, as on a full disk; only the error text of a process limit differs.
    let nothing = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::prlimit(Some(monitor.pid()), rustix::process::Resource::Fsize, nothing).unwrap();
    monitor.until(|lines| lines.iter().any(|line| line.contains("warning: store: not saving since")));
    let ended = monitor.end_by(Signal::TERM);
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
    let ended = ended.with(3);
    assert!(ended.stderr.contains("could not be saved"), "{}", ended.stderr);
    let after = stored(&folder);
    assert_goes_on(&before, &after);
    folder.run("--headless --for 1s").with(0);
    assert_gap_free(&stored(&folder));
    assert_goes_on(&after, &stored(&folder));
}

/// A new store is created under a temporary name; the remains of a full disk must not block the next start.
#[test]
fn a_disk_that_is_full_at_the_start_is_told_and_leaves_nothing_behind() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&busy(&server));
    let before = folder.files();
    for blocks in [0, 1, 8] {
        let script = format!("ulimit -f {blocks}; exec \"$0\" --headless --for 1s");
        let ended = Running::start(shell(&folder, &script)).end().with(3);
        assert!(ended.stderr.contains("cannot create") && ended.stderr.contains("webmon.redb"), "{}", ended.stderr);
        assert_eq!(folder.files(), before);
    }
    folder.run("--headless --for 1s").with(0);
    assert_gap_free(&stored(&folder));
}

/// Its figures come from the store, and are those of the samples there.
#[test]
fn a_long_view_is_told_at_its_refresh_like_any_other() {
    let server = Server::start(Behaviour::ok());
    let views = "dashboard:\n  views:\n    - { timeframe: 2h, refresh: 1s }\n    - { timeframe: 10m, refresh: 1s }\n";
    let folder = Folder::with(&(busy(&server) + views));
    folder.run("--headless --for 1s").with(0);
    let earlier = stored(&folder);
    let mut monitor = folder.start("run --headless --format json --events stats");
    let is_long = |line: &String| line.contains(r#""timeframe":"2h""#);
    let lines = monitor.until(|lines| lines.iter().filter(|line| is_long(line)).count() > 6);
    monitor.end_by(Signal::TERM).with(143);
    for line in lines.iter().filter(|line| is_long(line)) {
        let long = json(line);
        let (site, checks) = (long["site"].as_str().unwrap(), count(&long, "checks"));
        assert!(checks >= earlier[site].len() as u64, "the run before is in it: {long}");
        assert_eq!(count(&long, "up") + count(&long, "down"), checks);
    }
}

/// Writes a history of ten checks of `a` into the folder's store; the last of them was at `last`.
fn remember(folder: &Folder, last: Timestamp) {
    let store = Store::open(&folder.path("webmon.redb"), &Options::default(), last).unwrap().store;
    let id = store.register(&["a".into()], last).unwrap()[0].id;
    let mut producer = Producer::new(32, 0);
    let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
    for index in 0..10 {
        let at = last.before(Duration::from_millis(100) * (9 - index));
        let observation = Observation::failed(Cause::ConnectRefused, "connection refused");
        producer.push(observation.sample(at, Micros::ZERO, 0));
    }
    assert_eq!(writer.flush(last).committed, 10);
    drop(writer.close(last));
}

#[test]
fn a_history_that_lies_in_the_future_is_kept_and_gone_on_with() {
    let server = Server::start(Behaviour::ok());
    for (ahead, believed) in [(3, true), (3600, false)] {
        let folder = Folder::with(&busy(&server));
        let since_1970 = support::program::wall().duration_since(UNIX_EPOCH).unwrap();
        let last = Timestamp::from_secs(since_1970.as_secs() + ahead);
        remember(&folder, last);
        let before = by_site(folder.run("samples --format json").quietly().json());
        assert_eq!(before["a"].len(), 10);
        let run = folder.run(&format!("{SAMPLES} --for 1500ms")).quietly();
        assert_eq!(run.stdout.contains("lie in the future"), !believed, "{}", run.stdout);
        // In the order of `seq`, whatever the times are.
        let mut after = folder.run("samples --format json --site a").quietly().json();
        after.sort_by_key(|sample| count(sample, "seq"));
        assert_eq!(after[..10], before["a"]);
        assert!(after.len() > 10, "{}", run.stdout);
        for (seq, sample) in (0..).zip(&after) {
            assert_eq!(count(sample, "seq"), seq);
        }
        let times: Vec<u64> = after.iter().map(at).collect();
        assert_eq!(times.is_sorted(), believed, "{ahead} s ahead: {times:?}");
    }
}
