//! One verdict of many locations: what the hub tells when some of them see a site down, one sees nothing, and one is gone.

use std::time::Duration;

use serde_json::Value;

use crate::server::Server as Nats;
use crate::support::Server;
use crate::support::program::{Folder, PATIENCE, Running, json, now};
use crate::targets::Failing;

/// Three locations and a hub, and the targets that fail at the moment.
pub struct Places {
    _server: Nats,
    _web: Server,
    pub folder: Folder,
    failing: Failing,
    pub hub: Running,
    locations: Vec<Option<Running>>,
}

/// Time between two looks at the store.
const POLL: Duration = Duration::from_millis(50);

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Places {
    /// Each location asks for its own path of each of these sites, at a host of its own: `/a/one`, `/b/one`.
    pub fn start(sites: &[&str], alert: &str) -> Option<Self> {
        let server = Nats::of(&NAMES)?;
        let failing = Failing::default();
        let (web, port) = failing.server();
        let folder = Folder::empty();
        for name in NAMES.iter().chain(&["hub1"]) {
            let site = |site: &&str| {
                format!(
                    "- {{ name: {site}, url: 'http://{site}.test/{name}/{site}', connect_to: '127.0.0.1:{port}' }}\n"
                )
            };
            let sites: String = sites.iter().map(site).collect();
            let text = format!(
                "defaults: {{ interval: 200ms, timeout: 2s, alert: {{ threshold: 80%, window: 2s, {alert} }} }}\n\
                 sites:\n{sites}{}",
                server.section(name, ", silent_after: 10s")
            );
            folder.write(&format!("{name}.yaml"), &text);
        }
        let hub = folder.start("hub --headless --format json --config hub1.yaml --store hub.redb");
        let start = |name: &&str| {
            Some(folder.start(&format!("run --fleet --headless --config {name}.yaml --store {name}.redb")))
        };
        let locations = NAMES.iter().map(start).collect();
        Some(Self { _server: server, _web: web, folder, failing, hub, locations })
    }

    pub fn fail(&self, targets: &[&str]) {
        self.failing.add(targets);
    }

    fn mend(&self) {
        self.failing.set(&[]);
    }

    /// Waits for an alert of the hub whose message begins like this, after `from` lines; returns its message and the lines by then.
    #[track_caller]
    fn told(&mut self, beginning: &str, from: usize) -> (String, usize) {
        let alert = |line: &String| {
            let event = json(line);
            let message = event["message"].as_str().unwrap_or_default();
            (event["event"] == "alert" && message.starts_with(beginning)).then(|| message.to_owned())
        };
        let lines = self.hub.until(|lines| lines.iter().skip(from).any(|line| alert(line).is_some()));
        let index = lines.iter().skip(from).position(|line| alert(line).is_some()).unwrap() + from;
        (alert(&lines[index]).unwrap(), index + 1)
    }

    /// The messages of all alerts so far. An incident that became a worse one ends without a message.
    fn messages(&self) -> Vec<String> {
        let events = self.hub.lines().iter().map(|line| json(line)).collect::<Vec<Value>>();
        let alerts = events.iter().filter(|event| event["event"] == "alert");
        alerts.filter_map(|event| event["message"].as_str().map(str::to_owned)).collect()
    }

    /// What the hub has stored of the site `one`.
    fn stored(&self) -> Vec<Value> {
        let alerts = self.folder.run("alerts --config hub1.yaml --store hub.redb --format json").with(0);
        alerts.json().into_iter().filter(|alert| alert["site"] == "one").collect()
    }

    /// Waits until the hub has stored an alert of the site `one` with this message: one that it only printed, it says again after
    /// a kill.
    #[track_caller]
    fn until_stored(&self, message: &str) {
        let began = now();
        while self.stored().iter().all(|alert| alert["message"] != message) {
            assert!(now() - began < PATIENCE, "not stored: {message}");
            std::thread::sleep(POLL);
        }
    }
}

#[test]
fn a_site_is_down_once_a_quorum_sees_it_down() {
    let Some(mut places) = Places::start(&["one", "two"], "partial: true") else { return };
    places.fail(&["/a/one"]);
    let (partial, seen) = places.told("Website one is partly down.", 0);
    assert!(partial.ends_with("locations=1/3 (a)"), "{partial}");
    places.fail(&["/b/one"]);
    let (down, _) = places.told("Website one is down.", seen);
    assert!(down.ends_with("locations=2/3"), "{down}");
    let availability = down.split_once("availability=").unwrap().1.split_once('%').unwrap().0;
    assert!((1.0..99.0).contains(&availability.parse::<f64>().unwrap()), "{down}");
    // The hub is killed while it is down, and does not say it again.
    places.until_stored(&down);
    let again = places.folder.start("hub --headless --format json --config hub1.yaml --store hub.redb");
    drop(std::mem::replace(&mut places.hub, again));
    places.mend();
    let (up, _) = places.told("Website one is up.", 0);
    assert!(up.ends_with("locations=3/3") && up.contains("downtime="), "{up}");
    assert!(places.messages().iter().all(|message| !message.contains("is down")), "{:?}", places.messages());
    assert!(places.messages().iter().all(|message| !message.contains("two")), "{:?}", places.messages());
    places.until_stored(&up);
    assert_eq!(places.stored().len(), 4, "{:?}", places.stored());
}

#[test]
fn a_location_that_sees_nothing_is_blind_and_its_sites_are_up() {
    let Some(mut places) = Places::start(&["one", "two", "three"], "") else { return };
    places.fail(&["/a/one", "/a/two", "/a/three"]);
    let (blind, seen) = places.told("Location a is blind.", 0);
    assert!(blind.contains("sites=3/3") || blind.contains("sites=2/"), "{blind}");
    places.mend();
    let (_, seen) = places.told("Location a is back.", seen);
    // What everybody sees is true.
    places.fail(&["/a/one", "/b/one", "/c/one", "/a/two", "/b/two", "/c/two", "/a/three", "/b/three", "/c/three"]);
    let (down, seen) = places.told("Website three is down.", seen);
    assert!(down.contains("locations="), "{down}");
    places.mend();
    places.told("Website three is up.", seen);
    let blind = places.messages().iter().filter(|message| message.contains("is blind")).count();
    assert_eq!(blind, 1, "{:?}", places.messages());
}

#[test]
fn a_location_that_is_gone_is_told_once_and_the_others_decide() {
    let Some(mut places) = Places::start(&["one"], "") else { return };
    places.hub.until(|lines| lines.iter().any(|line| line.contains("\"site\":\"c/one\",\"state\":\"up\"")));
    places.locations[2] = None;
    let (silent, seen) = places.told("Location c is silent.", 0);
    assert!(silent.contains("last="), "{silent}");
    places.fail(&["/a/one", "/b/one", "/c/one"]);
    let (down, seen) = places.told("Website one is down.", seen);
    assert!(down.ends_with("locations=2/2"), "{down}");
    let start = "run --fleet --headless --config c.yaml --store c.redb";
    places.locations[2] = Some(places.folder.start(start));
    places.mend();
    let (up, _) = places.told("Website one is up.", seen);
    assert!(up.contains("locations="), "{up}");
    places.told("Location c is back.", 0);
    // They are in the store, too.
    let began = now();
    let listed = || places.folder.run("alerts --config hub1.yaml --store hub.redb").with(0).stdout;
    while !listed().contains("Location c is back.") {
        assert!(now() - began < PATIENCE, "{}", listed());
        std::thread::sleep(POLL);
    }
    assert!(listed().contains("Location c is silent."), "{}", listed());
    let one = places.folder.run("alerts one --config hub1.yaml --store hub.redb").with(0).stdout;
    assert!(one.contains("Website one is down.") && !one.contains("Location c"), "{one}");
}
