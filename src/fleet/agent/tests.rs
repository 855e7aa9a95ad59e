//! Agents and hubs in one process, whose server loses frames and acknowledgements and whose programs are killed: at the end every
//! hub has what the store has.
//!
//! The store, the server and the hub are as plain as they can be. The hub takes samples of a site in order, passes over those that
//! it has, and says when it saw a gap; that is all that the agent may rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::fleet::frame::{self, FailureRun, Group, Hole};
use crate::model::{Cause, Sample};

const SITES: u32 = 3;
const PAYLOAD_MAX: usize = 1 << 20;

/// Samples of one reading; few, so that readings have more to come.
const READ_MAX: usize = 40;

/// A site as a location describes it.
fn site(site: u32) -> RosterSite {
    RosterSite {
        site: SiteId(site),
        name: format!("site {site}"),
        group: String::new(),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        url: String::new(),
        hash: 0,
    }
}

fn sample(site: u32, seq: u64) -> Sample {
    let at = 1_795_255_200_000_000 + seq * 1_000_003 + u64::from(site);
    Sample::bare(Timestamp::from_micros(at), if fails(seq) { Cause::TlsError } else { Cause::Ok })
}

const fn fails(seq: u64) -> bool {
    seq % 16 > 10
}

fn address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 443))
}

/// Every check of a site: whether it is stored.
#[derive(Clone, Debug, Default)]
struct PlainStore(BTreeMap<SiteId, Vec<bool>>);

impl PlainStore {
    fn ends(&self) -> Positions {
        self.0.iter().map(|(site, checks)| (*site, checks.len() as u64)).collect()
    }

    fn grow(&mut self, site: u32, count: usize, is_stored: bool) {
        let checks = self.0.entry(SiteId(site)).or_default();
        checks.extend(std::iter::repeat_n(is_stored, count));
    }

    /// Retention: the oldest are gone.
    fn trim(&mut self, site: u32, count: usize) {
        if let Some(checks) = self.0.get_mut(&SiteId(site)) {
            let last = checks.len().saturating_sub(1);
            checks[..count.min(last)].fill(false);
        }
    }

    fn read(&self, at: &mut Positions) -> Batch {
        let mut batch = Batch::default();
        let mut has_passed = false;
        for (&site, checks) in &self.0 {
            let next = at.entry(site).or_default();
            while let Some(&is_stored) = checks.get(usize::try_from(*next).unwrap()) {
                if is_stored && batch.samples.len() == READ_MAX {
                    batch.more = true;
                    break;
                }
                has_passed |= !is_stored;
                if is_stored {
                    batch.samples.push((site, *next, sample(site.0, *next)));
                    if fails(*next) {
                        let detail = format!("reason {}", *next / 16);
                        let run = FailureRun { first: *next, last: *next, detail, address: Some(address()) };
                        batch.texts.entry(site).or_default().push(run);
                    }
                }
                *next += 1;
            }
        }
        // Some at a time, of different sites in turn, as a journal has them.
        batch.samples.sort_by_key(|&(site, seq, _)| (seq, site));
        if has_passed {
            batch.reached = at.iter().map(|(site, next)| (*site, *next)).collect();
        }
        batch
    }
}

/// What a hub has on its disk.
#[derive(Clone, Debug, Default)]
struct Committed {
    next: Positions,
    samples: BTreeMap<(SiteId, u64), Sample>,
    texts: BTreeMap<(SiteId, u64), String>,
    roster: BTreeSet<SiteId>,
    /// In which stream, and how far.
    position: (u32, usize),
    session: u64,
    number: u64,
}

#[derive(Clone, Debug, Default)]
struct PlainHub {
    committed: Committed,
    gap: bool,
    runs: bool,
}

impl PlainHub {
    fn take(&mut self, bytes: &[u8]) {
        let frame = frame::decode(bytes).expect("only agents publish");
        let Committed { session, number, .. } = &mut self.committed;
        *number = if *session == frame.origin.session { frame.origin.number.max(*number) } else { frame.origin.number };
        *session = frame.origin.session;
        match frame.body {
            Body::Roster(roster) => self.committed.roster.extend(roster.sites.iter().map(|site| site.site)),
            Body::Samples(groups) => groups.iter().for_each(|group| self.group(group)),
            Body::Gone(holes) => holes.iter().for_each(|hole| self.hole(*hole)),
            _ => {}
        }
    }

    fn group(&mut self, group: &Group) {
        let Committed { next, samples, texts, roster, .. } = &mut self.committed;
        let next = next.entry(group.site).or_default();
        if group.first_seq > *next || !roster.contains(&group.site) {
            self.gap = true;
            return;
        }
        for (seq, sample) in (group.first_seq..).zip(&group.samples).filter(|(seq, _)| *seq >= *next) {
            assert_eq!(samples.insert((group.site, seq), *sample), None, "{seq} twice");
            let text = group.texts.iter().find(|text| (text.first..=text.last).contains(&seq));
            assert_eq!(text.is_some(), fails(seq));
            texts.extend(text.map(|text| ((group.site, seq), text.detail.clone())));
        }
        *next = group.next_seq().max(*next);
    }

    fn hole(&mut self, hole: Hole) {
        let next = self.committed.next.entry(hole.site).or_default();
        if hole.from > *next || !self.committed.roster.contains(&hole.site) {
            self.gap = true;
        } else {
            *next = hole.to.max(*next);
        }
    }
}

/// What goes wrong with the next frames that are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    None,
    /// They do not arrive.
    Frame,
    /// They arrive, and the acknowledgement is lost.
    Answer,
    /// They are acknowledged, and then the server loses them.
    AfterAnswer,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Grow(u32, usize),
    Lose(u32, usize),
    Trim(u32, usize),
    Pass(u64),
    Wipe,
    Lossy(Loss),
    Connect(bool),
    KillHub(usize),
    StartHub(usize),
    KillAgent,
    /// The clock of the location goes ahead by so many seconds, or back.
    Set(i64),
}

fn events() -> impl Strategy<Value = Event> {
    let site = 0..SITES;
    prop_oneof![
        6 => (site.clone(), 1..60_usize).prop_map(|(site, count)| Event::Grow(site, count)),
        1 => (site.clone(), 1..9_usize).prop_map(|(site, count)| Event::Lose(site, count)),
        1 => (site, 1..90_usize).prop_map(|(site, count)| Event::Trim(site, count)),
        6 => (1..30_u64).prop_map(Event::Pass),
        1 => Just(Event::Wipe),
        2 => prop::sample::select(vec![Loss::Frame, Loss::Answer, Loss::AfterAnswer]).prop_map(Event::Lossy),
        2 => Just(Event::Lossy(Loss::None)),
        2 => any::<bool>().prop_map(Event::Connect),
        1 => (0..2_usize).prop_map(Event::KillHub),
        2 => (0..2_usize).prop_map(Event::StartHub),
        1 => Just(Event::KillAgent),
        1 => (-9_000..9_000_i64).prop_map(Event::Set),
    ]
}

struct World {
    now: Timestamp,
    /// How far the wall clock of the location is ahead, s.
    ahead: i64,
    store: PlainStore,
    agent: Agent,
    sessions: u64,
    live: Positions,
    back: Positions,
    is_connected: bool,
    loss: Loss,
    stream: (u32, Vec<Bytes>),
    ids: BTreeSet<String>,
    hubs: Vec<PlainHub>,
    published: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: Timestamp::from_secs(1_795_255_200),
            ahead: 0,
            store: PlainStore::default(),
            agent: Agent::new(StoreId([7; 16]), 0),
            sessions: 0,
            live: Positions::new(),
            back: Positions::new(),
            is_connected: false,
            loss: Loss::None,
            stream: (0, Vec::new()),
            ids: BTreeSet::new(),
            hubs: vec![PlainHub::default(); 2],
            published: 0,
        };
        world.start();
        world
    }

    /// Starts the agent, as after a kill.
    fn start(&mut self) {
        self.sessions += 1;
        self.agent = Agent::new(StoreId([7; 16]), self.sessions << 32);
        self.agent.watch((0..SITES).map(site).collect());
        if self.is_connected {
            self.agent.connected(PAYLOAD_MAX, self.now);
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Grow(site, count) => self.store.grow(site, count, true),
            Event::Lose(site, count) => self.store.grow(site, count, false),
            Event::Trim(site, count) => self.store.trim(site, count),
            Event::Pass(secs) => (0..secs).for_each(|_| self.pass()),
            Event::Wipe => {
                self.stream = (self.stream.0 + 1, Vec::new());
                self.ids.clear();
            }
            Event::Lossy(loss) => self.loss = loss,
            Event::Connect(is_connected) => {
                if is_connected && !self.is_connected {
                    self.agent.connected(PAYLOAD_MAX, self.now);
                } else if !is_connected {
                    self.agent.disconnected();
                }
                self.is_connected = is_connected;
            }
            Event::KillHub(hub) => self.hubs[hub].runs = false,
            Event::StartHub(hub) => {
                let hub = &mut self.hubs[hub];
                hub.gap &= hub.runs;
                hub.runs = true;
            }
            Event::KillAgent => self.start(),
            Event::Set(by) => self.ahead += by,
        }
    }

    fn moment(&self) -> Moment {
        let (ahead, by) = (self.ahead > 0, Duration::from_secs(self.ahead.unsigned_abs()));
        Moment { steady: self.now, wall: if ahead { self.now.after(by) } else { self.now.before(by) } }
    }

    /// One second.
    fn pass(&mut self) {
        self.now = self.now.after(Duration::from_secs(1));
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 2_000, "it never rests");
        }
        let (generation, frames) = (self.stream.0, self.stream.1.clone());
        for hub in self.hubs.iter_mut().filter(|hub| hub.runs) {
            if hub.committed.position.0 != generation {
                hub.committed.position = (generation, 0);
            }
            // A hub may be slow.
            for bytes in frames.iter().skip(hub.committed.position.1).take(20) {
                hub.committed.position.1 += 1;
                hub.take(bytes);
            }
        }
        if self.hubs_speak() && self.is_connected && self.loss == Loss::None {
            for (index, hub) in self.hubs.iter().enumerate().filter(|(_, hub)| hub.runs) {
                let Committed { session, number, .. } = hub.committed;
                let refused = Arc::default();
                let word = Word { store: StoreId([7; 16]), session, number, gap: hub.gap, refused };
                self.agent.heard(&name(index), &word, self.now);
            }
        }
    }

    fn hubs_speak(&self) -> bool {
        (self.now.as_micros() / 1_000_000).is_multiple_of(5)
    }

    /// One step of the agent; whether there may be more.
    fn step(&mut self) -> bool {
        let now = self.moment();
        match self.agent.step(now) {
            Step::Wait(until) => {
                assert!(until > self.now, "it waits for the past");
                return false;
            }
            Step::Ask(store) => {
                assert_eq!(store, StoreId([7; 16]));
                if self.loss == Loss::None {
                    self.ask();
                }
            }
            Step::Look => self.agent.begin(&self.store.ends()),
            Step::Read { lane, from } => {
                let at = if lane == Lane::Live { &mut self.live } else { &mut self.back };
                if let Some(from) = from {
                    *at = from;
                }
                let found = self.store.read(at);
                self.agent.take(lane, found, now);
            }
            Step::Send(frame) => self.publish(&frame),
            Step::Report => self.agent.status(Status::default(), now),
            Step::Redraw => panic!("no store was replaced"),
        }
        true
    }

    fn publish(&mut self, frame: &Outgoing) {
        assert!(frame.bytes.len() <= PAYLOAD_MAX / 4 * 3);
        self.published += 1;
        let is_stored = matches!(self.loss, Loss::None | Loss::Answer);
        if is_stored && self.ids.insert(frame.id.clone()) {
            self.stream.1.push(frame.bytes.clone());
        }
        if matches!(self.loss, Loss::None | Loss::AfterAnswer) {
            self.agent.acknowledged(frame.number, self.now);
        }
    }

    fn ask(&mut self) {
        let ends = self.store.ends();
        for (index, hub) in self.hubs.iter_mut().enumerate().filter(|(_, hub)| hub.runs) {
            hub.gap = false;
            let next = hub.committed.next.iter().filter(|(site, _)| hub.committed.roster.contains(site));
            let next = next.map(|(site, next)| (*site, *next)).collect();
            let have = Have { hub: name(index), last_store: None, next };
            self.agent.answered(&have, &ends, self.now);
        }
    }

    /// Everything works again, for long enough.
    fn heal(&mut self) {
        self.apply(Event::Lossy(Loss::None));
        self.apply(Event::Connect(true));
        (0..2).for_each(|hub| self.apply(Event::StartHub(hub)));
        for _ in 0..1_500 {
            self.pass();
        }
        // Each site is checked again, which shows what was lost behind the last acknowledgement.
        (0..SITES).for_each(|site| self.store.grow(site, 1, true));
        for _ in 0..200 {
            self.pass();
        }
    }

    fn check(&self) {
        for hub in &self.hubs {
            assert!(!hub.gap);
            for (&site, checks) in &self.store.0 {
                assert_eq!(hub.committed.next.get(&site), Some(&(checks.len() as u64)));
                for (seq, is_stored) in (0..).zip(checks) {
                    let found = hub.committed.samples.get(&(site, seq));
                    assert!(found.is_none_or(|found| *found == sample(site.0, seq)));
                    assert!(found.is_some() || !is_stored, "{site:?} {seq} is missing");
                    let text = hub.committed.texts.get(&(site, seq));
                    let expected = found.filter(|_| fails(seq)).map(|_| format!("reason {}", seq / 16));
                    assert_eq!(text, expected.as_ref());
                }
            }
        }
    }
}

fn name(hub: usize) -> Location {
    Location::new(&format!("hub{hub}")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn at_last_every_hub_has_what_the_store_has(events in prop::collection::vec(events(), 0..60)) {
        let mut world = World::new();
        for event in events {
            world.apply(event);
        }
        world.heal();
        world.check();
    }
}

/// A world in which one hub runs and has everything.
fn settled() -> World {
    let mut world = World::new();
    world.apply(Event::StartHub(0));
    world.apply(Event::Connect(true));
    (0..SITES).for_each(|site| world.store.grow(site, 100, true));
    (0..60).for_each(|_| world.pass());
    assert_eq!(world.hubs[0].committed.next, world.store.ends());
    world
}

#[test]
fn nothing_is_sent_twice_where_nothing_is_lost() {
    let mut world = settled();
    world.hubs[1] = world.hubs[0].clone();
    world.published = 0;
    for _ in 0..60 {
        (0..SITES).for_each(|site| world.store.grow(site, 1, true));
        world.pass();
    }
    assert_eq!(world.published, 72, "a frame a second, and a status every five");
    assert_eq!(world.agent.sent(), u64::from(SITES) * 160);
    assert_eq!((world.agent.waiting(None), world.agent.lacked()), (0, 0));
}

#[test]
fn the_last_samples_of_a_site_that_leaves_arrive() {
    let mut world = settled();
    world.agent.watch((1..SITES).map(site).collect());
    // They were not stored yet when it left.
    world.store.grow(0, 2, true);
    (0..5).for_each(|_| world.pass());
    assert_eq!(world.hubs[0].committed.next, world.store.ends());
    assert_eq!((world.agent.waiting(Some(&world.store.ends())), world.agent.lacked()), (0, 0));
    world.agent.watch((0..SITES).map(site).collect());
    world.store.grow(0, 2, true);
    (0..5).for_each(|_| world.pass());
    assert_eq!(world.hubs[0].committed.next, world.store.ends());
}

#[test]
fn a_location_without_news_says_that_it_lives() {
    let mut world = settled();
    world.published = 0;
    (0..60).for_each(|_| world.pass());
    assert_eq!(world.published, 12);
}

/// Whatever its clock is set to, it goes on sending, and each frame says what time it is there.
#[test]
fn a_clock_that_is_set_delays_nothing() {
    for by in [-3_600, 3_600] {
        let mut world = settled();
        (world.hubs[1], world.published) = (world.hubs[0].clone(), 0);
        world.apply(Event::Set(by));
        let before = world.stream.1.len();
        for _ in 0..60 {
            (0..SITES).for_each(|site| world.store.grow(site, 1, true));
            world.pass();
        }
        assert_eq!(world.published, 72, "a frame a second, and a status every five");
        assert_eq!(world.hubs[0].committed.next, world.store.ends());
        let sent = |bytes: &Bytes| frame::decode(bytes).unwrap().origin.sent;
        let span = [world.stream.1.get(before), world.stream.1.last()].map(|bytes| sent(bytes.unwrap()));
        assert!(world.moment().wall.since(span[0]) <= Duration::from_mins(1) && span[1] <= world.moment().wall);
        assert!(world.agent.trouble().is_none());
    }
}

#[test]
fn a_new_hub_gets_everything_and_new_samples_go_first() {
    let mut world = settled();
    world.store.grow(0, 4_000, true);
    (0..200).for_each(|_| world.pass());
    // The stream has nothing of it any more.
    world.apply(Event::Wipe);
    world.hubs[1].runs = true;
    while !world.hubs_speak() {
        world.pass();
    }
    // Now old and new samples compete.
    let before = world.stream.1.len();
    world.store.grow(0, 2_000, true);
    (0..60).for_each(|_| world.pass());
    let firsts = world.stream.1[before..].iter().filter_map(|bytes| match frame::decode(bytes).unwrap().body {
        Body::Samples(groups) => groups.first().map(|group| group.first_seq),
        _ => None,
    });
    let is_new: Vec<bool> = firsts.map(|first| first >= 4_100).collect();
    assert!(is_new.iter().filter(|is_new| !**is_new).count() > 50, "{is_new:?}");
    let new = is_new.iter().position(|is_new| *is_new).unwrap();
    let crowd = &is_new[new..new + 40];
    assert!(crowd.iter().filter(|is_new| **is_new).count() >= 29, "{crowd:?}");
    assert_eq!(world.hubs[1].committed.next, world.store.ends());
}

#[test]
fn what_retention_removed_is_declared_gone() {
    let mut world = World::new();
    (0..SITES).for_each(|site| world.store.grow(site, 100, true));
    world.store.trim(1, 60);
    world.store.grow(2, 5, false);
    world.apply(Event::StartHub(0));
    world.apply(Event::Connect(true));
    (0..60).for_each(|_| world.pass());
    let hub = &world.hubs[0].committed;
    assert_eq!(hub.next, world.store.ends());
    assert_eq!(hub.samples.len(), 100 + 40 + 100);
}

#[test]
fn a_store_that_is_an_older_copy_gets_another_number() {
    let mut world = settled();
    let older = PlainStore(world.store.0.iter().map(|(site, checks)| (*site, checks[..50].to_vec())).collect());
    world.store = older;
    world.start();
    let mut redraws = false;
    for _ in 0..20 {
        match world.agent.step(world.moment()) {
            Step::Redraw => redraws = true,
            Step::Wait(until) => world.now = until,
            _ => {
                world.ask();
            }
        }
    }
    assert!(redraws);
}

#[test]
fn a_silent_server_is_asked_again_and_named() {
    let mut world = settled();
    world.loss = Loss::Frame;
    world.store.grow(0, 1, true);
    (0..12).for_each(|_| world.pass());
    let (since, reason) = world.agent.trouble().cloned().unwrap();
    assert!(reason.is_none() && world.now.since(since) >= Duration::from_secs(10));
    assert_eq!(world.agent.waiting(Some(&world.store.ends())), 1);
    world.loss = Loss::None;
    (0..70).for_each(|_| world.pass());
    assert_eq!(world.agent.trouble(), None);
    assert_eq!(world.hubs[0].committed.next, world.store.ends());
}

#[test]
fn a_refusal_is_kept_with_its_reason() {
    let mut world = settled();
    world.loss = Loss::Frame;
    world.store.grow(0, 1, true);
    world.pass();
    world.pass();
    let number = world.agent.number;
    world.agent.refused(number, Some("permissions violation".to_owned()), world.now);
    assert_eq!(world.agent.trouble().unwrap().1.as_deref(), Some("permissions violation"));
}

/// An agent with one connection, whose hub has answered that it has nothing, and the stored ends.
fn asked(now: Timestamp, hub: &Location) -> (Agent, Positions) {
    let mut agent = Agent::new(StoreId([7; 16]), 1);
    agent.watch(vec![site(0), site(1)]);
    agent.connected(PAYLOAD_MAX, now);
    let ends = Positions::from([(SiteId(0), 10), (SiteId(1), 10)]);
    answer(&mut agent, hub, &ends, now);
    (agent, ends)
}

fn answer(agent: &mut Agent, hub: &Location, ends: &Positions, now: Timestamp) {
    assert!(matches!(agent.step(now.into()), Step::Ask(_)), "a hub is asked before it answers");
    let last_store = Some(StoreId([7; 16]));
    agent.answered(&Have { hub: hub.clone(), last_store, next: Vec::new() }, ends, now);
}

fn refusing(sites: &[u32]) -> Word {
    let refused = Arc::new(sites.iter().copied().map(SiteId).collect());
    Word { store: StoreId([7; 16]), session: 1, number: 0, gap: false, refused }
}

/// The sites whose samples `agent` makes frames of, if three more checks of each are stored.
fn sent(agent: &mut Agent, from: u64, now: Timestamp) -> Vec<u32> {
    let mut sites = Vec::new();
    let samples = (from..from + 3).flat_map(|seq| (0..2).map(move |site| (SiteId(site), seq, sample(site, seq))));
    agent.take(Lane::Live, Batch { samples: samples.collect(), ..Batch::default() }, now.into());
    loop {
        let outgoing = match agent.step(now.into()) {
            Step::Send(outgoing) => outgoing,
            Step::Ask(_) => continue,
            _ => return sites,
        };
        if let Body::Samples(groups) = frame::decode(&outgoing.bytes).unwrap().body {
            sites.extend(groups.iter().map(|group| group.site.0));
        }
        agent.acknowledged(outgoing.number, now);
    }
}

#[test]
fn what_every_hub_refuses_is_not_sent_and_what_one_takes_again_is_asked_for() {
    let hub = |name: &str| Location::new(name).unwrap();
    let (one, other) = (hub("one"), hub("other"));
    let at = |second: u64| Timestamp::from_secs(1_795_255_200 + second);
    let (mut agent, ends) = asked(at(0), &one);
    assert_eq!(agent.lacked(), 20);
    agent.heard(&one, &refusing(&[1]), at(1));
    assert_eq!(sent(&mut agent, 10, at(2)), [0]);
    // Another hub has room for it.
    agent.heard(&other, &refusing(&[]), at(3));
    assert_eq!(sent(&mut agent, 13, at(4)), [0, 1]);
    answer(&mut agent, &other, &ends, at(5));
    // That one is gone.
    agent.heard(&one, &refusing(&[1]), at(40));
    assert_eq!(sent(&mut agent, 16, at(41)), [0]);
    // At the next connection the hub is known to refuse it.
    agent.disconnected();
    agent.connected(PAYLOAD_MAX, at(50));
    agent.back = None;
    answer(&mut agent, &one, &ends, at(50));
    assert_eq!(agent.back.as_ref().map(|back| back.at(SiteId(1))), Some(agent.live.as_ref().unwrap().at(SiteId(1))));
    // It has room now: it is asked, and lacks everything of the site.
    agent.heard(&one, &refusing(&[]), at(60));
    answer(&mut agent, &one, &ends, at(61));
    assert_eq!(agent.back.as_ref().map(|back| back.at(SiteId(1))), Some(0));
}
