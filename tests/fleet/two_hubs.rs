//! Two hubs, of which one delivers: whichever is killed, people hear of each incident once, and of its end.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use webmon::fleet::connection::Role;

use crate::server::Server as Nats;
use crate::support::Server;
use crate::support::program::{Folder, PATIENCE, Running, json, now};
use crate::targets::Failing;

/// The server forgets the lease after this time, instead of 30 s.
const LEASE: Duration = Duration::from_secs(8);

const POLL: Duration = Duration::from_millis(100);

struct Hubs {
    _server: Nats,
    web: Server,
    folder: Folder,
    failing: Failing,
    running: [Option<Running>; 2],
    _location: Running,
}

impl Hubs {
    fn start() -> Option<Self> {
        let server = Nats::of(&["a"])?;
        short_lease(&server);
        let failing = Failing::default();
        let (web, port) = failing.server();
        let folder = Folder::empty();
        let site = |site: &str| {
            format!("- {{ name: {site}, url: 'http://{site}.test/{site}', connect_to: '127.0.0.1:{port}' }}\n")
        };
        for name in ["a", "hub1", "hub2"] {
            let hook = if name == "a" { "nobody" } else { name };
            let text = format!(
                "defaults: {{ interval: 200ms, timeout: 2s, alert: {{ threshold: 80%, window: 2s }} }}\n\
                 alerting: {{ calm: off, group: 0s, notify: {{ hook: {{ webhook: 'http://127.0.0.1:{port}/hook/{hook}', body: {{ text: '{{{{ title }}}}' }} }} }} }}\n\
                 sites:\n{}{}{}",
                site("one"),
                site("two"),
                server.section(name, ", silent_after: 10s")
            );
            folder.write(&format!("{name}.yaml"), &text);
        }
        let location = folder.start("run --fleet --headless --config a.yaml --store a.redb");
        let running = [Some(hub(&folder, 1)), None];
        Some(Self { _server: server, web, folder, failing, running, _location: location })
    }

    /// What people were told of sites, in order: by which hub, and what. What a busy machine says of itself is left out.
    fn told(&self) -> Vec<String> {
        let requests = self.web.requests();
        let hooks = requests.iter().filter_map(|request| Some((request.target.strip_prefix("/hook/")?, &request.body)));
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        let told = hooks.map(|(hub, body)| format!("{hub} {}", text(body)));
        told.filter(|line| line.contains("Website")).collect()
    }

    /// Waits until people were told by `hub` that a site is `what`; returns everything that they were told by then.
    #[track_caller]
    fn until_told(&self, hub: &str, what: &str) -> Vec<String> {
        let began = now();
        loop {
            let told = self.told();
            if told.iter().any(|line| line.starts_with(hub) && line.contains(what)) {
                return told;
            }
            assert!(now() - began < PATIENCE, "{hub} does not say {what}: {told:#?}");
            std::thread::sleep(POLL);
        }
    }

    /// Waits for an alert among the lines of the hub of this index.
    #[track_caller]
    fn until_found(&mut self, index: usize, what: &str) {
        let hub = self.running[index].as_mut().unwrap();
        hub.until(|lines| {
            let mut messages = lines.iter().map(|line| json(line)["message"].as_str().unwrap_or_default().to_owned());
            messages.any(|message| message.contains(what))
        });
    }
}

fn hub(folder: &Folder, number: usize) -> Running {
    folder.start(&format!("hub --headless --format json --config hub{number}.yaml --store hub{number}.redb"))
}

/// Makes the bucket of the lease with a shorter life.
fn short_lease(server: &Nats) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let link = server.link(&Role::Hub).await.unwrap();
        let config = Config {
            name: "KV_WEBMON_LEASE".to_owned(),
            subjects: vec!["$KV.WEBMON_LEASE.>".to_owned()],
            max_age: LEASE,
            duplicate_window: LEASE,
            max_messages_per_subject: 1,
            allow_direct: true,
            allow_rollup: true,
            ..Config::default()
        };
        link.jetstream.create_stream(config).await.unwrap();
    });
}

#[test]
fn one_hub_delivers_and_the_other_one_goes_on_where_it_was_killed() {
    let Some(mut hubs) = Hubs::start() else { return };
    hubs.failing.add(&["/one"]);
    hubs.until_told("hub1", "one is down");
    hubs.running[1] = Some(hub(&hubs.folder, 2));
    hubs.until_found(1, "hub1 delivers alerts, and this hub stands by");
    hubs.until_found(1, "one is down");
    let status = hubs.folder.run("fleet status --config hub1.yaml").stdout;
    assert!(
        status.contains("hub hub1: ok, delivers alerts") && status.contains("hub hub2: ok, stands by for hub1"),
        "{status}"
    );
    // The hub that delivers is killed, a site comes up and another one goes down while none delivers.
    hubs.running[0] = None;
    hubs.failing.set(&["/two"]);
    hubs.until_told("hub2", "two is down");
    let told = hubs.until_told("hub2", "one is up");
    assert_eq!(told.len(), 3, "{told:#?}");
    // It comes back and stands by; what is open now, only the other one ends.
    hubs.running[0] = Some(hub(&hubs.folder, 1));
    hubs.until_found(0, "hub2 delivers alerts, and this hub stands by");
    hubs.failing.set(&[]);
    hubs.until_told("hub2", "two is up");
    hubs.until_found(0, "two is up");
    let told = hubs.told();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[1..].iter().all(|line| line.starts_with("hub2")), "{told:#?}");
}
