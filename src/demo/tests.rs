//! The simulated websites as the real prober sees them.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;
use crate::app::clock::{stopwatch, wall};
use crate::model::{Cause, Observation, Site, Status};
use crate::probe::{HttpProber, Prober as _, ProberOptions};

/// The observation of every site of a demo, `elapsed` after its start, with `timeout` per check.
fn checked(elapsed: Duration, timeout: Duration) -> BTreeMap<String, Observation> {
    let demo = Demo::open(wall()).unwrap();
    let config = demo.config().unwrap();
    let clock: fn() -> Instant = stopwatch;
    let options = ProberOptions { extra_roots: vec![demo.root()], ..ProberOptions::default() };
    let _serving = demo.serve(move || elapsed).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let prober = HttpProber::with(&options, clock).unwrap();
    let mut seen = BTreeMap::new();
    for watched in config.sites {
        let site = Site { timeout, ..Site::clone(&watched.site) };
        let observation = runtime.block_on(prober.probe(&site));
        seen.insert(site.name.to_string(), observation);
    }
    seen
}

#[test]
fn each_website_shows_its_fault() {
    let seen = checked(Duration::ZERO, Duration::from_secs(10));
    let cause = |name: &str| seen[name].cause;
    for name in ["steady", "jittery", "detour", "moody", "flappy"] {
        assert_eq!((cause(name), seen[name].status), (Cause::Ok, Status::new(200)), "{:?}", seen[name]);
    }
    assert_eq!(cause("expired"), Cause::TlsExpired);
    assert_eq!(cause("closed"), Cause::ConnectRefused);
    assert_eq!(seen["detour"].hops.len(), 2, "{:?}", seen["detour"].hops);
    let ends = seen["steady"].certificate.as_ref().unwrap().not_after;
    let days = ends.since(wall()).as_secs() / DAY.as_secs();
    assert_eq!(days, 6);
}

#[test]
fn flappy_is_silent_in_its_scene() {
    let seen = checked(Duration::from_secs(15), Duration::from_secs(3));
    assert_eq!(seen["flappy"].cause, Cause::ResponseTimeout);
    assert_eq!(seen["steady"].cause, Cause::Ok);
}

#[test]
fn the_settings_show_changes_soon() {
    let config = Demo::open(wall()).unwrap().config().unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert!(!config.dashboard.bell);
    for watched in &config.sites {
        assert_eq!((watched.site.interval.as_secs(), watched.rule().window.as_secs()), (1, 10));
    }
    let views: Vec<(u64, u64)> =
        config.views.iter().map(|view| (view.timeframe.length().as_secs(), view.refresh.as_secs())).collect();
    assert_eq!(views, [(60, 2), (600, 10)]);
}

#[test]
fn the_addresses_are_free_after_the_demo() {
    let demo = Demo::open(wall()).unwrap();
    let address = demo.address(DemoSite::Moody).unwrap().1;
    drop(demo.serve(|| Duration::ZERO).unwrap());
    assert!(StdStream::connect_timeout(&address, LOOPBACK_WAIT).is_err());
}
