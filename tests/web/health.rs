//! Signs of life: alive is not ready.

use crate::client::Served;
use crate::support::program::Folder;
use crate::support::{Behaviour, Server};
use rustix::process::Signal;

fn folder(server: &Server) -> Folder {
    Folder::with(&format!("sites:\n- {{ name: a, url: '{}', interval: 200ms, timeout: 2s }}\n", server.url("/")))
}

#[test]
fn a_monitor_that_works_is_alive_and_ready() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server);
    let web = Served::start(&folder, "");
    web.until("/readyz", |reply| reply.status == 200);
    assert_eq!(web.get("/healthz").text(), "ok\n");
    web.running.end_by(Signal::TERM).with(143);
}

/// A store that does not save makes it unready, and is no reason to restart it.
#[test]
fn a_store_that_does_not_save_is_not_unhealthy() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server);
    let web = Served::start(&folder, "");
    web.until("/readyz", |reply| reply.status == 200);
    std::fs::rename(folder.path("webmon.redb"), folder.path("moved.redb")).unwrap();
    let unready = web.until("/readyz", |reply| reply.status == 503);
    assert!(unready.text().starts_with("not saving: "), "{}", unready.text());
    let alive = web.get("/healthz");
    assert_eq!((alive.status, alive.text().as_str()), (200, "ok\n"));
}

/// The thread of the scheduler is stopped: the listener has a thread of its own, and says so.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_was_stopped_is_alive_again() {
    let server = Server::start(Behaviour::ok());
    let folder = folder(&server);
    let web = Served::start(&folder, "");
    web.until("/readyz", |reply| reply.status == 200);
    web.running.signal(Signal::STOP);
    std::thread::sleep(std::time::Duration::from_millis(200));
    web.running.signal(Signal::CONT);
    web.until("/healthz", |reply| reply.status == 200);
}
