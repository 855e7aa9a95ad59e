//! In place of `blackbox_exporter`: what is served equals the last sample, for many behaviours of servers.

use crate::client::{Metrics, Reply, Served};
use crate::support::program::{Folder, json};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step, ports, redirect, response};

fn server() -> Server {
    Server::start(Behaviour::answering(|request| {
        let status = |status| vec![Step::send(response(status, "body"))];
        match request.target.trim_start_matches('/') {
            "empty" => status(204),
            "missing" => status(404),
            "broken" => status(500),
            "busy" => status(503),
            "many" => status(429),
            "teapot" => status(418),
            "there" => vec![Step::send(redirect(302, "/ok"))],
            "astray" => vec![Step::send(redirect(302, "/missing"))],
            "circle" => vec![Step::send(redirect(302, "/circle"))],
            "old" => vec![Step::send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")],
            "garbage" => vec![Step::send("SSH-2.0-OpenSSH_9\r\n"), Step::Close],
            "silent" => vec![Step::Hang],
            "head" => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), Step::Hang],
            "short" => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), Step::Close],
            "cut" => vec![Step::send("HTTP/1.1 200 OK\r\nContent-Le"), Step::Reset],
            "reset" => vec![Step::Reset],
            "closed" => vec![Step::Close],
            "slow" => vec![Step::wait_ms(150), Step::send(response(200, "late"))],
            _ => status(200),
        }
    }))
}

const NAMES: [&str; 19] = [
    "ok", "empty", "missing", "broken", "busy", "many", "teapot", "there", "astray", "circle", "old", "garbage",
    "silent", "head", "short", "cut", "reset", "closed", "slow",
];

#[test]
fn what_is_probed_is_the_last_sample() {
    let server = server();
    let closed = ports::closed_port();
    let mut yaml = String::from("defaults: { interval: 1h, timeout: 1s }\nsites:\n");
    for name in NAMES {
        let expect = if name == "slow" { ", expect: { max_response_time: 100ms }" } else { "" };
        yaml.push_str(&format!("- {{ name: {name}, url: '{}', group: g{expect} }}\n", server.url(&format!("/{name}"))));
    }
    yaml.push_str(&format!("- {{ name: refused, url: 'http://{closed}/' }}\n"));
    let tls = server.url("/ok").replace("http:", "https:");
    yaml.push_str(&format!(
        "- {{ name: plain, url: '{tls}' }}\n- {{ name: fresh, url: 'http://127.0.0.1:1/', interval: 7d }}\n"
    ));
    let folder = Folder::with(&yaml);
    let mut web = Served::start(&folder, "--format json --events sample");
    let names: Vec<&str> = NAMES.into_iter().chain(["refused", "plain"]).collect();
    let is_sample = |line: &String| line.contains("\"event\":\"sample\"");
    let lines = web.running.until(|lines| {
        let told: Vec<&String> = lines.iter().filter(|line| is_sample(line)).collect();
        names.iter().all(|name| told.iter().any(|line| line.contains(&format!("\"site\":\"{name}\""))))
    });
    let samples: Vec<serde_json::Value> = lines.iter().filter(|line| is_sample(line)).map(|line| json(line)).collect();
    let mut causes = std::collections::BTreeSet::new();
    for name in &names {
        let sample = samples.iter().find(|sample| sample["site"] == *name).unwrap();
        let reply = web.until(&format!("/probe?module=http_2xx&target={name}"), |reply| reply.status == 200);
        let Metrics(probed) = Metrics::of(&reply.text());
        let value = |series: &str| probed.get(series).copied();
        let success = if sample["up"] == true { 1.0 } else { 0.0 };
        assert_eq!(value("probe_success"), Some(success), "{name}: {sample}");
        assert_eq!(value("probe_http_status_code"), sample["status"].as_f64(), "{name}");
        assert_eq!(value("probe_http_redirects"), sample["redirects"].as_f64(), "{name}");
        assert_eq!(value("probe_duration_seconds"), sample["total_us"].as_f64().map(seconds), "{name}");
        let version = sample["http"].as_str().map(|http| http.parse::<f64>().unwrap());
        assert_eq!(value("probe_http_version"), version, "{name}");
        for phase in ["resolve", "connect", "tls", "processing", "transfer"] {
            let told = value(&format!("probe_http_duration_seconds{{phase=\"{phase}\"}}"));
            assert_eq!(told, sample[format!("{phase}_us")].as_f64().map(seconds), "{phase} of {name}: {sample}");
        }
        let cause = sample["cause"].as_str().unwrap();
        let reason = probed.keys().find(|name| name.starts_with("probe_failure_info{"));
        let expected = (cause != "ok").then(|| format!("probe_failure_info{{reason=\"{cause}\"}}"));
        assert_eq!(reason, expected.as_ref(), "{name}");
        causes.insert(cause.to_owned());
    }
    assert!(causes.len() >= 10, "{causes:?}");
    assert_eq!(web.get("/probe?target=nobody").status, 404);
    assert_eq!(web.get("/probe?target=http://192.0.2.1/").status, 404, "what is not watched is not probed");
    assert_eq!(web.get("/probe").status, 400);
    let by_url = web.get(&format!("/probe?target={}", server.url("/broken")));
    assert!(by_url.text().contains("probe_http_status_code 500"), "{}", by_url.text());
    let targets = web.get("/sd").json();
    assert_eq!(targets.as_array().unwrap().len(), names.len() + 1);
    for target in targets.as_array().unwrap() {
        let name = target["labels"]["__meta_webmon_site"].as_str().unwrap();
        let url = target["targets"][0].as_str().unwrap();
        assert!(url.starts_with("http") && names.iter().chain(&["fresh"]).any(|known| *known == name), "{target}");
        let group = target["labels"]["__meta_webmon_group"].as_str().unwrap();
        assert_eq!(group, if NAMES.contains(&name) { "g" } else { "" });
    }
}

fn seconds(micros: f64) -> f64 {
    // As decimal text, so that no rounding differs.
    format!("{micros}e-6").parse().unwrap()
}

/// The version is that of the connection that the final answer came over.
#[test]
fn the_version_of_tls_is_said_where_there_was_one() {
    let authority = Authority::new();
    let identity = || authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let plain = Server::start(Behaviour::ok());
    let elsewhere = plain.url("/");
    let away = Behaviour::always(vec![Step::send(redirect(302, &elsewhere))]);
    let servers = [
        ("new", Server::start(Behaviour::ok().over_tls(identity())), Some("TLS 1.3")),
        ("old", Server::start(Behaviour::ok().over_tls(identity().speaking_tls12())), Some("TLS 1.2")),
        ("kept", Server::start(Behaviour::ok().over_tls(identity())), Some("TLS 1.3")),
        ("away", Server::start(away.over_tls(identity())), None),
        (
            "stranger",
            Server::start(Behaviour::ok().over_tls(Authority::new().issue(&Leaf::naming(&["127.0.0.1"])))),
            None,
        ),
        ("plain", plain, None),
    ];
    let mut yaml = String::from("defaults: { interval: 200ms, timeout: 5s, tls: { ca_file: ca.pem } }\nsites:\n");
    for (name, server, _) in &servers {
        let kept = if *name == "kept" { ", keep_alive: true" } else { "" };
        yaml.push_str(&format!("- {{ name: {name}, url: '{}'{kept} }}\n", server.url("/")));
    }
    let folder = Folder::with(&yaml);
    folder.write("ca.pem", &authority.root_pem());
    let web = Served::start(&folder, "");
    for (name, server, expected) in &servers {
        // Of the second check, so that one of them comes over a connection of the first.
        let is_later = |reply: &Reply| reply.status == 200 && server.requests().len() > 1;
        let is_tried = |reply: &Reply| reply.status == 200;
        let path = format!("/probe?target={name}");
        let text = if *name == "stranger" { web.until(&path, is_tried) } else { web.until(&path, is_later) }.text();
        let success = text.contains("probe_success 1");
        assert_eq!(success, *name != "stranger", "{name}: {text}");
        let Metrics(probed) = Metrics::of(&text);
        let said = probed.iter().find(|(series, _)| series.starts_with("probe_tls_version_info"));
        assert!(text.contains(&format!("probe_http_ssl {}", u8::from(expected.is_some()))), "{name}: {text}");
        let expected = expected.map(|version| (format!("probe_tls_version_info{{version=\"{version}\"}}"), 1.0));
        assert_eq!(said.map(|(series, value)| (series.clone(), *value)), expected, "{name}: {text}");
    }
    let kept = &servers[2].1;
    assert!(kept.requests().len() > kept.accepted(), "a connection was used again");
}
