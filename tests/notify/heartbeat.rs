//! The heartbeat to a dead man's switch.

use webmon::http::Terms;
use webmon::model::SecretUrl;
use webmon::notify::Heartbeat;

use crate::fixtures::MARK;
use crate::support::{Behaviour, Server, Step, ports, response};

fn secret(url: &str) -> SecretUrl {
    SecretUrl::new(url.parse().unwrap())
}

fn targets(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| format!("{} {}", request.method, request.target)).collect()
}

#[tokio::test]
async fn it_is_silent_where_nobody_knows_failures() {
    let server = Server::start(Behaviour::ok());
    let mut heartbeat = Heartbeat::new(&secret(&server.url("/ping/1")), &Terms::default()).unwrap();
    for (is_well, is_sent) in [(true, true), (false, false), (false, false), (true, true)] {
        assert_eq!(heartbeat.beat(is_well).await, Ok(is_sent));
    }
    assert_eq!(targets(&server), ["GET /ping/1", "GET /ping/1"]);
}

#[tokio::test]
async fn it_signals_a_failure_once_where_that_is_known() {
    // Every host is behind this proxy.
    let whole = |heard: &[u8]| heard.ends_with(b"\r\n\r\n");
    let opened = Step::send("HTTP/1.1 200 Connection established\r\n\r\n");
    let server = Server::start(Behaviour::ok().at_accept(vec![Step::Hear(whole), opened]));
    let terms = Terms { proxy: Some(secret(&server.url(""))), ..Terms::default() };
    let mut heartbeat = Heartbeat::new(&secret("http://hc-ping.com/7f3a/"), &terms).unwrap();
    for (is_well, is_sent) in [(false, true), (false, false), (true, true), (false, true)] {
        assert_eq!(heartbeat.beat(is_well).await, Ok(is_sent));
    }
    assert_eq!(targets(&server), ["GET /7f3a/fail", "GET /7f3a/", "GET /7f3a/fail"]);
}

#[tokio::test]
async fn its_errors_are_short_and_hold_no_url() {
    let refusing = Server::start(Behaviour::always(vec![Step::send(response(404, MARK))]));
    let nobody = format!("http://{}/{MARK}", ports::closed_port());
    for (url, part) in [(refusing.url(&format!("/{MARK}")), "404 Not Found"), (nobody, "cannot connect")] {
        let error = Heartbeat::new(&secret(&url), &Terms::default()).unwrap().beat(true).await.unwrap_err();
        assert!(error.contains(part) && !error.contains(MARK), "{error}");
    }
}
