//! Several network threads, from outside: all sites are checked, a reload changes what it says, a signal ends all threads.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use rustix::process::Signal;

use crate::support::program::{Folder, json};
use crate::support::{Behaviour, Server};

/// The names of the threads of process `pid` that check.
fn network_threads(pid: rustix::process::Pid) -> BTreeSet<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("webmon-net")).collect()
}

fn sites(server: &Server, numbers: std::ops::Range<usize>) -> String {
    let mut text = "network: { threads: 3 }\ndefaults: { interval: 200ms, timeout: 200ms }\nsites:\n".to_owned();
    for number in numbers {
        writeln!(text, "  - {{ name: s{number}, url: '{}' }}", server.url(&format!("/{number}"))).unwrap();
    }
    text
}

#[test]
fn three_threads_check_all_sites_also_after_a_reload_and_end_together() {
    let server = Server::start(Behaviour::ok());
    let folder = Folder::with(&sites(&server, 0..30));
    let mut monitor = folder.start("run --headless --format json --events sample");
    let named = |lines: &[String]| -> BTreeSet<String> {
        lines.iter().filter_map(|line| Some(json(line)["site"].as_str()?.to_owned())).collect()
    };
    let all: BTreeSet<String> = (0..30).map(|number| format!("s{number}")).collect();
    monitor.until(|lines| named(lines) == all);
    let threads: BTreeSet<String> = ["webmon-net", "webmon-net-2", "webmon-net-3"].map(str::to_owned).into();
    assert_eq!(network_threads(monitor.pid()), threads);

    folder.write("sites.yaml", &sites(&server, 10..40));
    let came: BTreeSet<String> = (30..40).map(|number| format!("s{number}")).collect();
    monitor.until(|lines| named(lines).is_superset(&came));
    let lines = monitor.lines();
    let ended = monitor.end_by(Signal::TERM);
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    // Numbers have no gap, whichever thread made them.
    for number in 10..30 {
        let site = format!("s{number}");
        let objects = lines.iter().map(|line| json(line)).filter(|object| object["site"] == *site);
        let seqs: Vec<u64> = objects.map(|object| object["seq"].as_u64().unwrap()).collect();
        assert!(seqs.len() > 1, "{site}");
        assert_eq!(seqs, (0..seqs.len() as u64).collect::<Vec<_>>(), "{site}");
    }
}
