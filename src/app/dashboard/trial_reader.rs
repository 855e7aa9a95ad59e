//! Tries rules on stored checks for the dashboard, with the code of `webmon backtest`. The file is opened for each trial,
//! beside its writer.
//!
//! Bounds: [`PERIOD`] back and at most [`CHECKS_MAX`] intervals.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Policies;
use crate::alert::incident::terms::LedgerTerms;
use crate::alert::trial::{Trial, TrialAnswer, TrialCount, TrialIncident, TrialRequest};
use crate::backtest::{Incident, Judged, SiteRun, Verdict, has_overlap, incidents, told};
use crate::model::Timestamp;
use crate::store::{Archive, Query, StoreError};

use super::reader_thread::{ReaderThread, Waiting};

/// How far back rules are tried.
pub const PERIOD: Duration = Duration::from_hours(30 * 24);
/// Checks that are judged at most, about a second of work.
const CHECKS_MAX: u32 = 500_000;
/// Samples between two looks for a newer request.
const LOOK_EVERY: u64 = 4_096;
/// Outages are not looked for.
const NO_OUTAGE: Duration = Duration::MAX;

/// A reader that tries rules.
pub type TrialReader = ReaderThread<TrialRequest, Option<Arc<TrialAnswer>>>;

/// Starts a reader of the store at `path`.
///
/// # Errors
/// The system refuses a thread.
pub fn open(path: PathBuf) -> io::Result<TrialReader> {
    ReaderThread::open("webmon-trial", None, move |request, waiting| {
        answer(&path, request, waiting).map_continue(|answer| Some(Arc::new(answer)))
    })
}

/// The answer to `request`, or a newer request.
fn answer(
    path: &Path,
    request: TrialRequest,
    waiting: &Waiting<TrialRequest>,
) -> ControlFlow<TrialRequest, TrialAnswer> {
    let trial = match attempt(path, &request, waiting) {
        Ok(Attempt::Newer(newer)) => return ControlFlow::Break(*newer),
        Ok(Attempt::Trial(trial)) => Ok(trial),
        Ok(Attempt::Empty) => Err("no checks of this site are stored yet".into()),
        Err(error) => Err(error.reason().into()),
    };
    ControlFlow::Continue(TrialAnswer { request, trial })
}

/// How a trial went.
enum Attempt {
    Trial(Trial),
    /// There are no checks.
    Empty,
    Newer(Box<TrialRequest>),
}

fn attempt(path: &Path, request: &TrialRequest, waiting: &Waiting<TrialRequest>) -> Result<Attempt, StoreError> {
    let archive = Archive::open(path)?;
    let Some(site) = archive.named(&request.site)? else { return Ok(Attempt::Empty) };
    let rules = [request.current, request.tried].map(|availability| Policies { availability, ..Policies::default() });
    let since = request.until.before(PERIOD.min(request.interval.saturating_mul(CHECKS_MAX)));
    // What lies before the period fills the windows.
    let reach = rules.iter().map(|rules| rules.reach(request.interval)).max().unwrap_or_default();
    let before = reach.saturating_add(request.interval.saturating_mul(2));
    let mut run = SiteRun::new(&rules, request.interval, NO_OUTAGE, since);
    let query = Query { sites: Some(vec![site]), since: since.before(before), until: request.until };
    let (mask, mut count) = (archive.outages()?.of(site), 0);
    let passed = archive.samples(&query, |stored| {
        run.take(&mask.seen(&stored.sample));
        count += 1;
        let newer = if count % LOOK_EVERY == 0 { waiting.newest() } else { None };
        newer.map_or(Ok(()), |newer| Err(Box::new(newer)))
    })?;
    if let Err(newer) = passed {
        return Ok(Attempt::Newer(newer));
    }
    let course = run.finish(request.until);
    let Some(first) = course.first else { return Ok(Attempt::Empty) };
    let opened = |verdicts: &[Verdict]| -> Vec<Incident> {
        let mut found = incidents(verdicts);
        found.retain(|incident| since <= incident.opened);
        found
    };
    let found = [&course.verdicts[0], &course.verdicts[1]].map(|verdicts| opened(verdicts));
    let counted = |number: usize| TrialCount {
        incidents: found[number].len(),
        messages: messages(request, (rules[number], &course.verdicts[number]), since),
    };
    let (current, tried) = (counted(0), counted(1));
    Ok(Attempt::Trial(Trial { since: first, checks: course.checks, current, tried, incidents: compared(&found) }))
}

/// The messages about the site by one rule.
fn messages(request: &TrialRequest, (policies, verdicts): (Policies, &[Verdict]), since: Timestamp) -> usize {
    let judged = Judged { site: Arc::clone(&request.site), policies, verdicts: verdicts.to_vec() };
    let terms = LedgerTerms { calm: request.calm, ..LedgerTerms::default() };
    told(&[judged], terms, Duration::ZERO, (since, request.until)).of_sites.values().sum()
}

/// The incidents of the current rule, and those that only the tried one has, by their start.
fn compared([current, tried]: &[Vec<Incident>; 2]) -> Vec<TrialIncident> {
    let of = |incident: &Incident, is_current, is_tried| TrialIncident {
        opened: incident.opened,
        closed: incident.closed,
        is_current,
        is_tried,
        cause: incident.cause,
    };
    let mut all: Vec<TrialIncident> =
        current.iter().map(|incident| of(incident, true, has_overlap(incident, tried))).collect();
    let alone = tried.iter().filter(|incident| !has_overlap(incident, current));
    all.extend(alone.map(|incident| of(incident, false, true)));
    all.sort_by_key(|incident| incident.opened);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Calm, Rule, Threshold};
    use crate::config;
    use crate::model::{Cause, Micros, Observation};
    use crate::ring::Producer;
    use crate::store::{Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(1_795_255_200);
    const INTERVAL: Duration = Duration::from_secs(10);

    /// Three hours; one check in twenty fails, and from 1 h on five minutes of them.
    fn stored(folder: &Path) -> (PathBuf, Writer) {
        let path = folder.join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let id = store.register(&["api".into()], START).unwrap()[0].id;
        let mut producer = Producer::new(2_000, 0);
        let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
        for tick in 0..1_080 {
            let is_failed = (360..390).contains(&tick) || (tick % 20 == 0);
            let cause = if is_failed { Cause::Reset } else { Cause::Ok };
            let at = START.after(INTERVAL * u32::try_from(tick).unwrap());
            producer.push(Observation::failed(cause, "").sample(at, Micros::ZERO, 0));
        }
        writer.flush(START.after(INTERVAL * 1_080));
        (path, writer)
    }

    fn request(threshold: u32, site: &str) -> TrialRequest {
        let tried = Rule { threshold: Threshold::from_ppm(threshold).unwrap(), ..Rule::default() };
        let until = START.after(INTERVAL * 1_080);
        let site = site.into();
        TrialRequest { site, interval: INTERVAL, current: Rule::default(), tried, calm: None, until }
    }

    fn tried(path: &Path, request: TrialRequest) -> Result<Trial, Arc<str>> {
        match answer(path, request, &Waiting::none()) {
            ControlFlow::Continue(answer) => answer.trial,
            ControlFlow::Break(newer) => panic!("nobody asked for {newer:?}"),
        }
    }

    #[test]
    fn the_alerts_are_those_of_a_backtest_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let same = tried(&path, request(800_000, "api")).unwrap();
        assert_eq!((same.since, same.checks, same.current), (START, 1_080, same.tried));
        assert_eq!((same.current.incidents, same.current.messages), (1, 2));
        assert!(same.incidents.iter().all(|incident| incident.is_current && incident.is_tried));
        assert_eq!(same.incidents[0].cause, Some(Cause::Reset));

        // One of twelve failed is 91.7 %.
        let strict = tried(&path, request(920_000, "api")).unwrap();
        assert_eq!(strict.current, same.current);
        assert!(strict.tried.incidents > 20, "{:?}", strict.tried);
        let kinds = |is_current, is_tried| {
            let is_kind =
                |incident: &&TrialIncident| (incident.is_current, incident.is_tried) == (is_current, is_tried);
            strict.incidents.iter().filter(is_kind).count()
        };
        assert_eq!((kinds(true, true), kinds(true, false)), (1, 0));
        assert_eq!(strict.incidents.len(), 1 + kinds(false, true));
        assert!(strict.incidents.is_sorted_by_key(|incident| incident.opened));
        // With calm, a site that flutters is told of a few times.
        let calm = TrialRequest { calm: Some(Calm::default()), ..request(920_000, "api") };
        assert!(tried(&path, calm).unwrap().tried.messages < strict.tried.messages / 4);
    }

    #[test]
    fn without_checks_or_a_store_it_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        assert_eq!(
            tried(&path, request(900_000, "blog")).unwrap_err().as_ref(),
            "no checks of this site are stored yet"
        );
        let early = TrialRequest { until: START, ..request(900_000, "api") };
        assert!(tried(&path, early).is_err());
        assert!(tried(&folder.path().join("none.redb"), request(900_000, "api")).is_err());
        let reader = open(path).unwrap();
        reader.request(request(900_000, "api"));
        let found = loop {
            if let Some(found) = reader.read() {
                break found;
            }
            std::thread::yield_now();
        };
        assert_eq!(found.request, request(900_000, "api"));
    }

    #[test]
    fn the_line_to_paste_gives_the_tried_rule() {
        let recover = Threshold::from_ppm(999_500).ok_or(()).unwrap();
        for (current, tried) in [(None, None), (None, Some(recover)), (Some(recover), None)] {
            let mut asked = request(950_000, "api");
            asked.current.recover = current;
            asked.tried = Rule { window: Duration::from_mins(5), recover: tried, ..asked.tried };
            let file = format!("sites: [{{ name: api, url: 'http://localhost/', {} }}]", asked.yaml());
            let parsed = config::parse(&file, "sites.yaml", Path::new("."), &|_| None).unwrap();
            assert_eq!(parsed.sites[0].policies.availability, asked.tried, "{file}");
        }
    }
}
