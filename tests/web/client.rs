//! A client of HTTP/1.1 that sends what it is told and reads what comes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::program::{Folder, PATIENCE, Running, now};

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end =
            bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {bytes:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
        let is_chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let body = &bytes[end + 4..];
        Self { status, headers, body: if is_chunked { unchunked(body) } else { body.to_vec() } }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// The content of `body`, as far as it came (RFC 9112, 7.1).
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        let chunk = &body[end + 2..];
        content.extend_from_slice(&chunk[..size.min(chunk.len())]);
        body = chunk.get(size + 2..).unwrap_or_default();
    }
    content
}

/// A monitor with a listener.
pub struct Served {
    pub running: Running,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Served {
    /// Starts it, with these arguments after `--headless --listen=127.0.0.1:0`.
    pub fn start(folder: &Folder, arguments: &str) -> Self {
        Self::of(folder.start(&format!("--headless --listen=127.0.0.1:0 {arguments}")))
    }

    /// Waits until `running` tells where it listens.
    pub fn of(mut running: Running) -> Self {
        let is_told = |line: &String| line.contains("http://127.0.0.1:") && line.contains("listen");
        let lines = running.until(|lines| lines.iter().any(is_told));
        let line = lines.iter().find(|line| is_told(line)).unwrap();
        let from = line.find("http://").unwrap() + "http://".len();
        let address = line[from..].split('/').next().unwrap().to_owned();
        Self { running, address }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What comes for `request`, until the server closes.
    pub fn send(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that refuses may close before it has read everything.
        drop(stream.write_all(request));
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        bytes
    }

    /// The answer to `method` of `path` with these further headers.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            request.push_str("Host: localhost\r\n");
        }
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        Reply::parse(&self.send(request.as_bytes()))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[])
    }

    /// Asks for `path` until the answer is enough.
    #[track_caller]
    pub fn until(&self, path: &str, enough: impl Fn(&Reply) -> bool) -> Reply {
        let began = now();
        loop {
            let reply = self.get(path);
            if enough(&reply) {
                return reply;
            }
            assert!(now() - began < PATIENCE, "still {}: {}", reply.status, reply.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The metrics, once the stored sums are read.
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.until("/metrics", |reply| reply.status == 200).text())
    }
}

/// The value of each series, by its name with its labels.
#[derive(Clone, Debug)]
pub struct Metrics(pub BTreeMap<String, f64>);

impl Metrics {
    pub fn of(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
        Self(series.filter_map(pair).collect())
    }

    #[track_caller]
    pub fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }

    /// The checks of `site`: up, down, unknown.
    pub fn checks(&self, site: &str) -> [f64; 3] {
        ["up", "down", "unknown"]
            .map(|outcome| self.value(&format!("webmon_checks_total{{site=\"{site}\",outcome=\"{outcome}\"}}")))
    }
}
