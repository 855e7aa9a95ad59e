//! Rules as sites.yaml says them.

use std::fmt::Write as _;

use crate::alert::{LatencyRule, Policies, SloRule, Threshold};
use crate::model::time::duration;

/// `80%`, `99.95%`.
fn percent(threshold: Threshold) -> String {
    let (whole, rest) = (threshold.ppm() / 10_000, threshold.ppm() % 10_000);
    if rest == 0 {
        return format!("{whole}%");
    }
    format!("{whole}.{}%", format!("{rest:04}").trim_end_matches('0'))
}

/// The keys of a site's `alert` and their values, those within a rule as `latency.p95`. Only of rules that samples can breach.
#[must_use]
pub fn keys(policies: &Policies) -> Vec<(String, String)> {
    let rule = &policies.availability;
    let mut keys = vec![
        ("threshold", percent(rule.threshold)),
        ("window", duration::format(rule.window)),
        ("min_samples", rule.min_samples.to_string()),
    ];
    keys.extend(rule.recover.map(|recover| ("recover", percent(recover))));
    keys.extend(rule.failures.map(|failures| ("failures", failures.to_string())));
    let mut keys: Vec<(String, String)> = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    if let Some(LatencyRule { percentile, limit, window, min_samples }) = policies.latency {
        keys.push((format!("latency.{}", percentile.name()), duration::format(limit)));
        keys.push(("latency.window".to_owned(), duration::format(window)));
        keys.push(("latency.min_samples".to_owned(), min_samples.to_string()));
    }
    if let Some(SloRule { target, period }) = policies.slo {
        keys.push(("slo.target".to_owned(), percent(target)));
        keys.push(("slo.over".to_owned(), duration::format(period)));
    }
    keys
}

/// The keys as they stand in sites.yaml, with a section as one value.
fn entries(policies: &Policies) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for (key, value) in keys(policies) {
        let Some((section, name)) = key.split_once('.') else {
            entries.push((key, value));
            continue;
        };
        match entries.last_mut().filter(|(last, _)| last == section) {
            Some((_, values)) => {
                values.truncate(values.len() - " }".len());
                write!(values, ", {name}: {value} }}").expect("writing to a String cannot fail");
            }
            None => entries.push((section.to_owned(), format!("{{ {name}: {value} }}"))),
        }
    }
    entries
}

/// `alert: { threshold: 90%, window: 5m }`: what to write to get `policies` where `base` holds.
#[must_use]
pub fn yaml(policies: &Policies, base: &Policies) -> String {
    let (wanted, known) = (entries(policies), entries(base));
    let mut text = "alert: {".to_owned();
    let changed = wanted.iter().filter(|key| !known.contains(key)).map(|(key, value)| (key, value.as_str()));
    let removed =
        known.iter().filter(|(key, _)| wanted.iter().all(|(name, _)| name != key)).map(|(key, _)| (key, "off"));
    for (number, (key, value)) in changed.chain(removed).enumerate() {
        write!(text, "{} {key}: {value}", if number == 0 { "" } else { "," }).expect("writing to a String cannot fail");
    }
    text.push_str(" }");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Percentile, Rule};
    use std::num::NonZeroU32;
    use std::time::Duration;

    #[test]
    fn only_what_differs_is_written() {
        let ppm = |ppm| Threshold::from_ppm(ppm).unwrap();
        let base = Policies::default();
        assert_eq!(yaml(&base, &base), "alert: { }");
        let availability = Rule { threshold: ppm(999_500), window: Duration::from_mins(5), ..base.availability };
        let other = Policies { availability, ..base };
        assert_eq!(yaml(&other, &base), "alert: { threshold: 99.95%, window: 5m }");
        let latency = LatencyRule {
            percentile: Percentile::P95,
            limit: Duration::from_millis(800),
            window: Duration::from_mins(10),
            min_samples: 20,
        };
        let availability = Rule { recover: Some(ppm(900_000)), failures: NonZeroU32::new(5), ..base.availability };
        let slo = Some(SloRule { target: ppm(999_000), period: Duration::from_hours(720) });
        let many = Policies { availability, latency: Some(latency), slo, ..base };
        let shown = "alert: { recover: 90%, failures: 5, latency: { p95: 800ms, window: 10m, min_samples: 20 }, \
                     slo: { target: 99.9%, over: 30d } }";
        assert_eq!(yaml(&many, &base), shown);
        assert_eq!(yaml(&base, &many), "alert: { recover: off, failures: off, latency: off, slo: off }");
    }
}
