//! The keys that `alerting` shares with a site's `alert`: the rules, and who hears of their incidents.
//!
//! They are inherited key by key, those of `latency` and `slo` too. `off` ends what is inherited.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{LatencyRule, Percentile, Policies, Rule, SloRule, Threshold};
use crate::config::keys::declared::ValueForm;
use crate::config::keys::mapping::Keys;
use crate::config::keys::value::{self, set};
use crate::config::syntax::fault::Fault;
use crate::config::syntax::tree::Kind;

use super::locations::LocationTerms;
use super::notes::Notes;

/// What is inherited so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlertSettings {
    rule: Rule,
    latency: LatencySettings,
    slo: SloSettings,
    pub(crate) remind: Option<Duration>,
    pub(crate) tell: Option<Arc<[Arc<str>]>>,
    /// Its assignment is that of sites and of `defaults`, not of `alerting`.
    pub(crate) locations: LocationTerms,
}

#[derive(Clone, Debug)]
struct LatencySettings {
    limit: Option<(Percentile, Duration)>,
    window: Duration,
    min_samples: Option<u32>,
}

impl Default for LatencySettings {
    fn default() -> Self {
        Self { limit: None, window: Duration::from_mins(10), min_samples: None }
    }
}

#[derive(Clone, Debug)]
struct SloSettings {
    target: Option<Threshold>,
    period: Duration,
}

impl Default for SloSettings {
    fn default() -> Self {
        Self { target: None, period: Duration::from_hours(30 * 24) }
    }
}

impl AlertSettings {
    /// The rules of a site whose certificate is warned of this long before its end.
    pub(crate) fn policies(&self, warn: Duration) -> Policies {
        let LatencySettings { limit, window, min_samples } = self.latency;
        let latency = limit.map(|(percentile, limit)| {
            let min_samples = min_samples.unwrap_or_else(|| least_samples(percentile));
            LatencyRule { percentile, limit, window, min_samples }
        });
        let SloSettings { target, period } = self.slo;
        Policies {
            availability: self.rule,
            latency,
            slo: target.map(|target| SloRule { target, period }),
            certificate: (!warn.is_zero()).then_some(warn),
        }
    }

    /// Replaces what is written in `keys`.
    pub(crate) fn read(&mut self, keys: &mut Keys<'_, '_>, notes: &mut Notes) {
        self.read_rule(keys);
        self.latency.read(keys);
        self.slo.read(keys);
        if keys.take_word("remind", "off") {
            self.remind = None;
        } else {
            set(&mut self.remind, keys.duration("remind").map(Some));
        }
        notes.outlets(keys, &mut self.tell);
        self.locations.read_quorum(keys);
    }

    fn read_rule(&mut self, keys: &mut Keys<'_, '_>) {
        let (reader, rule) = (keys.reader(), &mut self.rule);
        let at = keys.place("recover").or_else(|| keys.place("threshold"));
        set(&mut rule.threshold, keys.value("threshold", value::percentage));
        set(&mut rule.window, keys.duration("window"));
        set(&mut rule.min_samples, keys.whole("min_samples"));
        if keys.take_word("recover", "off") {
            rule.recover = None;
        } else {
            set(&mut rule.recover, keys.value("recover", value::percentage).map(Some));
        }
        if keys.take_word("failures", "off") {
            rule.failures = None;
        } else {
            set(&mut rule.failures, keys.whole("failures").map(NonZeroU32::new));
        }
        if let (Some(at), Some(recover)) = (at, rule.recover.filter(|recover| *recover < rule.threshold)) {
            let (recover, threshold) = (value::format_percentage(recover), value::format_percentage(rule.threshold));
            let hint = "a site is down at or below `threshold` and up again at or above `recover`";
            let message = format!("`recover` {recover} is below `threshold` {threshold}");
            reader.fault_of_several(Fault::new(reader.span(at), message).hint(hint));
        }
    }
}

/// The fewest values in which a percentile differs from the maximum.
fn least_samples(percentile: Percentile) -> u32 {
    u32::try_from(100u64.div_ceil(100 - percentile.percent())).unwrap_or(u32::MAX)
}

impl LatencySettings {
    fn read(&mut self, keys: &mut Keys<'_, '_>) {
        let reader = keys.reader();
        if keys.take_word("latency", "off") {
            self.limit = None;
            return;
        }
        let ValueForm::Section(declared) = *keys.form("latency") else { unreachable!("it is declared as a section") };
        let Some(id) = keys.take("latency").filter(|&id| !reader.is_null(id)) else { return };
        let Some(mut keys) = Keys::of(reader, id, declared) else { return };
        let mut written = Vec::new();
        for percentile in Percentile::ALL {
            let key = keys.key(percentile.name());
            let limit = keys.duration(percentile.name());
            written.extend(key.map(|key| (key, percentile, limit)));
        }
        set(&mut self.window, keys.duration("window"));
        set(&mut self.min_samples, keys.whole("min_samples").map(Some));
        keys.finish();
        match written.as_slice() {
            [] if self.limit.is_none() => {
                let message = "this latency rule has no limit; write one of p50, p90, p95, p99";
                reader.fault(Fault::new(reader.span(id), message).hint("example: { p95: 800ms, window: 10m }"));
            }
            [] => {}
            &[(_, percentile, limit)] => set(&mut self.limit, limit.map(|limit| Some((percentile, limit)))),
            &[(_, first, _), (key, second, _), ..] => {
                let (first, second) = (first.name(), second.name());
                reader.fault_at(key, format!("a latency rule judges one percentile; keep `{first}` or `{second}`"));
            }
        }
    }
}

impl SloSettings {
    fn read(&mut self, keys: &mut Keys<'_, '_>) {
        let reader = keys.reader();
        if keys.take_word("slo", "off") {
            self.target = None;
            return;
        }
        let ValueForm::Shorthand(declared) = *keys.form("slo") else {
            unreachable!("it is declared with a short form")
        };
        let Some(id) = keys.take("slo").filter(|&id| !reader.is_null(id)) else { return };
        if !matches!(reader.kind(id), Kind::Map(_)) {
            set(&mut self.target, reader.parsed(id, objective).map(Some));
            return;
        }
        let Some(mut keys) = Keys::of(reader, id, declared) else { return };
        if keys.place("target").is_none() && self.target.is_none() {
            let fault = Fault::new(reader.span(id), "this objective has no `target`");
            reader.fault(fault.hint("example: { target: 99.9%, over: 30d }"));
        }
        set(&mut self.target, keys.value("target", objective).map(Some));
        set(&mut self.period, keys.duration("over"));
        keys.finish();
    }
}

fn objective(text: &str) -> Result<Threshold, String> {
    let target = value::percentage(text)?;
    if target.ppm() == 1_000_000 {
        return Err("an objective of 100% leaves no error budget; write less, such as 99.9%".to_owned());
    }
    Ok(target)
}
