//! Acknowledgements and silences of a running monitor, by files in its folder of orders and by commands of its dashboard.

use std::net::TcpListener;
use std::sync::LazyLock;

use super::*;
use crate::alert::NewsKind::{self, Acknowledged, Closed, Opened, Reminder};
use crate::alert::SiteSelector;
use crate::alert::incident::order::{OrderedBy, UserOrder};
use crate::alert::incident::terms::Target;
use crate::app::orders::client::leave;
use crate::app::orders::folder::OrderFolder;

/// An outlet that is reached and never answers: its messages stay in the store, and may have arrived.
static MUTE: LazyLock<TcpListener> = LazyLock::new(|| TcpListener::bind("127.0.0.1:0").unwrap());

/// One site, and [`MUTE`].
fn file() -> String {
    let outlet = MUTE.local_addr().unwrap();
    format!(
        "defaults: {{ interval: 10s, timeout: 5s }}
alerting: {{ notify: {{ chat: {{ mattermost: 'http://{outlet}/hook' }} }}, group: 1s, calm: off }}
sites: [{{ name: shaky, url: 'http://shaky/', alert: {{ remind: 1m }} }}]"
    )
}

impl TestMonitor {
    /// Leaves each order at its time, as a command would.
    pub(super) async fn leave_orders(&self, clock: &Clock, from: Duration, to: Duration) {
        for (at, order) in self.orders.iter().filter(|(at, _)| (from..to).contains(at)) {
            tokio::time::sleep_until(clock.instant(at.saturating_sub(from))).await;
            let ordered = OrderedBy { by: "ada".into(), at: clock.now(), text: "on it".to_owned() };
            leave(self.store.as_deref().unwrap(), order, &ordered).unwrap();
        }
    }

    fn shaky(folder: &Path, script: Script) -> Self {
        let mut trial = Self::new(&[("shaky", script)]);
        trial.config = parsed(&file());
        trial.store = Some(folder.join("webmon.redb"));
        trial
    }

    /// The messages about each incident, with the seconds from [`START`] to each.
    fn messages(&self) -> BTreeMap<u64, Vec<(NewsKind, u64)>> {
        let now = START.after(Duration::from_hours(24));
        let store = Store::open(self.store.as_deref().unwrap(), &Options::default(), now).unwrap().store;
        let mut messages: BTreeMap<u64, Vec<(NewsKind, u64)>> = BTreeMap::new();
        for row in store.kept().unwrap().rows.into_iter().filter(|row| !row.news.alert.rule.is_own()) {
            messages.entry(row.incident).or_default().push((row.news.kind, row.made.since(START).as_secs()));
        }
        messages
    }
}

fn down(at: Duration, times: &[std::ops::Range<u64>]) -> (Duration, Cause) {
    let is_down = times.iter().any(|time| time.contains(&at.as_secs()));
    (Duration::from_millis(20), if is_down { Cause::ConnectRefused } else { Cause::Ok })
}

fn kinds(messages: &[(NewsKind, u64)]) -> Vec<NewsKind> {
    messages.iter().map(|(kind, _)| *kind).collect()
}

/// The outlet takes nothing, so one reminder waits for all.
#[tokio::test(start_paused = true)]
async fn an_acknowledgement_holds_over_a_restart_and_ends_with_its_incident() {
    let folder = tempfile::tempdir().unwrap();
    let mut trial = TestMonitor::shaky(folder.path(), |at| down(at, &[180..1_000, 1_150..1_700]));
    trial.orders = vec![(400 * SECOND, UserOrder::Acknowledge(Target::Site("shaky".into())))];
    let first = trial.run(Duration::ZERO, 700 * SECOND).await;
    let event = first.events.iter().find(|object| object["event"] == "incident").unwrap();
    let said = ["action", "site", "by", "text", "rule"].map(|field| event[field].as_str().unwrap());
    assert_eq!(said, ["acknowledged", "shaky", "ada", "on it", "availability"]);
    assert_eq!((event["incident"].as_u64(), &event["silence"]), (Some(1), &Value::Null));
    let messages = trial.messages();
    assert_eq!(kinds(&messages[&1]), [Opened, Reminder, Acknowledged], "{messages:?}");
    let acked = first.face.incidents.list().of_site("shaky")[0].ack.clone().unwrap();
    assert_eq!((&*acked.by, &*acked.text), ("ada", "on it"));
    let orders = OrderFolder::of(trial.store.as_deref().unwrap());
    assert!(orders.scan(START).unwrap().orders.is_empty());

    let second = trial.run(712 * SECOND, 1_700 * SECOND).await;
    let messages = trial.messages();
    assert_eq!(kinds(&messages[&1]), [Opened, Reminder, Acknowledged, Closed], "{messages:?}");
    let (number, next) = messages.last_key_value().unwrap();
    assert_eq!(kinds(next), [Opened, Reminder], "the next one reminds again: {messages:?}");
    let list = second.face.incidents.list();
    let open: Vec<_> = list.of_site("shaky").iter().map(|open| (open.number, open.ack.is_some())).collect();
    assert_eq!(open, [(*number, false)]);
    assert_eq!(second.events.iter().filter(|object| object["event"] == "incident").count(), 0);
}

/// Down before a silence, up in it; down in it and still at its end; down before and after another one.
#[tokio::test(start_paused = true)]
async fn a_silence_keeps_back_openings_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut trial = TestMonitor::shaky(folder.path(), |at| down(at, &[180..360, 900..3_000]));
    let silence = |until: u64| UserOrder::Silence {
        sites: SiteSelector::of(["shaky"]),
        until: START.after(Duration::from_secs(until)),
        is_maintenance: false,
        replaces: false,
    };
    trial.orders = vec![(300 * SECOND, silence(1_500)), (1_570 * SECOND, silence(1_900))];
    let outcome = trial.run(Duration::ZERO, 2_000 * SECOND).await;
    let messages = trial.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    let second = messages.last_key_value().unwrap().1;
    assert_eq!(kinds(&messages[&1])[0], Opened);
    assert_eq!(*kinds(&messages[&1]).last().unwrap(), Closed, "what was reported down is reported up: {messages:?}");
    assert_eq!(second[0], (Opened, 1_500), "reported when the silence ends");
    assert!(!kinds(second)[1..].contains(&Opened), "once: {messages:?}");
    assert!(second.iter().all(|(_, at)| !(1_572..1_900).contains(at)), "no reminder in a silence: {messages:?}");
    // What is silenced is recorded as always.
    let states: Vec<&str> = outcome.of("alert", "shaky").map(|alert| alert["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["down", "up", "down"]);
    let silences = outcome.events.iter().filter(|object| object["event"] == "incident");
    let said: Vec<(&str, u64)> =
        silences.map(|event| (event["action"].as_str().unwrap(), event["silence"].as_u64().unwrap())).collect();
    assert_eq!(said, [("silenced", 1), ("silenced", 2)]);
}

/// It is obeyed at the start, on the incident that was open when it was given.
#[tokio::test(start_paused = true)]
async fn an_order_to_a_monitor_that_is_stopped_waits_for_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let trial = TestMonitor::shaky(folder.path(), |at| down(at, &[180..600, 600..1_000]));
    trial.run(Duration::ZERO, 300 * SECOND).await;
    let ordered = OrderedBy { by: "ada".into(), at: START.after(310 * SECOND), text: String::new() };
    let order = UserOrder::Acknowledge(Target::Number(1));
    leave(trial.store.as_deref().unwrap(), &order, &ordered).unwrap();
    let outcome = trial.run(320 * SECOND, 600 * SECOND).await;
    assert_eq!(outcome.face.incidents.list().of_site("shaky")[0].ack.as_ref().unwrap().at, ordered.at);
    assert_eq!(kinds(&trial.messages()[&1]), [Opened, Reminder, Acknowledged]);
}

#[tokio::test(start_paused = true)]
async fn a_dashboard_acknowledges_and_silences() {
    let mut trial = TestMonitor::new(&[("shaky", |at| down(at, &[180..600, 600..1_000]))]);
    let until = START.after(Duration::from_hours(1));
    trial.commands = vec![
        (300 * SECOND, SiteCommand::Acknowledge { incident: 1, is_withdrawn: false }),
        (301 * SECOND, SiteCommand::Silence(SiteSlot(0), Some(START.after(Duration::from_mins(30))))),
        (302 * SECOND, SiteCommand::Silence(SiteSlot(0), Some(until))),
        (303 * SECOND, SiteCommand::Acknowledge { incident: 99, is_withdrawn: false }),
    ];
    let outcome = trial.run(Duration::ZERO, 310 * SECOND).await;
    let list = outcome.face.incidents.list();
    assert!(list.of_site("shaky")[0].ack.is_some());
    let silences: Vec<Timestamp> = list.active(START).map(|silence| silence.until).collect();
    assert_eq!(silences, [until], "the later one took the place of the first");
    let actions = outcome.events.iter().filter(|object| object["event"] == "incident");
    let actions: Vec<&str> = actions.map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["acknowledged", "silenced", "silence_ended", "silenced"]);
    let notices = &outcome.face.health.borrow().notices;
    assert!(notices.iter().any(|notice| *notice == "no incident 99 is open"), "{notices:?}");
}
