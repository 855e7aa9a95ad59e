//! Simulated outages, with fixed seeds: of this machine's own network, and of something that many hosts share.
//!
//! Each unit is one site, judged by the default rule (80 % over 2 minutes) at each of its checks, with the masks applied.

use std::collections::VecDeque;

use super::*;

const WINDOW: Duration = Duration::from_mins(2);
const WARM_UP: f64 = 300.0;

/// Sebastiano Vigna's `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    /// In `0.0..1.0`.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / 4_294_967_296.0
    }
}

/// What is simulated; times in seconds.
#[derive(Clone, Copy)]
struct Scene {
    units: usize,
    interval: f64,
    /// How long a failed check takes.
    fails_after: f64,
    /// The units below this number fail from the first to the second of these times.
    failing: usize,
    from: f64,
    until: f64,
    /// The share of checks that fail at any time.
    loss: f64,
    lasts: f64,
    /// Whether a message about an outage gets out after 30 s.
    delivers: bool,
    change: Option<Change>,
}

/// A restart or another file.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: f64,
    /// The units from this number on are no longer watched.
    left: usize,
    is_restart: bool,
}

/// What came of it.
#[derive(Default)]
struct Course {
    /// When each outage was seen, its start, and when its end was seen.
    outages: Vec<(f64, f64, Option<f64>)>,
    /// When each down was told, and how long it was held.
    told: Vec<(f64, f64)>,
    /// The units of these.
    told_of: Vec<usize>,
    refuted: usize,
}

struct Check {
    start: Timestamp,
    at: Timestamp,
    is_good: bool,
}

#[derive(Default)]
struct Site {
    recent: VecDeque<Check>,
    /// Since when its rule says down.
    down: Option<f64>,
}

fn stamp(secs: f64) -> Timestamp {
    Timestamp::ZERO.after(Duration::from_secs_f64(secs))
}

fn secs(time: Timestamp) -> f64 {
    time.since(Timestamp::ZERO).as_secs_f64()
}

impl Course {
    fn tell(&mut self, unit: usize, at: f64, down: f64) {
        self.told.push((at, at - down));
        self.told_of.push(unit);
    }
}

fn address(unit: usize) -> IpAddr {
    IpAddr::from([203, 0, u8::try_from(unit).unwrap(), 1])
}

/// All checks, by the time at which they finish: that time, the start, the unit, whether it is good.
fn checks(scene: &Scene, seed: u64) -> Vec<(f64, f64, usize, bool)> {
    let mut random = Random(seed);
    let mut checks = Vec::new();
    for unit in 0..scene.units {
        let mut start = random.next() * scene.interval;
        while start < scene.lasts {
            let fails = unit < scene.failing && scene.from <= start && start < scene.until;
            let is_good = !fails && scene.loss <= random.next();
            let took = if is_good { 0.05 + random.next() * 0.2 } else { scene.fails_after };
            checks.push((start + took, start, unit, is_good));
            start += scene.interval;
        }
    }
    checks.sort_by(|a, b| a.0.total_cmp(&b.0));
    checks
}

fn play(scene: &Scene, seed: u64) -> Course {
    let (mut network, mut course, mut events) = (Network::default(), Course::default(), Vec::new());
    let mut sites: Vec<Site> = (0..scene.units).map(|_| Site::default()).collect();
    let mut masks: Vec<Blind> = Vec::new();
    let interval = Duration::from_secs_f64(scene.interval);
    let (mut delivery, mut change) = (None, scene.change);
    for unit in 0..scene.units {
        network.watch(unit, interval, Duration::from_secs_f64(scene.fails_after), Some(address(unit)));
    }
    for (end, start, unit, is_good) in checks(scene, seed) {
        if let Some(change) = change.take_if(|change| change.at <= end) {
            apply(&change, scene, (&mut network, &mut sites), &mut events);
            if change.is_restart {
                // A start tells again of an outage that lasts, if it is long enough.
                let told = network.blind(Realm::Global).map(|blind| change.at.max(secs(blind.from) + 30.0));
                delivery = told.filter(|_| scene.delivers);
            }
        }
        if scene.change.is_some_and(|change| change.at <= end && (change.left <= unit || start < change.at)) {
            continue;
        }
        if let Some(due) = delivery.filter(|due| *due <= end) {
            delivery = None;
            network.delivered(stamp(due), IpAddr::from([198, 51, 100, 1]), &mut events);
        }
        let cause = if is_good { Cause::Ok } else { Cause::DnsError };
        let (start, at) = (stamp(start), stamp(end));
        network.check(&Finished { site: unit, start, at, cause, address: Some(address(unit)) }, &mut events);
        network.tick(at, &mut events);
        for event in events.drain(..) {
            match event {
                NetworkEvent::Offline { since, .. } => {
                    course.outages.push((end, secs(since), None));
                    delivery = scene.delivers.then_some(end + 30.0);
                }
                NetworkEvent::Online { realm, from, to } => {
                    course.outages.last_mut().unwrap().2 = Some(end);
                    masks.push(Blind { realm, from, to });
                }
                NetworkEvent::Refuted { .. } => course.refuted += 1,
                NetworkEvent::Release(site) => course.tell(site, end, sites[site].down.unwrap()),
                NetworkEvent::Drop(_) => {}
                NetworkEvent::NoPanel { .. } => assert!(scene.change.is_some(), "there are {} units", scene.units),
            }
        }
        let site = &mut sites[unit];
        site.recent.push_back(Check { start, at, is_good });
        while site.recent.front().is_some_and(|check| check.at <= at.before(WINDOW)) {
            site.recent.pop_front();
        }
        let judged = availability(site, masks.iter().copied().chain(network.blind(Realm::Global)), scene.interval);
        match (judged.filter(|_| WARM_UP <= end), site.down) {
            (Some(share), None) if share <= 0.8 => {
                site.down = Some(end);
                if !network.down(unit, start, cause, at) {
                    course.tell(unit, end, end);
                }
            }
            (Some(share), Some(_)) if 0.8 < share => {
                site.down = None;
                network.cleared(unit);
            }
            _ => {}
        }
    }
    course
}

/// Does what the monitor does at a restart, or when sites leave its file.
fn apply(
    change: &Change,
    scene: &Scene,
    (network, sites): (&mut Network, &mut [Site]),
    events: &mut Vec<NetworkEvent>,
) {
    let now = stamp(change.at);
    if !change.is_restart {
        (change.left..scene.units).for_each(|unit| network.forget(unit, now, events));
        return;
    }
    let before = std::mem::take(network);
    for (unit, site) in sites.iter_mut().enumerate() {
        // The engine judges the held downs again.
        site.down = site.down.filter(|_| !before.is_held(unit));
    }
    let [interval, timeout] = [scene.interval, scene.fails_after].map(Duration::from_secs_f64);
    (0..change.left).for_each(|unit| network.watch(unit, interval, timeout, None));
    if let Some(Blind { realm, from, .. }) = before.blind(Realm::Global) {
        network.resume((realm, from), 0..change.left, now, events);
    }
}

/// The share of good checks of a covered window, of those that no mask covers.
fn availability(site: &Site, masks: impl Iterator<Item = Blind>, interval: f64) -> Option<f64> {
    if f64::from(u32::try_from(site.recent.len()).unwrap()) < WINDOW.as_secs_f64() / interval - 1.0 {
        return None;
    }
    let masks: Vec<Blind> = masks.collect();
    let is_masked =
        |check: &Check| !check.is_good && masks.iter().any(|blind| blind.from <= check.start && check.start < blind.to);
    let (mut good, mut all) = (0, 0);
    for check in site.recent.iter().filter(|check| !is_masked(check)) {
        (good, all) = (good + i32::from(check.is_good), all + 1);
    }
    (all > 0).then(|| f64::from(good) / f64::from(all))
}

/// A scene in which all is well.
fn scene(units: usize, interval: f64, fails_after: f64) -> Scene {
    let (failing, from, until) = (0, 0.0, 0.0);
    let change = None;
    Scene { units, interval, fails_after, failing, from, until, loss: 0.0, lasts: 1_200.0, delivers: false, change }
}

#[test]
fn the_own_network_gone_is_seen_within_a_round_and_no_down_is_told() {
    for (units, interval, fails_after, seeds) in [
        (3, 10.0, 10.0, 20),
        (5, 10.0, 10.0, 20),
        (10, 10.0, 10.0, 20),
        (10, 10.0, 0.02, 20),
        (10, 10.0, 3.0, 20),
        (40, 10.0, 10.0, 10),
        (40, 10.0, 0.02, 10),
        (200, 10.0, 10.0, 2),
        (3, 60.0, 10.0, 20),
        (5, 60.0, 10.0, 20),
        (40, 60.0, 10.0, 10),
    ] {
        for seed in 0..seeds {
            let from = 600.0 + Random(seed).next() * 60.0;
            let gone = Scene { failing: units, from, until: from + 180.0, ..scene(units, interval, fails_after) };
            let course = play(&gone, seed);
            let told = format!("{units} units each {interval} s, {fails_after} s, seed {seed}: {:?}", course.outages);
            assert!(course.told.is_empty() && course.refuted == 0, "{told}");
            let [(seen, since, Some(ended))] = course.outages[..] else { panic!("{told}") };
            // Times of checks are whole microseconds.
            assert!(from <= since + 1e-6 && seen <= from + interval + fails_after, "{told}");
            assert!(gone.until <= ended && ended <= gone.until + interval + 0.25, "{told}");
        }
    }
}

#[test]
fn what_many_hosts_share_is_no_outage_unless_all_of_a_round_are_silent() {
    for (units, interval, failing) in
        [(10, 10.0, 5), (10, 10.0, 9), (40, 10.0, 20), (40, 10.0, 38), (40, 60.0, 36), (3, 10.0, 2), (5, 60.0, 4)]
    {
        for fails_after in [0.02, 10.0] {
            for seed in 0..5 {
                let shared = Scene { failing, from: 600.0, until: 1_200.0, ..scene(units, interval, fails_after) };
                let course = play(&shared, seed);
                let told = format!("{failing} of {units} each {interval} s after {fails_after} s, seed {seed}");
                assert!(course.outages.is_empty(), "{told}: {:?}", course.outages);
                assert_eq!(course.told.len(), failing, "{told}: {:?}", course.told);
                let longest = course.told.iter().map(|(_, held)| *held).fold(0.0, f64::max);
                assert!(longest <= interval + 0.25, "{told}: held {longest} s");
            }
        }
    }
}

#[test]
fn random_loss_is_no_outage() {
    for (units, loss) in [(5, 0.05), (10, 0.05), (10, 0.2), (40, 0.2), (40, 0.5)] {
        for seed in 0..3 {
            let course = play(&Scene { loss, lasts: 3_900.0, ..scene(units, 10.0, 10.0) }, seed);
            assert!(course.outages.is_empty(), "{units} units lose {loss}, seed {seed}: {:?}", course.outages);
        }
    }
}

#[test]
fn a_message_that_gets_out_refutes_and_every_down_is_told() {
    for (units, interval, fails_after) in [(3, 10.0, 0.02), (10, 10.0, 10.0), (40, 10.0, 0.02), (5, 60.0, 10.0)] {
        for seed in 0..5 {
            let all = Scene { failing: units, from: 600.0, until: 1_200.0, ..scene(units, interval, fails_after) };
            let course = play(&Scene { delivers: true, ..all }, seed);
            let told =
                format!("{units} units each {interval} s after {fails_after} s, seed {seed}: {:?}", course.outages);
            assert_eq!((course.outages.len(), course.refuted, course.told.len()), (1, 1, units), "{told}");
            // The outage is seen in a round; the message leaves 30 s later; another round decides; the rule needs 30 s.
            let last = course.told.iter().map(|(at, _)| *at).fold(0.0, f64::max);
            assert!(last <= 600.0 + 2.0 * (interval + fails_after) + 30.0 + WINDOW.as_secs_f64(), "{told}: {last}");
        }
    }
}

/// No site that fails stays hidden for long once the network is proven: by a message that gets out, or by too few hosts to
/// say that it is the network.
#[test]
fn neither_a_restart_nor_fewer_sites_hide_what_fails() {
    for (units, interval, fails_after) in [(3, 10.0, 0.02), (10, 10.0, 10.0), (5, 60.0, 10.0)] {
        for (left, is_restart) in
            [(units, true), (units, false), (3, true), (3, false), (2, true), (2, false), (1, true)]
        {
            for seed in 0..20 {
                let at = 600.0 + Random(seed).next() * 240.0;
                let change = Some(Change { at, left, is_restart });
                let all = Scene { failing: units, from: 600.0, until: 1_200.0, ..scene(units, interval, fails_after) };
                let course = play(&Scene { delivers: left > 2, change, ..all }, seed);
                let told = format!("{units} units each {interval} s after {fails_after} s, seed {seed}, {change:?}");
                let missed: Vec<usize> = (0..left).filter(|unit| !course.told_of.contains(unit)).collect();
                assert!(missed.is_empty(), "{told}: {missed:?} of {:?}", course.outages);
                // See above; what was judged before the change may be judged again.
                let last = course.told.iter().map(|(at, _)| *at).fold(0.0, f64::max);
                let round = interval + fails_after;
                assert!(last <= at.max(600.0 + round + 30.0) + 2.0 * round + WINDOW.as_secs_f64(), "{told}: {last}");
            }
        }
    }
}

#[test]
fn a_restart_while_the_own_network_is_gone_tells_no_down() {
    for (units, interval, fails_after) in [(3, 10.0, 10.0), (10, 10.0, 0.02), (40, 10.0, 3.0), (5, 60.0, 10.0)] {
        for seed in 0..10 {
            let at = 690.0 + Random(seed).next() * 100.0;
            let change = Some(Change { at, left: units, is_restart: true });
            let gone = Scene { failing: units, from: 600.0, until: 850.0, ..scene(units, interval, fails_after) };
            let course = play(&Scene { change, ..gone }, seed);
            let told = format!("{units} units each {interval} s, {fails_after} s, seed {seed}: {:?}", course.outages);
            assert!(course.told.is_empty() && course.refuted == 0, "{told}");
            let [(_, _, Some(ended))] = course.outages[..] else { panic!("{told}") };
            assert!(gone.until <= ended && ended <= gone.until + interval + 0.25, "{told}");
        }
    }
}
