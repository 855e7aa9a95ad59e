//! Alertmanager, its API v2.
//!
//! Source: `api/v2/openapi.yaml` of prometheus/alertmanager. It takes an alert for resolved at its `endsAt`, so an open one is
//! posted again and again with an end that lies ahead ([`FIRING_FOR`]). Labels are the identity of an alert: they must not
//! differ between the two ends of an incident.

use std::time::Duration;

use serde_json::{Value, json};

use crate::alert::{News, RuleKind};
use crate::model::SecretUrl;
use crate::notify::cut;
use crate::notify::fields::utc;
use crate::notify::message::Message;

use super::{Notice, Post, below};

/// How long an open alert fires without being posted again.
const FIRING_FOR: Duration = Duration::from_mins(15);

pub(super) fn request(notice: &Notice<'_>, url: &SecretUrl) -> Post {
    let alerts: Vec<Value> = notice.news.iter().map(|news| alert(notice, news)).collect();
    let url = below(url, &["api", "v2", "alerts"]);
    Post { is_repeatable: true, ..Post::json(url, alerts.into()) }
}

fn alert(notice: &Notice<'_>, news: &News) -> Value {
    let (facts, context) = (&news.alert, &news.context);
    let mut labels = json!({
        "alertname": name(facts.rule),
        "site": facts.site.as_ref(),
        "rule": facts.rule.name(),
        "severity": facts.rule.severity().name(),
        "instance": notice.agent,
    });
    if let Some(group) = &context.group {
        labels["group"] = group.as_ref().into();
    }
    let single;
    let message = if notice.news.len() == 1 {
        notice.message
    } else {
        single = Message::of(std::slice::from_ref(news), &jiff::tz::TimeZone::UTC, false);
        &single
    };
    let ends = if news.kind.is_closing() { facts.at } else { notice.now.after(FIRING_FOR) };
    let mut alert = json!({
        "labels": labels,
        "annotations": { "summary": message.title, "description": message.lines.join("\n") },
        "startsAt": utc(facts.since),
        "endsAt": utc(ends),
    });
    if !context.url.is_empty() {
        alert["generatorURL"] = cut::chars(&context.url, 2_000).into();
    }
    alert
}

fn name(rule: RuleKind) -> &'static str {
    match rule {
        RuleKind::Availability => "WebsiteDown",
        RuleKind::Latency => "WebsiteSlow",
        RuleKind::Certificate => "WebsiteCertificate",
        RuleKind::SloFast | RuleKind::SloSlow => "WebsiteErrorBudget",
        RuleKind::Network => "WebmonNetwork",
        RuleKind::Store => "WebmonStore",
        RuleKind::Lateness => "WebmonLateness",
        RuleKind::Outlet => "WebmonOutlet",
        RuleKind::Partial => "WebsitePartlyDown",
        RuleKind::Location => "WebmonLocation",
    }
}
