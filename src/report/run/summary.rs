//! The summary of a run, which stays on the terminal after the dashboard.
//!
//! ```text
//! webmon watched 5 sites for 12m08s: 437 checks, 1 alert (open)
//!   ▼ api            84.25%   p50 40.6 ms  p95 52.9 ms   503×21 timeout×2 200×123
//!   4 others 100% · kept in webmon.redb: webmon stats --since 24h
//! ```
//!
//! Bounds: sites below 100 % have a line each, the worst first, at most [`SITES_LISTED`]; the others are counted.

use std::cmp::Ordering;
use std::io;
use std::time::Duration;

use crate::engine::snapshot::SiteState;
use crate::model::time::duration;
use crate::model::{Timeframe, figures};
use crate::stats::{Latency, Summary};

use crate::report::wording;
use crate::report::wording::NONE;

/// The most sites with a line of their own.
pub const SITES_LISTED: usize = 20;

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct RunSummary<'a> {
    /// Its duration.
    pub watched: Duration,
    /// Its checks, up or down.
    pub checks: u64,
    /// Its incidents.
    pub alerts: u64,
    /// Its open incidents.
    pub open: u64,
    /// Its sites, in the order of the file.
    pub sites: &'a [SiteRun<'a>],
    /// The span of the figures, if it is not the whole run.
    pub span: Option<Timeframe>,
    /// The path of the store, if there is one.
    pub store: Option<&'a str>,
}

/// The result of a site.
#[derive(Clone, Copy, Debug)]
pub struct SiteRun<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its state at the end.
    pub state: SiteState,
    /// Its figures.
    pub summary: &'a Summary,
}

/// The summary of `run`.
///
/// # Errors
/// The writer's.
pub fn ending(out: &mut impl io::Write, run: &RunSummary<'_>) -> io::Result<()> {
    let total = u64::try_from(run.sites.len()).expect("a number of sites fits 64 bits");
    let (sites, watched) = (wording::plural(total, "site"), duration::format_short(run.watched));
    let (checks, alerts) = (wording::plural(run.checks, "check"), alerts(run.alerts, run.open));
    wording::line(out, &format!("webmon watched {sites} for {watched}: {checks}, {alerts}"))?;

    let mut worst: Vec<&SiteRun<'_>> = run.sites.iter().filter(|site| site.summary.counts.down > 0).collect();
    worst.sort_by(|a, b| by_availability(a.summary, b.summary));
    let width = worst.iter().take(SITES_LISTED).map(|site| wording::cells(site.name)).max().unwrap_or(0).max(14);
    for site in worst.iter().take(SITES_LISTED) {
        wording::line(out, &site_line(site, width))?;
    }
    wording::line(out, &format!("  {}", rest(run, worst.len())))
}

/// The last words of `webmon demo`.
///
/// # Errors
/// The writer's.
pub fn demo(out: &mut impl io::Write) -> io::Result<()> {
    wording::line(out, "That was simulated. webmon init writes a sites.yaml; webmon run https://… watches a URL now.")
}

fn alerts(all: u64, open: u64) -> String {
    let alerts = wording::plural(all, "alert");
    match (all, open) {
        (0, 0) => "no alerts".to_owned(),
        (_, 0) => alerts,
        (all, open) if all == open => format!("{alerts} (open)"),
        _ => format!("{alerts} ({} open)", wording::grouped(open)),
    }
}

/// Compares as exact fractions, the smaller availability first. Both have checks.
fn by_availability(a: &Summary, b: &Summary) -> Ordering {
    let share = |up: u64, checks: u64| u128::from(up) * u128::from(checks);
    share(a.counts.up, b.counts.checks()).cmp(&share(b.counts.up, a.counts.checks()))
}

fn site_line(site: &SiteRun<'_>, width: usize) -> String {
    let figure = |of: fn(&Latency) -> u32| match &site.summary.response {
        Some(latency) => figures::time(f64::from(of(latency))),
        None => NONE.to_owned(),
    };
    format!(
        "  {} {} {:>6}   p50 {:>7}  p95 {:>7}   {}",
        site.state.mark(),
        wording::left(site.name, width),
        wording::availability(site.summary),
        figure(|latency| latency.p50),
        figure(|latency| latency.p95),
        wording::answers_worst_first(&site.summary.answers)
    )
}

/// The last line: the sites without a line, the span, the store.
fn rest(run: &RunSummary<'_>, worst: usize) -> String {
    let number = |n: usize| wording::grouped(u64::try_from(n).expect("a number of sites fits 64 bits"));
    let unseen = run.sites.iter().filter(|site| site.summary.counts.checks() == 0).count();
    let good = run.sites.len() - worst - unseen;
    let mut parts = Vec::new();
    if worst > SITES_LISTED {
        parts.push(format!("{} more below 100%", number(worst - SITES_LISTED)));
    }
    match (good, worst) {
        (0, _) => {}
        (1, 0) => parts.push("100%".to_owned()),
        (good, 0) => parts.push(format!("all {} at 100%", number(good))),
        (1, _) => parts.push("1 other 100%".to_owned()),
        (good, _) => parts.push(format!("{} others 100%", number(good))),
    }
    if unseen > 0 {
        parts.push(format!("{} without a check", number(unseen)));
    }
    if let Some(span) = run.span {
        parts.push(format!("figures of the past {span}"));
    }
    parts.push(match run.store {
        Some(store) => format!("kept in {store}: webmon stats --since 24h"),
        None => "results were not stored".to_owned(),
    });
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cause;
    use crate::report::tests::fixtures::{empty_summary, printed, status, summary};
    use crate::stats::{Answer, Counts};

    fn counted(counts: Counts, summary: Summary) -> Summary {
        Summary { counts, availability: counts.availability(), ..summary }
    }

    fn good() -> Summary {
        counted(Counts { up: 73, ..Counts::default() }, summary())
    }

    fn bad() -> Summary {
        let latency = summary().response.expect("the fixture has response times");
        let counted = counted(Counts { up: 123, down: 23, ..Counts::default() }, summary());
        Summary {
            response: Some(Latency { p50: 40_600, p95: 52_900, ..latency }),
            answers: vec![
                (Answer::Code(status(503)), 21),
                (Answer::Cause(Cause::ResponseTimeout), 2),
                (Answer::Code(status(200)), 123),
            ],
            ..counted
        }
    }

    fn site<'a>(name: &'a str, state: SiteState, summary: &'a Summary) -> SiteRun<'a> {
        SiteRun { name, state, summary }
    }

    fn run<'a>(sites: &'a [SiteRun<'a>]) -> RunSummary<'a> {
        RunSummary {
            watched: Duration::from_secs(728),
            checks: 437,
            alerts: 1,
            open: 1,
            sites,
            span: None,
            store: Some("webmon.redb"),
        }
    }

    #[test]
    fn a_run_is_summed_up_in_a_few_lines() {
        let (good, bad) = (good(), bad());
        let mut sites = vec![site("blog", SiteState::Up, &good); 4];
        sites.push(site("api", SiteState::Down, &bad));
        assert_eq!(
            printed(|out| ending(out, &run(&sites))),
            "webmon watched 5 sites for 12m08s: 437 checks, 1 alert (open)
  ▼ api            84.25%   p50 40.6 ms  p95 52.9 ms   503×21 timeout×2 200×123
  4 others 100% · kept in webmon.redb: webmon stats --since 24h
"
        );
    }

    #[test]
    fn what_was_not_seen_or_not_kept_is_said() {
        let (good, empty) = (good(), empty_summary());
        let sites = [site("a", SiteState::Up, &good), site("b", SiteState::New, &empty)];
        let span = Some(Timeframe::new(Duration::from_hours(1)));
        let run = RunSummary { alerts: 0, open: 0, checks: 1, span, store: None, ..run(&sites) };
        assert_eq!(
            printed(|out| ending(out, &run)),
            "webmon watched 2 sites for 12m08s: 1 check, no alerts
  100% · 1 without a check · figures of the past 1h · results were not stored
"
        );
    }

    #[test]
    fn the_worst_come_first_and_the_list_is_bounded() {
        let (bad, dead) =
            (bad(), Summary { response: None, ..counted(Counts { down: 9, ..Counts::default() }, bad()) });
        let mut sites = vec![site("some", SiteState::Failing, &bad); SITES_LISTED + 5];
        sites.push(site("dead", SiteState::Down, &dead));
        let text = printed(|out| ending(out, &RunSummary { alerts: 3, ..run(&sites) }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), SITES_LISTED + 2);
        assert!(lines[0].ends_with("3 alerts (1 open)"), "{}", lines[0]);
        assert!(lines[1].starts_with("  ▼ dead               0%   p50       –  p95       –"), "{}", lines[1]);
        assert!(lines[SITES_LISTED + 1].starts_with("  6 more below 100% · kept in"), "{text}");
    }

    #[test]
    fn the_demo_says_that_it_was_one() {
        assert!(printed(demo).starts_with("That was simulated. webmon init"));
    }
}
