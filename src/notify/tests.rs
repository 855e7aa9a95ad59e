//! The messages to the letter, and their bounds over any events.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::cut;
use super::fields::variables;
use super::message::{Message, Tone};
use super::template;
use crate::alert::{Alert, AlertRecord, AlertState, Locations, News, NewsContext, NewsKind, Reading, Rule, RuleKind};
use crate::model::text::is_harmful;
use crate::model::{self, Cause, Timestamp};
use crate::report::text::alert_text;
use crate::stats::Availability;

/// 2026-11-22T09:00:00Z.
const NOW: Timestamp = Timestamp::from_secs(1_795_338_000);

fn news(kind: NewsKind, rule: RuleKind, site: &str) -> News {
    let is_availability = rule == RuleKind::Availability;
    let state = match (kind, is_availability) {
        (NewsKind::Ended, _) => AlertState::Ended,
        (NewsKind::Closed | NewsKind::Was, true) => AlertState::Up,
        (NewsKind::Closed | NewsKind::Was, false) => AlertState::Cleared,
        (_, true) => AlertState::Down,
        (_, false) => AlertState::Breached,
    };
    let lasted = Duration::from_secs(192);
    let reading = match rule {
        RuleKind::Certificate => {
            Some(Reading::Certificate { not_after: NOW.after(Duration::from_hours(200)), days_left: 8 })
        }
        RuleKind::Location => Some(Reading::Blind { down: 8, sites: 10 }),
        RuleKind::Store => Some(Reading::Note("not saving since 08:59:03: disk full.".to_owned())),
        _ => None,
    };
    let facts = Alert {
        at: NOW,
        site: site.into(),
        state,
        rule,
        incident: Some(17),
        reading,
        availability: is_availability.then_some(Availability { up: 9, checks: 12 }),
        threshold: Rule::default().threshold,
        window: Duration::from_mins(2),
        since: if kind.is_closing() { NOW.before(lasted) } else { NOW },
        downtime: kind.is_closing().then_some(lasted),
        locations: None,
    };
    let message = alert_text(&facts, &TimeZone::UTC);
    News { kind, alert: AlertRecord { facts, message }, context: context() }
}

fn context() -> NewsContext {
    NewsContext {
        url: "https://api.example.com/health".into(),
        cause: Some(Cause::Status),
        detail: "503 Service Unavailable".to_owned(),
        address: Some([203, 0, 113, 7].into()),
        last_good: Some(NOW.before(Duration::from_secs(67))),
        causes: vec![(Cause::Status, 3)],
        open_for: Some(Duration::from_hours(2)),
        by: Some("ada".to_owned()),
        text: Some("looking at it".to_owned()),
        ..NewsContext::default()
    }
}

fn message(news: &[News]) -> Message {
    Message::of(news, &TimeZone::UTC, false)
}

/// What webmon says of itself is said, also when it is over and with others.
#[test]
fn reports_about_webmon_say_what_they_are_about() {
    let over = || {
        let mut over = news(NewsKind::Closed, RuleKind::Store, "webmon");
        over.alert.facts.reading = Some(Reading::Note("saving again.".to_owned()));
        over
    };
    let mut network = news(NewsKind::Closed, RuleKind::Network, "webmon");
    network.alert.facts.reading = Some(Reading::Note("no network from 08:59:03 to 09:00:00 (57s).".to_owned()));
    let message = Message::of(&[over(), network], &TimeZone::UTC, false);
    assert_eq!(message.title, "2 reports about webmon.");
    assert_eq!(
        message.lines,
        ["webmon reports: saving again", "webmon reports: no network from 08:59:03 to 09:00:00 (57s)"]
    );
}

#[test]
fn each_event_has_its_sentence_to_the_letter() {
    use NewsKind::{Acknowledged, Closed, Ended, Opened, Reminder, Was, Withdrawn};
    use RuleKind::{Availability, Certificate, Latency, SloFast, Store};
    for (kind, rule, title, subject) in [
        (
            Opened,
            Availability,
            "Website api is down. availability=75.00%, time=2026-11-22T09:00:00+00:00",
            "Website api is down",
        ),
        (
            Closed,
            Availability,
            "Website api is up. availability=75.00%, time=2026-11-22T09:00:00+00:00, downtime=3m12s",
            "Website api is up",
        ),
        (Was, Availability, "Website api was down from 08:56:48 to 09:00:00, 3m12s", "Website api was down"),
        (
            Ended,
            Availability,
            "Website api is no longer watched; it had been down since 2026-11-22 08:56:48",
            "Website api is no longer watched",
        ),
        (
            Ended,
            Latency,
            "The response time of website api is no longer watched; it had been too long since 2026-11-22 08:56:48",
            "The response time of website api is no longer watched",
        ),
        (
            Ended,
            Certificate,
            "The certificate of website api is no longer watched; it had been about to expire since 2026-11-22 08:56:48",
            "The certificate of website api is no longer watched",
        ),
        (Reminder, Availability, "Website api is still down after 2h", "Website api is still down"),
        (Acknowledged, Availability, "Website api: acknowledged by ada: looking at it", "Website api: acknowledged"),
        (
            Withdrawn,
            Availability,
            "Website api: ada withdrew the acknowledgement",
            "Website api: acknowledgement withdrawn",
        ),
        (Was, Latency, "Website api was slow from 08:56:48 to 09:00:00, 3m12s", "Website api was slow"),
        (
            Reminder,
            SloFast,
            "Website api still spends its error budget too fast after 2h",
            "Website api still spends its error budget too fast",
        ),
        (
            Reminder,
            Certificate,
            "The certificate of website api expires in 8 days",
            "The certificate of website api expires in 8 days",
        ),
        (Was, Store, "webmon did not save from 08:56:48 to 09:00:00, 3m12s", "webmon did not save"),
        (
            Reminder,
            Store,
            "webmon still reports after 2h: not saving since 08:59:03: disk full",
            "webmon still reports: not saving since 08:59:03: disk full",
        ),
    ] {
        let message = message(&[news(kind, rule, "api")]);
        assert_eq!((message.title.as_str(), message.subject.as_str()), (title, subject), "{kind:?} {rule:?}");
    }
}

#[test]
fn locations_are_told_in_their_own_words() {
    use NewsKind::{Closed, Ended, Opened, Reminder, Was};
    use RuleKind::{Location, Partial};
    for (kind, rule, title, subject) in [
        (
            Opened,
            Location,
            "Location fra1 is blind. sites=8/10, time=2026-11-22T09:00:00+00:00",
            "Location fra1 is blind",
        ),
        (
            Closed,
            Location,
            "Location fra1 is back. time=2026-11-22T09:00:00+00:00, lasted=3m12s",
            "Location fra1 is back",
        ),
        (Was, Location, "Location fra1 had no vote from 08:56:48 to 09:00:00, 3m12s", "Location fra1 had no vote"),
        (Reminder, Location, "Location fra1 is still blind after 2h", "Location fra1 is still blind"),
        (Reminder, Partial, "Website fra1 is still partly down after 2h", "Website fra1 is still partly down"),
        (Was, Partial, "Website fra1 was partly down from 08:56:48 to 09:00:00, 3m12s", "Website fra1 was partly down"),
        (
            Ended,
            Partial,
            "Website fra1 is no longer watched; it had been partly down since 2026-11-22 08:56:48",
            "Website fra1 is no longer watched",
        ),
    ] {
        let message = message(&[news(kind, rule, "fra1")]);
        assert_eq!((message.title.as_str(), message.subject.as_str()), (title, subject), "{kind:?} {rule:?}");
    }
    let mut down = news(Opened, RuleKind::Availability, "api");
    down.alert.facts.locations =
        Some(Locations::votes(3, 2, ["fra1", "nyc1"].map(|name| model::Location::new(name).unwrap())));
    let told = message(std::slice::from_ref(&down));
    assert_eq!(told.facts[1], ("locations".to_owned(), "2/3 (fra1, nyc1)".to_owned()));
    assert_eq!(variables(&[down], &told, "agent")["locations"], "2/3 (fra1, nyc1)");
    assert_eq!(variables(&[news(Opened, Partial, "api")], &told, "agent")["locations"], "");
}

#[test]
fn a_message_has_its_reason_its_place_and_its_figures() {
    let down = message(&[news(NewsKind::Opened, RuleKind::Availability, "api")]);
    assert_eq!(down.tone, Tone::Down);
    assert_eq!(down.lines, ["503 Service Unavailable", "last good 08:58:53, 203.0.113.7"]);
    let facts: Vec<String> = down.facts.iter().map(|(label, value)| format!("{label}: {value}")).collect();
    assert_eq!(
        facts,
        [
            "availability: 75.00% of 12 checks in 2m",
            "cause: status ×3",
            "url: https://api.example.com/health",
            "rule: availability",
            "incident: 17"
        ]
    );
    let mut up = news(NewsKind::Closed, RuleKind::Availability, "api");
    up.context.relapses = 7;
    let up = message(&[up]);
    assert_eq!((up.tone, up.lines.len()), (Tone::Up, 0));
    assert_eq!(up.facts.last(), Some(&("relapses".to_owned(), "7".to_owned())));
    assert_eq!(message(&[news(NewsKind::Opened, RuleKind::Latency, "api")]).tone, Tone::Warn);
    assert_eq!(message(&[news(NewsKind::Reminder, RuleKind::Availability, "api")]).tone, Tone::Down);
    let repeat = Message::of(&[news(NewsKind::Opened, RuleKind::Availability, &"x".repeat(600))], &TimeZone::UTC, true);
    assert!(repeat.title.ends_with(" (perhaps a repeat)"), "{}", repeat.title);
}

/// `count` sites that went down a second apart, `shop` the first `shop` of them, the first `shared` at one address.
fn storm(count: u8, shop: u8, shared: u8) -> Vec<News> {
    let site = |index: u8| {
        let mut news = news(NewsKind::Opened, RuleKind::Availability, &format!("website-number-{index}"));
        news.alert.facts.at = NOW.after(Duration::from_secs(u64::from(count - index) + 2));
        news.context.group = Some(Arc::from(if index < shop { "shop" } else { "blog" }));
        news.context.address = Some(if index < shared { [203, 0, 113, 7] } else { [198, 51, 100, index] }.into());
        news
    };
    (0..count).map(site).collect()
}

#[test]
fn a_storm_is_one_message_that_says_what_the_sites_share() {
    let named: Vec<String> = (0..8).map(|index| format!("website-number-{index}")).collect();
    let message = |news: &[News]| self::message(news);
    let storm14 = message(&storm(23, 20, 14));
    assert_eq!(
        storm14.title,
        format!(
            "23 sites are down: {}, … (shop 20, blog 3). First 09:00:03. 14 of them at 203.0.113.7.",
            named.join(", ")
        )
    );
    assert_eq!((storm14.subject.as_str(), storm14.lines.len()), ("23 sites are down", 10));
    assert_eq!(storm14.lines[0], "website-number-0: 503 Service Unavailable");
    assert_eq!(storm14.lines[9], "… and 14 more");
    assert_eq!(storm14.facts[0], ("incidents".to_owned(), "23".to_owned()));
    assert!(message(&storm(22, 20, 11)).title.ends_with("First 09:00:03."), "half is not more than half");
    assert_eq!(message(&storm(2, 1, 0)).title, "2 sites are down: website-number-0, website-number-1. First 09:00:03.");

    let mut certificate = storm(4, 0, 0);
    certificate.iter_mut().take(3).for_each(|news| news.context.certificate = Some("*.example.com".to_owned()));
    let title = message(&certificate).title;
    assert!(title.ends_with("3 of them with the certificate *.example.com."), "{title}");
}

#[test]
fn a_mixed_message_begins_with_the_most_urgent() {
    use NewsKind::{Acknowledged, Closed, Opened, Reminder, Was};
    let mixed = [
        news(Closed, RuleKind::Availability, "blog"),
        news(Acknowledged, RuleKind::Availability, "cart"),
        news(Opened, RuleKind::Availability, "api"),
        news(Was, RuleKind::Availability, "docs"),
        news(Reminder, RuleKind::Availability, "mail"),
        news(Opened, RuleKind::Certificate, "shop"),
    ];
    let message = message(&mixed);
    assert_eq!(
        message.title,
        "Website api is down. Website mail is still down after 2h. The certificate of website shop expires in 8 days. \
         Website docs was down from 08:56:48 to 09:00:00, 3m12s. Website blog is up. \
         Website cart: acknowledged by ada: looking at it."
    );
    assert_eq!(
        message.lines,
        [
            "api: 503 Service Unavailable",
            "mail: still down after 2h: 503 Service Unavailable",
            "The certificate of website shop expires in 8 days",
            "docs: was down for 3m12s",
            "blog: up after 3m12s",
            "Website cart: acknowledged",
        ]
    );
    assert_eq!(message.tone, Tone::Down);
}

#[test]
fn days_are_shown_where_they_differ() {
    let mut was = news(NewsKind::Was, RuleKind::Availability, "api");
    was.alert.facts.since = NOW.before(Duration::from_hours(12));
    assert_eq!(message(&[was]).title, "Website api was down from 2026-11-21 21:00:00 to 2026-11-22 09:00:00, 3m12s");
    let mut down = news(NewsKind::Opened, RuleKind::Availability, "api");
    down.context.last_good = Some(NOW.before(Duration::from_hours(12)));
    assert_eq!(message(&[down]).lines[1], "last good 2026-11-21 21:00:00, 203.0.113.7");
}

fn any_news() -> impl Strategy<Value = News> {
    let text = || prop_oneof!["\\PC{0,40}", any::<String>(), "x{600,900}", "[\u{202a}-\u{202e}\u{7}\n]{0,5}"];
    let kind = proptest::sample::select(NewsKind::ALL.to_vec());
    let rule = proptest::sample::select(RuleKind::ALL.to_vec());
    (kind, rule, text(), text(), any::<bool>()).prop_map(|(kind, rule, site, detail, has_group)| {
        let mut news = news(kind, rule, &site);
        news.context.group = has_group.then(|| Arc::from(detail.as_str()));
        news.context.certificate = Some(detail.clone());
        news.context.text = Some(detail.clone());
        news.context.detail = detail;
        news
    })
}

proptest! {
    #[test]
    fn messages_and_variables_are_bounded_and_clean(all in proptest::collection::vec(any_news(), 1..40), is_repeat: bool) {
        let message = Message::of(&all, &TimeZone::UTC, is_repeat);
        let length = |text: &str| text.chars().count();
        prop_assert!(length(&message.title) <= 500 && !message.title.is_empty() && !message.subject.is_empty());
        prop_assert!(message.lines.len() <= 10 && message.lines.iter().all(|line| length(line) <= 500));
        prop_assert!(message.facts.len() <= 10);
        prop_assert!(message.facts.iter().all(|(label, value)| length(label) <= 40 && length(value) <= 300));
        let texts = message.lines.iter().chain(message.facts.iter().map(|(_, value)| value));
        prop_assert!(!texts.chain([&message.title, &message.subject]).any(|text| text.contains(is_harmful)));
        prop_assert_eq!(is_repeat, message.title.ends_with("(perhaps a repeat)"));

        let variables = variables(&all, &message, "agent");
        prop_assert_eq!(variables.len(), template::VARIABLES.len());
        prop_assert_eq!(variables["count"].as_u64(), Some(all.len() as u64));
        for (name, value) in &variables {
            let text = value.as_str().unwrap_or_default();
            prop_assert!(!text.replace('\n', "").contains(is_harmful), "{}", name);
            let whole = format!("{{{{ {name} }}}}");
            prop_assert!(template::render_text(&whole, &variables).is_ok());
        }
        prop_assert!(cut::chars(&message.body(), 100).chars().count() <= 100);
    }
}
