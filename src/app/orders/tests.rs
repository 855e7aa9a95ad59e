//! Orders over crashes at every step, a store that does not save, and a folder that anybody filled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::watch;

use super::file_format::{Answer, encode};
use super::folder::{FILE_MAX, OrderFolder};
use super::inbox::Inbox;
use crate::alert::incident::order::{OrderedBy, UserOrder};
use crate::alert::incident::terms::{LedgerTerms, SiteTerms, Target};
use crate::alert::kept::change::{ChangeKey, Counter, Record};
use crate::alert::kept::incident::Silence;
use crate::alert::outbox::queue::{Delivery, Next, OutletTerms};
use crate::alert::{Alert, AlertState, NewsKind, Rule, Severity, SiteSelector};
use crate::app::alerts::book::AlertBook;
use crate::app::alerts::context::Contexts;
use crate::app::alerts::context::words;
use crate::app::alerts::stored_report::{self, ReportReceiver};
use crate::app::clock::Clock;
use crate::app::status::health_meter::StoreStatus;
use crate::model::{StoreHealth, Timestamp};
use crate::store::Kept;

const START: Timestamp = Timestamp::from_secs(1_795_340_000);

/// What is on the disk: the folder of orders, and the committed records.
struct Disk {
    folder: TempDir,
    committed: BTreeMap<ChangeKey, Record>,
    left: u64,
}

/// One run of a monitor, as far as orders are concerned.
struct Run {
    inbox: Inbox,
    book: Arc<AlertBook>,
    reports: ReportReceiver,
    status: watch::Sender<StoreStatus>,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("webmon.redb"), "").unwrap();
        Self { folder, committed: BTreeMap::new(), left: 0 }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("webmon.redb")
    }

    fn orders(&self) -> OrderFolder {
        OrderFolder::of(&self.store())
    }

    /// A command leaves an order to silence a site of its own. Returns its name.
    fn leave_silence(&mut self) -> String {
        self.left += 1;
        let sites = SiteSelector::of([format!("site{}", self.left).as_str()]);
        let until = START.after(Duration::from_hours(1));
        self.leave(&UserOrder::Silence { sites, until, is_maintenance: false, replaces: false })
    }

    fn leave(&mut self, order: &UserOrder) -> String {
        let ordered = OrderedBy { by: "ada".into(), at: START, text: String::new() };
        let name = format!("{}-7", START.as_micros() + self.left);
        self.orders().leave(&self.store(), &name, &encode(order, &ordered)).unwrap();
        name
    }

    fn start(&self) -> Run {
        self.start_at(START)
    }

    fn start_at(&self, now: Timestamp) -> Run {
        let mut kept = Kept { next: [1; 3], ..Kept::default() };
        for (key, record) in &self.committed {
            match (key, record) {
                (ChangeKey::Next(counter), Record::Next(next)) => kept.next[*counter as usize] = *next,
                (_, Record::Incident(incident)) => kept.incidents.push((**incident).clone()),
                (_, Record::Silence(silence)) => kept.silences.push(silence.clone()),
                (_, Record::Row(row)) => kept.rows.push((**row).clone()),
                (ChangeKey::Told(outlet, incident), Record::Told(told)) => {
                    kept.told.push(((Arc::clone(outlet), *incident), *told));
                }
                (ChangeKey::Order(name), Record::Order(at)) => kept.orders.push((Arc::clone(name), *at)),
                _ => {}
            }
        }
        let status = watch::Sender::new(StoreStatus::default());
        let (sender, reports) = stored_report::open();
        let store = (Some(sender), status.subscribe());
        let word = (7, words(TimeZone::UTC));
        let book = Arc::new(AlertBook::new(LedgerTerms::default(), kept, word, Clock::start_at(now), store));
        Run { inbox: Inbox::new(self.orders(), Arc::clone(&book)), book, reports, status }
    }

    fn commit(&mut self, run: &mut Run) {
        let mut last = None;
        while let Some(report) = run.reports.next() {
            last = Some(report.ticket);
            for (key, record) in report.changes {
                match record {
                    Some(record) => _ = self.committed.insert(key, record),
                    None => _ = self.committed.remove(&key),
                }
            }
        }
        run.status.send_modify(|status| {
            status.store = StoreHealth::Ok { bytes: 1 };
            status.ticket = last.unwrap_or(status.ticket);
        });
    }

    /// The silences on the disk, by site.
    fn silences(&self) -> Vec<String> {
        let silences = self.committed.values().filter_map(|record| match record {
            Record::Silence(Silence { sites, .. }) => Some(sites.words().concat()),
            _ => None,
        });
        let mut sites: Vec<String> = silences.collect();
        sites.sort();
        sites
    }

    fn notes(&self) -> usize {
        self.committed.keys().filter(|key| matches!(key, ChangeKey::Order(_))).count()
    }

    fn answer(&self, name: &str) -> Option<Answer> {
        self.orders().answer(name).map(|bytes| Answer::decode(&bytes).unwrap())
    }
}

impl Run {
    fn look(&mut self) -> Vec<String> {
        self.inbox.look(START)
    }

    /// What a monitor does with what is there, until nothing changes any more.
    fn settle(&mut self, disk: &mut Disk) -> Vec<String> {
        (0..4)
            .flat_map(|_| {
                let warnings = self.look();
                disk.commit(self);
                warnings
            })
            .collect()
    }
}

/// Two outlets that take everything at once, and the second at which each was told what.
struct Told {
    run: Run,
    heard: Vec<(&'static str, NewsKind, u64)>,
    now: u64,
}

const OUTLETS: [&str; 2] = ["chat", "late"];

impl Told {
    fn start(disk: &Disk, now: u64, heard: Vec<(&'static str, NewsKind, u64)>) -> Self {
        let run = disk.start_at(START.after(Duration::from_secs(now)));
        let mut terms = LedgerTerms::default();
        let remind = Some(Duration::from_secs(2));
        terms.sites.insert("api".into(), SiteTerms { remind, ..SiteTerms::default() });
        let outlet = |(index, key): (usize, &&str)| OutletTerms {
            key: (*key).into(),
            name: (*key).into(),
            delivery: Delivery::Dedup,
            after: Duration::from_secs(5 * index as u64),
            only: Severity::Warning,
            sites: SiteSelector::All,
            is_forgetful: false,
        };
        run.book.configure(terms, OUTLETS.iter().enumerate().map(outlet).collect());
        Self { run, heard, now }
    }

    /// Passes seconds until `until`: looks at the orders, lets the ledger step, commits, and delivers what is due.
    async fn until(&mut self, disk: &mut Disk, until: u64) {
        while self.now < until {
            tokio::time::advance(Duration::from_secs(1)).await;
            self.now += 1;
            self.pass(disk, &[]);
        }
    }

    fn pass(&mut self, disk: &mut Disk, alerts: &[Alert]) {
        let now = START.after(Duration::from_secs(self.now));
        assert!(self.run.inbox.look(now).is_empty());
        self.run.book.publish(alerts, &Contexts::default(), now);
        disk.commit(&mut self.run);
        for key in OUTLETS {
            while let Next::Send(rows) = self.run.book.next(key) {
                let sending = self.run.book.begin(key, &rows);
                self.heard.extend(sending.outgoing.rows.iter().map(|row| (key, row.news.kind, self.now)));
                self.run.book.succeeded(&key.into(), &sending.outgoing);
            }
        }
        disk.commit(&mut self.run);
    }

    fn alert(&mut self, disk: &mut Disk, state: AlertState) {
        let at = START.after(Duration::from_secs(self.now));
        let facts = Alert { state, ..Alert::ended("api".into(), &Rule::default(), at, at) };
        self.pass(disk, &[facts]);
    }

    fn take(&mut self) -> Vec<(&'static str, NewsKind, u64)> {
        std::mem::take(&mut self.heard)
    }
}

/// Reminders come at 2, 6 and 14 s. After an acknowledgement none does, also not after a restart; after the end a new
/// incident has its own. An outlet that hears only of what lasts 5 s does not hear of what was acknowledged before.
#[tokio::test(start_paused = true)]
async fn an_acknowledgement_by_command_ends_the_reminders_of_its_incident() {
    use NewsKind::{Acknowledged, Closed, Opened, Reminder};
    let mut disk = Disk::new();
    let acknowledge = UserOrder::Acknowledge(Target::Site("api".into()));
    let mut told = Told::start(&disk, 0, Vec::new());
    told.alert(&mut disk, AlertState::Down);
    told.until(&mut disk, 19).await;
    let chat = [("chat", Opened, 0), ("chat", Reminder, 2), ("chat", Reminder, 6), ("chat", Reminder, 14)];
    let heard = told.take();
    assert_eq!(heard.iter().filter(|(key, ..)| *key == "chat").copied().collect::<Vec<_>>(), chat);
    let late: Vec<_> = heard.iter().filter(|(key, ..)| *key == "late").copied().collect();
    assert_eq!(late[0], ("late", Opened, 5));

    disk.leave(&acknowledge);
    told.until(&mut disk, 40).await;
    assert_eq!(told.take(), [("chat", Acknowledged, 20), ("late", Acknowledged, 20)]);
    let mut told = Told::start(&disk, 40, Vec::new());
    told.until(&mut disk, 100).await;
    assert_eq!(told.take(), [], "it is acknowledged still");
    told.alert(&mut disk, AlertState::Up);
    assert_eq!(told.take(), [("chat", Closed, 100), ("late", Closed, 100)]);

    told.until(&mut disk, 200).await;
    told.alert(&mut disk, AlertState::Down);
    told.until(&mut disk, 202).await;
    assert_eq!(told.take(), [("chat", Opened, 200), ("chat", Reminder, 202)], "a new incident reminds again");
    disk.left += 1;
    disk.leave(&acknowledge);
    told.until(&mut disk, 260).await;
    assert_eq!(told.take(), [("chat", Acknowledged, 203)], "the other outlet has heard nothing of it");
    told.alert(&mut disk, AlertState::Up);
    assert_eq!(told.take(), [("chat", Closed, 260)]);
}

/// Every instant at which a crash can fall, one after the other.
#[test]
fn an_order_is_obeyed_once_wherever_a_crash_falls() {
    for crash in 0..=7 {
        let mut disk = Disk::new();
        let mut run = disk.start();
        let name = disk.leave_silence();
        let folder = disk.orders();
        if crash >= 1 {
            // Obeyed in memory.
            assert!(run.look().is_empty());
            assert!(disk.silences().is_empty() && disk.answer(&name).is_none());
        }
        if crash >= 2 {
            disk.commit(&mut run);
            assert_eq!((disk.silences().len(), disk.notes()), (1, 1));
        }
        if crash >= 3 {
            // Answered, and the file is there still.
            folder
                .put_answer(&name, &Answer { silence: Some(1), is_saved: true, ..Answer::default() }.encode())
                .unwrap();
        }
        if crash >= 4 {
            // The command has read the answer and removed it.
            folder.remove_answer(&name).unwrap();
        }
        if crash >= 5 {
            folder.remove(&name).unwrap();
        }
        if crash >= 6 {
            run.look();
        }
        if crash >= 7 {
            disk.commit(&mut run);
        }
        drop(run);
        let mut run = disk.start();
        assert!(run.settle(&mut disk).is_empty(), "crash {crash}");
        assert_eq!(disk.silences(), ["site1"], "crash {crash}");
        assert_eq!(disk.notes(), 0, "crash {crash}: nothing is left of it");
        assert_eq!(folder.scan(START).unwrap().orders.len(), 0, "crash {crash}");
        if crash < 4 {
            assert!(disk.answer(&name).unwrap().is_saved, "crash {crash}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Orders, looks, commits, crashes and disks that do not save in any order: each order has its effect once.
    #[test]
    fn each_order_has_its_effect_once(steps in prop::collection::vec(0u8..6, 1..40)) {
        let mut disk = Disk::new();
        let mut run = disk.start();
        for step in steps {
            match step {
                0 => _ = disk.leave_silence(),
                1 | 2 => prop_assert_eq!(run.look(), Vec::<String>::new()),
                3 => disk.commit(&mut run),
                4 => run = disk.start(),
                _ => run.status.send_modify(|status| {
                    status.store = StoreHealth::NotSaving { since: START, reason: "disk full".to_owned() };
                }),
            }
        }
        run.settle(&mut disk);
        let mut expected: Vec<String> = (1..=disk.left).map(|number| format!("site{number}")).collect();
        expected.sort();
        prop_assert_eq!(disk.silences(), expected);
        prop_assert_eq!(disk.notes(), 0);
        prop_assert_eq!(disk.orders().scan(START).unwrap().orders.len(), 0);
        let next = disk.committed.get(&ChangeKey::Next(Counter::Silence));
        prop_assert_eq!(next.is_some(), disk.left > 0);
    }
}

#[test]
fn without_a_commit_an_order_has_its_effect_and_its_file_stays() {
    let mut disk = Disk::new();
    let mut run = disk.start();
    let name = disk.leave_silence();
    run.status.send_modify(|status| {
        status.store = StoreHealth::NotSaving { since: START, reason: "disk full".to_owned() };
    });
    assert!(run.look().is_empty());
    let answer = disk.answer(&name).unwrap();
    assert_eq!((answer.silence, answer.is_saved), (Some(1), false));
    assert_eq!(disk.orders().scan(START).unwrap().orders.len(), 1);
    disk.commit(&mut run);
    run.look();
    assert_eq!(disk.orders().scan(START).unwrap().orders.len(), 0);
}

#[test]
fn what_is_refused_is_answered_with_the_reason() {
    let mut disk = Disk::new();
    let mut run = disk.start();
    let name = disk.leave(&UserOrder::Acknowledge(Target::Site("api".into())));
    assert!(run.look().is_empty());
    assert_eq!(disk.answer(&name).unwrap().refused.as_deref(), Some("no incident of api is open"));
    assert_eq!(disk.orders().scan(START).unwrap().orders.len(), 0);
    // One that waited for days has no reader.
    disk.left += 1;
    disk.leave(&UserOrder::Acknowledge(Target::Number(3)));
    let warnings = run.inbox.look(START.after(Duration::from_hours(48)));
    assert_eq!(warnings, ["an order of ada that waited was refused: no incident 3 is open"]);
}

/// Garbage is refused and answered; what is no file of ours is left alone. Nothing is warned of twice.
#[cfg(unix)]
#[test]
fn a_folder_that_anybody_filled_is_read_without_trust() {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let mut disk = Disk::new();
    let good = disk.leave_silence();
    let folder = disk.orders().path().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o700);
    let secret = disk.folder.path().join("secret");
    let order = fs::read(folder.join(format!("{good}.json"))).unwrap();
    fs::write(&secret, &order).unwrap();
    symlink(&secret, folder.join("1-1.json")).unwrap();
    fs::create_dir(folder.join("2-1.json")).unwrap();
    let large = [&order[..], &vec![b' '; usize::try_from(FILE_MAX).unwrap()]].concat();
    fs::write(folder.join("3-1.json"), large).unwrap();
    fs::write(folder.join("4-1.json"), "{\"order\":\"\x1b[2J").unwrap();
    fs::write(folder.join("note.txt\x1b[2J"), "hello").unwrap();
    fs::write(folder.join("5-x.json"), &order).unwrap();
    fs::write(folder.join("123456789012345678901-1.json"), &order).unwrap();
    fs::write(folder.join(".6-1.json.tmp"), "half").unwrap();
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff\xfe.json")), &order).unwrap();
    let pipe = folder.join("7-1.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());

    let mut run = disk.start();
    let warnings = run.settle(&mut disk);
    assert_eq!(disk.silences(), ["site1"], "only the good one is obeyed");
    assert_eq!(warnings.len(), 9, "{warnings:#?}");
    assert!(!warnings.iter().any(|warning| warning.contains('\x1b')), "{warnings:#?}");
    for (name, reason) in [("2-1 in", "no regular file"), ("3-1 in", "too large"), ("7-1 in", "no regular file")] {
        let found = warnings.iter().find(|warning| warning.starts_with(name)).unwrap();
        assert!(found.contains(reason), "{found}");
    }
    assert_eq!(run.settle(&mut disk), Vec::<String>::new(), "once");
    assert!(secret.exists() && folder.join("note.txt\x1b[2J").exists() && folder.join(".6-1.json.tmp").exists());
    assert!(!folder.join("4-1.json").exists() && disk.answer("4-1").unwrap().refused.is_some());
    // No command waits for these any more.
    run.inbox.look(Timestamp::MAX);
    assert!(!folder.join(".6-1.json.tmp").exists() && disk.answer("4-1").is_none());
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_to_is_not_obeyed() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let mut disk = Disk::new();
    disk.leave_silence();
    let folder = disk.orders().path().to_owned();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let mut run = disk.start();
    let warnings = run.settle(&mut disk);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("others may write to it (mode 0777)"), "{warnings:?}");
    assert!(disk.silences().is_empty());
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    assert!(run.settle(&mut disk).is_empty());
    assert_eq!(disk.silences(), ["site1"]);
    // Nor is a link to another folder, on either side.
    fs::rename(&folder, disk.folder.path().join("elsewhere")).unwrap();
    symlink(disk.folder.path().join("elsewhere"), &folder).unwrap();
    let store = disk.store();
    assert!(disk.orders().leave(&store, "1-1", b"{}").is_err());
    assert!(run.settle(&mut disk)[0].contains("it is no folder"));
}
