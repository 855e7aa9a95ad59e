//! Hosts, methods, tokens, limits: a hostile client gets nothing, and delays no probe.

use std::io::{Read, Write};
use std::time::Duration;

use crate::client::Served;
use crate::support::program::{Folder, Running, now};
use crate::support::{Behaviour, Server};
use rustix::process::Signal;

const PATHS: [&str; 12] = [
    "/",
    "/site/a",
    "/badge/a.svg",
    "/badge/a.json",
    "/metrics",
    "/probe?target=a",
    "/sd",
    "/healthz",
    "/readyz",
    "/api/v1/sites",
    "/api/v1/events",
    "/nothing",
];

fn folder(server: &Server, more: &str) -> Folder {
    let url = server.url("/");
    Folder::with(&format!("sites:\n- {{ name: a, url: '{url}', interval: 200ms, timeout: 2s }}\n{more}"))
}

#[test]
fn other_hosts_and_methods_are_refused_for_every_path() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, "");
    let web = Served::start(&folder, "");
    for path in PATHS {
        for host in ["Host: evil.test", "Host: localhost.evil.test", "Host: 192.0.2.7"] {
            assert_eq!(web.ask("GET", path, &[host]).status, 421, "{path} of {host}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let reply = web.ask(method, path, &[]);
            assert_eq!((reply.status, reply.headers["allow"].as_str()), (405, "GET, HEAD"), "{method} {path}");
        }
    }
    for host in ["localhost", "127.0.0.1", &web.address.clone()] {
        let reply = web.ask("GET", "/healthz", &[&format!("Host: {host}")]);
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok\n"), "{host}");
        assert!(!reply.headers.contains_key("set-cookie"));
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
    let head = web.ask("HEAD", "/healthz", &[]);
    assert_eq!((head.status, head.headers["content-length"].as_str(), head.body.len()), (200, "3", 0));
}

#[test]
fn heads_and_bodies_are_bounded_in_length_and_time() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, "");
    let web = Served::start(&folder, "");
    let long = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(9 << 10));
    let reply = String::from_utf8(web.send(long.as_bytes())).unwrap();
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    assert_eq!(web.ask("GET", "/healthz", &["Content-Length: 3"]).status, 413);
    let began = now();
    let half = web.send(b"GET /healthz HTTP/1.1\r\nHost: local");
    let took = now() - began;
    assert!(!half.starts_with(b"HTTP/1.1 200"), "{half:?}");
    assert!(took >= Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_token_is_asked_for_and_never_told() {
    const TOKEN: &str = "c4n4ry-token";
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, &format!("listen: {{ token: {TOKEN}, public: [badge] }}"));
    let mut web = Served::start(&folder, "-vvv");
    let right = format!("Authorization: Bearer {TOKEN}");
    for path in ["/metrics", "/api/v1/sites", "/sd"] {
        let refused = web.get(path);
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.headers["www-authenticate"].starts_with("Basic "));
        assert_eq!(web.ask("GET", path, &["Authorization: Bearer c4n4ry-tokem"]).status, 401);
        assert_eq!(web.get(&format!("{path}?token={TOKEN}")).status, 401);
    }
    assert_eq!(web.ask("GET", "/api/v1/sites", &[&right]).status, 200);
    assert_eq!(web.get("/healthz").status, 200);
    for _ in 0..7 {
        web.ask("GET", "/metrics", &["Authorization: Bearer wrong"]);
    }
    let limited = web.ask("GET", "/api/v1/sites", &[&right]);
    assert_eq!((limited.status, limited.headers["retry-after"].as_str()), (429, "60"));
    web.running.until(|lines| lines.iter().any(|line| line.contains("listening")));
    let ended = web.running.end_by(Signal::TERM).with(143);
    assert!(!ended.stdout.contains("c4n4ry") && !ended.stderr.contains("c4n4ry"), "{}", ended.stderr);
    let checked = folder.run("validate");
    assert!(!checked.stdout.contains("c4n4ry") && !checked.stderr.contains("c4n4ry"), "{}", checked.stderr);
}

/// Readers that never read, clients that never ask, and a flood: checks are on time, and who asks rightly is answered.
#[test]
fn hostile_clients_delay_no_probe() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, "");
    let web = Served::start(&folder, "");
    web.metrics();
    let idle: Vec<_> = (0..200).map(|_| web.connect()).collect();
    drop(idle);
    let deaf: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = web.connect();
            for _ in 0..50 {
                drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            }
            stream
        })
        .collect();
    let before = web.metrics().checks("a")[0];
    let after = web.until("/metrics", |reply| {
        reply.status == 200 && crate::client::Metrics::of(&reply.text()).checks("a")[0] >= before + 20.0
    });
    let metrics = crate::client::Metrics::of(&after.text());
    let skipped = metrics.value("webmon_checks_skipped_total{site=\"a\"}");
    assert!(skipped <= 0.0, "{skipped} checks were skipped");
    drop(deaf);
}

#[test]
fn an_address_in_use_or_unfit_is_an_error_of_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, "");
    let ended = folder.run(&format!("--headless --listen={address}")).with(2);
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
    let ended = folder.run("--headless --listen=0.0.0.0:0").with(2);
    assert!(ended.stderr.contains("`listen.hosts`") && ended.stderr.contains("`listen.token`"), "{}", ended.stderr);
    let ended = folder.run("--headless --listen=somewhere").with(2);
    assert!(ended.stderr.contains("127.0.0.1:9115"), "{}", ended.stderr);
    assert!(!folder.path("webmon.redb").exists(), "nothing was started");
}

#[test]
fn it_listens_on_a_unix_socket_and_in_json() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, "listen: { address: 'unix:w.sock' }");
    let mut running = Running::start(folder.command("--headless --format json"));
    let lines = running.until(|lines| lines.iter().any(|line| line.contains("\"listen\"")));
    let told = lines.iter().find(|line| line.contains("\"listen\"")).unwrap();
    let told = crate::support::program::json(told);
    assert_eq!(told["event"], "listen");
    assert!(told["url"].as_str().unwrap().ends_with("w.sock"), "{told}");
    let mut stream = std::os::unix::net::UnixStream::connect(folder.path("w.sock")).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    running.end_by(Signal::TERM).with(143);
    assert!(!folder.path("w.sock").exists());
}

#[test]
fn a_reload_changes_who_may_ask() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server, "listen: { hosts: [one.test] }");
    let web = Served::start(&folder, "");
    let asked = |host: &str| web.ask("GET", "/healthz", &[&format!("Host: {host}")]).status;
    assert_eq!((asked("one.test"), asked("two.test")), (200, 421));
    let url = server.url("/");
    folder.write(
        "sites.yaml",
        &format!("sites:\n- {{ name: a, url: '{url}', interval: 200ms, timeout: 2s }}\nlisten: {{ hosts: [two.test], token: a-long-token }}"),
    );
    let began = now();
    while asked("two.test") != 200 {
        assert!(now() - began < crate::support::program::PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(asked("one.test"), 421);
    assert_eq!(web.get("/metrics").status, 401);
}
