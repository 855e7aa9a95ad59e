//! Warns of rules that can never be breached: of latency, and of the budget of an objective.

use std::time::Duration;

use crate::alert::{LatencyRule, Policies, SloRule};
use crate::config::keys::value::format_percentage;
use crate::model::Site;
use crate::model::time::duration;

/// Passes the warnings about these rules of `site` to `add`.
pub(crate) fn rules(site: &Site, policies: &Policies, add: &mut dyn FnMut(String)) {
    if let Some(rule) = &policies.latency {
        latency(site, rule, add);
    }
    if let Some(rule) = &policies.slo {
        objective(rule, add);
    }
}

fn latency(site: &Site, rule: &LatencyRule, add: &mut dyn FnMut(String)) {
    let samples = rule.window.as_nanos().div_ceil(site.interval.as_nanos());
    if u128::from(rule.min_samples) > samples {
        add(format!(
            "never evaluated: its latency rule needs {} answers, its window holds {samples} (interval {}, window {})",
            rule.min_samples,
            duration::format(site.interval),
            duration::format(rule.window)
        ));
    }
    if rule.limit >= site.timeout {
        add(format!(
            "the latency limit {} is never exceeded: the timeout {} ends the check first",
            duration::format(rule.limit),
            duration::format(site.timeout)
        ));
    }
}

/// The lower of the two fast burn rates: 5 % of the budget in 6 hours.
const SHARE: f64 = 0.05;
const LONG: Duration = Duration::from_hours(6);

fn objective(rule: &SloRule, add: &mut dyn FnMut(String)) {
    let budget = 1.0 - rule.target.ratio();
    let burn = SHARE * rule.period.as_secs_f64() / LONG.as_secs_f64();
    if budget * burn > 1.0 {
        add(format!(
            "the objective {} over {} has too large an error budget for the fast alert: even when every check fails, \
             6 hours do not use up 5% of it",
            format_percentage(rule.target),
            duration::format(rule.period)
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    fn warnings(alert: &str) -> String {
        let text = format!("sites: [{{ name: a, url: 'https://a.example', alert: {{ {alert} }} }}]");
        let config = parse(&text, "sites.yaml", Path::new("/etc"), &|_| None);
        config.unwrap_or_else(|error| panic!("{alert}: {error}")).warnings.join("\n")
    }

    #[test]
    fn rules_that_are_never_breached_are_reported() {
        for (alert, part) in [
            ("latency: { p99: 1s, window: 5m }", "needs 100 answers, its window holds 30 (interval 10s, window 5m)"),
            ("latency: { p50: 1s, min_samples: 61 }", "needs 61 answers, its window holds 60"),
            ("latency: { p50: 10s }", "the latency limit 10s is never exceeded: the timeout 10s"),
            ("slo: 80%", "the objective 80% over 30d has too large an error budget"),
            ("slo: { target: 98%, over: 366d }", "the objective 98% over 366d"),
        ] {
            let said = warnings(alert);
            assert!(said.contains(part) && said.lines().count() == 1, "{alert}: {said}");
        }
        for alert in ["latency: { p95: 9999ms }", "latency: { p50: 1s, min_samples: 60 }", "slo: 84%", "slo: 99.9%"] {
            assert_eq!(warnings(alert), "", "{alert}");
        }
    }
}
