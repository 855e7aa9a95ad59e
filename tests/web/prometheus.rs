//! A real Prometheus, if it is installed, scrapes webmon over its crash: as itself, and as a `blackbox_exporter`.
//!
//! Debian's `prometheus`; `.ci/run` installs it where it can. Without it the test says so and passes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::Signal;
use serde_json::Value;

use crate::client::Served;
use crate::support::program::{Folder, PATIENCE, now};
use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step, ports, response};

/// A program that is killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A Prometheus that scrapes every second.
struct Prometheus {
    address: SocketAddr,
    _process: Killed,
}

impl Prometheus {
    fn start(folder: &Path, webmon: SocketAddr) -> Self {
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs:\n\
             - job_name: webmon\n  static_configs: [{{ targets: ['{webmon}'] }}]\n\
             - job_name: blackbox-http\n  metrics_path: /probe\n  params: {{ module: [http_2xx] }}\n  \
             http_sd_configs: [{{ url: 'http://{webmon}/sd', refresh_interval: 1s }}]\n  relabel_configs:\n  \
             - {{ source_labels: [__address__], target_label: __param_target }}\n  \
             - {{ source_labels: [__param_target], target_label: instance }}\n  \
             - {{ target_label: __address__, replacement: '{webmon}' }}\n"
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let address = ports::closed_port();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { address, _process: Killed(process) }
    }

    /// What `query` finds: label sets with their values; nothing while it does not answer.
    fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let path = format!("/api/v1/query?query={}", utf8_percent_encode(query, NON_ALPHANUMERIC));
        let Ok(mut stream) = TcpStream::connect(self.address) else { return Vec::new() };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        // By HTTP/1.0 the answer comes in one piece.
        let is_read = write!(stream, "GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n").is_ok()
            && stream.read_to_string(&mut answer).is_ok();
        let Some((_, body)) = answer.split_once("\r\n\r\n").filter(|_| is_read) else { return Vec::new() };
        let Ok(body) = serde_json::from_str::<Value>(body) else { return Vec::new() };
        assert_ne!(body["status"], "error", "{query}: {body}");
        let found = body["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str().unwrap().parse().unwrap();
        found.iter().map(|series| (series["metric"].clone(), value(series))).collect()
    }

    #[track_caller]
    fn until(&self, query: &str, enough: impl Fn(&[(Value, f64)]) -> bool) -> Vec<(Value, f64)> {
        let began = now();
        loop {
            let found = self.query(query);
            if enough(&found) {
                return found;
            }
            assert!(now() - began < PATIENCE, "{query}: still {found:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn server() -> Server {
    let count = AtomicUsize::new(0);
    Server::start(Behaviour::answering(move |_| {
        let status = if count.fetch_add(1, Ordering::SeqCst) % 5 == 4 { 503 } else { 200 };
        vec![Step::send(response(status, "ok"))]
    }))
}

/// A list of registries, and the registry of `shop.example`.
fn registry() -> Server {
    Server::start(Behaviour::answering(|request| {
        let host = request.header("host").unwrap();
        let answer = if request.target == "/dns.json" {
            format!(r#"{{"services":[[["example"],["http://{host}/"]]]}}"#)
        } else {
            r#"{"events":[{"eventAction":"expiration","eventDate":"2100-01-22T09:00:00Z"}]}"#.to_owned()
        };
        vec![Step::send(response(200, &answer))]
    }))
}

#[test]
fn a_prometheus_sees_no_reset_over_a_kill_and_each_query_of_the_dashboard_finds_something() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        println!("skipped: Prometheus is not installed (apt-get install prometheus)");
        return;
    }
    let (server, authority) = (server(), Authority::new());
    let secure = Server::start(Behaviour::ok().over_tls(authority.issue(&Leaf::naming(&["127.0.0.1"]))));
    let (nowhere, registry) = (ports::closed_port(), registry());
    let folder = Folder::with(&format!(
        "defaults: {{ interval: 200ms, timeout: 1s }}\nsites:\n\
         - {{ name: 'a \"b\"', url: '{}', group: shop }}\n\
         - {{ name: dead, url: 'http://{nowhere}/' }}\n\
         - {{ name: safe, url: '{}', tls: {{ ca_file: ca.pem }} }}\n\
         - {{ name: owned, url: 'http://shop.example/', connect_to: '{}', domain: {{ bootstrap: '{}' }} }}\n\
         alerting: {{ window: 5s }}\nstorage: {{ flush: 1s }}\n",
        server.url("/"),
        secure.url("/"),
        server.address(),
        registry.url("/dns.json"),
    ));
    folder.write("ca.pem", &authority.root_pem());
    let address = ports::closed_port();
    let start = || Served::of(folder.start(&format!("--headless --listen={address}")));
    let mut web = start();
    let prometheus = Prometheus::start(&folder.path(""), address);

    let up = r#"sum(webmon_checks_total{site="a \"b\"",outcome="up"})"#;
    let at_least = |least: f64| move |found: &[(Value, f64)]| found.first().is_some_and(|(_, value)| *value >= least);
    let before = prometheus.until(up, at_least(10.0))[0].1;
    web.running.signal(Signal::KILL);
    web.running.until_gone();
    web = start();
    prometheus.until(up, at_least(before + 15.0));

    for counter in [
        "webmon_checks_total",
        "webmon_failures_total",
        "webmon_response_duration_seconds_bucket",
        "webmon_response_duration_seconds_count",
        "webmon_response_duration_seconds_sum",
        "webmon_phase_duration_seconds_total",
    ] {
        let seen = prometheus.query(&format!("resets({counter}[5m])"));
        assert!(!seen.is_empty(), "no {counter}");
        assert!(seen.iter().all(|(_, resets)| *resets <= 0.0), "{counter} went back: {seen:?}");
    }
    prometheus.until("min(up{job=\"webmon\"})", at_least(1.0));
    prometheus.until("count(up{job=\"blackbox-http\"} == 1)", at_least(3.0));
    assert_dashboard(&prometheus);
    assert_blackbox(&prometheus);

    web.running.signal(Signal::TERM);
    web.running.until_gone();
    let scraped = prometheus.query(up)[0].1;
    let samples = folder.run("samples --since 1d --format json").with(0).stdout;
    let is_counted = |sample: &Value| sample["site"] == "a \"b\"" && sample["up"] == true;
    let stored = samples.lines().map(crate::support::program::json).filter(is_counted).count();
    let stored = f64::from(u32::try_from(stored).unwrap());
    // Between the last scrape and the end there are at most a few commits.
    assert!(scraped <= stored && stored - scraped <= 50.0, "{scraped} scraped of {stored} stored");
}

/// Every query of the dashboard that is shipped finds something.
fn assert_dashboard(prometheus: &Prometheus) {
    let dashboard: Value = serde_json::from_str(include_str!("../../docs/grafana-prometheus.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 5);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "30s").replace("$__range", "5m");
            let query = query.replace("$site", ".*").replace("$group", ".*");
            let found = prometheus.until(&query, |found| !found.is_empty());
            assert!(found.iter().any(|(_, value)| value.is_finite()), "{}: {found:?}", panel["title"]);
        }
    }
}

/// What dashboards for `blackbox_exporter` ask finds something.
fn assert_blackbox(prometheus: &Prometheus) {
    for query in [
        "avg by (phase) (probe_http_duration_seconds)",
        "count(probe_success == 0)",
        "count_values(\"http_version\", probe_http_version)",
        "count_values(\"value\", probe_http_status_code)",
        "probe_ssl_earliest_cert_expiry - time()",
        "probe_duration_seconds",
        "probe_http_ssl",
        "probe_failure_info",
    ] {
        prometheus.until(query, |found| !found.is_empty());
    }
}
