//! Shortages of this machine are unknown, not down.
//!
//! The test runs in a process of its own, because it takes file descriptors away from the whole process.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::tls::{Authority, Leaf};
use crate::support::{Behaviour, Server, Step};
use rlimit::Resource;
use tokio::task::JoinSet;
use webmon::model::{Cause, Observation, Phase, Site};
use webmon::probe::{HttpProber, Prober, ProberOptions};

/// Handshakes that may be under way at once.
const HANDSHAKES: usize = 256;

/// Forty sites with eight checks each: more than that.
const STALLED: usize = 320;

/// Both ends of each, plus what else the process has open.
const DESCRIPTORS: u64 = 2 * STALLED as u64 + 64;

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn site(url: &str, timeout_ms: u64) -> Site {
    let timeout = Duration::from_millis(timeout_ms);
    Site { timeout, max_body: 1024, ..Site::new("site", url.parse().expect("a URL")) }
}

#[test]
fn our_own_shortages_are_unknown_and_not_the_sites_downtime() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "limits::in_a_process_of_its_own", "--ignored", "--nocapture"]);
    let ended = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    print!("{stdout}");
    assert!(ended.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
}

#[tokio::test]
#[ignore = "started by the test above"]
async fn in_a_process_of_its_own() {
    let allowed = rlimit::increase_nofile_limit(4_096).unwrap();
    if allowed < DESCRIPTORS {
        println!("skipped: it takes {DESCRIPTORS} file descriptors, and {allowed} are allowed here");
        return;
    }
    let authority = Authority::new();
    let options =
        ProberOptions { extra_roots: vec![authority.root()], has_route: |_| true, ..ProberOptions::default() };
    let prober = Arc::new(HttpProber::with(&options, clock).unwrap());
    handshakes_past_their_bound_wait(&prober, &authority).await;
    sites_that_stall_do_not_hold_up_the_others(&prober, &authority).await;
    without_a_file_descriptor_nothing_can_be_said(&prober).await;
}

/// Waits until `count` connections were accepted; no probe may end before that.
async fn until_accepted(count: usize, server: &Server, running: &mut JoinSet<Observation>) {
    while server.accepted() < count {
        assert!(running.try_join_next().is_none(), "{} of {count} were accepted when one gave up", server.accepted());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn handshakes_past_their_bound_wait(prober: &Arc<HttpProber>, authority: &Authority) {
    let identity = authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let stalled = Server::start(Behaviour::ok().at_accept(vec![Step::Hang]).over_tls(identity));
    let start = |running: &mut JoinSet<Observation>, number: usize, timeout_ms| {
        let site = Site { name: format!("site {number}").into(), ..site(&stalled.url("/"), timeout_ms) };
        let prober = Arc::clone(prober);
        running.spawn(async move { prober.probe(&site).await });
    };
    let mut running = JoinSet::new();
    (0..HANDSHAKES).for_each(|number| start(&mut running, number, 600_000));
    // All of them are in their handshake once each connection has been accepted and begun.
    until_accepted(HANDSHAKES, &stalled, &mut running).await;
    let mut waiting = JoinSet::new();
    (0..5).for_each(|number| start(&mut waiting, HANDSHAKES + number, 5_000));
    for seen in waiting.join_all().await {
        assert_eq!(seen.cause, Cause::Local, "{seen:?}");
        assert!(seen.detail.contains("TLS handshakes in flight"), "{seen:?}");
        assert_eq!((seen.phases.get(Phase::Tls), seen.phases.get(Phase::Connect).is_some()), (None, true), "{seen:?}");
    }
    assert!(running.try_join_next().is_none(), "those in their handshake have all the time in the world");
}

/// Forty sites on short intervals, more handshakes than may be in flight, and none of them ends.
async fn sites_that_stall_do_not_hold_up_the_others(prober: &Arc<HttpProber>, authority: &Authority) {
    let identity = || authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let stalled = Server::start(Behaviour::ok().at_accept(vec![Step::Hang]).over_tls(identity()));
    let healthy = Server::start(Behaviour::ok().over_tls(identity()));
    let mut running = JoinSet::new();
    for n in 0..STALLED {
        let name = format!("stalls {}", n % 40).into();
        let (prober, site) = (Arc::clone(prober), Site { name, ..site(&stalled.url("/"), 600_000) });
        running.spawn(async move { prober.probe(&site).await });
    }
    until_accepted(STALLED, &stalled, &mut running).await;
    for _ in 0..3 {
        let seen = prober.probe(&Site { name: "healthy".into(), ..site(&healthy.url("/"), 60_000) }).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
    assert!(running.try_join_next().is_none(), "nobody had to give up for that");
}

async fn without_a_file_descriptor_nothing_can_be_said(prober: &HttpProber) {
    let server = Server::start(Behaviour::ok());
    let site = site(&server.url("/"), 60_000);
    assert_eq!(prober.probe(&site).await.cause, Cause::Ok);
    let (soft, hard) = Resource::NOFILE.get().expect("the limit can be read");
    // Below what is open already, so that none can be had.
    Resource::NOFILE.set(3, hard).expect("a limit may be lowered");
    let seen = prober.probe(&site).await;
    Resource::NOFILE.set(soft, hard).expect("a limit may be raised to what it was");
    assert_eq!((seen.cause, seen.status), (Cause::Local, None), "{seen:?}");
    assert!(seen.detail.contains("file descriptor"), "{seen:?}");
    assert_eq!(prober.probe(&site).await.cause, Cause::Ok);
}
