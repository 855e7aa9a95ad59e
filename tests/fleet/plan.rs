//! Who checks what: sites with a number of locations are shared, and move when a location falls silent, and only those.

use std::collections::BTreeSet;

use webmon::model::{Assignment, Location};

use crate::server::Server as Nats;
use crate::support::program::{Folder, PATIENCE, Running, json, now};
use crate::support::{Behaviour, Server, Step, response};

const NAMES: [&str; 3] = ["a", "b", "c"];
const SITES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

fn place(name: &str) -> Location {
    Location::new(name).unwrap()
}

/// What the locations of `present` check of [`SITES`], two each, besides `all`.
fn shares(present: &[&str]) -> Vec<(String, BTreeSet<String>)> {
    let present: Vec<Location> = present.iter().map(|name| place(name)).collect();
    let of = |location: &Location| {
        let mine = SITES.iter().filter(|site| Assignment::Number(2).who(site, &present).contains(location));
        mine.map(|site| (*site).to_owned()).collect()
    };
    present.iter().map(|location| (location.to_string(), of(location))).collect()
}

struct Places {
    server: Nats,
    _web: Server,
    folder: Folder,
    hub: Running,
    locations: Vec<Option<Running>>,
}

impl Places {
    fn start() -> Option<Self> {
        let server = Nats::of(&NAMES)?;
        let web = Server::start(Behaviour::answering(|_| vec![Step::send(response(200, "answer"))]));
        let port = web.url("/").rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned();
        let folder = Folder::empty();
        let site = |name: &str, locations: &str| {
            format!(
                "- {{ name: {name}, url: 'http://x.test/{name}', connect_to: '127.0.0.1:{port}', locations: {locations} }}\n"
            )
        };
        let sites: String = SITES.iter().map(|name| site(name, "2")).collect();
        let sites = sites + &site("all", "all") + &site("only-c", "[c]");
        for name in NAMES.iter().chain(&["hub1"]) {
            let text = format!(
                "defaults: {{ interval: 200ms, timeout: 150ms }}\nsites:\n{sites}{}",
                server.section(name, ", silent_after: 10s")
            );
            folder.write(&format!("{name}.yaml"), &text);
        }
        let hub = folder.start("hub --headless --format json --config hub1.yaml --store hub.redb");
        let locations = NAMES.iter().map(|name| Some(run(&folder, name))).collect();
        Some(Self { server, _web: web, folder, hub, locations })
    }

    /// The sites that the location of this index checked in the last second or so.
    fn checked(&self, index: usize) -> BTreeSet<String> {
        let name = NAMES[index];
        let recent = format!("samples --config {name}.yaml --store {name}.redb --since 2s --format json");
        let samples = self.folder.run(&recent);
        // There may be no store yet.
        let samples = if samples.code == Some(0) { samples.json() } else { Vec::new() };
        samples.iter().map(|sample| sample["site"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the locations that run check what they are to check, and nothing else.
    #[track_caller]
    fn until_shared(&self, present: &[&str]) {
        let began = now();
        for (name, mut expected) in shares(present) {
            expected.insert("all".to_owned());
            if name == "c" {
                expected.insert("only-c".to_owned());
            }
            let index = NAMES.iter().position(|known| *known == name).unwrap();
            loop {
                let checked = self.checked(index);
                if checked == expected {
                    break;
                }
                assert!(now() - began < 2 * PATIENCE, "{name} checks {checked:?}, not {expected:?}");
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        }
    }
}

fn run(folder: &Folder, name: &str) -> Running {
    folder.start(&format!("run --fleet --headless --config {name}.yaml --store {name}.redb"))
}

#[test]
fn sites_move_from_a_location_that_is_killed_and_only_those() {
    let Some(mut places) = Places::start() else { return };
    places.until_shared(&NAMES);
    places.locations[2] = None;
    places.hub.until(|lines| {
        lines.iter().any(|line| json(line)["message"].as_str().unwrap_or_default().starts_with("Location c is silent."))
    });
    places.until_shared(&["a", "b"]);
    // A location that starts again without a server obeys what it saw last.
    places.server.kill();
    places.locations[0] = None;
    places.locations[0] = Some(run(&places.folder, "a"));
    places.until_shared(&["a", "b"]);
}
