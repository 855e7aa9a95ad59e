//! Why a site is not up, in a few plain sentences: for screen readers, chats and scripts.
//!
//! Invariants: every number is from the store; what is not known is not said. Sentences end with a full stop, and hold one line each.

use jiff::tz::TimeZone;

use crate::alert::incident::past::PastIncident;
use crate::engine::SiteState;
use crate::model::text::clean_line;
use crate::model::time::duration;
use crate::model::{Timestamp, figures};
use crate::stats::Summary;

use crate::report::{time, wording};

use super::{Check, Postmortem, rule};

/// Longest name, bytes.
const NAME_MAX: usize = 200;

fn name(site: &str) -> String {
    clean_line(site, NAME_MAX)
}

/// `All 12 sites are up.`, `2 of 12 sites are not up: api, cart.`
#[must_use]
pub fn lead(all: usize, not_up: &[&str]) -> String {
    let sites = wording::plural(all as u64, "site");
    match not_up {
        [] if all == 0 => "No site is watched.".to_owned(),
        [] if all == 1 => "The site is up.".to_owned(),
        [] => format!("All {sites} are up."),
        [one] if all == 1 => format!("{} is not up.", name(one)),
        [one] => format!("1 of {sites} is not up: {}.", name(one)),
        several => {
            let names: Vec<String> = several.iter().map(|site| name(site)).collect();
            format!("{} of {sites} are not up: {}.", several.len(), names.join(", "))
        }
    }
}

/// Of a site with an open incident of its availability.
#[must_use]
pub fn down(report: &Postmortem, zone: &TimeZone) -> Vec<String> {
    let site = name(&report.opening.site);
    let since = report.first.as_ref().map_or(report.opening.at, |first| first.at);
    let (at, lasted) = (time::second(since, zone), duration::format_seconds(whole(report.as_of.since(since))));
    let mut sentences = vec![match &report.stretches[1] {
        Some(stretch) => {
            let checks: u64 = stretch.answers.iter().map(|(_, count)| count).sum();
            let answers = wording::answers_worst_first(&stretch.answers);
            let checks = wording::plural(checks, "check");
            format!("{site} is down since {at}, for {lasted}: {checks} were answered {answers}.")
        }
        None => format!("{site} is down since {at}, for {lasted}."),
    }];
    let detail = report.last.as_ref().and_then(|last| last.detail.as_ref());
    sentences.extend(detail.map(|detail| format!("The last failure was: {}.", clean_line(detail, NAME_MAX))));
    sentences.extend(report.change(zone).map(|change| format!("What changed: {change}.")));
    sentences.extend(witnesses(report));
    sentences.extend(company(report));
    let before = report.around[0].iter().rev().find(|check| !check.is_down && check.at <= since);
    sentences.push(match before {
        Some(check) => format!("Before that it was successful at {}.", success(check, zone)),
        None => "No successful check shortly before that is stored.".to_owned(),
    });
    sentences
}

/// `2026-11-28 03:14:50, with 200 in 41 ms`.
fn success(check: &Check, zone: &TimeZone) -> String {
    let took = figures::time(f64::from(check.took.get()));
    format!("{}, with {} in {took}", time::second(check.at, zone), wording::answer(check.answer))
}

/// `2 of 3 locations saw it fail: fra1 and nyc1.`
fn witnesses(report: &Postmortem) -> Option<String> {
    let failed: Vec<&str> = report
        .witnesses
        .iter()
        .filter(|witness| witness.first.is_some())
        .map(|witness| witness.location.name())
        .collect();
    let all = wording::plural(report.witnesses.len() as u64, "location");
    (!failed.is_empty()).then(|| format!("{} of {all} saw it fail: {}.", failed.len(), failed.join(", ")))
}

fn company(report: &Postmortem) -> Option<String> {
    let (company, watched) = &report.company;
    report.first.as_ref().filter(|_| *watched > 0)?;
    let others = wording::plural(*watched as u64, "other site");
    let common = report.in_common();
    Some(match company.len() {
        0 => format!("None of {others} failed within a minute of its first failed check."),
        count if common.is_empty() => format!("{count} of {others} failed within a minute of its first failed check."),
        count => {
            format!("{count} of {others} failed within a minute of its first failed check, {}.", common.join(", "))
        }
    })
}

/// Of a site in `state` without an open incident, from its checks in the `past` until now; `newest` is its newest incident.
#[must_use]
pub fn others(
    (site, state): (&str, SiteState),
    past: &Summary,
    newest: Option<&PastIncident>,
    now: Timestamp,
) -> Vec<String> {
    let (site, counts) = (name(site), past.counts);
    let span = duration::format(past.timeframe.length());
    let checks = wording::plural(counts.checks(), "check");
    let median = past.response.map(|response| figures::time(f64::from(response.p50)));
    let median = median.map_or_else(String::new, |median| format!(", with a median of {median}"));
    let mut sentences = vec![match (counts.checks(), counts.down) {
        (0, _) => {
            format!("Nothing can be said of {site}: no check of the past {span} is stored that tells whether it is up.")
        }
        (_, 0) => {
            let now = match state {
                SiteState::Paused => "is paused; before that,",
                SiteState::Unknown | SiteState::New => "is unknown, for no newer check tells whether it is up;",
                _ => "is up:",
            };
            format!("{site} {now} {checks} of the past {span} were successful{median}.")
        }
        (_, down) => {
            let when = if down == counts.checks() { "in every check" } else { "now and then" };
            let answers = wording::answers_worst_first(&past.failures());
            format!(
                "{site} fails {when}: {down} of {checks} of the past {span} failed ({answers}), and no alert is open."
            )
        }
    }];
    let told = newest.map(|incident| match &incident.closing {
        Some(closing) => {
            let (lasted, ago) = (closing.at.since(incident.opening.at), now.since(closing.at));
            let [lasted, ago] = [lasted, ago].map(|length| duration::format_seconds(whole(length)));
            format!("Its newest incident lasted {lasted} and ended {ago} ago.")
        }
        None => format!(
            "An incident of its {} is open, for {}.",
            rule(incident.opening.rule),
            duration::format_seconds(whole(now.since(incident.opening.at)))
        ),
    });
    sentences.push(told.unwrap_or_else(|| "No incident of it is stored.".to_owned()));
    sentences
}

/// In whole seconds, which is what people read.
const fn whole(length: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_secs(length.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::report;
    use super::*;
    use crate::model::{Cause, Micros, Observation};
    use crate::stats::PeriodFigures;

    #[test]
    fn the_lead_names_what_is_not_up() {
        assert_eq!(lead(0, &[]), "No site is watched.");
        assert_eq!(lead(1, &[]), "The site is up.");
        assert_eq!(lead(1, &["api"]), "api is not up.");
        assert_eq!(lead(12, &[]), "All 12 sites are up.");
        assert_eq!(lead(12, &["api\u{1b}[31m"]), "1 of 12 sites is not up: api\u{fffd}[31m.");
        assert_eq!(lead(12, &["api", "cart"]), "2 of 12 sites are not up: api, cart.");
    }

    #[test]
    fn a_site_that_is_down_has_its_causes_its_company_and_its_last_success() {
        let mut report = report("api", "bad gateway");
        (report.closing, report.as_of) = (None, report.opening.at.after(Duration::from_mins(5)));
        assert_eq!(
            down(&report, &TimeZone::UTC),
            [
                "api is down since 2026-11-21 09:59:40, for 5m20s: 121 checks were answered 503×118 200×3.",
                "3 of 9 other sites failed within a minute of its first failed check, 1 of the group shop, \
                 2 with the same answer, 1 with the same certificate, \
                 2 at the same address, 10.0.0.8.",
                "Before that it was successful at 2026-11-21 09:59:30, with 200 in 41.0 ms.",
            ]
        );
        (report.company, report.around) = ((Vec::new(), 0), [Vec::new(), Vec::new()]);
        assert_eq!(down(&report, &TimeZone::UTC).last().unwrap(), "No successful check shortly before that is stored.");
        assert_eq!(down(&report, &TimeZone::UTC).len(), 2, "nothing is said of nobody");
    }

    #[test]
    fn others_are_up_or_fail_or_are_unknown() {
        let now = Timestamp::from_secs(1_795_255_800);
        let in_state = |state, causes: &[Cause]| {
            let mut figures = PeriodFigures::default();
            for (number, cause) in (0u64..).zip(causes) {
                let at = now.before(Duration::from_mins(5)).after(Duration::from_secs(number));
                figures.admit(&Observation::failed(*cause, "").sample(at, Micros::ZERO, 0), None);
            }
            let past = figures.summary((now.before(Duration::from_mins(10)), now), None, None);
            others(("api", state), &past, None, now).join(" ")
        };
        let told = |causes: &[Cause]| in_state(SiteState::Up, causes);
        let none = "No incident of it is stored.";
        assert_eq!(
            told(&[]),
            format!(
                "Nothing can be said of api: no check of the past 10m is stored that tells whether it is up. {none}"
            )
        );
        assert!(
            told(&[Cause::Ok; 3]).starts_with("api is up: 3 checks of the past 10m were successful, with a median of ")
        );
        let failing = told(&[Cause::Ok, Cause::Reset, Cause::Ok]);
        assert!(
            failing.starts_with("api fails now and then: 1 of 3 checks of the past 10m failed (reset×1)"),
            "{failing}"
        );
        let all = in_state(SiteState::Failing, &[Cause::Reset; 3]);
        assert!(all.starts_with("api fails in every check: 3 of 3 checks of the past 10m failed (reset×3)"), "{all}");
        let silent = in_state(SiteState::Unknown, &[Cause::Ok; 3]);
        assert!(
            silent.starts_with(
                "api is unknown, for no newer check tells whether it is up; 3 checks of the past 10m were"
            ),
            "{silent}"
        );
        let paused = in_state(SiteState::Paused, &[Cause::Ok; 3]);
        assert!(paused.starts_with("api is paused; before that, 3 checks of the past 10m were successful"), "{paused}");
        let report = report("api", "");
        let incident = PastIncident { opening: report.opening, closing: report.closing };
        let past = PeriodFigures::default().summary((now.before(Duration::from_mins(10)), now), None, None);
        let at = incident.closing.as_ref().unwrap().at.after(Duration::from_secs(90));
        let told = others(("api", SiteState::Up), &past, Some(&incident), at);
        assert_eq!(told[1], "Its newest incident lasted 22m and ended 1m30s ago.");
    }
}
