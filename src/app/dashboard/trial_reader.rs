//! Tries rules on stored checks for the dashboard, with the code of `webmon backtest`. The file is opened for each trial,
//! beside its writer.
//!
//! Bounds: [`PERIOD`] back and at most [`CHECKS_MAX`] intervals.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::terms::LedgerTerms;
use crate::alert::trial::{Trial, TrialAnswer, TrialCount, TrialIncident, TrialRequest};
use crate::alert::{Policies, Rule};
use crate::backtest::{Incident, Judged, SiteCourse, SiteRun, Verdict, has_overlap, incidents, told};
use crate::model::{SiteId, Timestamp};
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

/// How the monitor reports a site now.
#[derive(Clone, Debug, Default)]
pub struct TrialTerms {
    /// The calm, the maintenance, and the terms of the site and its parent.
    pub ledger: LedgerTerms,
    /// The site that mutes it while that is down.
    pub parent: Option<TrialParent>,
}

/// A site that mutes others.
#[derive(Clone, Debug)]
pub struct TrialParent {
    /// Its name.
    pub site: Arc<str>,
    /// Time between its checks.
    pub interval: Duration,
    /// Its rule.
    pub rule: Rule,
}

/// What is asked for.
type Asked = (TrialRequest, TrialTerms);

/// A reader that tries rules.
pub type TrialReader = ReaderThread<Asked, Option<Arc<TrialAnswer>>>;

/// Starts a reader of the store at `path`.
///
/// # Errors
/// The system refuses a thread.
pub fn open(path: PathBuf) -> io::Result<TrialReader> {
    ReaderThread::open("webmon-trial", None, move |asked, waiting| {
        answer(&path, asked, waiting).map_continue(|answer| Some(Arc::new(answer)))
    })
}

/// The answer to `request`, or a newer request.
fn answer(path: &Path, (request, terms): Asked, waiting: &Waiting<Asked>) -> ControlFlow<Asked, TrialAnswer> {
    let trial = match attempt(path, (&request, terms), waiting) {
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
    Newer(Box<Asked>),
}

fn attempt(
    path: &Path,
    (request, terms): (&TrialRequest, TrialTerms),
    waiting: &Waiting<Asked>,
) -> Result<Attempt, StoreError> {
    let archive = Archive::open(path)?;
    let Some(site) = archive.named(&request.site)? else { return Ok(Attempt::Empty) };
    let since = request.until.before(PERIOD.min(request.interval.saturating_mul(CHECKS_MAX)));
    let (period, rules) = ((since, request.until), [request.current, request.tried].map(alone));
    let course = match replayed(&archive, (site, request.interval), &rules, period, waiting)? {
        Ok(course) => course,
        Err(newer) => return Ok(Attempt::Newer(newer)),
    };
    let Some(first) = course.first else { return Ok(Attempt::Empty) };
    // A parent that is checked far more often is judged for a part of the period only.
    let parent = match terms.parent.as_ref().map(|parent| Ok((parent, archive.named(&parent.site)?))).transpose()? {
        Some((parent, Some(id))) => {
            let since = since.max(request.until.before(parent.interval.saturating_mul(CHECKS_MAX)));
            let rules = [alone(parent.rule)];
            match replayed(&archive, (id, parent.interval), &rules, (since, request.until), waiting)? {
                Ok(mut course) => {
                    let verdicts = course.verdicts.remove(0);
                    Some(Judged { site: Arc::clone(&parent.site), policies: rules[0], verdicts })
                }
                Err(newer) => return Ok(Attempt::Newer(newer)),
            }
        }
        _ => None,
    };
    let silences = archive.kept()?.silences;
    let opened = |verdicts: &[Verdict]| -> Vec<Incident> {
        let mut found = incidents(verdicts);
        found.retain(|incident| since <= incident.opened);
        found
    };
    let found = [&course.verdicts[0], &course.verdicts[1]].map(|verdicts| opened(verdicts));
    let counted = |number: usize| {
        let verdicts = course.verdicts[number].clone();
        let judged = Judged { site: Arc::clone(&request.site), policies: rules[number], verdicts };
        let judged: Vec<Judged> = parent.iter().cloned().chain([judged]).collect();
        let told = told(&judged, (terms.ledger.clone(), &silences), Duration::ZERO, period);
        let messages = told.of_sites.get(&request.site).copied().unwrap_or(0);
        TrialCount { incidents: found[number].len(), messages }
    };
    let (current, tried) = (counted(0), counted(1));
    Ok(Attempt::Trial(Trial { since: first, checks: course.checks, current, tried, incidents: compared(&found) }))
}

/// The rule without others.
fn alone(availability: Rule) -> Policies {
    Policies { availability, ..Policies::default() }
}

/// A site that is checked every `interval` under each of `rules`, or a newer request.
fn replayed(
    archive: &Archive,
    (site, interval): (SiteId, Duration),
    rules: &[Policies],
    (since, until): (Timestamp, Timestamp),
    waiting: &Waiting<Asked>,
) -> Result<Result<SiteCourse, Box<Asked>>, StoreError> {
    // What lies before the period fills the windows.
    let reach = rules.iter().map(|rules| rules.reach(interval)).max().unwrap_or_default();
    let before = reach.saturating_add(interval.saturating_mul(2));
    let mut run = SiteRun::new(rules, interval, NO_OUTAGE, since);
    let query = Query { sites: Some(vec![site]), since: since.before(before), until };
    let (mask, mut count) = (archive.outages()?.of(site), 0);
    let passed = archive.samples(&query, |stored| {
        run.take(&mask.seen(&stored.sample));
        count += 1;
        let newer = if count % LOOK_EVERY == 0 { waiting.newest() } else { None };
        newer.map_or(Ok(()), |newer| Err(Box::new(newer)))
    })?;
    Ok(passed.map(|_| run.finish(until)))
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
    use crate::alert::incident::terms::SiteTerms;
    use crate::alert::kept::change::{ChangeKey, Record};
    use crate::alert::kept::incident::Silence;
    use crate::alert::maintenance::{Maintenance, Schedule, moment};
    use crate::alert::{Calm, SiteSelector, Threshold};
    use crate::config;
    use crate::model::{Cause, Micros, Observation};
    use crate::ring::Producer;
    use crate::store::{Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(1_795_255_200);
    const INTERVAL: Duration = Duration::from_secs(10);

    /// Two sites alike, three hours; one check in twenty fails, and from 1 h on five minutes of them.
    fn stored(folder: &Path) -> (PathBuf, Writer) {
        let path = folder.join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let sites = store.register(&["api".into(), "gateway".into()], START).unwrap();
        let mut producers = [Producer::new(2_000, 0), Producer::new(2_000, 0)];
        let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        for tick in 0..1_080 {
            let is_failed = (360..390).contains(&tick) || (tick % 20 == 0);
            let cause = if is_failed { Cause::Reset } else { Cause::Ok };
            let at = START.after(INTERVAL * u32::try_from(tick).unwrap());
            for producer in &mut producers {
                producer.push(Observation::failed(cause, "").sample(at, Micros::ZERO, 0));
            }
        }
        writer.flush(START.after(INTERVAL * 1_080));
        (path, writer)
    }

    fn request(threshold: u32, site: &str) -> TrialRequest {
        let tried = Rule { threshold: Threshold::from_ppm(threshold).unwrap(), ..Rule::default() };
        let until = START.after(INTERVAL * 1_080);
        let site = site.into();
        TrialRequest { site, interval: INTERVAL, current: Rule::default(), tried, until }
    }

    fn tried(path: &Path, request: TrialRequest) -> Result<Trial, Arc<str>> {
        tried_on(path, request, TrialTerms::default())
    }

    fn tried_on(path: &Path, request: TrialRequest, terms: TrialTerms) -> Result<Trial, Arc<str>> {
        match answer(path, (request, terms), &Waiting::none()) {
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
        let ledger = LedgerTerms { calm: Some(Calm::default()), ..LedgerTerms::default() };
        let calm = tried_on(&path, request(920_000, "api"), TrialTerms { ledger, parent: None }).unwrap();
        assert!(calm.tried.messages < strict.tried.messages / 4);
    }

    /// What the monitor would not have reported is no message, though it is an incident.
    #[test]
    fn silences_maintenance_and_a_parent_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut writer) = stored(folder.path());
        let of_api = |terms: SiteTerms| LedgerTerms { sites: [("api".into(), terms)].into(), ..LedgerTerms::default() };
        let counts = |ledger: LedgerTerms, parent: Option<TrialParent>| {
            let trial = tried_on(&path, request(800_000, "api"), TrialTerms { ledger, parent }).unwrap();
            (trial.current.incidents, trial.current.messages)
        };
        assert_eq!(counts(of_api(SiteTerms::default()), None), (1, 2));
        // The parent is down at the same time.
        let child = SiteTerms { parent: Some("gateway".into()), ..SiteTerms::default() };
        let gateway = TrialParent { site: "gateway".into(), interval: INTERVAL, rule: Rule::default() };
        assert_eq!(counts(of_api(child), Some(gateway)), (1, 0));
        let schedule =
            Schedule::once(moment("2026-11-21T10:00").unwrap(), moment("2026-11-21T13:00").unwrap()).unwrap();
        let window = Maintenance { schedule, zone: jiff::tz::TimeZone::UTC, sites: SiteSelector::All, reason: None };
        let maintenance = vec![window];
        assert_eq!(counts(LedgerTerms { maintenance, ..LedgerTerms::default() }, None), (1, 0));
        let silence = Silence {
            number: 1,
            sites: SiteSelector::of(["api"]),
            from: START,
            until: START.after(INTERVAL * 1_000),
            by: "ada".into(),
            text: String::new(),
            is_maintenance: false,
        };
        let change = (ChangeKey::Silence(1), Some(Record::Silence(silence)));
        writer.entrance().lock().unwrap().note_change(change, |_| SiteId(0));
        writer.flush(START.after(INTERVAL * 1_081));
        assert_eq!(counts(LedgerTerms::default(), None), (1, 0));
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
        reader.request((request(900_000, "api"), TrialTerms::default()));
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
