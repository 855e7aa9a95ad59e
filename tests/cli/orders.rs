//! `webmon ack` and `webmon silence` beside a headless monitor, and without one.

use std::fs;

use rustix::process::Signal;

use crate::support::ports::closed_port;
use crate::support::program::{Ended, Folder, Running, json};

/// A site that refuses ten checks a second.
fn refusing() -> Folder {
    Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites:\n\
         - {{ name: api, url: 'http://{}/', group: shop }}\n\
         - {{ name: other, url: 'http://{}/', enabled: false }}\n\
         alerting: {{ window: 1s }}\n",
        closed_port(),
        closed_port(),
    ))
}

/// Runs webmon as ada.
fn ada(folder: &Folder, arguments: &str) -> Ended {
    let mut command = folder.command(arguments);
    command.env("LOGNAME", "ada");
    Running::start(command).end()
}

fn orders(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("webmon.redb.orders")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_running_monitor_obeys_and_answers() {
    let folder = refusing();
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| lines.iter().any(|line| json(line)["event"] == "alert"));
    let acked = ada(&folder, "ack api -m restarting");
    assert_eq!(acked.quietly().stdout, "acknowledged incident 1 of api\n");
    let listed = ada(&folder, "ack --format json").quietly().json();
    assert_eq!(listed.len(), 1);
    let said = ["action", "site", "rule", "by", "text"].map(|field| listed[0][field].as_str().unwrap());
    assert_eq!(said, ["open", "api", "availability", "ada", "restarting"]);
    assert_eq!(
        ada(&folder, "ack 1 --withdraw").quietly().stdout,
        "withdrew the acknowledgement of incident 1 of api\n"
    );

    let silenced = ada(&folder, "silence group:shop 1h --maintenance").quietly().stdout;
    assert!(silenced.starts_with("silence 1: group:shop is not reported until "), "{silenced}");
    assert!(silenced.ends_with(" (maintenance)\n"), "{silenced}");
    let listed = ada(&folder, "silence --format json").quietly().json();
    assert_eq!((listed[0]["silence"].as_u64(), &listed[0]["sites"][0]), (Some(1), &"group:shop".into()));
    assert_eq!(listed[0]["maintenance"], true);
    assert!(ada(&folder, "silence --format csv").quietly().stdout.lines().nth(1).unwrap().contains(",1,group:shop,"));
    assert_eq!(ada(&folder, "silence --end all").quietly().stdout, "ended silence 1\n");
    assert_eq!(ada(&folder, "silence").quietly().stdout, "no silences\n", "a window that is over is none");
    let refused = ada(&folder, "silence --end 1").with(2).stderr;
    assert_eq!(refused, "webmon: there is no silence 1\n");

    let lines = monitor.until(|lines| lines.iter().any(|line| line.contains("silence_ended")));
    let events = lines.iter().map(|line| json(line)).filter(|line| line["event"] == "incident");
    let actions: Vec<String> = events.map(|event| event["action"].as_str().unwrap().to_owned()).collect();
    assert_eq!(actions, ["acknowledged", "withdrawn", "silenced", "silence_ended"]);
    assert_eq!(orders(&folder), Vec::<String>::new(), "nothing is left behind");
    monitor.end_by(Signal::TERM).with(143);
}

#[test]
fn a_site_called_all_is_not_all_sites() {
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites: [{{ name: all, url: 'http://{}/' }}, {{ name: api, url: 'http://{0}/' }}]\n\
         alerting: {{ window: 1s }}\n",
        closed_port(),
    ));
    let warned = ada(&folder, "validate").stderr;
    assert!(warned.contains("write \"site:all\" for it there"), "{warned}");
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| lines.iter().any(|line| json(line)["event"] == "alert"));
    let one = ada(&folder, "silence site:all 1h").quietly().stdout;
    assert!(one.starts_with("silence 1: site:all is not reported until "), "{one}");
    let every = ada(&folder, "silence all 1h").quietly().stdout;
    assert!(every.starts_with("silence 2: no site is reported until "), "{every}");
    let listed = ada(&folder, "silence --format json").quietly().json();
    let sites: Vec<&str> = listed.iter().map(|silence| silence["sites"][0].as_str().unwrap()).collect();
    assert_eq!(sites, ["site:all", "all"]);
    let refused = ada(&folder, "silence group:all 1h").with(2).stderr;
    assert!(refused.starts_with("webmon: no site is in the group \"all\""), "{refused}");
    monitor.end_by(Signal::TERM).with(143);
}

/// The acknowledgement that waits survives a kill and a start, and is obeyed once.
#[test]
fn without_a_monitor_an_order_waits_for_the_next_start() {
    let folder = refusing();
    let mut monitor = folder.start("--headless --format json --events alert");
    monitor.until(|lines| lines.iter().any(|line| json(line)["event"] == "alert"));
    // Its answer comes after a commit, so the kill takes nothing away.
    ada(&folder, "silence other 1h").quietly();
    monitor.end_by(Signal::KILL);
    let waits = ada(&folder, "ack api").quietly().stdout;
    assert_eq!(waits, "no monitor writes webmon.redb now: the order waits in webmon.redb.orders for its next start\n");
    assert_eq!(orders(&folder).len(), 1);
    for (arguments, reason) in [
        ("ack 7", "no incident 7 is open"),
        ("ack other", "no incident of other is open"),
        ("ack apj", "no site named \"apj\" in webmon.redb; did you mean \"api\"?"),
        ("silence apj 1h", "no site named \"apj\" in webmon.redb; did you mean \"api\"?"),
        ("silence group:shpo 1h", "no site is in the group \"shpo\"; did you mean \"shop\"?"),
        ("silence api", "a silence needs an end"),
        ("silence api 31d", "a silence lasts at most 30d"),
        ("silence api until 25:00", "cannot read the time \"25:00\""),
        ("silence --end x", "--end takes the number of a silence, or all; not \"x\""),
        ("silence --end 4", "there is no silence 4"),
    ] {
        let refused = ada(&folder, arguments).with(2).stderr;
        assert!(refused.starts_with(&format!("webmon: {reason}")), "{arguments}: {refused}");
    }
    assert_eq!(orders(&folder).len(), 1, "what is refused leaves nothing");
    let mut monitor = folder.start("--headless --format json --events alert");
    let lines = monitor.until(|lines| lines.iter().any(|line| line.contains("\"acknowledged\"")));
    let event = lines.iter().map(|line| json(line)).find(|line| line["event"] == "incident").unwrap();
    assert_eq!((event["by"].as_str(), event["incident"].as_u64()), (Some("ada"), Some(1)));
    monitor.end_by(Signal::TERM).with(143);
    // Its answer has no reader.
    assert!(orders(&folder).iter().all(|name| name.ends_with(".answer")));
}

#[test]
fn without_a_store_there_is_nothing_to_order() {
    let folder = refusing();
    for arguments in ["ack", "ack api", "silence api 1h"] {
        let refused = ada(&folder, arguments).with(3).stderr;
        assert!(refused.contains("webmon.redb"), "{refused}");
    }
    assert_eq!(folder.files(), ["sites.yaml"]);
}
