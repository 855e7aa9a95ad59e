//! Prints the result of a backtest.

use std::io;

use jiff::tz::TimeZone;

use crate::app::cli::args::{BacktestArgs, CommonArgs, TableFormat};
use crate::app::cli::terminal::text;
use crate::app::exit::complain;
use crate::backtest::{Incident, Overlap, Told, has_overlap};
use crate::report::Period;
use crate::report::backtest::{self as lines, BacktestHeading, ListedIncident, RuleResult, SiteResult, Suggestion};
use crate::report::lines::Columns;

use super::suggestions::{Findings, Outcome, Proposal};

/// Incidents of a comparison that are listed without `-v`.
const LISTED: usize = 5;

/// Everything to print.
pub(super) struct Output<'a> {
    pub args: &'a BacktestArgs,
    pub common: &'a CommonArgs,
    pub zone: &'a TimeZone,
    pub period: Period,
    pub outcomes: &'a [Outcome],
    /// The messages under A and B.
    pub told: (&'a Told, Option<&'a Told>),
}

impl Output<'_> {
    /// Prints it in the format that was asked for.
    pub fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
        let results: Vec<SiteResult<'_>> = self.outcomes.iter().map(|outcome| self.result(outcome)).collect();
        match self.args.format {
            TableFormat::Table => self.table(&mut text(out), &results)?,
            TableFormat::Json => {
                results.iter().try_for_each(|result| lines::json_site(out, self.period, result))?;
                let listed = self.listed();
                listed.iter().try_for_each(|known| lines::json_incident(out, self.period.until, known))?;
            }
            TableFormat::Csv => {
                lines::csv_header(out)?;
                return results.iter().try_for_each(|result| lines::csv_site(out, self.period, result));
            }
        }
        let proposals = self.outcomes.iter().flat_map(|outcome| outcome.suggested.iter().map(move |of| (outcome, of)));
        proposals.into_iter().try_for_each(|(outcome, proposal)| self.propose(out, &outcome.site, proposal))
    }

    fn table(&self, out: &mut impl Columns, results: &[SiteResult<'_>]) -> io::Result<()> {
        let (of_a, of_b) = self.told;
        let a = self.common.config.display().to_string();
        let rules = self.args.rules.as_ref().map(|path| path.display().to_string());
        let set = self.args.set.iter().map(|setting| format!("--set {setting}"));
        let b = rules.into_iter().chain(set).collect::<Vec<String>>().join(" ");
        let (b, least) = (of_b.map(|_| &*b), self.args.miss);
        lines::table(out, self.zone, &BacktestHeading { period: self.period, a: &a, b, least }, results)?;
        lines::in_groups(out, of_a.in_groups, of_b.map(|told| told.in_groups))?;
        if of_b.is_some() {
            let of = |outcome: &Outcome| Overlap::of(&outcome.a.incidents, of_b_incidents(outcome).unwrap_or_default());
            lines::overlap(out, &self.outcomes.iter().map(of).fold(Overlap::default(), Overlap::plus))?;
        }
        let listed = self.listed();
        let most = if self.common.verbose == 0 { LISTED } else { usize::MAX };
        for known in listed.iter().take(most) {
            lines::incident(out, self.zone, self.period.until, known)?;
        }
        lines::more_incidents(out, listed.len().saturating_sub(most))
    }

    /// The incidents to list, by their start: with `-v` all, otherwise those that one set of rules alone has.
    fn listed(&self) -> Vec<ListedIncident<'_>> {
        let mut listed = Vec::new();
        for outcome in self.outcomes {
            let (a, b) = (&outcome.a.incidents[..], of_b_incidents(outcome));
            let site = &*outcome.site;
            listed.extend(a.iter().map(|incident| {
                let in_both = b.map(|others| has_overlap(incident, others));
                ListedIncident { site, rules: "A", incident, in_both }
            }));
            listed.extend(b.unwrap_or_default().iter().map(|incident| ListedIncident {
                site,
                rules: "B",
                incident,
                in_both: Some(has_overlap(incident, a)),
            }));
        }
        listed.retain(|known| self.common.verbose > 0 || known.in_both == Some(false));
        listed.sort_by_key(|known| known.incident.opened);
        listed
    }

    fn propose(&self, out: &mut impl io::Write, site: &str, proposal: &Proposal) -> io::Result<()> {
        let (is_json, at) = (self.args.format == TableFormat::Json, self.period.until);
        match proposal {
            Proposal::Rule { yaml, messages, found } => {
                let suggestion = Suggestion { site, yaml, messages: *messages, found: *found };
                if is_json {
                    lines::json_suggestion(out, at, &suggestion)
                } else {
                    lines::suggestion(&mut text(out), &suggestion)
                }
            }
            Proposal::Latency { yaml, incidents } if is_json => lines::json_latency(out, at, site, yaml, *incidents),
            Proposal::Latency { yaml, incidents } => lines::latency(&mut text(out), site, yaml, *incidents),
            Proposal::Remark(remark) if is_json => {
                complain(format_args!("{site}: {remark}"));
                Ok(())
            }
            Proposal::Remark(remark) => lines::remark(&mut text(out), site, remark),
        }
    }

    fn result<'a>(&'a self, outcome: &'a Outcome) -> SiteResult<'a> {
        let of = |findings: &'a Findings, told: Option<&Told>| RuleResult {
            incidents: findings.incidents.len(),
            messages: told.and_then(|told| told.of_sites.get(&outcome.site).copied()).unwrap_or_default(),
            score: &findings.score,
        };
        SiteResult {
            site: &outcome.site,
            checks: outcome.course.checks,
            outages: outcome.course.outages.len(),
            a: of(&outcome.a, Some(self.told.0)),
            b: outcome.b.as_ref().map(|b| of(b, self.told.1)),
        }
    }
}

fn of_b_incidents(outcome: &Outcome) -> Option<&[Incident]> {
    outcome.b.as_ref().map(|b| &b.incidents[..])
}
