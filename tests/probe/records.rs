//! Expected records: what the DNS says about the name of a site, judged before connecting; also by a real name server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::dns::{A, AAAA, Answer, CAA, NameServer, Record, TXT};
use crate::support::{Behaviour, Server};
use webmon::model::{Cause, Observation, Phase, Resolver, Site};
use webmon::probe::{HttpProber, Prober, ProberOptions};

const HOST: &str = "www.a.test";

#[allow(clippy::disallowed_methods, reason = "probes of real sockets take real time")]
fn clock() -> Instant {
    Instant::now()
}

fn prober(server: SocketAddr) -> HttpProber {
    let resolver = Resolver::Servers(vec![server]);
    let options = ProberOptions { resolver, has_route: |_| true, ..ProberOptions::default() };
    HttpProber::with(&options, clock).expect("these options are good")
}

/// A site at `HOST` with these keys.
fn site(web: &Server, keys: &str) -> Site {
    let text = format!("sites: [{{ name: a, url: '{}', timeout: 20s, {keys} }}]", web.url_at(HOST, "/"));
    let config = webmon::config::parse(&text, "sites.yaml", Path::new("/etc"), &|_| None);
    let config = config.unwrap_or_else(|error| panic!("{keys}: {error}"));
    (*config.sites[0].site).clone()
}

async fn probed(names: &NameServer, site: &Site) -> Observation {
    prober(names.address()).probe(site).await
}

/// What is known of `HOST` and its parents: it is here, by an alias.
fn zone() -> Vec<Record> {
    vec![
        Record::cname(HOST, "edge.cdn.test"),
        Record::address("edge.cdn.test", "127.0.0.1"),
        Record::address("edge.cdn.test", "::1"),
        Record::mx("edge.cdn.test", 10, "Mail1.a.test"),
        Record::mx("edge.cdn.test", 20, "mail2.a.test"),
        Record::txt("edge.cdn.test", &["v=spf1 ", "-all"]),
        Record::txt("edge.cdn.test", &["token=1"]),
        Record::ns("cdn.test", "ns.cdn.test"),
        Record::ns("a.test", "ns1.a.test"),
        Record::ns("a.test", "ns2.a.test"),
        Record::caa("a.test", "issue", "letsencrypt.org; validationmethods=dns-01"),
        Record::caa("a.test", "iodef", "mailto:ca@a.test"),
    ]
}

#[tokio::test]
async fn a_set_is_judged_whole_in_any_order_and_through_aliases() {
    let web = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| Answer::Records(zone(), 60));
    for (dns, detail) in [
        ("a: 127.0.0.1, aaaa: '::1'", ""),
        ("a: present, mx: [mail2.a.test, 10 mail1.a.test]", ""),
        ("txt: ['token=1', 'v=spf1 -all'], cname: Edge.CDN.test.", ""),
        ("txt: { contains: spf1 }, caa: { contains: letsencrypt.org }", ""),
        ("ns: [ns2.a.test, ns1.a.test]", ""),
        ("caa: ['0 iodef mailto:ca@a.test', letsencrypt.org]", ""),
        ("a: [127.0.0.1, 127.0.0.2]", "a is 127.0.0.1, expected 127.0.0.1, 127.0.0.2"),
        ("a: 127.0.0.2", "a is 127.0.0.1, expected 127.0.0.2"),
        ("a: absent", "a is 127.0.0.1, expected none"),
        ("aaaa: ['::1', '::2']", "aaaa is ::1, expected ::1, ::2"),
        ("cname: cdn.test", "cname is edge.cdn.test, expected cdn.test"),
        ("mx: mail1.a.test", "mx is 10 mail1.a.test, 20 mail2.a.test, expected mail1.a.test"),
        ("txt: 'token=2'", "txt is \"token=1\", \"v=spf1 -all\", expected token=2"),
        ("ns: ns.cdn.test", "ns is ns1.a.test, ns2.a.test, expected ns.cdn.test"),
        ("caa: { contains: other.test }", "expected one with other.test"),
    ] {
        let seen = probed(&names, &site(&web, &format!("dns: {{ {dns} }}"))).await;
        let cause = if detail.is_empty() { Cause::Ok } else { Cause::DnsAnswer };
        assert_eq!(seen.cause, cause, "{dns}: {seen:?}");
        assert!(seen.detail.contains(detail), "{dns}: {}", seen.detail);
        if cause == Cause::DnsAnswer {
            assert_eq!((seen.address, seen.phases.get(Phase::Connect)), (None, None), "{dns}: nothing is connected to");
            assert!(seen.phases.get(Phase::Resolve).is_some(), "{dns}");
        }
    }
}

/// What cannot be asked is no other answer.
#[tokio::test]
async fn a_name_server_that_fails_says_nothing_of_the_records() {
    let web = Server::start(Behaviour::ok());
    for (answer, cause) in [
        (Answer::Code(2), Cause::DnsError),
        (Answer::Code(5), Cause::DnsError),
        (Answer::Silence, Cause::DnsTimeout),
        (Answer::Code(3), Cause::DnsAnswer),
        (Answer::NoData, Cause::DnsAnswer),
    ] {
        let names = NameServer::start(move |_| {
            Answer::ToType(TXT, Box::new(answer.clone()), Box::new(Answer::Records(zone(), 60)))
        });
        let mut site = site(&web, "dns: { txt: { contains: spf1 }, mx: { contains: mail1.a.test } }");
        site.timeout = Duration::from_secs(3);
        let seen = probed(&names, &site).await;
        assert_eq!(seen.cause, cause, "{seen:?}");
        assert!(cause != Cause::DnsError || seen.detail.ends_with("asked for txt"), "{}", seen.detail);
        assert_eq!(seen.phases.get(Phase::Connect), None, "{seen:?}");
    }
}

#[tokio::test]
async fn nothing_is_asked_twice_while_it_is_good() {
    let web = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| Answer::Records(zone(), 60));
    let (prober, site) =
        (prober(names.address()), site(&web, "dns: { a: 127.0.0.1, aaaa: '::1', txt: present, caa: present }"));
    for _ in 0..3 {
        let seen = prober.probe(&site).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
    for (name, kind) in [(HOST, A), (HOST, AAAA), (HOST, TXT), (HOST, CAA), ("a.test", CAA)] {
        assert_eq!(names.asked_for(name, kind), 1, "{name} {kind}");
    }
}

/// The addresses that were judged are those that are connected to, however short their TTL is.
#[tokio::test]
async fn an_answer_that_is_good_for_no_time_is_asked_once_a_check() {
    let web = Server::start(Behaviour::ok());
    let fleeting = || zone().into_iter().map(|record| record.good_for(0)).collect();
    let names = NameServer::start(move |_| Answer::Records(fleeting(), 0));
    let (prober, site) = (prober(names.address()), site(&web, "dns: { a: 127.0.0.1, txt: present }"));
    for checks in 1..=3 {
        let seen = prober.probe(&site).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
        assert_eq!([A, AAAA, TXT].map(|kind| names.asked_for(HOST, kind)), [checks; 3]);
    }
}

/// AAAA is not awaited for long beside an A; that is no word about it.
#[tokio::test]
async fn an_answer_that_came_late_is_not_an_empty_set() {
    let web = Server::start(Behaviour::ok());
    let names = NameServer::start(|_| {
        let late = Answer::After(Duration::from_millis(400), Box::new(Answer::Records(zone(), 60)));
        Answer::ToType(AAAA, Box::new(late), Box::new(Answer::Records(zone(), 60)))
    });
    for (keys, cause) in [
        ("dns: { aaaa: '::1' }", Cause::Ok),
        ("dns: { aaaa: absent }", Cause::DnsAnswer),
        ("ip: 4, dns: { aaaa: '::1' }", Cause::Ok),
    ] {
        let seen = probed(&names, &site(&web, keys)).await;
        assert_eq!(seen.cause, cause, "{keys}: {seen:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_kept_keeps_no_check_from_asking() {
    let web = Server::start(Behaviour::ok());
    let has_moved = Arc::new(AtomicBool::new(false));
    let moved = Arc::clone(&has_moved);
    let names = NameServer::start(move |_| {
        let address = if moved.load(Ordering::SeqCst) { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST };
        Answer::Fleeting(vec![address.into()])
    });
    let (prober, site) = (prober(names.address()), site(&web, "keep_alive: true, dns: { a: 127.0.0.1 }"));
    for _ in 0..2 {
        let seen = prober.probe(&site).await;
        assert_eq!(seen.cause, Cause::Ok, "{seen:?}");
    }
    has_moved.store(true, Ordering::SeqCst);
    let seen = prober.probe(&site).await;
    assert_eq!(seen.cause, Cause::DnsAnswer, "{seen:?}");
}

/// The expectation is about the name in the URL, wherever the check connects to.
#[tokio::test]
async fn a_check_that_connects_elsewhere_judges_the_name_of_its_url() {
    let web = Server::start(Behaviour::ok());
    for (answer, dns, cause) in [
        (Answer::Records(zone(), 60), "a: 127.0.0.1, caa: present", Cause::Ok),
        (Answer::Records(zone(), 60), "a: 127.0.0.2", Cause::DnsAnswer),
        (Answer::Code(3), "a: absent, txt: absent", Cause::Ok),
        (Answer::Code(3), "a: 127.0.0.1", Cause::DnsAnswer),
        (Answer::Code(2), "a: 127.0.0.1", Cause::DnsError),
    ] {
        let names = NameServer::start(move |_| answer.clone());
        let keys = format!("connect_to: 127.0.0.1, dns: {{ {dns} }}");
        let seen = probed(&names, &site(&web, &keys)).await;
        assert_eq!(seen.cause, cause, "{dns}: {seen:?}");
    }
}

/// A name server on dnslib.
struct Dnslib {
    child: Child,
    says: BufReader<ChildStdout>,
    zone: ChildStdin,
    address: SocketAddr,
}

impl Dnslib {
    /// None, aloud, where it is not installed.
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/python/bin/python3");
        let is_there = |python: &Path| {
            let mut command = Command::new(python);
            command.args(["-c", "import dnslib"]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if !is_there(&python) {
            eprintln!(
                "skipped: dnslib is not installed (python3 -m venv target/python; target/python/bin/pip install dnslib)"
            );
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root.join("tests/probe/dnsd.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut says, zone) = (BufReader::new(child.stdout.take().unwrap()), child.stdin.take().unwrap());
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        let address = (Ipv4Addr::LOCALHOST, line.trim().parse().unwrap()).into();
        Some(Self { child, says, zone, address })
    }

    fn has(&mut self, zone: &str) {
        write!(self.zone, "ZONE\n{zone}\nEND\n").unwrap();
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
    }
}

impl Drop for Dnslib {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One after the other at one server, whose answers are good for no time.
#[tokio::test]
async fn a_real_name_server_changes_its_answers() {
    let Some(mut names) = Dnslib::start() else { return };
    let web = Server::start(Behaviour::ok());
    let prober = prober(names.address);
    let site = |dns: &str| site(&web, &format!("dns: {{ {dns} }}"));
    let two = "a: [127.0.0.1, 127.0.0.9]";
    for (zone, dns, cause) in [
        ("www.a.test. 0 IN A 127.0.0.1\nwww.a.test. 0 IN A 127.0.0.9", two, Cause::Ok),
        ("www.a.test. 0 IN A 127.0.0.9\nwww.a.test. 0 IN A 127.0.0.1", two, Cause::Ok),
        ("www.a.test. 0 IN A 127.0.0.1", two, Cause::DnsAnswer),
        ("www.a.test. 0 IN A 127.0.0.1\nwww.a.test. 0 IN A 127.0.0.8", two, Cause::DnsAnswer),
        ("www.a.test. 0 IN CNAME b.test.\nb.test. 0 IN A 127.0.0.1\nb.test. 0 IN A 127.0.0.9", two, Cause::Ok),
        (
            "www.a.test. 0 IN A 127.0.0.1\na.test. 0 IN CAA 0 issue \"letsencrypt.org\"\na.test. 0 IN NS ns1.test.\n\
             www.a.test. 0 IN MX 10 mail.a.test.\nwww.a.test. 0 IN TXT \"v=spf1 -all\"",
            "caa: letsencrypt.org, ns: ns1.test, mx: 10 mail.a.test, txt: v=spf1 -all, cname: absent, aaaa: absent",
            Cause::Ok,
        ),
    ] {
        names.has(zone);
        let seen = prober.probe(&site(dns)).await;
        assert_eq!(seen.cause, cause, "{zone}: {seen:?}");
    }
    names.has("broken.test. 0 IN A 127.0.0.1");
    let text = format!("sites: [{{ url: '{}', dns: {{ a: 127.0.0.1 }} }}]", web.url_at("broken.test", "/"));
    let config = webmon::config::parse(&text, "sites.yaml", Path::new("/etc"), &|_| None).unwrap();
    let seen = prober.probe(&config.sites[0].site).await;
    assert_eq!(seen.cause, Cause::DnsError, "{seen:?}");
}
