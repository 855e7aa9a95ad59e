//! `webmon watch tls://…`: what a user without a store sees of a fleet while no hub runs.

use rustix::process::Signal;
use serde_json::Value;

use crate::server::Server as Nats;
use crate::support::Server;
use crate::support::program::{Folder, Running, json};
use crate::targets::Failing;

/// Two locations without a hub, and the targets that fail at the moment.
struct Places {
    server: Nats,
    _web: Server,
    folder: Folder,
    failing: Failing,
    locations: Vec<Running>,
}

const NAMES: [&str; 2] = ["a", "b"];

impl Places {
    /// Each location asks for its own path of two sites: `/a/one`, `/b/one`.
    fn start() -> Option<Self> {
        let server = Nats::of(&NAMES)?;
        server.webmon("fleet init").quietly();
        let failing = Failing::default();
        let (web, port) = failing.server();
        let folder = Folder::empty();
        for name in NAMES {
            let site = |site: &str| {
                format!(
                    "- {{ name: {site}, url: 'http://{site}.test/{name}/{site}', connect_to: '127.0.0.1:{port}' }}\n"
                )
            };
            let text = format!(
                "defaults: {{ interval: 200ms, timeout: 2s, alert: {{ threshold: 80%, window: 2s }} }}\n\
                 sites:\n{}{}{}",
                site("one"),
                site("two"),
                server.section(name, "")
            );
            folder.write(&format!("{name}.yaml"), &text);
        }
        let start =
            |name: &str| folder.start(&format!("run --fleet --headless --config {name}.yaml --store {name}.redb"));
        let locations = NAMES.into_iter().map(start).collect();
        Some(Self { server, _web: web, folder, failing, locations })
    }

    /// Looks on, with these arguments.
    fn watch(&self, arguments: &str) -> Running {
        self.folder.start(&format!("watch {arguments} --headless --format json"))
    }

    /// The arguments of one that has nothing but the address of the server and a certificate.
    fn stranger(&self) -> String {
        format!("{} --certs {} --config none.yaml", self.server.url(), self.server.path("fleet").display())
    }
}

/// Waits until `program` printed figures for which `is_it` holds; returns them.
#[track_caller]
fn figures(program: &mut Running, is_it: impl Fn(&Value) -> bool) -> Value {
    let found = |line: &String| {
        let event = json(line);
        (event["event"] == "stats" && is_it(&event)).then_some(event)
    };
    let lines = program.until(|lines| lines.iter().any(|line| found(line).is_some()));
    lines.iter().find_map(found).unwrap()
}

/// The names of the files beside those that the locations write.
fn others(folder: &Folder) -> Vec<String> {
    folder.files().into_iter().filter(|file| !file.contains(".redb")).collect()
}

#[test]
fn a_watcher_without_a_store_and_a_file_sees_all_locations() {
    let Some(places) = Places::start() else { return };
    let files = others(&places.folder);
    let mut watcher = places.watch(&places.stranger());
    for name in ["a/one", "b/one", "a/two", "b/two"] {
        let own = figures(&mut watcher, |event| event["site"] == name && event["checks"].as_u64() > Some(0));
        assert!(own["state"] == "up" && own["locations"].is_null(), "{own}");
    }
    let over = figures(&mut watcher, |event| event["site"] == "one" && event["checks"].as_u64() > Some(1));
    assert_eq!(over["locations"]["assigned"], 2, "{over}");

    let mut of_one = places.watch(&format!("{} --location b", places.stranger()));
    let own = figures(&mut of_one, |event| event["site"] == "b/two" && event["checks"].as_u64() > Some(0));
    assert!(own["state"] == "up", "{own}");
    let shown: Vec<Value> =
        of_one.lines().iter().map(|line| json(line)).filter(|event| event["event"] == "stats").collect();
    assert!(shown.iter().all(|event| event["site"] == "b/one" || event["site"] == "b/two"), "{shown:?}");
    watcher.end_by(Signal::TERM).with(128 + 15);
    of_one.end_by(Signal::INT).with(128 + 2);
    assert_eq!(others(&places.folder), files, "a watcher leaves nothing behind");
    drop(places.locations);
}

#[test]
fn a_watcher_judges_over_locations_and_goes_on_after_the_server_was_away() {
    let Some(mut places) = Places::start() else { return };
    let mut watcher = places.watch("--fleet --config a.yaml");
    figures(&mut watcher, |event| event["site"] == "one" && event["locations"]["up"] == 2);
    places.failing.set(&["/a/one", "/b/one"]);
    let told = |line: &String| {
        let message = json(line)["message"].as_str().unwrap_or_default().to_owned();
        message.starts_with("Website one is down.") && message.ends_with("locations=2/2")
    };
    watcher.until(|lines| lines.iter().any(told));
    places.server.kill();
    let lost = watcher.until(|lines| lines.iter().any(|line| line.contains("no NATS server")));
    let seen = lost.len();
    places.failing.set(&[]);
    places.server.run();
    watcher.until(|lines| {
        let mut later = lines.iter().skip(seen).map(|line| json(line));
        later.any(|event| event["site"] == "one" && event["locations"]["up"] == 2)
    });
    drop(places.locations);
}

#[test]
fn what_is_missing_to_look_on_is_said() {
    let Some(server) = Nats::start() else { return };
    let url = server.url();
    for (arguments, code, said) in [
        ("--fleet --config none.yaml".to_owned(), 2, "none.yaml"),
        (format!("{url} --certs nowhere --config none.yaml --for 1s"), 2, "cannot use nowhere/ca.pem"),
        ("http://127.0.0.1".to_owned(), 2, "invalid value"),
        ("--location a".to_owned(), 2, "required"),
    ] {
        let told = server.webmon(&format!("watch {arguments} --headless")).with(code).stderr;
        assert!(told.contains(said), "{arguments}: {told}");
    }
}
