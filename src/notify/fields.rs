//! The variables of own bodies, titles and texts, from the events of a message.
//!
//! Invariants: every variable of [`template::VARIABLES`] has a value; no value holds a control or bidi character but the line
//! feeds between lines. Bounds: [`SITES_MAX`] names.

use serde_json::{Value, json};

use crate::alert::{Alert, News, NewsKind};
use crate::model::text::clean;
use crate::model::time::duration::format_seconds;
use crate::model::{Cause, Status, Timestamp, figures};
use crate::report;

use super::cut;
use super::message::Message;
use super::template::{VARIABLES, Variables};

const SITES_MAX: usize = 1_000;
const SITE_TEXT_MAX: usize = 500;
const MESSAGE_MAX: usize = 4_000;

/// The variables of `message` about `news` from `agent`. In a group, those of one incident are the first one's.
pub(super) fn variables(news: &[News], message: &Message, agent: &str) -> Variables {
    let sites: Vec<String> = news.iter().take(SITES_MAX).map(|news| clean(&news.alert.site)).collect();
    let value = |name| match name {
        "title" => json!(message.title),
        "text" => json!(message.text()),
        "message" => json!(sentences(news, message)),
        "site" => json!(cut::chars(&sites.join(", "), SITE_TEXT_MAX)),
        "sites" => json!(sites),
        "count" => json!(news.len()),
        "agent" => json!(agent),
        _ => news.first().map_or(Value::Null, |first| of_one(name, first)),
    };
    VARIABLES.iter().map(|&(name, _)| (name.to_owned(), value(name))).collect()
}

fn of_one(name: &str, news: &News) -> Value {
    let (alert, context) = (&news.alert, &news.context);
    match name {
        "state" => json!(alert.state.name()),
        "kind" => json!(news.kind.name()),
        "url" => json!(clean(&context.url)),
        "group" => json!(clean(context.group.as_deref().unwrap_or_default())),
        "rule" => json!(alert.rule.name()),
        "severity" => json!(alert.rule.severity().name()),
        "incident" => json!(alert.incident),
        "time" => json!(utc(at(news))),
        "since" => json!(utc(alert.since)),
        "downtime" => json!(alert.downtime.map(format_seconds).unwrap_or_default()),
        "availability" => json!(alert.availability.map(|availability| figures::four_decimals(availability.ratio()))),
        "cause" => json!(context.cause.map(Cause::name).unwrap_or_default()),
        "detail" => json!(clean(&context.detail)),
        "status" => json!(context.status.map(Status::get)),
        "locations" => json!(locations(alert)),
        _ => Value::Null,
    }
}

fn locations(alert: &Alert) -> String {
    let is_good = !alert.state.is_opening();
    alert.locations.as_ref().map_or_else(String::new, |locations| report::locations(locations, is_good, true))
}

/// The sentences of the alerts, one a line.
fn sentences(news: &[News], message: &Message) -> String {
    match news {
        [one] if one.alert.message.is_empty() => message.title.clone(),
        _ => {
            let lines: Vec<String> = news.iter().map(|news| clean(&news.alert.message)).collect();
            cut::chars(&lines.join("\n"), MESSAGE_MAX)
        }
    }
}

/// When the event happened; a reminder, when it was due.
pub(super) fn at(news: &News) -> Timestamp {
    match (news.kind, news.context.open_for) {
        (NewsKind::Reminder, Some(lasts)) => news.alert.since.after(lasts),
        _ => news.alert.at,
    }
}

/// RFC 3339, UTC, six decimals, as in the machine formats.
pub(super) fn utc(at: Timestamp) -> String {
    format!("{:.6}", at.instant())
}
