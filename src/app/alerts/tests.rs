//! The way of an alert from the publisher to a program, with failures and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::book::{AlertBook, PROGRAM};
use super::context::{Contexts, words};
use super::delivery::{Deliveries, DeliveryContext};
use super::history::AlertLog;
use super::outlets::{program, service};
use super::publisher::Publisher;
use super::stored_report::{self, ReportReceiver};
use crate::alert::incident::order::{OrderedBy, UserOrder};
use crate::alert::incident::terms::{LedgerTerms, Target};
use crate::alert::kept::change::{ChangeKey, Counter, Record};
use crate::alert::outbox::queue::{Delivery, FailedRequest, Failure, Next, OutletTerms};
use crate::alert::{Alert, AlertRecord, AlertState, NewsKind, Reading, Rule, RuleKind, Severity, SiteSelector};
use crate::app::alerts::program::tests::sh;
use crate::app::clock::Clock;
use crate::app::status::health_meter::StoreStatus;
use crate::config::Exec;
use crate::engine::Engine;
use crate::model::Timestamp;
use crate::report::tests::fixtures;
use crate::store::Kept;

const START: Timestamp = Timestamp::from_secs(1_795_340_000);

/// A publisher and deliveries to `exec` without a store.
struct Desk {
    publisher: Publisher,
    deliveries: Deliveries,
    status: watch::Sender<StoreStatus>,
    reports: Option<ReportReceiver>,
}

impl Desk {
    fn new(exec: &Arc<Exec>, with_store: bool) -> Self {
        let clock = Clock::start_at(START);
        let status = watch::Sender::new(StoreStatus::default());
        let (sender, receiver) = stored_report::open();
        let store = (with_store.then_some(sender), status.subscribe());
        let word = (7, words(TimeZone::UTC));
        let book = AlertBook::new(LedgerTerms::default(), Kept::default(), word, clock.clone(), store);
        let book = Arc::new(book);
        let (to_deliveries, specs) = watch::channel(Vec::new());
        let context = DeliveryContext { agent: "7".to_owned(), zone: TimeZone::UTC, clock, status: status.clone() };
        let deliveries = Deliveries::new(Arc::clone(&book), specs, context);
        let publisher = Publisher::new(Arc::new(AlertLog::default()), book, to_deliveries);
        publisher.configure(LedgerTerms::default(), vec![program(exec)]);
        Self { publisher, deliveries, status, reports: with_store.then_some(receiver) }
    }

    fn publish(&self, alerts: &[Alert]) -> Vec<AlertRecord> {
        let board = Engine::new(Vec::new(), Vec::new(), START).board();
        self.publisher.publish(alerts, &board, START).0
    }
}

fn ended() -> Alert {
    Alert::ended("gone".into(), &Rule::default(), START, START.after(Duration::from_secs(9)))
}

/// Everything that waits is one call; a call that fails is repeated with its number until it succeeds, then never again.
#[tokio::test]
async fn a_failed_call_is_repeated_with_its_attempt_until_it_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script =
        format!("echo \"$WEBMON_ATTEMPT $WEBMON_ALERTS $(wc -l)\" >> '{0}'; [ $(wc -l < '{0}') -ge 3 ]", log.display());
    let desk = Desk::new(&sh(&script), false);
    let records = desk.publish(&[fixtures::alert().facts, ended()]);
    assert_eq!(records[0].message, "Website api is down. availability=79.17%, time=2026-11-22T09:00:00+00:00");
    assert_eq!(records[1].message, "", "an incident that ends with its site has no message");
    assert_eq!(desk.publisher.history().list().len(), 2);
    let ending = CancellationToken::new();
    let book = Arc::clone(desk.publisher.book());
    let mut changes = book.subscribe();
    let until_told = async {
        while book.outlets().iter().any(|(_, state)| state.waiting > 0) {
            changes.changed().await.unwrap();
        }
        ending.cancel();
    };
    let (unsent, ()) = tokio::join!(desk.deliveries.run(ending.clone()), until_told);
    assert_eq!(unsent, None);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "1 2 2\n2 2 2\n3 2 2\n");
    let notices = desk.status.borrow().notices.clone();
    let notices: Vec<(&str, &str)> = notices.iter().map(|notice| (notice.about, &**notice)).collect();
    let failed = "alerting.exec: notify.sh failed (exit status: 1)";
    assert_eq!(notices, [("webmon", failed), ("webmon", "notify.sh: works again")]);
}

/// Three failures in a row are an incident of webmon, but not while this machine has no network.
#[tokio::test(start_paused = true)]
async fn an_outlet_that_fails_without_a_network_is_no_incident() {
    let desk = Desk::new(&sh("exit 1"), false);
    let book = desk.publisher.book();
    let network = |state| Alert::own("webmon".into(), RuleKind::Network, state, "none answers.".to_owned(), START);
    let fail = async || {
        for _ in 0..3 {
            let Next::Send(rows) = book.next(PROGRAM) else { panic!("it waits") };
            let sending = book.begin(PROGRAM, &rows);
            let failure = Failure::Transient(None);
            let failed = FailedRequest { failure, reason: "no route".to_owned(), is_unsent: false };
            book.failed(&PROGRAM.into(), &sending.outgoing, &failed);
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        let published = desk.publish(&[]);
        published.iter().filter(|alert| alert.rule == RuleKind::Outlet).map(|alert| alert.state).collect::<Vec<_>>()
    };
    desk.publish(&[fixtures::alert().facts, network(AlertState::Breached)]);
    assert_eq!(fail().await, []);
    desk.publish(&[network(AlertState::Cleared)]);
    assert_eq!(fail().await, [AlertState::Breached]);
}

/// A connection that lies idle is closed: kept over an outage of the network it would look alive, and swallow a message.
#[tokio::test]
async fn an_outlet_with_nothing_to_say_keeps_no_connection() {
    use std::io::{Read as _, Write as _};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut request = [0; 16_384];
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        // The end, or the rest of the request before it.
        while stream.read(&mut request).expect("the connection stays open") > 0 {}
    });
    let file = format!(
        "sites: [{{ name: api, url: 'http://localhost/' }}]\nalerting: {{ notify: {{ ops: {{ webhook: 'http://{address}/' }} }} }}"
    );
    let config = crate::config::parse(&file, "sites.yaml", std::path::Path::new("."), &|_| None).unwrap();
    let desk = Desk::new(&sh(""), false);
    desk.publisher.configure(LedgerTerms::default(), vec![service(&config.alerting.outlets[0], Duration::ZERO)]);
    desk.publish(&[fixtures::alert().facts]);
    let ending = CancellationToken::new();
    let closed = async {
        tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
        ending.cancel();
    };
    let (unsent, ()) = tokio::join!(desk.deliveries.run(ending.clone()), closed);
    assert_eq!(unsent, None);
}

/// At the end a call under way gets a bounded time; what is left is named.
#[tokio::test]
async fn what_cannot_be_told_at_the_end_is_named() {
    let desk = Desk::new(&sh("sleep 1000"), false);
    desk.publish(&[fixtures::alert().facts, ended()]);
    let ending = CancellationToken::new();
    ending.cancel();
    let unsent = desk.deliveries.run(ending).await;
    assert_eq!(unsent.as_deref(), Some("messages that wait are lost: 2 for alerting.exec"));
}

/// The alert and its message are one report to the store, and the call waits until its mark is on the disk.
#[tokio::test]
async fn a_call_waits_for_its_mark() {
    let mut desk = Desk::new(&sh("exit 0"), true);
    desk.publish(&[fixtures::alert().facts]);
    let mut reports = desk.reports.take().unwrap();
    let first = reports.next().unwrap();
    assert_eq!((first.ticket, first.alerts.len()), (1, 1));
    assert!(first.changes.iter().any(|(key, record)| matches!(key, ChangeKey::Row(_)) && record.is_some()));
    assert!(first.changes.iter().any(|(key, _)| matches!(key, ChangeKey::Incident(_))));
    let ending = CancellationToken::new();
    let (book, status) = (Arc::clone(desk.publisher.book()), desk.status.clone());
    let mut changes = book.subscribe();
    let store = async {
        // The mark comes; nothing is called before it is stored.
        let marked = loop {
            if let Some(report) = reports.next() {
                break report;
            }
            changes.changed().await.unwrap();
        };
        assert_eq!(marked.ticket, 2);
        assert_eq!(book.outlets()[0].1.waiting, 1);
        status.send_modify(|status| status.ticket = 2);
        while book.outlets()[0].1.waiting > 0 {
            changes.changed().await.unwrap();
        }
        assert!(reports.next().is_some_and(|report| report.changes.iter().any(|(_, record)| record.is_none())));
        ending.cancel();
    };
    let (unsent, ()) = tokio::join!(desk.deliveries.run(ending.clone()), store);
    assert_eq!(unsent, None);
}

/// A book with services as outlets, and what it has stored.
struct Bench {
    book: AlertBook,
    clock: Clock,
    reports: ReportReceiver,
    stored: BTreeMap<ChangeKey, Record>,
    _status: watch::Sender<StoreStatus>,
}

fn outlet(name: &str) -> OutletTerms {
    OutletTerms {
        key: name.into(),
        name: name.into(),
        delivery: Delivery::Dedup,
        after: Duration::ZERO,
        only: Severity::Warning,
        sites: SiteSelector::All,
        is_forgetful: false,
    }
}

impl Bench {
    fn new(outlets: &[OutletTerms]) -> Self {
        Self::start(BTreeMap::new(), Clock::start_at(START), outlets)
    }

    fn start(stored: BTreeMap<ChangeKey, Record>, clock: Clock, outlets: &[OutletTerms]) -> Self {
        let mut kept = Kept::default();
        for (key, record) in &stored {
            match (key, record) {
                (_, Record::Incident(incident)) => kept.incidents.push((**incident).clone()),
                (_, Record::Row(row)) => kept.rows.push((**row).clone()),
                (ChangeKey::Told(outlet, incident), Record::Told(told)) => {
                    kept.told.push(((Arc::clone(outlet), *incident), *told));
                }
                (ChangeKey::Next(Counter::Incident), Record::Next(number)) => kept.next[0] = *number,
                (ChangeKey::Next(Counter::Row), Record::Next(number)) => kept.next[1] = *number,
                _ => {}
            }
        }
        let status = watch::Sender::new(StoreStatus::default());
        let (sender, reports) = stored_report::open();
        let word = (7, words(TimeZone::UTC));
        let book =
            AlertBook::new(LedgerTerms::default(), kept, word, clock.clone(), (Some(sender), status.subscribe()));
        book.configure(LedgerTerms::default(), outlets.to_vec());
        Self { book, clock, reports, stored, _status: status }
    }

    /// The same after a stop and a start.
    fn restart(mut self, outlets: &[OutletTerms]) -> Self {
        while let Some(report) = self.reports.next() {
            for (key, record) in report.changes {
                match record {
                    Some(record) => _ = self.stored.insert(key, record),
                    None => _ = self.stored.remove(&key),
                }
            }
        }
        Self::start(self.stored, self.clock, outlets)
    }

    /// Publishes that `site` is down or up, if one is given. Returns what webmon says of its outlets.
    fn publish(&self, change: Option<(&str, AlertState)>) -> Vec<(AlertState, String)> {
        let now = self.clock.now();
        let alert =
            change.map(|(site, state)| Alert { state, ..Alert::ended(site.into(), &Rule::default(), now, now) });
        let published = self.book.publish(alert.as_slice(), &Contexts::default(), now);
        let about_outlets = published.iter().filter(|alert| alert.rule == RuleKind::Outlet);
        about_outlets
            .map(|alert| match &alert.reading {
                Some(Reading::Note(text)) => (alert.state, text.clone()),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// A request to `outlet`, if one may go: what it would bring. It takes it, or fails.
    fn request(&self, outlet: &str, failure: Option<Failure>) -> Vec<NewsKind> {
        let Next::Send(rows) = self.book.next(outlet) else { return Vec::new() };
        let outgoing = self.book.begin(outlet, &rows).outgoing;
        match failure {
            None => _ = self.book.succeeded(&outlet.into(), &outgoing),
            Some(failure) => {
                let failed = FailedRequest { failure, reason: "it is away".to_owned(), is_unsent: true };
                self.book.failed(&outlet.into(), &outgoing, &failed);
            }
        }
        outgoing.rows.iter().map(|row| row.news.kind).collect()
    }

    async fn fail_thrice(&self, outlet: &str) {
        for _ in 0..3 {
            assert!(!self.request(outlet, Some(Failure::Transient(None))).is_empty());
            tokio::time::advance(Duration::from_mins(1)).await;
        }
    }

    async fn take_all(&self, outlet: &str) -> Vec<NewsKind> {
        let mut taken = Vec::new();
        loop {
            let kinds = self.request(outlet, None);
            if kinds.is_empty() {
                return taken;
            }
            taken.extend(kinds);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    fn obey(&self, order: &UserOrder) {
        let ordered = OrderedBy { by: "ada".into(), at: self.clock.now(), text: String::new() };
        self.book.obey(order, &ordered, None).unwrap();
    }

    fn silence(&self, site: &str, time: Duration) {
        let (sites, until) = (SiteSelector::of([site]), self.clock.now().after(time));
        self.obey(&UserOrder::Silence { sites, until, is_maintenance: false, replaces: false });
    }
}

use AlertState::{Breached, Cleared, Down, Up};

/// Of an outlet that nothing is left for, no message would ever show that it works again.
#[tokio::test(start_paused = true)]
async fn an_outlet_with_nothing_left_to_take_is_no_longer_broken() {
    let bench = Bench::new(&[outlet("good"), outlet("pager")]);
    bench.publish(Some(("a", Down)));
    bench.fail_thrice("pager").await;
    assert_eq!(bench.publish(None), [(Breached, "cannot notify pager: it is away.".to_owned())]);
    assert_eq!(bench.book.failing_outlets().len(), 1);
    assert_eq!(bench.take_all("good").await, [NewsKind::Opened, NewsKind::Opened]);
    assert_eq!(bench.publish(Some(("a", Up))), [], "nothing is left to tell");
    let cleared = "no message waits for a broken outlet any more.".to_owned();
    assert_eq!(bench.publish(None), [(Cleared, cleared)]);
    assert!(!bench.book.is_breached(RuleKind::Outlet));
    assert_eq!(bench.book.failing_outlets(), []);
    assert_eq!(bench.take_all("good").await, [NewsKind::Closed, NewsKind::Closed]);
}

/// An outlet that said that it is gone is broken until its part of sites.yaml changes.
#[tokio::test(start_paused = true)]
async fn an_outlet_that_is_gone_is_broken_until_it_is_removed_or_changed() {
    for is_removed in [true, false] {
        let bench = Bench::new(&[outlet("good"), outlet("pager")]);
        bench.publish(Some(("a", Down)));
        bench.request("pager", Some(Failure::Gone));
        assert_eq!(bench.publish(None).len(), 1);
        bench.book.configure(LedgerTerms::default(), vec![outlet("good"), outlet("pager")]);
        assert_eq!(bench.publish(None), [], "it is as it was");
        assert_eq!(bench.book.failing_outlets().len(), 1);
        if is_removed {
            bench.book.configure(LedgerTerms::default(), vec![outlet("good")]);
        } else {
            bench.book.renew("pager");
            bench.book.configure(LedgerTerms::default(), vec![outlet("good"), outlet("pager")]);
        }
        assert_eq!(bench.publish(None).len(), 1);
        assert!(!bench.book.is_breached(RuleKind::Outlet));
        assert_eq!(bench.book.failing_outlets(), []);
    }
}

/// Each further outlet that breaks is reported, to those that work.
#[tokio::test(start_paused = true)]
async fn a_second_outlet_that_breaks_is_reported() {
    let bench = Bench::new(&[outlet("good"), outlet("bad"), outlet("pager")]);
    bench.publish(Some(("a", Down)));
    bench.fail_thrice("bad").await;
    assert_eq!(bench.publish(None), [(Breached, "cannot notify bad: it is away.".to_owned())]);
    assert_eq!(bench.take_all("good").await, [NewsKind::Opened, NewsKind::Opened]);
    bench.fail_thrice("pager").await;
    let both = "cannot notify bad: it is away; pager: it is away.".to_owned();
    assert_eq!(bench.publish(None), [(Breached, both)]);
    assert_eq!(bench.take_all("good").await, [NewsKind::Reminder]);
    assert_eq!(bench.take_all("bad").await, [NewsKind::Opened]);
    assert_eq!(bench.publish(None), []);
    // It had been told of the first, but is not told of itself.
    assert_eq!(bench.take_all("pager").await, [NewsKind::Opened, NewsKind::Opened]);
    assert_eq!(bench.publish(None), [(Cleared, "all outlets are notified again.".to_owned())]);
}

/// A restart does not make a broken outlet a good one.
#[tokio::test(start_paused = true)]
async fn an_outlet_is_broken_over_a_restart() {
    let outlets = [outlet("good"), outlet("bad")];
    let bench = Bench::new(&outlets);
    bench.publish(Some(("a", Down)));
    bench.fail_thrice("bad").await;
    assert_eq!(bench.publish(None).len(), 1);
    let bench = bench.restart(&outlets);
    assert_eq!(bench.take_all("good").await, [NewsKind::Opened, NewsKind::Opened]);
    assert_eq!(bench.publish(None), []);
    assert_eq!(bench.take_all("bad").await, [NewsKind::Opened]);
    assert_eq!(bench.publish(None), [(Cleared, "all outlets are notified again.".to_owned())]);
}

/// An outlet with `after` hears of incidents that are open, not acknowledged and not muted then.
#[tokio::test(start_paused = true)]
async fn an_outlet_that_hears_late_hears_nothing_of_what_is_muted_or_acknowledged_then() {
    let phone = OutletTerms { after: Duration::from_mins(10), ..outlet("phone") };
    let bench = Bench::new(&[phone]);
    let pass = async |mins| {
        tokio::time::advance(Duration::from_mins(mins)).await;
        bench.publish(None);
    };
    bench.silence("acked", Duration::from_mins(5));
    for site in ["acked", "lasting", "short"] {
        bench.publish(Some((site, Down)));
    }
    bench.obey(&UserOrder::Acknowledge(Target::Site("acked".into())));
    bench.silence("lasting", Duration::from_mins(30));
    bench.silence("short", Duration::from_mins(30));
    pass(11).await;
    assert_eq!(bench.request("phone", None), []);
    bench.publish(Some(("short", Up)));
    pass(18).await;
    assert_eq!(bench.request("phone", None), []);
    pass(2).await;
    assert_eq!(bench.take_all("phone").await, [NewsKind::Opened], "of what is still open after the silence");
    bench.publish(Some(("lasting", Up)));
    assert_eq!(bench.take_all("phone").await, [NewsKind::Closed]);
    // It waits as long as that is muted.
    bench.publish(Some(("long", Down)));
    bench.silence("long", Duration::from_hours(50));
    for _ in 0..49 {
        pass(60).await;
        assert_eq!((bench.book.expire(), bench.request("phone", None)), (vec![], vec![]));
    }
    pass(61).await;
    assert_eq!(bench.take_all("phone").await, [NewsKind::Opened]);
}
