//! Slack, an incoming webhook.
//!
//! Source: `docs.slack.dev/messaging/sending-messages-using-incoming-webhooks` and the reference of Block Kit. Texts are
//! `plain_text`, and `text` is escaped, so that no answer of a server can mention a channel (`<!channel>`).

use serde_json::{Value, json};

use crate::model::SecretUrl;
use crate::notify::cut;

use super::{Notice, Post, color};

const TITLE_MAX: usize = 3_000;
const TEXT_MAX: usize = 2_900;
const FIELD_MAX: usize = 1_900;

pub(super) fn request(notice: &Notice<'_>, url: &SecretUrl) -> Post {
    let message = notice.message;
    let plain = |text: &str, max| json!({ "type": "plain_text", "text": cut::chars(text, max), "emoji": false });
    let text = if message.lines.is_empty() { message.title.clone() } else { message.lines.join("\n") };
    let mut section = json!({ "type": "section", "text": plain(&text, TEXT_MAX) });
    let fields = message.facts.iter().map(|(label, value)| plain(&format!("{label}: {value}"), FIELD_MAX));
    let fields: Vec<Value> = fields.collect();
    if !fields.is_empty() {
        section["fields"] = fields.into();
    }
    // A cut could fall into an entity, so the plain text is cut to what fits even if all of it is escaped.
    let title = escaped(&cut::chars(&message.title, TITLE_MAX / "&amp;".len()));
    let attachment = json!({ "color": color(message.tone), "fallback": title, "blocks": [section] });
    Post::json(
        url.expose().clone(),
        json!({ "text": title, "unfurl_links": false, "unfurl_media": false, "attachments": [attachment] }),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
