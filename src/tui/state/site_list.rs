//! Which sites are listed, and in which order.
//!
//! Cost: by state one pass into seven buckets, which keep the order of the file; by another column a stable sort, with
//! sites that lack the figure last in both directions.

use std::cmp::Ordering;

use crate::engine::snapshot::{SiteSnapshot, SiteState, Snapshot};
use crate::model::{Cause, Flags, Status, Timestamp};
use crate::stats::{Latency, Summary};
use crate::tui::arrangement::sort::{Sort, SortKey};

/// The shortest part of a cause that a filter takes.
const CAUSE_MIN: usize = 3;

/// The sort keys, each with the letter that chooses it.
pub const SORT_KEYS: [(SortKey, char); 11] = [
    (SortKey::State, 's'),
    (SortKey::Name, 'n'),
    (SortKey::Availability, 'a'),
    (SortKey::Average, 'v'),
    (SortKey::P95, '9'),
    (SortKey::Max, 'm'),
    (SortKey::Ttfb, 't'),
    (SortKey::Certificate, 'c'),
    (SortKey::P50, '5'),
    (SortKey::Since, 'i'),
    (SortKey::Codes, 'f'),
];

/// Words that a site has to match, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteFilter {
    /// As typed; blank matches every site.
    pub text: String,
    /// Only sites that are not up.
    pub not_up: bool,
}

impl SiteFilter {
    /// Whether every site passes.
    pub fn is_blank(&self) -> bool {
        !self.not_up && self.text.trim().is_empty()
    }

    /// Whether `site` with these figures passes. A word is a state (`down`, `failing`, `up`, …) or `cert` in any case,
    /// `group:` and part of a group, a status (`503`, `5xx`) or cause (`timeout`) among its checks, or part of the name, URL
    /// or group; `!` negates it; part of a name without capitals matches both cases.
    pub fn passes(&self, site: &SiteSnapshot, figures: Option<&Summary>, now: Timestamp) -> bool {
        if self.not_up && site.state == SiteState::Up {
            return false;
        }
        self.text.split_whitespace().all(|word| match word.strip_prefix('!') {
            Some("") => true,
            Some(rest) => !matches(rest, site, figures, now),
            None => matches(word, site, figures, now),
        })
    }
}

fn matches(word: &str, site: &SiteSnapshot, figures: Option<&Summary>, now: Timestamp) -> bool {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "down" => super::state_counts::is_down(site),
        "cert" => warned_days(site, now).is_some(),
        _ if word.starts_with("group:") => {
            let wanted = &word["group:".len()..];
            site.group.as_deref().is_some_and(|group| contains(group, wanted))
        }
        "recovering" | "failing" | "unknown" | "new" | "up" | "paused" => site.state.name() == lower,
        _ => {
            [&site.name, &site.url].into_iter().chain(&site.group).any(|text| contains(text, word))
                || answered(&lower, site, figures)
        }
    }
}

/// Whether the last check or one in `figures` had the status or the cause `word`.
fn answered(word: &str, site: &SiteSnapshot, figures: Option<&Summary>) -> bool {
    let last = site.last.as_ref().map(|last| &last.sample);
    let is_status = |status: Status| {
        let code = status.get().to_string();
        code == word || word.strip_suffix("xx").is_some_and(|class| class.len() == 1 && code.starts_with(class))
    };
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let known = figures.into_iter().flat_map(|figures| figures.codes.iter().map(|(status, _)| *status));
        return known.chain(last.and_then(|last| last.status)).any(is_status);
    }
    // Shorter words would find causes while a name is typed.
    let is_cause = |cause: Cause| {
        let is_failure = !matches!(cause, Cause::Ok | Cause::Local);
        is_failure && word.len() >= CAUSE_MIN && (cause.word().contains(word) || cause.name().contains(word))
    };
    let known = figures.into_iter().flat_map(|figures| figures.causes.iter().map(|(cause, _)| *cause));
    known.chain(last.map(|last| last.cause)).any(is_cause)
}

fn contains(text: &str, word: &str) -> bool {
    if word.chars().any(char::is_uppercase) { text.contains(word) } else { text.to_lowercase().contains(word) }
}

/// Whole days until the certificate that the last check saw expires.
pub fn certificate_days(site: &SiteSnapshot, now: Timestamp) -> Option<i64> {
    let observation = site.last.as_ref()?.observation.as_ref()?;
    Some(observation.certificate.as_ref()?.days_left(now))
}

/// The same for a certificate that ends within the `warn_days` of the site, or has ended. Other faults of a certificate
/// set the same flag of a check; their text says more than the days.
pub fn warned_days(site: &SiteSnapshot, now: Timestamp) -> Option<i64> {
    let last = site.last.as_ref().filter(|last| last.sample.flags.has(Flags::CERTIFICATE))?;
    let is_sound = last.observation.as_ref()?.certificate.as_ref()?.faults.is_empty();
    certificate_days(site, now).filter(|days| is_sound || *days < 0)
}

/// The start of the state: for a site that counts as down the start of its incident, not the last change of its mark.
pub fn trouble_since(site: &SiteSnapshot) -> Timestamp {
    match site.state {
        SiteState::Down | SiteState::Recovering => incident_since(site),
        _ => site.since,
    }
}

pub fn incident_since(site: &SiteSnapshot) -> Timestamp {
    site.incident.map_or(site.since, |incident| incident.since)
}

/// The listed sites as indices into the snapshot, in order, by the figures of the view at index `view`.
pub fn arrange(snapshot: &Snapshot, filter: &SiteFilter, sort: Sort, view: usize) -> Vec<usize> {
    let all = filter.is_blank();
    let rows = snapshot.views.get(view).map_or(&[][..], |view| &view.rows);
    let passing = snapshot
        .subjects()
        .filter(|(i, site)| all || filter.passes(site, rows.get(*i).map(|row| &row.summary), snapshot.at))
        .map(|(i, site)| (i, site.as_ref()));
    match sort.key {
        SortKey::State => by_state(passing, sort.reversed),
        SortKey::Name => {
            let mut listed: Vec<_> = passing.map(|(i, site)| (i, site.name.as_ref())).collect();
            listed.sort_by(|a, b| directed(a.1.cmp(b.1), sort.reversed));
            listed.into_iter().map(|(i, _)| i).collect()
        }
        key => {
            let mut listed: Vec<_> = passing
                .map(|(i, site)| (i, figure(key, site, rows.get(i).map(|row| &row.summary), snapshot.at)))
                .collect();
            listed.sort_by(|a, b| match (a.1, b.1) {
                (Some(a), Some(b)) => directed(a.total_cmp(&b), sort.reversed),
                (a, b) => b.is_some().cmp(&a.is_some()),
            });
            listed.into_iter().map(|(i, _)| i).collect()
        }
    }
}

fn by_state<'a>(passing: impl Iterator<Item = (usize, &'a SiteSnapshot)>, reversed: bool) -> Vec<usize> {
    let mut buckets: [Vec<usize>; 7] = Default::default();
    for (i, site) in passing {
        buckets[site.state as usize].push(i);
    }
    if reversed {
        buckets.reverse();
    }
    buckets.concat()
}

/// A number that is smaller for a site further up.
#[allow(clippy::cast_precision_loss, reason = "days and checks are few")]
fn figure(key: SortKey, site: &SiteSnapshot, summary: Option<&Summary>, now: Timestamp) -> Option<f64> {
    let response = |pick: fn(&Latency) -> f64| summary?.response.as_ref().map(|latency| -pick(latency));
    match key {
        SortKey::State | SortKey::Name => None,
        SortKey::Availability => summary?.availability.map(crate::stats::Availability::ratio),
        SortKey::Average => response(|latency| latency.avg),
        SortKey::P95 => response(|latency| f64::from(latency.p95)),
        SortKey::Max => response(|latency| f64::from(latency.max)),
        SortKey::Ttfb => summary?.ttfb.as_ref().map(|latency| -latency.avg),
        SortKey::Certificate => certificate_days(site, now).map(|days| days as f64),
        SortKey::P50 => response(|latency| f64::from(latency.p50)),
        SortKey::Since => Some(now.since(trouble_since(site)).as_secs_f64()),
        SortKey::Codes => {
            summary.filter(|summary| summary.counts.checks() > 0).map(|summary| -(summary.counts.down as f64))
        }
    }
}

const fn directed(order: Ordering, reversed: bool) -> Ordering {
    if reversed { order.reverse() } else { order }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;

    fn listed(text: &str, not_up: bool, key: SortKey, reversed: bool) -> Vec<String> {
        let world = fixtures::nine_sites();
        let filter = SiteFilter { text: text.to_owned(), not_up };
        arrange(&world.snapshot, &filter, Sort { key, reversed }, 0)
            .into_iter()
            .map(|i| world.snapshot.sites[i].name.to_string())
            .collect()
    }

    #[test]
    fn a_filter_knows_codes_causes_and_states_in_any_case() {
        let found = |text: &str| listed(text, false, SortKey::State, false);
        assert_eq!(found("503"), ["api"]);
        assert_eq!(found("5xx"), ["api"]);
        assert_eq!(found("slow"), ["shop-checkout"]);
        assert_eq!(found("SLOW !503"), ["shop-checkout"]);
        assert_eq!(found("DOWN"), found("down"));
        assert_eq!(found("Cert"), ["docs"]);
        assert!(found("!204").len() + found("204").len() == 9 && found("204") == ["status"], "{:?}", found("204"));
        assert_eq!(found("5"), [""; 0], "a digit is part of no code");
    }

    #[test]
    fn worst_first_and_inside_a_state_the_order_of_the_file() {
        let names = listed("", false, SortKey::State, false);
        assert_eq!(
            names,
            [
                "api",
                "shop-checkout",
                "intranet",
                "www.rust-lang.org",
                "日本語サイト",
                "docs",
                "blog",
                "status",
                "legacy"
            ]
        );
        assert_eq!(listed("", false, SortKey::State, true)[0], "legacy");
    }

    #[test]
    fn words_are_anded_negated_and_know_states() {
        for (text, names) in [
            ("down", vec!["api"]),
            ("up !blog st", vec!["www.rust-lang.org", "status"]),
            ("cert", vec!["docs"]),
            ("BLOG", vec![]),
            ("blog", vec!["blog"]),
            ("group:sho", vec!["api", "shop-checkout"]),
            ("!group:shop down", vec![]),
            ("group:", vec!["api", "shop-checkout", "docs", "blog"]),
            ("!up !down", vec!["shop-checkout", "intranet", "legacy"]),
            ("nothing-like-it", vec![]),
        ] {
            assert_eq!(listed(text, false, SortKey::State, false), names, "{text}");
        }
        assert_eq!(listed("", true, SortKey::State, false), ["api", "shop-checkout", "intranet", "legacy"]);
    }

    #[test]
    fn a_site_without_the_figure_comes_last_in_both_directions() {
        for (key, first, last_reversed) in
            [(SortKey::Max, "shop-checkout", "legacy"), (SortKey::Availability, "api", "legacy")]
        {
            assert_eq!(listed("", false, key, false)[0], first);
            assert_eq!(listed("", false, key, false)[8], "legacy");
            assert_eq!(listed("", false, key, true)[8], last_reversed);
        }
    }
}
