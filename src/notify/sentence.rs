//! The sentences about one event.
//!
//! Invariants: a site that went down or up is told in the words that `webmon alerts` lists.

use jiff::tz::TimeZone;

use crate::alert::{News, NewsKind, Reading, RuleKind};
use crate::model::Timestamp;
use crate::model::time::duration::{self, format_seconds};
use crate::report::{clock, minute};

/// The title of one event.
pub(super) fn title(news: &News, zone: &TimeZone) -> String {
    let (alert, context) = (&news.alert, &news.context);
    let subject = named(news);
    let by = context.by.as_deref().unwrap_or("somebody");
    match news.kind {
        NewsKind::Opened | NewsKind::Closed if !alert.message.is_empty() => alert.message.clone(),
        NewsKind::Opened | NewsKind::Closed => format!("{}. time={}", self::subject(news), moment(alert.at, zone)),
        NewsKind::Was if alert.rule == RuleKind::Network && !note(news).is_empty() => {
            format!("{subject}: {}", note(news))
        }
        NewsKind::Was => {
            let lasted = alert.downtime.map_or_else(String::new, |lasted| format!(", {}", format_seconds(lasted)));
            let (from, to) = (beside(alert.since, alert.at, zone), beside(alert.at, alert.since, zone));
            format!("{subject} {} from {from} to {to}{lasted}", past(alert.rule))
        }
        NewsKind::Ended => {
            format!("{}; it {} since {}", unwatched(news), had(alert.rule), moment(alert.since, zone))
        }
        NewsKind::Reminder => {
            let lasts = context.open_for.map_or_else(String::new, |lasts| format!(" after {}", rounded(lasts)));
            match &alert.reading {
                // What counts is how long it has left.
                Some(Reading::Certificate { .. }) => format!("{subject} {}", still(news)),
                Some(Reading::Note(note)) => format!("{subject} still reports{lasts}: {}", note.trim_end_matches('.')),
                _ => format!("{subject} {}{lasts}", still(news)),
            }
        }
        NewsKind::Acknowledged => match context.text.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => format!("{subject}: acknowledged by {by}: {text}"),
            None => format!("{subject}: acknowledged by {by}"),
        },
        NewsKind::Withdrawn => format!("{subject}: {by} withdrew the acknowledgement"),
    }
}

/// The event in a few words.
pub(super) fn subject(news: &News) -> String {
    let subject = named(news);
    match news.kind {
        NewsKind::Opened => format!("{subject} {}", present(news)),
        // What webmon says of itself says what is over, too.
        NewsKind::Closed if matches!(news.alert.reading, Some(Reading::Note(_))) => {
            format!("{subject} {}", present(news))
        }
        NewsKind::Closed => format!("{subject} {}", again(news.alert.rule)),
        NewsKind::Was => format!("{subject} {}", past(news.alert.rule)),
        NewsKind::Ended => unwatched(news),
        NewsKind::Reminder => format!("{subject} {}", still(news)),
        NewsKind::Acknowledged => format!("{subject}: acknowledged"),
        NewsKind::Withdrawn => format!("{subject}: acknowledgement withdrawn"),
    }
}

/// Why it happened, if that is known: the last failure, or its cause.
pub(super) fn reason(news: &News) -> Option<String> {
    let detail = Some(news.context.detail.clone()).filter(|detail| !detail.is_empty());
    detail.or_else(|| news.context.cause.map(|cause| cause.name().to_owned()))
}

/// A local time, with its day: `2026-11-22 10:00:00`.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    format!("{}{}", minute(at, zone), &clock(at, zone)[5..])
}

/// A local time, with its day only if that is another than the day of `other`.
pub(super) fn beside(at: Timestamp, other: Timestamp, zone: &TimeZone) -> String {
    if at.format(zone, "%F") == other.format(zone, "%F") { clock(at, zone) } else { moment(at, zone) }
}

/// How long something has lasted, to the unit that matters: `2h`, `1d4h`, `45s`.
pub(super) fn rounded(lasts: std::time::Duration) -> String {
    let unit = match lasts.as_secs() {
        0..60 => 1,
        60..86_400 => 60,
        _ => 3_600,
    };
    duration::format(std::time::Duration::from_secs(lasts.as_secs() / unit * unit))
}

/// What webmon says about itself.
fn note(news: &News) -> &str {
    match &news.alert.reading {
        Some(Reading::Note(note)) => note.trim_end_matches('.'),
        _ => "",
    }
}

/// What ended: a site may go on without one of its rules.
fn unwatched(news: &News) -> String {
    let aspect = news.alert.rule.aspect().filter(|_| news.alert.rule != RuleKind::Certificate);
    let what = aspect.map_or_else(|| named(news), |aspect| format!("The {aspect} of website {}", news.alert.site));
    format!("{what} is no longer watched")
}

/// Whom or what the event is about.
fn named(news: &News) -> String {
    let site = &news.alert.site;
    match news.alert.rule {
        RuleKind::Location => format!("Location {site}"),
        rule if rule.is_own() => "webmon".to_owned(),
        RuleKind::Certificate => format!("The certificate of website {site}"),
        _ => format!("Website {site}"),
    }
}

/// What is wrong, as a predicate.
fn present(news: &News) -> String {
    match (&news.alert.reading, news.alert.rule) {
        (Some(Reading::Certificate { days_left, .. }), _) => format!("expires in {}", days(*days_left)),
        (Some(Reading::Note(note)), _) => format!("reports: {}", note.trim_end_matches('.')),
        (Some(Reading::Blind { .. }), _) => "is blind".to_owned(),
        (Some(Reading::Silent { .. }), _) => "is silent".to_owned(),
        (_, RuleKind::Latency) => "is slow".to_owned(),
        (_, RuleKind::Partial) => "is partly down".to_owned(),
        (_, RuleKind::Certificate) => "expires soon".to_owned(),
        (_, RuleKind::SloFast | RuleKind::SloSlow) => "spends its error budget too fast".to_owned(),
        (_, rule) if rule.is_own() => format!("is in trouble: {}", rule.name()),
        _ => "is down".to_owned(),
    }
}

/// What is wrong and has been for a while.
fn still(news: &News) -> String {
    match (&news.alert.reading, news.alert.rule) {
        (Some(Reading::Certificate { not_after, .. }), _) => {
            let now = news.alert.since.after(news.context.open_for.unwrap_or_default());
            format!("expires in {}", days(whole_days(now, *not_after)))
        }
        (Some(Reading::Note(note)), _) => format!("still reports: {}", note.trim_end_matches('.')),
        (Some(Reading::Blind { .. }), _) => "is still blind".to_owned(),
        (Some(Reading::Silent { .. }), _) => "is still silent".to_owned(),
        (_, RuleKind::Latency) => "is still slow".to_owned(),
        (_, RuleKind::Partial) => "is still partly down".to_owned(),
        (_, RuleKind::Certificate) => "still expires soon".to_owned(),
        (_, RuleKind::SloFast | RuleKind::SloSlow) => "still spends its error budget too fast".to_owned(),
        (_, rule) if rule.is_own() => format!("is still in trouble: {}", rule.name()),
        _ => "is still down".to_owned(),
    }
}

/// That it is over.
fn again(rule: RuleKind) -> &'static str {
    match rule {
        RuleKind::Availability => "is up",
        RuleKind::Partial => "is no longer partly down",
        RuleKind::Location => "is back",
        RuleKind::Latency => "is fast again",
        RuleKind::Certificate => "was renewed",
        RuleKind::SloFast | RuleKind::SloSlow => "keeps to its error budget again",
        RuleKind::Network | RuleKind::Store | RuleKind::Lateness | RuleKind::Outlet => "is well again",
    }
}

/// What was wrong.
fn past(rule: RuleKind) -> &'static str {
    match rule {
        RuleKind::Availability => "was down",
        RuleKind::Partial => "was partly down",
        RuleKind::Location => "had no vote",
        RuleKind::Latency => "was slow",
        RuleKind::Certificate => "was about to expire",
        RuleKind::SloFast | RuleKind::SloSlow => "spent its error budget too fast",
        RuleKind::Network => "had no network",
        RuleKind::Store => "did not save",
        RuleKind::Lateness => "checked late",
        RuleKind::Outlet => "could not notify an outlet",
    }
}

/// What had been wrong until it ended.
fn had(rule: RuleKind) -> &'static str {
    match rule {
        RuleKind::Availability => "had been down",
        RuleKind::Partial => "had been partly down",
        RuleKind::Location => "had been without a vote",
        RuleKind::Latency => "had been too long",
        RuleKind::Certificate => "had been about to expire",
        RuleKind::SloFast | RuleKind::SloSlow => "had been spent too fast",
        RuleKind::Network | RuleKind::Store | RuleKind::Lateness | RuleKind::Outlet => "had been in trouble",
    }
}

fn days(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

/// Whole days from `now` to `end`, rounded down.
fn whole_days(now: Timestamp, end: Timestamp) -> i64 {
    const DAY: i128 = 86_400_000_000;
    let left = i128::from(end.as_micros()) - i128::from(now.as_micros());
    i64::try_from(left.div_euclid(DAY)).expect("timestamps are below 2^52 µs")
}
