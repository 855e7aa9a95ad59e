//! Events, and an outlet of every service whose secrets can be recognised.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use webmon::alert::{
    Alert, AlertRecord, AlertState, News, NewsContext, NewsKind, Percentile, Reading, Rule, RuleKind, Severity,
    SiteSelector,
};
use webmon::model::{Cause, Secret, SecretUrl, Status, Timestamp};
use webmon::notify::{Envelope, Outlet, OutletTls, Sender, Service};
use webmon::report::text::alert_text;
use webmon::stats::Availability;

/// Occurs in every secret and nowhere else.
pub const MARK: &str = "c4n4ry";

/// 2026-11-22T09:00:00.123456Z.
pub const NOW: Timestamp = Timestamp::from_micros(1_795_338_000_123_456);

/// Parts of names, answers and URLs that break careless bodies.
pub fn nasty() -> [String; 4] {
    let markup = " \"q\" \\ </b> & <!channel> <@U1> @everyone @all [x](http://e) *b* _i_ ~s~ `c` {{ x }} \u{202e} \u{1f525} \n\t end";
    [String::new(), markup.to_owned(), "ü".repeat(6_000), "\u{1f525}".repeat(5_000)]
}

/// What happened, in the three tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Down,
    Slow,
    Up,
}

pub const CASES: [Case; 3] = [Case::Down, Case::Slow, Case::Up];

/// One event of the site `api` with `nasty` in every text.
pub fn news(case: Case, nasty: &str) -> News {
    let (kind, state, rule) = match case {
        Case::Down => (NewsKind::Opened, AlertState::Down, RuleKind::Availability),
        Case::Slow => (NewsKind::Opened, AlertState::Breached, RuleKind::Latency),
        Case::Up => (NewsKind::Closed, AlertState::Up, RuleKind::Availability),
    };
    let limit = Duration::from_millis(800);
    let slow = Reading::Latency { percentile: Percentile::P95, limit, slower: 3, answered: 60 };
    let lasted = Duration::from_secs(205);
    let facts = Alert {
        at: NOW,
        site: Arc::from(format!("api{nasty}")),
        state,
        rule,
        incident: Some(17),
        reading: (case == Case::Slow).then_some(slow),
        availability: (case != Case::Slow).then_some(Availability { up: 9, checks: 12 }),
        threshold: Rule::default().threshold,
        window: Duration::from_mins(2),
        since: if case == Case::Up { NOW.before(lasted) } else { NOW },
        downtime: (case == Case::Up).then_some(lasted),
        locations: None,
    };
    let message = alert_text(&facts, &TimeZone::UTC);
    let context = NewsContext {
        url: Arc::from(format!("https://api.example.com/health{nasty}")),
        group: Some(Arc::from("shop")),
        cause: Some(Cause::Status),
        detail: format!("503 Service Unavailable{nasty}"),
        status: Status::new(503),
        address: Some([203, 0, 113, 7].into()),
        certificate: Some(format!("*.example.com{nasty}")),
        last_good: Some(NOW.before(Duration::from_secs(67))),
        causes: vec![(Cause::Status, 3), (Cause::DnsTimeout, 1)],
        relapses: 7,
        ..NewsContext::default()
    };
    News { kind, alert: AlertRecord { facts, message }, context }
}

/// An envelope with `news` in row 412.
pub fn envelope(news: Vec<News>) -> Envelope {
    let agent = "7f3ac19d2b0e4c55".to_owned();
    Envelope { agent, row: 412, incident: 17, news, attempt: 1, perhaps_repeat: false }
}

/// An outlet of `service` on the terms of most.
pub fn outlet(service: Service) -> Outlet {
    Outlet {
        name: service.name().into(),
        key: service.name().into(),
        service,
        after: Duration::ZERO,
        only: Severity::Warning,
        sites: SiteSelector::All,
        title: None,
        text: None,
        tls: OutletTls::default(),
        proxy: None,
    }
}

/// A sender to `service`.
pub fn sender(service: Service) -> Sender {
    Sender::new(Arc::new(outlet(service)), TimeZone::UTC).unwrap()
}

/// Every service that is reached by HTTP, at `base` (`http://127.0.0.1:1234`).
pub fn services(base: &str) -> Vec<Service> {
    let url = |path: &str| SecretUrl::new(format!("{base}{path}").parse().unwrap());
    let secret = |name: &str| Secret::new(format!("{MARK}-{name}"));
    let hook = |name: &str| url(&format!("/services/T0/{MARK}-{name}"));
    vec![
        Service::Slack { url: hook("slack") },
        Service::Discord { url: hook("discord") },
        Service::Teams { url: url(&format!("/workflows/1?sig={MARK}-teams")) },
        Service::Mattermost { url: hook("mattermost") },
        Service::Telegram { chat: "-100123".to_owned(), token: secret("telegram"), server: url("") },
        Service::Ntfy { topic: secret("topic"), token: Some(secret("ntfy")), server: url("") },
        Service::Gotify { server: url("/push/"), token: secret("gotify") },
        Service::Pushover { user: secret("user"), token: secret("pushover"), server: url("") },
        Service::Matrix { room: "!room/1:example.org".to_owned(), server: url(""), token: secret("matrix") },
        Service::Pagerduty { key: secret("pagerduty"), server: url("") },
        Service::Alertmanager { url: url("/alerts").clone() },
        Service::Webhook {
            url: hook("webhook"),
            headers: vec![("Authorization".to_owned(), Secret::new(format!("Bearer {MARK}-bearer")))],
            body: None,
        },
    ]
}
