//! Counters are those of committed checks, and go on over a restart.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::client::{Metrics, Served};
use crate::support::program::{Ended, Folder};
use crate::support::{Behaviour, Server, Step, response};
use rustix::process::Signal;

fn server() -> Server {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = AtomicUsize::new(0);
    Server::start(Behaviour::answering(move |_| {
        let status = if count.fetch_add(1, Ordering::SeqCst) % 3 == 2 { 503 } else { 200 };
        vec![Step::send(response(status, "ok"))]
    }))
}

fn folder(server: &Server) -> Folder {
    let (url, nowhere) = (server.url("/"), crate::support::ports::closed_port());
    Folder::with(&format!(
        "sites:\n- {{ name: a, url: '{url}', interval: 100ms, timeout: 2s }}\n\
         - {{ name: 'b \"quoted\" \\ <b>', url: 'http://{nowhere}/', interval: 100ms, timeout: 2s }}\n\
         storage: {{ flush: 1s }}\n"
    ))
}

/// Up and down of `site` in the output of `webmon samples`.
fn stored(folder: &Folder, site: &str) -> [f64; 2] {
    let Ended { stdout, .. } = folder.run("samples --since 1d --format json").with(0);
    let of_site: Vec<serde_json::Value> =
        stdout.lines().map(crate::support::program::json).filter(|sample| sample["site"] == site).collect();
    let count = |up: bool| of_site.iter().filter(|sample| sample["up"] == up).count();
    [count(true), count(false)].map(|count| f64::from(u32::try_from(count).unwrap()))
}

#[test]
fn nothing_goes_back_over_a_kill_and_the_counters_are_what_is_stored() {
    let server = server();
    let folder = folder(&server);
    let mut before = Metrics(std::collections::BTreeMap::new());
    for round in 0..3 {
        let mut web = Served::start(&folder, "");
        let is_counter = |name: &str| name.contains("_total{") || name.contains("_bucket{") || name.contains("_count{");
        let reached = before.0.get("webmon_checks_total{site=\"a\",outcome=\"up\"}").copied().unwrap_or(0.0);
        for _ in 0..3 {
            let metrics = web.metrics();
            for (name, value) in before.0.iter().filter(|(name, _)| is_counter(name) && name.contains("{site=")) {
                let now = metrics.value(name);
                assert!(now >= *value, "{name} went from {value} to {now} in round {round}");
            }
            before = metrics;
        }
        let until = web.until("/metrics", |reply| {
            reply.status == 200 && Metrics::of(&reply.text()).checks("a")[0] >= reached + 10.0
        });
        before = Metrics::of(&until.text());
        web.running.signal(Signal::KILL);
        web.running.until_gone();
    }
    // Without Prometheus, and after everything that the last process committed.
    let [up, down] = stored(&folder, "a");
    let web = Served::start(&folder, "");
    let first = web.metrics();
    let checks = first.checks("a");
    assert!(checks[0] >= up && checks[1] >= down && checks[2] <= 0.0, "{checks:?} of {up} and {down}");
    web.running.end_by(Signal::TERM).with(143);
    let [up, down] = stored(&folder, "a");
    let all = Served::start(&folder, "--for 20s");
    let sums = all.metrics();
    let checks = sums.checks("a");
    assert!(checks[0] >= up && checks[1] >= down);
    assert!(checks[0] - up <= 40.0 && checks[1] - down <= 40.0, "counted twice: {checks:?} of {up} and {down}");
    let failures = sums.value("webmon_failures_total{site=\"a\",cause=\"status\"}");
    assert!((failures - checks[1]).abs() < 0.5, "{failures} of {checks:?}");
    let answered = sums.value("webmon_response_duration_seconds_count{site=\"a\"}");
    assert!((answered - checks[0]).abs() < 0.5, "{answered} of {checks:?}");
    let buckets = sums.value("webmon_response_duration_seconds_bucket{site=\"a\",le=\"+Inf\"}");
    assert!((answered - buckets).abs() < 0.5);
    assert!(sums.0.keys().any(|name| name.contains(r#"site="b \"quoted\" \\ <b>""#)));
}

/// Runs `promtool check metrics` on `text`; says so if there is no promtool.
fn promtool(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        eprintln!("SKIPPED: there is no promtool, which would check the metrics");
        return;
    };
    let mut input = tool.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = tool.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn promtool_has_nothing_to_say() {
    for sites in [1, 100, 10_000] {
        let folder = Folder::empty();
        let mut yaml = String::from("defaults: { interval: 1h }\nmetrics: { quantiles: true }\nsites:\n");
        for site in 0..sites {
            yaml.push_str(&format!(
                "- {{ name: '<b>docs</b> & \"co\" \\ {site} é', url: 'http://127.0.0.1:9/{site}', group: 'g \"{}\"' }}\n",
                site % 7
            ));
        }
        folder.write("sites.yaml", &yaml);
        let web = Served::start(&folder, "");
        let reply = web.until("/metrics", |reply| reply.status == 200);
        let series = reply.text().lines().filter(|line| line.starts_with("webmon_checks_total{")).count();
        assert_eq!(series, 3 * sites);
        promtool(&reply.text());
        let open = web.ask("GET", "/metrics?histogram=0", &["Accept: application/openmetrics-text; version=1.0.0"]);
        assert!(open.headers["content-type"].starts_with("application/openmetrics-text; version=1.0.0"));
        assert!(open.text().ends_with("\n# EOF\n"));
        let one = web.get("/metrics?site=%3Cb%3Edocs%3C%2Fb%3E%20%26%20%22co%22%20%5C%200%20%C3%A9");
        assert_eq!(one.text().lines().filter(|line| line.starts_with("webmon_checks_total{")).count(), 3);
        let packed = web.ask("GET", "/metrics", &["Accept-Encoding: gzip"]);
        assert_eq!(packed.headers["content-encoding"], "gzip");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut text).unwrap();
        assert!(text.contains("webmon_build_info{version="));
    }
}

#[test]
fn without_a_store_what_the_rings_hold_is_counted() {
    let server = server();
    let folder = folder(&server);
    let web = Served::start(&folder, "--no-store");
    let reply = web.until("/metrics", |reply| reply.status == 200 && Metrics::of(&reply.text()).checks("a")[0] >= 5.0);
    assert!(!reply.text().contains("webmon_store_bytes"));
    assert_eq!(web.get("/api/v1/samples").status, 503, "they are not stored");
}
