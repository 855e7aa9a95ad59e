//! A real WebSocket server, `websockets` of `PyPI`, in the Python at `target/python`, where `.ci/run` installs it; without it the
//! test says so and passes.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use webmon::model::{BodyExpectations, Cause, Expected, Secret, Site};
use webmon::probe::{HttpProber, Prober as _};

#[allow(clippy::disallowed_methods, reason = "a real clock for real sockets; no test compares its times")]
fn clock() -> Instant {
    Instant::now()
}

/// The server; it ends when dropped.
struct Websockets {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Websockets {
    fn start() -> Option<(Self, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("target/python/bin/python3"));
        command.arg(root.join("tests/probe/websocketd.py")).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.next().and_then(Result::ok);
        let server = Self { child, said };
        Some((server, port?))
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        self.said.next().unwrap().unwrap()
    }
}

impl Drop for Websockets {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_real_websocket_server_takes_a_check_for_a_client_like_any() {
    let Some((mut server, port)) = Websockets::start() else {
        return println!(
            "skipped: websockets is not installed (python3 -m venv target/python; target/python/bin/pip install websockets)"
        );
    };
    let prober = HttpProber::new(clock).unwrap();
    let mut site = Site::new("site", format!("ws://127.0.0.1:{port}/").parse().unwrap());
    site.timeout = Duration::from_mins(1);
    site.headers = vec![("Sec-WebSocket-Protocol".to_owned(), Secret::new("mqtt, chat"))];
    let seen = prober.probe(&site).await;
    assert_eq!((seen.cause, seen.bytes), (Cause::Ok, 0), "{seen:?}");
    assert_eq!(server.line(), "1000 chat []");
    site.send = Some(Secret::new("pïng ".repeat(20_000)));
    let wanted = Expected { what: "ïng pïng".to_owned(), shown: String::new() };
    site.expect.body = BodyExpectations { contains: vec![wanted], ..BodyExpectations::default() }.into();
    let seen = prober.probe(&site).await;
    assert_eq!((seen.cause, seen.bytes), (Cause::Ok, 120_000), "{seen:?}");
    let said = server.line();
    assert!(said.starts_with("1000 chat ['pïng pïng") && said.chars().count() > 100_000, "{}", &said[..40]);
}
