//! A maintenance window of the running binary on a day with 25 hours. libfaketime (`apt-get install faketime`) sets its
//! clock; where it is missing, the test says so and passes.

use std::path::PathBuf;
use std::process::Command;

use crate::support::ports::closed_port;
use crate::support::program::{Folder, Running};
use crate::support::{Behaviour, Server};

fn libfaketime() -> Option<PathBuf> {
    let arch = std::env::consts::ARCH;
    let folders = [format!("/usr/lib/{arch}-linux-gnu/faketime"), "/usr/lib/faketime".to_owned()];
    folders.iter().map(|folder| PathBuf::from(folder).join("libfaketime.so.1")).find(|path| path.exists())
}

/// webmon with a clock that shows `time` (UTC) at its start.
fn at(mut command: Command, library: &PathBuf, time: &str) -> Command {
    command.env("LD_PRELOAD", library).env("FAKETIME", format!("@{time}"));
    // Only the time of day is another.
    command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

/// On 25 October 2026 the clocks of Berlin show 02:30 twice, so the window lasts from 00:30 to 02:30 UTC.
#[test]
fn a_window_lasts_until_its_clock_shows_the_end_for_the_last_time() {
    let Some(library) = libfaketime() else {
        println!("skipped: libfaketime is not installed (apt-get install faketime)");
        return;
    };
    let receiver = Server::start(Behaviour::ok());
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 100ms, timeout: 100ms }}\n\
         sites: [{{ name: api, url: 'http://{}/' }}]\n\
         alerting:\n  window: 1s\n  notify: {{ hook: {{ webhook: '{}' }} }}\n  \
           maintenance: [{{ every: sun, from: '02:30', to: '03:30', zone: Europe/Berlin }}]\n",
        closed_port(),
        receiver.url("/in"),
    ));
    let arguments = "--headless --format json --events alert --no-store";
    // An hour of summer time and an hour of winter time: a window of fixed length would end at 01:30.
    let muted = at(folder.command(&format!("{arguments} --for 6s")), &library, "2026-10-25 01:29:57");
    let ended = Running::start(muted).end();
    let alerts = ended.json();
    assert!(alerts[0]["time"].as_str().unwrap().starts_with("2026-10-25T01:29:5"), "{ended:?}");
    assert_eq!(receiver.requests().len(), 0, "nobody hears of it");

    // What is still down when the window ends is told then.
    let told = at(folder.command(arguments), &library, "2026-10-25 02:29:57");
    let mut monitor = Running::start(told);
    let printed = monitor.until(|lines| !lines.is_empty() && !receiver.requests().is_empty());
    assert!(printed[0].contains("\"time\":\"2026-10-25T02:29:5"), "{printed:?}");
    let event: serde_json::Value = serde_json::from_slice(&receiver.requests()[0].body).unwrap();
    assert_eq!((&event["type"], &event["subject"]), (&"webmon.alert.down".into(), &"api".into()), "{event}");
    monitor.end_by(rustix::process::Signal::TERM).with(143);
}
