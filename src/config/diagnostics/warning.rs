//! Warnings of a configuration.
//!
//! The same warning for many sites is one line with their number and the position of the first. Bounds: 100 lines.

use std::collections::HashMap;
use std::time::Duration;

use crate::alert::SiteSelector;
use crate::config::excerpt::source::SourceText;
use crate::config::syntax::variables::Env;
use crate::config::{ConfiguredSite, Storage};
use crate::model::time::duration;

use super::{policy, unmet};

const SHOWN_MAX: usize = 100;
/// With fewer samples in a window, one or two checks decide.
const SAMPLES_FEW: u128 = 5;
/// Longest alert window.
const WINDOW_MAX: Duration = Duration::from_hours(1);
/// Bytes per stored sample, with its share of everything else.
pub const BYTES_A_SAMPLE: f64 = 15.0;
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Collects warnings.
#[derive(Default)]
pub(crate) struct Warnings {
    groups: Vec<WarningGroup>,
    by_text: HashMap<String, usize>,
}

struct WarningGroup {
    text: String,
    at: Option<usize>,
    first_site: Option<String>,
    sites: usize,
}

impl Warnings {
    /// Adds `text` about a site, and about the byte `at` of the file, if any.
    pub(crate) fn add(&mut self, at: Option<usize>, site: Option<&str>, text: String) {
        if let Some(&group) = self.by_text.get(&text) {
            self.groups[group].sites += 1;
            return;
        }
        self.by_text.insert(text.clone(), self.groups.len());
        self.groups.push(WarningGroup { text, at, first_site: site.map(str::to_owned), sites: 1 });
    }

    /// Adds `text` about the byte `at` of the file; never merged with the same text elsewhere.
    pub(crate) fn place(&mut self, at: usize, text: String) {
        self.groups.push(WarningGroup { text, at: Some(at), first_site: None, sites: 1 });
    }

    /// Whether a warning about the byte `at` of the file contains `part`.
    pub(crate) fn mentions(&self, at: usize, part: &str) -> bool {
        self.groups.iter().any(|group| group.at == Some(at) && group.text.contains(part))
    }

    /// Adds the warnings about one site.
    pub(crate) fn site(&mut self, at: usize, configured: &ConfiguredSite) {
        let (site, rule) = (&configured.site, configured.rule());
        let mut add = |text| self.add(Some(at), Some(&site.name), text);
        if SiteSelector::is_other(&site.name) {
            let (name, word) = (&site.name, SiteSelector::word_for(&site.name));
            add(format!(
                "{name:?} under `sites` and in `webmon silence` is not this site; write {word:?} for it there"
            ));
        }
        if site.timeout > site.interval {
            add(format!(
                "the timeout {} is longer than the interval {}: checks can overlap",
                duration::format(site.timeout),
                duration::format(site.interval)
            ));
        }
        unmet::expectations(site, &mut add);
        policy::rules(site, &configured.policies, &mut add);
        if rule.threshold.ppm() == 1_000_000 {
            add("availability never exceeds an alert threshold of 100%: it is always down".to_owned());
        }
        let samples = rule.window.as_nanos().div_ceil(site.interval.as_nanos());
        let of = || format!("interval {}, window {}", duration::format(site.interval), duration::format(rule.window));
        if u128::from(rule.min_samples) > samples {
            add(format!(
                "never evaluated: its alert rule needs {} samples, its window holds {samples} ({})",
                rule.min_samples,
                of()
            ));
        } else if samples < SAMPLES_FEW {
            let plural = if samples == 1 { "" } else { "s" };
            let alerts = (samples - 1) * 1_000_000 <= u128::from(rule.threshold.ppm()) * samples;
            let alerts = if alerts { ": one failure alerts" } else { "" };
            let window = site.interval.saturating_mul(5);
            let advice = if window <= WINDOW_MAX {
                format!("use a window of {} or more, or a shorter interval", duration::format(window))
            } else {
                "use a shorter interval".to_owned()
            };
            add(format!("{samples} check{plural} in its alert window ({}){alerts}; {advice}", of()));
        }
    }

    /// Warns of a `max_size` that is reached before `retention` at this rate of checks.
    pub(crate) fn storage(&mut self, at: Option<usize>, storage: &Storage, checks_per_second: f64) {
        #[allow(clippy::cast_precision_loss, reason = "an estimate in days")]
        let holds = storage.max_size as f64 / (checks_per_second * BYTES_A_SAMPLE);
        if checks_per_second <= 0.0 || holds >= storage.retention.as_secs_f64() {
            return;
        }
        let holds = match holds / 3_600.0 {
            hours if hours >= 48.0 => format!("{:.0} days", hours / 24.0),
            hours if hours >= 2.0 => format!("{hours:.0} hours"),
            hours => format!("{:.0} minutes", (hours * 60.0).max(1.0)),
        };
        let retention = duration::format(storage.retention);
        self.add(at, None, format!("max_size holds about {holds} of samples, less than the retention of {retention}"));
    }

    /// Warns of proxy variables, which webmon ignores.
    pub(crate) fn proxies(&mut self, env: &Env<'_>) {
        for name in PROXIES.into_iter().filter(|name| env(name).is_some_and(|value| !value.is_empty())) {
            self.add(None, None, format!("{name} is set; webmon connects directly, unless a site has `proxy: env`"));
        }
    }

    /// One line each: `sites.yaml:41:5: site "reports": …`.
    pub(crate) fn into_lines(mut self, source: &SourceText<'_>) -> Vec<String> {
        let more = self.groups.len().saturating_sub(SHOWN_MAX);
        self.groups.truncate(SHOWN_MAX);
        let mut lines: Vec<String> = self.groups.iter().map(|group| group.line(source)).collect();
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        lines
    }
}

impl WarningGroup {
    fn line(&self, source: &SourceText<'_>) -> String {
        let place = self.at.map_or_else(String::new, |at| format!("{}: ", source.place(at)));
        let site = match (&self.first_site, self.sites) {
            (None, _) => String::new(),
            (Some(site), 1) => format!("site {site:?}: "),
            (Some(site), 2) => format!("site {site:?} and 1 other: "),
            (Some(site), sites) => format!("site {site:?} and {} others: ", sites - 1),
        };
        format!("{place}{site}{}", self.text)
    }
}
