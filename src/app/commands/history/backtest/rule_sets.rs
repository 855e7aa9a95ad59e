//! The rule sets of a backtest: those of sites.yaml, and others from a file or by keys.
//!
//! A key that is set goes through the reader of sites.yaml, with the other keys of the site beside it, so it has the same
//! limits and the same errors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::alert::Policies;
use crate::app::cli::setting::Setting;
use crate::app::exit::CommandError;
use crate::backtest;
use crate::config;
use crate::model::time::duration;

/// The name of the lines that `--set` makes, in errors.
const MADE_OF_SET: &str = "--set";

/// `base` with `settings`, for a site that is checked every `interval`.
///
/// # Errors
/// [`CommandError::Config`]: the faults that sites.yaml would have with these keys.
pub fn with_settings(base: &Policies, interval: Duration, settings: &[Setting]) -> Result<Policies, CommandError> {
    let text = site_with(base, interval, settings);
    let parsed = config::parse(&text, MADE_OF_SET, Path::new("."), &|_| None)?;
    let site = parsed.sites.first().expect("the text has one site");
    // What samples cannot breach stays as it is.
    Ok(Policies { certificate: base.certificate, ..site.policies })
}

/// A file of one site with the keys of `base` and `settings`.
fn site_with(base: &Policies, interval: Duration, settings: &[Setting]) -> String {
    let mut sections: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let known = backtest::keys(base);
    for (key, value) in &known {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        sections.entry(section).or_default().push((name, value));
    }
    for Setting { key, value } in settings {
        if let Some((section, name)) = key.split_once('.') {
            let keys = sections.entry(section).or_default();
            // A rule has one percentile, and the fewest checks depend on it.
            let is_percentile = |name: &str| section == "latency" && name.starts_with('p');
            if is_percentile(name) {
                keys.retain(|(known, _)| !is_percentile(known) && (*known != "min_samples"));
            }
            keys.retain(|(known, _)| *known != name);
            keys.push((name, value));
        } else {
            sections.remove(key.as_str());
            let keys = sections.entry("").or_default();
            keys.retain(|(known, _)| known != key);
            if value != "off" {
                keys.push((key, value));
            }
        }
    }
    let mut text = format!(
        "sites:\n- name: site\n  url: http://localhost\n  interval: {}\n  timeout: {}\n  alert:\n",
        duration::format(interval),
        duration::format(interval.min(Duration::from_secs(1))),
    );
    for (section, keys) in sections {
        if !section.is_empty() {
            writeln!(text, "    {section}:").expect("writing to a String cannot fail");
        }
        for (key, value) in keys {
            let indent = if section.is_empty() { "    " } else { "      " };
            writeln!(text, "{indent}{key}: {value}").expect("writing to a String cannot fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    use crate::alert::{LatencyRule, Percentile, SloRule, Threshold};

    fn set(base: &Policies, settings: &[&str]) -> Result<Policies, String> {
        let settings: Vec<Setting> = settings.iter().map(|text| Setting::parse(text).unwrap()).collect();
        with_settings(base, Duration::from_secs(10), &settings).map_err(|error| error.report())
    }

    #[test]
    fn keys_go_over_the_rules_of_the_site() {
        let mut base = Policies { certificate: Some(Duration::from_hours(240)), ..Policies::default() };
        base.availability.min_samples = 3;
        let found = set(&base, &["threshold=90%", "window=5m"]).unwrap();
        let rule = found.availability;
        assert_eq!((rule.threshold.ppm(), rule.window, rule.min_samples), (900_000, Duration::from_mins(5), 3));
        assert_eq!(found.certificate, base.certificate);
        assert_eq!(set(&found, &["threshold=80%", "window=2m"]), Ok(base));
    }

    #[test]
    fn keys_within_a_rule_replace_those_of_the_site() {
        let latency = LatencyRule {
            percentile: Percentile::P95,
            limit: Duration::from_millis(800),
            window: Duration::from_mins(10),
            min_samples: 20,
        };
        let base = Policies { latency: Some(latency), ..Policies::default() };
        let text = |settings: &[&str]| {
            let settings: Vec<Setting> = settings.iter().map(|text| Setting::parse(text).unwrap()).collect();
            let text = site_with(&base, Duration::from_secs(10), &settings);
            text.split_once("  alert:\n").unwrap().1.to_owned()
        };
        let rule = "    threshold: 80%\n    window: 2m\n    min_samples: 1\n";
        let known = "    latency:\n      p95: 800ms\n      window: 10m\n      min_samples: 20\n";
        assert_eq!(text(&[]), format!("{rule}{known}"));
        let other = "    latency:\n      window: 10m\n      p50: 100ms\n";
        assert_eq!(text(&["latency.p50=100ms"]), format!("{rule}{other}"));
        assert_eq!(text(&["latency=off", "recover=off"]), rule);
        let slo = "    slo:\n      target: 99.9%\n      over: 7d\n";
        assert_eq!(text(&["latency=off", "slo.target=99.9%", "slo.over=7d"]), format!("{rule}{slo}"));
        assert_eq!(text(&["latency=off", "slo=99.9%"]), format!("{rule}    slo: 99.9%\n"));
    }

    #[test]
    fn every_key_that_samples_can_breach_is_set_and_ended() {
        let base = Policies::default();
        let ppm = |ppm| Threshold::from_ppm(ppm).unwrap();
        let recover = set(&base, &["recover=95%", "failures=5"]).unwrap();
        assert_eq!(recover.availability.recover, Some(ppm(950_000)));
        assert_eq!(recover.availability.failures, NonZeroU32::new(5));
        assert_eq!(set(&recover, &["recover=off", "failures=off"]), Ok(base));

        let slow = set(&base, &["latency.p95=800ms"]).unwrap();
        let latency = slow.latency.unwrap();
        assert_eq!(
            (latency.percentile, latency.limit, latency.min_samples),
            (Percentile::P95, Duration::from_millis(800), 20)
        );
        let faster = set(&slow, &["latency.p50=100ms", "latency.window=5m"]).unwrap().latency.unwrap();
        assert_eq!(
            (faster.percentile, faster.min_samples, faster.window),
            (Percentile::P50, 2, Duration::from_mins(5))
        );
        assert_eq!(set(&slow, &["latency=off"]), Ok(base));

        let slo = set(&base, &["slo=99.9%"]).unwrap();
        let month = Duration::from_hours(720);
        assert_eq!(slo.slo, Some(SloRule { target: ppm(999_000), period: month }));
        let week = set(&slo, &["slo.over=7d"]).unwrap().slo.unwrap();
        assert_eq!((week.target, week.period), (ppm(999_000), Duration::from_hours(168)));
        assert_eq!(set(&slo, &["slo=off"]), Ok(base));
        for wrong in ["recover=70%", "slo=100%", "failures=0", "latency.p42=1s"] {
            assert!(set(&base, &[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_reader_of_the_file_says_what_is_wrong() {
        let base = Policies::default();
        let unknown = set(&base, &["treshold=90%"]).unwrap_err();
        assert!(unknown.contains("threshold"), "{unknown}");
        assert!(set(&base, &["threshold=190%"]).is_err() && set(&base, &["window=5parsecs"]).is_err());
    }
}
