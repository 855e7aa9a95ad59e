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
                "defaults: {{ interval: 200ms, timeout: 2s }}\nsites:\n{sites}{}",
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

#[test]
fn a_location_takes_pushed_sites_and_goes_back_to_its_own() {
    let Some(server) = Nats::of(&["a"]) else { return };
    let web = Server::start(Behaviour::answering(|_| vec![Step::send(response(200, "answer"))]));
    let folder = Folder::empty();
    let own = "defaults: { interval: 200ms, timeout: 2s }\n";
    folder.write(
        "a.yaml",
        &format!("{own}sites:\n- {{ name: own, url: '{}' }}\n{}", web.url("/own"), server.section("a", "")),
    );
    let secret = "alerting: { notify: { ops: { slack: 'https://hooks.example/hunter2' } } }\n";
    let pushed = |more: &str| {
        format!("{own}{secret}sites:\n- {{ name: pushed, url: '{}/${{WHERE:-pushed}}' }}\n{more}", web.url(""))
    };
    folder.write("push.yaml", &pushed(""));
    folder.write("tell.yaml", &pushed("- { name: other, url: 'http://other.example', alert: { tell: [ops] } }\n"));
    folder.write("wrong.yaml", "sites: [{ url: 'http://a.example', intervall: 1s }]\n");
    let push = |arguments: &str| folder.run(&format!("fleet push --config a.yaml {arguments}"));
    assert!(push("push.yaml").with(1).stderr.contains("`webmon fleet init` makes it"));
    folder.run("fleet init --config a.yaml").with(0);
    let mut location = run(&folder, "a");
    let says = |location: &mut Running, what: &str| {
        location.until(|lines| lines.iter().any(|line| line.contains(what)));
    };
    assert!(push("wrong.yaml").with(2).stderr.contains("intervall"));
    assert_eq!(
        push("push.yaml").quietly().stdout,
        "1 site pushed: each location takes them once it is connected, and says so\n"
    );
    says(&mut location, "the fleet gave other sites: 1 site added, 1 removed, 0 changed");
    let kept = std::fs::read_to_string(folder.path("a.redb.fleet/sites.yaml")).unwrap();
    assert!(kept.contains("${WHERE:-pushed}") && !kept.contains("hunter2"), "{kept}");
    // The location has no such outlet.
    push("tell.yaml").quietly();
    says(&mut location, "the pushed sites are refused, and nothing changes: ");
    // It keeps them over a restart.
    location.end_by(rustix::process::Signal::TERM).with(143);
    let mut location = run(&folder, "a");
    says(&mut location, "the sites are those of `webmon fleet push`");
    let began = now();
    while web.requests().iter().filter(|request| request.target == "/pushed").count() < 5 {
        assert!(now() - began < PATIENCE, "it does not check what was pushed");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    push("--withdraw").quietly();
    says(&mut location, "the fleet gave other sites: 1 site added, 1 removed, 0 changed");
    assert!(!folder.path("a.redb.fleet/sites.yaml").exists());
}
