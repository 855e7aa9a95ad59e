//! What a hub serves: pages, metrics and health over all locations, to whom its sites.yaml allows it.

use std::time::Duration;

use crate::server::Server as Nats;
use crate::support::program::{Folder, PATIENCE, Running, now};
use crate::support::{Behaviour, Server, Step, response};

const NAMES: [&str; 2] = ["a", "b"];

/// Time between two requests.
const POLL: Duration = Duration::from_millis(100);

/// The answer to `GET path` of the listener at `url`, with its head.
fn get(url: &str, path: &str, more: &str) -> String {
    use std::io::{Read as _, Write as _};
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks again until the answer has all of `parts`.
#[track_caller]
fn until(url: &str, path: &str, parts: &[&str]) -> String {
    let began = now();
    loop {
        let answer = get(url, path, "");
        if parts.iter().all(|part| answer.contains(part)) {
            return answer;
        }
        assert!(now() - began < PATIENCE, "{path}: {answer}");
        std::thread::sleep(POLL);
    }
}

/// Where a program that prints JSON says that it listens.
fn url(program: &mut Running) -> String {
    let is_it = |line: &String| line.contains("\"http://");
    let lines = program.until(|lines| lines.iter().any(is_it));
    let line = lines.iter().find(|line| is_it(line)).unwrap();
    let begin = line.find("http://").unwrap();
    line[begin..].split('"').next().unwrap().to_owned()
}

/// The lines that `influx` got.
fn exported(influx: &Server) -> String {
    use std::io::Read as _;
    let mut lines = String::new();
    for request in influx.requests() {
        flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut lines).unwrap();
    }
    lines
}

/// The configurations of two locations and of a hub that serves, reports and exports.
fn configured(server: &Nats, port: &str, influx: &str) -> Folder {
    let folder = Folder::empty();
    for name in NAMES.iter().chain(&["hub1"]) {
        let site = |site: &str| {
            format!("- {{ name: {site}, url: 'http://{site}.test/{name}/{site}', connect_to: '127.0.0.1:{port}' }}\n")
        };
        let more = format!(
            "listen: {{ address: '127.0.0.1:0', token: open-sesame, public: [page, badge] }}\n\
             report: {{ out: report.html, every: 1m }}\n\
             export: {{ influx: {{ url: '{influx}', agent: hub1 }} }}\n"
        );
        let text = format!(
            "defaults: {{ interval: 200ms, timeout: 2s, alert: {{ threshold: 80%, window: 2s }} }}\nsites:\n{}{}{}{}",
            site("one"),
            site("two"),
            server.section(name, ", silent_after: 10s"),
            if *name == "hub1" { &*more } else { "" }
        );
        folder.write(&format!("{name}.yaml"), &text);
    }
    folder
}

#[test]
fn a_hub_serves_what_its_locations_see() {
    let Some(server) = Nats::of(&NAMES) else { return };
    let web = Server::start(Behaviour::answering(|request| {
        let status = if request.target == "/a/one" { 500 } else { 200 };
        vec![Step::send(response(status, "answer"))]
    }));
    let port = web.url("/").rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned();
    let influx = Server::start(Behaviour::always(vec![Step::send("HTTP/1.1 204 No Content\r\n\r\n")]));
    let folder = configured(&server, &port, &influx.url("/"));
    let mut hub = folder.start("hub --listen --headless --format json --config hub1.yaml --store hub.redb");
    let start = |name: &&str| folder.start(&format!("run --fleet --headless --config {name}.yaml --store {name}.redb"));
    let _locations: Vec<Running> = NAMES.iter().map(start).collect();
    let url = url(&mut hub);
    // Health needs no token; what is not public does.
    until(&url, "/readyz", &["200 OK"]);
    let refused = get(&url, "/metrics", "");
    assert!(refused.contains(" 401 "), "{refused}");
    let began = now();
    let metrics = loop {
        let metrics = get(&url, "/metrics", "Authorization: Bearer open-sesame\r\n");
        let is_there = |part: &str| metrics.contains(part);
        if is_there("webmon_checks_total{location=\"a\",site=\"one\",outcome=\"down\"}")
            && is_there("webmon_hub_location_state{location=\"b\",state=\"heard\"} 1")
            && is_there("webmon_hub_site_verdict{site=\"one\",verdict=\"partial\"} 1")
            && is_there("webmon_hub_site_votes{site=\"two\",vote=\"up\"} 2")
        {
            break metrics;
        }
        assert!(now() - began < PATIENCE, "{metrics}");
        std::thread::sleep(POLL);
    };
    assert!(metrics.contains("webmon_checks_total{location=\"b\",site=\"two\",outcome=\"up\"}"), "{metrics}");
    assert!(!metrics.contains("site=\"a/one\"") && !metrics.contains("open-sesame"), "{metrics}");
    let report = || std::fs::read_to_string(folder.path("report.html")).unwrap_or_default();
    while !report().contains("</html>") {
        assert!(now() - began < PATIENCE, "no report");
        std::thread::sleep(POLL);
    }
    until(&url, "/", &["200 OK", "down at 1 of 2 locations", "up at 2 of 2 locations"]);
    until(&url, "/site/one", &["200 OK", "<h2>Locations", ">a<", ">b<", "share of the known time"]);
    // One that sees it up is proof, so a site that fails at a alone was never down, though every other check of it failed.
    let status = until(&url, "/", &["100%"]);
    assert!(!status.contains("down for"), "{status}");
    until(&url, "/badge/one.json", &["100%"]);
    let bearer = "Authorization: Bearer open-sesame\r\n";
    let listed = get(&url, "/api/v1/stats?site=one", bearer);
    let availability = |text: &str| text.contains("\"site\":\"one\"") && text.contains("\"availability\":1.0");
    assert!(availability(&listed), "{listed}");
    let samples = get(&url, "/api/v1/samples?site=one", bearer);
    assert!(samples.contains("\"site\":\"a/one\"") && samples.contains("\"site\":\"b/one\""), "{samples}");
    let stored = "--config hub1.yaml --store hub.redb";
    folder.run(&format!("report {stored} --out later")).with(0);
    let summary = std::fs::read_to_string(folder.path("later/summary.json")).unwrap();
    assert!(summary.contains("\"availability\": 1.0"), "{summary}");
    let why = folder.run(&format!("why one {stored}")).with(0).stdout;
    assert!(why.contains("one fails now and then"), "{why}");
    until(&url, "/site/a%2Fone", &["200 OK", "500"]);
    let series = ["webmon_check,agent=hub1,location=a,site=one ", "webmon_check,agent=hub1,location=b,site=two "];
    while cfg!(feature = "influx") && !series.iter().all(|series| exported(&influx).contains(series)) {
        assert!(now() - began < PATIENCE, "{}", exported(&influx));
        std::thread::sleep(POLL);
    }
}
