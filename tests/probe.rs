//! The probe engine against servers on loopback.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use support::dns::{Answer, NameServer};
use support::tls::{Authority, Leaf};
use support::{Behaviour, Blackhole, Server, Step, closed_port, redirect, response};
use webmon::model::{Cause, Flags, Http, Observation, Phase, Secret, Site, StatusSet};
use webmon::probe::{HttpProber, Options, Prober};

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn site(url: &str) -> Site {
    Site {
        name: "site".into(),
        url: url.parse().unwrap(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expect_status: StatusSet::default(),
        max_redirects: 10,
        max_body: 1 << 20,
        insecure: false,
    }
}

fn impatient(url: &str) -> Site {
    Site { timeout: Duration::from_millis(300), ..site(url) }
}

fn prober() -> HttpProber {
    HttpProber::new(clock).unwrap()
}

async fn probe(site: &Site) -> Observation {
    prober().probe(site).await
}

#[tokio::test]
async fn first() {
    let server = Server::start(Behaviour::ok());
    let seen = probe(&site(&server.url("/x"))).await;
    println!("{seen:?}");
    let authority = Authority::new();
    let prober = HttpProber::with(&Options { extra_roots: vec![authority.root()], ..Options::default() }, clock).unwrap();
    let server = Server::start(Behaviour::ok().over_tls(authority.issue(Leaf::naming(&["127.0.0.1"]))));
    let seen = prober.probe(&site(&server.url("/x"))).await;
    println!("{seen:?}");
    let hole = Blackhole::start();
    println!("{:?}", prober.probe(&impatient(&hole.url("/"))).await);
    println!("{:?}", prober.probe(&impatient(&format!("http://{}/", closed_port()))).await);
    println!("{:?}", prober.probe(&impatient("http://nowhere.example/")).await);
    println!("{:?}", prober.probe(&impatient("http://vm/")).await);
}
