//! Better rules for one site: the grid of rules to try beside the compared ones, and what is worth saying of them.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::incident::terms::LedgerTerms;
use crate::alert::{Calm, Policies, RuleKind};
use crate::backtest::{Incident, Judged, Score, SiteCourse, Verdict, incidents, suggest, told, yaml};
use crate::model::time::duration;
use crate::report::Period;

/// A month, for suggestions of latency.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Incidents of latency in a month, for which limits are suggested.
const A_MONTH: [u32; 3] = [0, 1, 4];

/// A line about a better rule.
pub enum Proposal {
    Rule { yaml: String, messages: (usize, usize), found: (usize, Duration) },
    Latency { yaml: String, incidents: usize },
    Remark(String),
}

/// What one set of rules found in the period.
pub struct Findings {
    pub incidents: Vec<Incident>,
    pub score: Score,
}

/// What came of one site.
pub struct Outcome {
    pub site: Arc<str>,
    pub course: SiteCourse,
    pub a: Findings,
    pub b: Option<Findings>,
    /// Better rules and their YAML, if they were asked for.
    pub suggested: Vec<Proposal>,
}

/// One site's past.
pub struct History<'a> {
    pub site: &'a Arc<str>,
    /// Its rules as they are.
    pub policies: &'a Policies,
    pub period: Period,
    pub course: &'a SiteCourse,
    pub calm: Option<Calm>,
}

impl History<'_> {
    /// The incidents that opened in the period, and how well they match the outages.
    pub fn result(&self, verdicts: &[Verdict]) -> Findings {
        let mut incidents = incidents(verdicts);
        incidents.retain(|known| self.period.since <= known.opened);
        let score = Score::of(&incidents, &self.course.outages);
        Findings { incidents, score }
    }

    /// How many messages `verdicts` would have made, of this site alone.
    fn messages(&self, policies: &Policies, verdicts: &[Verdict]) -> usize {
        let judged = Judged { site: Arc::clone(self.site), policies: *policies, verdicts: verdicts.to_vec() };
        let terms = LedgerTerms { calm: self.calm, ..LedgerTerms::default() };
        let told = told(&[judged], (terms, &[]), Duration::ZERO, (self.period.since, self.period.until));
        told.of_sites.values().sum()
    }
}

/// The rules to try.
#[derive(Default)]
pub struct Grid {
    candidates: Vec<Policies>,
    /// Of latency, the shortest limit first.
    limits: Vec<Policies>,
}

impl Grid {
    /// Those for a site with these rules.
    pub fn new(policies: &Policies, interval: Duration) -> Self {
        let with_limit = |limit| {
            let latency = suggest::latency(policies, limit, interval)?;
            Some(Policies { latency: Some(latency), slo: None, ..*policies })
        };
        let limits = suggest::limits().into_iter().filter_map(with_limit).collect();
        Self { candidates: suggest::candidates(policies, interval), limits }
    }

    /// All of them, in the order in which [`Grid::proposals`] expects their verdicts.
    pub fn rules(&self) -> impl Iterator<Item = &Policies> {
        self.candidates.iter().chain(&self.limits)
    }

    /// What to say of the `verdicts` of these rules; outages last at least `least`.
    pub fn proposals(&self, history: &History<'_>, verdicts: &[Vec<Verdict>], least: Duration) -> Vec<Proposal> {
        let (of_candidates, of_limits) = verdicts.split_at(self.candidates.len());
        let Period { since, until } = history.period;
        let length = until.since(history.course.first.map_or(until, |first| first.max(since)));
        let outages = history.course.outages.len();
        let mut proposals = match too_little(length, outages, least) {
            Some(remark) => vec![Proposal::Remark(remark)],
            None => self.best(history, of_candidates),
        };
        let fired = of_limits.iter().map(|verdicts| {
            let is_slow = |known: &&Incident| known.rule == RuleKind::Latency;
            history.result(verdicts).incidents.iter().filter(is_slow).count()
        });
        let fired: Vec<usize> = fired.collect();
        proposals.extend(self.latency(history.policies, &fired, length));
        proposals
    }

    fn best(&self, history: &History<'_>, verdicts: &[Vec<Verdict>]) -> Vec<Proposal> {
        let now = history.messages(history.policies, &history.course.verdicts[0]);
        let outcome = |(candidate, verdicts): (&Policies, &Vec<Verdict>)| {
            let score = history.result(verdicts).score;
            suggest::Outcome {
                messages: history.messages(candidate, verdicts),
                found_after: score.longest().filter(|_| score.missed == 0),
                length: yaml(candidate, history.policies).len(),
            }
        };
        let outcomes: Vec<suggest::Outcome> = self.candidates.iter().zip(verdicts).map(outcome).collect();
        let proposal = |place: usize| Proposal::Rule {
            yaml: yaml(&self.candidates[place], history.policies),
            messages: (outcomes[place].messages, now),
            found: (history.course.outages.len(), outcomes[place].found_after.unwrap_or_default()),
        };
        suggest::best(&outcomes).into_iter().map(proposal).collect()
    }

    /// The shortest limits that were exceeded at most as often in a month as asked for.
    fn latency(&self, policies: &Policies, fired: &[usize], length: Duration) -> Vec<Proposal> {
        let mut proposals: Vec<usize> = Vec::new();
        for wanted in A_MONTH {
            let is_enough = |&fired: &usize| {
                let fired = u32::try_from(fired).unwrap_or(u32::MAX);
                MONTH.saturating_mul(fired) <= length.saturating_mul(wanted)
            };
            let place = fired.iter().position(is_enough).filter(|place| !proposals.contains(place));
            proposals.extend(place);
        }
        let base = Policies { latency: None, slo: None, ..*policies };
        let line = |place: usize| Proposal::Latency { yaml: yaml(&self.limits[place], &base), incidents: fired[place] };
        proposals.into_iter().map(line).collect()
    }
}

/// Why there is nothing to suggest.
fn too_little(history: Duration, outages: usize, least: Duration) -> Option<String> {
    if history < suggest::HISTORY_MIN {
        let history = duration::format_short(history);
        return Some(format!("too little history for a suggestion: {history} of 7 days"));
    }
    let least = duration::format(least);
    (outages == 0).then(|| format!("too little history for a suggestion: no outage of {least} or longer (--miss)"))
}
