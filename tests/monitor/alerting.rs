//! `alerting.exec` of a running monitor: what the command receives, and the time zone of the message.

use std::fs;

use crate::support::ports::closed_port;
use crate::support::program::{Folder, Running, json};
use crate::support::{Behaviour, Server};
use serde_json::Value;

/// A site that refuses ten checks a second, and a script that receives the alert. sh runs the script, because a file that
/// was just written cannot be executed while another test's child still has it open.
fn refusing(script: &str) -> Folder {
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites:\n\
         - {{ name: api, url: 'http://{}/' }}\n\
         alerting: {{ window: 1s, exec: [/bin/sh, notify.sh, ops] }}\n",
        closed_port(),
    ));
    folder.write("notify.sh", script);
    folder
}

#[test]
fn who_is_to_be_told_is_told_what_is_printed() {
    let folder = refusing("{ cat; echo \"$1|$WEBMON_ALERTS|$WEBMON_MESSAGE\"; } > told.new && mv told.new told\n");
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| !lines.is_empty() && folder.path("told").exists());
    let ended = monitor.end_by(rustix::process::Signal::TERM).with(143);
    assert_eq!(ended.stderr, "");
    let printed = ended.json();
    let told = fs::read_to_string(folder.path("told")).unwrap();
    let (alert, rest) = told.split_once('\n').unwrap();
    let first = printed.iter().find(|line| line["event"] == "alert").unwrap();
    let mut told = json(alert);
    // Beside what is printed it is told the reason and the address.
    assert_eq!(told["cause"], "connect_refused");
    assert!(told["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{told}");
    for extra in ["url", "group", "cause", "detail", "status"] {
        assert!(told.as_object_mut().unwrap().remove(extra).is_some(), "{extra}");
    }
    assert_eq!(told, *first);
    assert_eq!(rest, format!("ops|1|{}\n", first["message"].as_str().unwrap()));
}

/// A kill between the call and the commit of its success: the next start repeats the call, and nobody can take it for another
/// alert, because its incident and its start are the same.
#[test]
fn a_call_that_kills_the_monitor_is_repeated_by_the_next_one_as_the_same_alert() {
    let folder = refusing("cat >> told; [ -e again ] || { touch again; kill -9 $PPID; }\n");
    let killed = folder.start("--headless").end();
    assert_eq!(killed.code, None, "a signal ended it: {killed:?}");
    let told =
        || -> Vec<Value> { fs::read_to_string(folder.path("told")).unwrap_or_default().lines().map(json).collect() };
    assert_eq!(told().len(), 1);
    let mut monitor = folder.start("--headless --format json --events sample");
    monitor.until(|_| told().len() > 1);
    monitor.end_by(rustix::process::Signal::TERM).with(143);
    let told = told();
    for field in ["incident", "since", "time", "state", "message"] {
        assert_eq!(told[0][field], told[1][field], "{field}: {told:?}");
    }
    assert!(told[0]["incident"].is_u64(), "{told:?}");
    let listed = folder.run("alerts --format json").quietly().json();
    assert_eq!(listed.iter().filter(|alert| alert["state"] == "down").count(), 1, "{listed:?}");
    assert_eq!(listed[0]["since"], told[0]["since"]);
    assert!(listed[0]["told"]["alerting.exec"].is_string(), "{listed:?}");
}

/// SIGTERM during a call leaves the rest for the next start.
#[test]
fn what_waits_behind_a_slow_call_survives_a_restart() {
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites:\n\
         - {{ name: a, url: 'http://{0}/' }}\n\
         - {{ name: b, url: 'http://{0}/', alert: {{ window: 2s }} }}\n\
         alerting: {{ window: 1s, exec: [/bin/sh, notify.sh] }}\n",
        closed_port(),
    ));
    // The first call takes longer than the program waits at its end.
    folder.write("notify.sh", "cat > new; [ -e slow ] || { touch slow; sleep 1000; }; cat new >> told\n");
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| lines.iter().filter(|line| line.contains("\"state\":\"down\"")).count() == 2);
    let ended = monitor.end_by(rustix::process::Signal::TERM).with(143);
    assert!(ended.stderr.contains("are sent after the next start"), "{}", ended.stderr);
    let told = || fs::read_to_string(folder.path("told")).unwrap_or_default();
    let sites = || -> Vec<Value> { told().lines().map(|line| json(line)["site"].clone()).collect() };
    let mut monitor = folder.start("--headless --format json --events sample");
    monitor.until(|_| sites().len() >= 2);
    monitor.end_by(rustix::process::Signal::TERM).with(143);
    assert_eq!(sites(), ["a", "b"]);
}

#[test]
fn a_program_that_fails_is_a_warning_and_the_monitor_goes_on() {
    let folder = refusing("echo 'no route to the chat' >&2; exit 7\n");
    let mut monitor = folder.start("--headless --format json --events alert,sample");
    let about = |line: &Value| line["event"] == "warning" && line["message"].to_string().contains("alerting.exec");
    let lines = monitor.until(|lines| lines.iter().any(|line| about(&json(line))));
    let warning = lines.iter().map(|line| json(line)).find(about).unwrap();
    assert_eq!(warning["message"], "alerting.exec: /bin/sh failed (exit status: 7): no route to the chat", "{warning}");
    let before = monitor.lines().len();
    monitor.until(|lines| lines.len() > before);
    monitor.end_by(rustix::process::Signal::INT).with(130);
}

/// A warning about an outlet says so in its field `about`, and in the log.
#[test]
fn a_warning_about_an_outlet_is_about_notify() {
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites: [{{ name: api, url: 'http://{0}/' }}]\n\
         alerting: {{ window: 1s, notify: {{ ops: {{ webhook: 'http://{0}/in' }} }} }}\n",
        closed_port(),
    ));
    let mut monitor = folder.start("--headless --format json --events alert");
    let about =
        |line: &Value| line["event"] == "warning" && line["message"].to_string().contains("ops: 1 message waits");
    let lines = monitor.until(|lines| lines.iter().any(|line| about(&json(line))));
    let warning = lines.iter().map(|line| json(line)).find(about).unwrap();
    assert_eq!(warning["about"], "notify", "{warning}");
    monitor.end_by(rustix::process::Signal::INT).with(130);
}

#[test]
fn a_test_alert_is_sent_and_its_fate_is_told() {
    let folder = refusing("cat > told; echo heard\n");
    let ended = folder.run("alerts --test").quietly();
    assert!(ended.stdout.starts_with("sent to /bin/sh: Website webmon-test is down. availability=0.00%"), "{ended:?}");
    assert!(ended.stdout.ends_with("\noutput: heard\n"), "{ended:?}");
    assert_eq!(json(&fs::read_to_string(folder.path("told")).unwrap())["site"], "webmon-test");
    assert_eq!(folder.files(), ["notify.sh", "sites.yaml", "told"], "it leaves the store alone");

    folder.write("notify.sh", "echo 'bad token' >&2; exit 1\n");
    let ended = folder.run("alerts --test").with(2);
    assert_eq!(ended.stderr, "webmon: alerting.exec: /bin/sh failed (exit status: 1): bad token\n");

    let nobody = Folder::with("sites: [https://a.example]\n");
    let ended = nobody.run("alerts --test").with(2);
    assert!(ended.stderr.contains("neither alerting.exec nor alerting.notify is configured"), "{ended:?}");
    folder.run("alerts --test --since 1h").with(2);
}

/// `TZ` as containers and units set it; without `/usr/share/zoneinfo` the binary uses its built-in database.
#[test]
fn times_are_told_in_the_zone_of_tz_and_a_zone_that_is_none_is_complained_of() {
    let folder = refusing("cat > told\n");
    let sent = |zone: &str| {
        let mut command = folder.command("alerts --test");
        command.env("TZ", zone).env("TZDIR", folder.path("nothing"));
        Running::start(command).end().with(0)
    };
    for (zone, offset) in
        [("Asia/Kolkata", "+05:30"), (":Asia/Kolkata", "+05:30"), ("<-03>3", "-03:00"), ("", "+00:00")]
    {
        let ended = sent(zone);
        assert!(ended.stdout.trim_end().ends_with(offset), "TZ={zone}: {ended:?}");
        assert_eq!(ended.stderr, "", "TZ={zone}");
    }
    let ended = sent("Europe/Nowhere");
    let expected = "warning: TZ=\"Europe/Nowhere\" is not a known time zone: times are in UTC; use a name such as TZ=Europe/Berlin\n";
    assert_eq!(ended.stderr, expected);
    // A monitor reports it among its other warnings.
    let mut command = folder.command("--headless --for 1s --format json");
    command.env("TZ", "Europe/Nowhere");
    let ended = Running::start(command).end().with(0);
    let is_told = |line: &Value| line["event"] == "warning" && line["message"].to_string().contains("Europe/Nowhere");
    assert_eq!(ended.json().iter().filter(|line| is_told(line)).count(), 1, "{ended:?}");
}

/// The dry run names each outlet's request with its secrets masked; an unknown outlet is an error with a suggestion.
#[test]
fn a_dry_run_prints_requests_and_sends_nothing() {
    let folder = Folder::with(
        "sites: [https://a.example]\n\
         alerting: { notify: { ops: { ntfy: secret-topic, token: tk_hunter2hunter2 }, chat: { slack: 'https://hooks.slack.com/services/T0/B0/secret' } } }\n",
    );
    let ended = folder.run("alerts --test --dry-run --format json").with(0);
    let requests = ended.json();
    assert_eq!(requests.len(), 4, "a down and an up of each: {ended:?}");
    assert_eq!((&requests[0]["outlet"], &requests[0]["method"]), (&"ops".into(), &"POST".into()));
    assert!(!ended.stdout.contains("hunter2") && !ended.stdout.contains("B0/secret"), "{}", ended.stdout);
    let ended = folder.run("alerts --test chatt --dry-run").with(2);
    assert!(ended.stderr.contains("no outlet \"chatt\" in alerting.notify; did you mean chat?"), "{}", ended.stderr);
}

/// A dead man's switch hears that webmon works, and nothing tells its address when it cannot be reached.
#[test]
fn the_switch_of_a_dead_man_is_asked_and_its_address_told_nobody() {
    let server = Server::start(Behaviour::ok());
    let with = |url: &str| {
        let sites = format!("sites: [{{ name: api, url: 'http://{}/' }}]\n", closed_port());
        Folder::with(&format!("{sites}alerting: {{ heartbeat: {{ url: '{url}', every: 1h }} }}\n"))
    };
    let folder = with(&server.url("/ping/0b1e-secret"));
    let mut monitor = folder.start("--headless");
    monitor.until(|_| !server.requests().is_empty());
    monitor.end_by(rustix::process::Signal::TERM).with(143);
    assert_eq!(server.requests()[0].target, "/ping/0b1e-secret");

    let folder = with(&format!("http://{}/ping/0b1e-secret", closed_port()));
    let mut monitor = folder.start("--headless");
    monitor.until(|lines| lines.iter().any(|line| line.contains("warning: webmon: heartbeat: ")));
    let ended = monitor.end_by(rustix::process::Signal::TERM).with(143);
    assert!(!format!("{ended:?}").contains("0b1e"), "{ended:?}");
}

/// What `webmon incident` tells is what was stored.
#[test]
fn an_incident_is_told_with_its_causes_its_checks_and_who_else_failed() {
    let turns = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(Behaviour::answering(move |_| {
        let turn = turns.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let status = if (20..60).contains(&turn) { 503 } else { 200 };
        vec![crate::support::Step::send(crate::support::response(status, "x"))]
    }));
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 1s }}\n\
         sites:\n\
         - {{ name: api, url: '{}', group: shop }}\n\
         - {{ name: cart, url: 'http://{}/', group: shop, alert: {{ threshold: 0% }} }}\n\
         alerting: {{ window: 1s }}\n",
        server.url("/"),
        closed_port(),
    ));
    let none = folder.run("incident --store none.redb");
    assert_eq!(none.code, Some(3), "{none:?}");
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| lines.iter().filter(|line| line.contains("\"site\":\"api\"")).count() == 2);
    monitor.end_by(rustix::process::Signal::TERM).with(143);
    let told = folder.run("incident api --format json").quietly().json().remove(0);
    assert_eq!((&told["event"], &told["site"]), (&"incident_report".into(), &"api".into()));
    assert_eq!((&told["first_failed"]["answer"], &told["rule"]), (&"503".into(), &"availability".into()));
    let during = told["during"]["answers"].as_array().unwrap();
    assert!(during.iter().any(|answer| answer["answer"] == "503" && answer["checks"].as_u64().unwrap() >= 5), "{told}");
    assert_eq!(told["others_failed"][0]["site"], "cart");
    assert_eq!(told["others_failed"][0]["check"]["answer"], "refused");
    assert!(told["start"].as_array().unwrap().iter().any(|check| check["up"] == true), "{told}");
    assert!(!told["end"].as_array().unwrap().is_empty(), "{told}");
    let number = told["incident"].to_string();
    let page = folder.run(&format!("incident {number} --format md")).quietly().stdout;
    assert!(page.starts_with("# api was down for ") && page.contains("| during |"), "{page}");
    let listed = folder.run("incident").quietly().stdout;
    assert!(listed.contains("Who else failed") && listed.contains("503×"), "{listed}");
    let why = folder.run("why api").quietly().stdout;
    assert!(why.starts_with("api fails now and then: ") && why.contains("Its newest incident lasted "), "{why}");
    let missing = folder.run("incident 4711");
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("`webmon alerts` lists them"), "{}", missing.stderr);
}

#[test]
fn why_a_site_is_down_is_said_beside_a_running_monitor() {
    let folder = refusing("true\n");
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| !lines.is_empty());
    // The alert is stored by the next flush.
    let why =
        std::iter::repeat_with(|| folder.run("why").quietly().stdout).find(|said| said.contains(" is down since "));
    let why = why.unwrap();
    monitor.end_by(rustix::process::Signal::TERM).with(143);
    assert!(why.starts_with("api is not up.\napi is down since "), "{why}");
    assert!(why.contains("checks were answered refused×"), "{why}");
    assert!(why.ends_with("No successful check shortly before that is stored.\n"), "{why}");
    assert!(folder.run("why nobody").stderr.contains("nobody"), "an unknown site is an error");
    folder.write("sites.yaml", "sites: [https://another.example]\n");
    let gone = folder.run("why api").with(2).stderr;
    assert!(gone.contains("does not watch \"api\"") && gone.contains("`webmon stats api`"), "{gone}");
}
