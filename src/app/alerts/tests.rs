//! The way of an alert from the publisher to a program, with failures and restarts.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::book::{AlertBook, PROGRAM};
use super::context::words;
use super::delivery::{Deliveries, DeliveryContext};
use super::history::AlertLog;
use super::outlets::{program, service};
use super::publisher::Publisher;
use super::stored_report::{self, ReportReceiver};
use crate::alert::incident::terms::LedgerTerms;
use crate::alert::kept::change::ChangeKey;
use crate::alert::outbox::queue::{FailedRequest, Failure, Next};
use crate::alert::{Alert, AlertRecord, AlertState, Rule, RuleKind};
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
