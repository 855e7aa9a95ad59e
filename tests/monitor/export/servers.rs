//! InfluxDB 1 and VictoriaMetrics as Debian packages them: found, started in a folder of their own, asked, stopped, started
//! again at the same address.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::program::{PATIENCE, exit_of, now};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// InfluxDB 1, Debian's `influxdb`.
    Influx,
    /// VictoriaMetrics, Debian's `victoria-metrics`.
    Victoria,
}

impl Kind {
    fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::Influx => "influxd",
            Self::Victoria => "victoria-metrics",
        };
        let folders = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
        folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists())
    }
}

/// A real server; it is killed when dropped.
pub struct Real {
    kind: Kind,
    program: PathBuf,
    folder: tempfile::TempDir,
    address: SocketAddr,
    running: Option<Child>,
}

fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Real {
    /// A server that answers, with an empty database `webmon`; none, and a word about it, where it is not installed.
    pub fn start(kind: Kind, test: &str) -> Option<Self> {
        let Some(program) = kind.program() else {
            println!("{test} was skipped: {kind:?} is not installed (apt-get install influxdb victoria-metrics)");
            return None;
        };
        // Somebody else may take a port between its choice and its use: then others are tried.
        for _ in 0..10 {
            let (folder, address) = (tempfile::tempdir().unwrap(), free_port());
            let mut server = Self { kind, program: program.clone(), folder, address, running: None };
            if server.try_start() {
                if kind == Kind::Influx {
                    server.ask("POST", "/query", "q=CREATE DATABASE webmon");
                }
                return Some(server);
            }
        }
        panic!("{kind:?} does not start");
    }

    /// Starts it where it was before.
    pub fn start_again(&mut self) {
        let began = now();
        while !self.try_start() {
            assert!(now() - began < PATIENCE, "{:?} does not start again", self.kind);
        }
    }

    fn try_start(&mut self) -> bool {
        let folder = self.folder.path().display();
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::Influx => {
                let config = self.folder.path().join("influxd.conf");
                let text = format!(
                    "reporting-disabled = true\nbind-address = \"{}\"\n[meta]\n  dir = \"{folder}/meta\"\n\
                     [data]\n  dir = \"{folder}/data\"\n  wal-dir = \"{folder}/wal\"\n[monitor]\n  store-enabled = false\n\
                     [http]\n  bind-address = \"{}\"\n[subscriber]\n  enabled = false\n\
                     [continuous_queries]\n  enabled = false\n",
                    free_port(),
                    self.address
                );
                std::fs::write(&config, text).unwrap();
                command.arg("run").arg("-config").arg(config);
            }
            Kind::Victoria => {
                command.arg(format!("-storageDataPath={folder}")).arg(format!("-httpListenAddr={}", self.address));
                command.args(["-retentionPeriod=1", "-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s"]);
            }
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.running = Some(child);
        let began = now();
        loop {
            if self.running.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
                self.running = None;
                return false;
            }
            if self.try_ask("GET", "/ping", "").is_ok_and(|(status, _)| status == 204) {
                return true;
            }
            assert!(now() - began < PATIENCE, "{:?} is not ready", self.kind);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            exit_of(&mut child, PATIENCE);
        }
    }

    /// Its address, for `export.influx`.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Influx => format!("http://{}/write?db=webmon", self.address),
            Kind::Victoria => format!("http://{}", self.address),
        }
    }

    /// The body of its answer, which must be a good one.
    pub fn ask(&self, method: &str, target: &str, body: &str) -> String {
        let (status, answer) = self.try_ask(method, target, body).unwrap();
        assert!((200..300).contains(&status), "{target} {body}: {status} {answer}");
        answer
    }

    /// Over HTTP/1.0, so that the body ends with the connection.
    fn try_ask(&self, method: &str, target: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok((status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
    }

    /// The answer to an `InfluxQL` query: for each series its tags, and for each row its columns.
    pub fn influxql(&self, query: &str) -> Vec<(Value, Vec<Value>)> {
        let body = format!("db=webmon&epoch=ns&q={}", encoded(query));
        let answer: Value = serde_json::from_str(&self.ask("POST", "/query", &body)).unwrap();
        assert_eq!(answer.pointer("/results/0/error"), None, "{query}");
        let series = answer.pointer("/results/0/series").and_then(Value::as_array).cloned().unwrap_or_default();
        let rows = |series: &Value| {
            let columns: Vec<&str> =
                series["columns"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            let row = |row: &Value| {
                let cells = columns.iter().zip(row.as_array().unwrap());
                Value::Object(cells.map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect())
            };
            series["values"].as_array().unwrap().iter().map(row).collect()
        };
        series.iter().map(|series| (series["tags"].clone(), rows(series))).collect()
    }

    /// The answer to a `MetricsQL` query at `at_s`: labels and value of each series.
    pub fn metricsql(&self, query: &str, at_s: u64) -> Vec<(Value, f64)> {
        let body = format!("query={}&time={at_s}&nocache=1", encoded(query));
        let answer: Value = serde_json::from_str(&self.ask("POST", "/api/v1/query", &body)).unwrap();
        let series = answer["data"]["result"].as_array().unwrap().clone();
        let value = |series: &Value| series["value"][1].as_str().unwrap().parse().unwrap();
        series.iter().map(|series| (series["metric"].clone(), value(series))).collect()
    }

    /// Every sample of the metrics that `selector` names: labels, and (ms, value) of each.
    pub fn exported(&self, selector: &str) -> Vec<(Value, Vec<(u64, f64)>)> {
        self.ask("GET", "/internal/force_flush", "");
        let answer = self.ask("POST", "/api/v1/export", &format!("match[]={}", encoded(selector)));
        let series = answer.lines().map(|line| {
            let series: Value = serde_json::from_str(line).unwrap();
            let times = series["timestamps"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap());
            let values = series["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
            (series["metric"].clone(), times.zip(values).collect())
        });
        series.collect()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// `text` as a value of a form.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
