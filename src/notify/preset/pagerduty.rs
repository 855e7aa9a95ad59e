//! PagerDuty, Events API v2.
//!
//! Source: `developer.pagerduty.com/docs/events-api-v2/trigger-events`. The key of an incident is ours, so an answer that is
//! lost opens no second incident at the retry, and the resolve finds the first.

use serde_json::{Map, Value, json};

use crate::alert::{News, NewsKind};
use crate::model::text::clean;
use crate::model::{Secret, SecretUrl};
use crate::notify::cut;
use crate::notify::fields::{at, utc};

use super::{Notice, Post, below};

const KEY_MAX: usize = 255;
const SUMMARY_MAX: usize = 1_024;

pub(super) fn request(notice: &Notice<'_>, key: &Secret, server: &SecretUrl) -> Post {
    let first = notice.news.first();
    let action = match first.map(|news| news.kind) {
        Some(NewsKind::Acknowledged) => "acknowledge",
        Some(NewsKind::Closed | NewsKind::Was | NewsKind::Ended) => "resolve",
        _ => "trigger",
    };
    let mut body = json!({
        "routing_key": key.expose(),
        "event_action": action,
        "dedup_key": cut::chars(&notice.incident_key(), KEY_MAX),
    });
    if let Some(news) = first.filter(|_| action == "trigger") {
        body["payload"] = payload(notice, news);
        body["client"] = "webmon".into();
        if let Some(link) = notice.link() {
            body["links"] = json!([{ "href": link, "text": clean(&news.alert.site) }]);
        }
    }
    let url = below(server, &["v2", "enqueue"]);
    Post { secret_members: &["/routing_key"], is_repeatable: true, ..Post::json(url, body) }
}

fn payload(notice: &Notice<'_>, news: &News) -> Value {
    let (message, alert) = (notice.message, &news.alert);
    let facts = message.facts.iter().map(|(label, value)| (label.clone(), Value::from(value.as_str())));
    let mut details: Map<String, Value> = facts.collect();
    if !message.lines.is_empty() {
        details.insert("text".to_owned(), message.lines.join("\n").into());
    }
    let mut payload = json!({
        "summary": cut::chars(&message.title, SUMMARY_MAX),
        "source": cut::chars(&clean(&alert.site), KEY_MAX),
        "severity": alert.rule.severity().name(),
        "timestamp": utc(at(news)),
        "group": clean(news.context.group.as_deref().unwrap_or("webmon")),
        "class": alert.rule.name(),
        "custom_details": details,
    });
    if let Some(link) = notice.link() {
        payload["component"] = link.into();
    }
    payload
}
