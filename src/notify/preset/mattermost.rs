//! Mattermost, an incoming webhook.
//!
//! Source: `docs.mattermost.com/developers/integrate/webhooks/incoming`. Texts are Markdown, so lines and values stand in
//! backticks, and a zero-width space breaks the `@` of the title up: nobody is mentioned.

use serde_json::{Value, json};

use crate::model::SecretUrl;
use crate::notify::cut;

use super::{Notice, Post, color};

const TITLE_MAX: usize = 500;
/// A value that is shorter stands beside another.
const SHORT_MAX: usize = 40;

pub(super) fn request(notice: &Notice<'_>, url: &SecretUrl) -> Post {
    let message = notice.message;
    let fields = message.facts.iter().map(
        |(label, value)| json!({ "title": label, "value": code(value), "short": value.chars().count() < SHORT_MAX }),
    );
    let lines: Vec<String> = message.lines.iter().map(|line| code(line)).collect();
    let title = plain(&message.title);
    let attachment = json!({
        "color": color(message.tone), "fallback": title, "title": title, "text": lines.join("\n"),
        "fields": fields.collect::<Vec<Value>>(),
    });
    Post::json(url.expose().clone(), json!({ "username": "webmon", "attachments": [attachment] }))
}

fn plain(text: &str) -> String {
    cut::chars(&text.replace('@', "@\u{200b}").replace("](", "]\u{200b}("), TITLE_MAX)
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('\n', " "))
}
