//! Microsoft Teams, a workflow that posts an Adaptive Card.
//!
//! Source: `learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using` and the schema of
//! Adaptive Cards 1.4. A message has at most 28 KB. Text blocks are Markdown, so links in texts are broken up.

use serde_json::{Value, json};

use crate::model::SecretUrl;
use crate::notify::cut;
use crate::notify::message::{Message, Tone};

use super::{Notice, Post};

const TEXT_MAX: usize = 1_000;
const MESSAGE_MAX: usize = 28_000;

pub(super) fn request(notice: &Notice<'_>, url: &SecretUrl) -> Post {
    let mut message = notice.message.clone();
    let mut body = card(&message);
    while body.to_string().len() > MESSAGE_MAX && (message.facts.pop().is_some() || message.lines.pop().is_some()) {
        body = card(&message);
    }
    Post::json(url.expose().clone(), body)
}

fn card(message: &Message) -> Value {
    let color = match message.tone {
        Tone::Down => "Attention",
        Tone::Warn => "Warning",
        Tone::Up => "Good",
    };
    let mut body = vec![json!({
        "type": "TextBlock", "text": plain(&message.title), "weight": "Bolder", "size": "Medium", "wrap": true,
        "color": color,
    })];
    body.extend(message.lines.iter().map(|line| json!({ "type": "TextBlock", "text": plain(line), "wrap": true })));
    if !message.facts.is_empty() {
        let facts = message.facts.iter().map(|(label, value)| {
            let value = if value.is_empty() { "–" } else { value };
            json!({ "title": plain(label), "value": plain(value) })
        });
        body.push(json!({ "type": "FactSet", "facts": facts.collect::<Vec<_>>() }));
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "msteams": { "width": "Full" }, "body": body,
    });
    let kind = "application/vnd.microsoft.card.adaptive";
    json!({ "type": "message", "attachments": [{ "contentType": kind, "contentUrl": null, "content": card }] })
}

/// `text` whose brackets make no link.
fn plain(text: &str) -> String {
    cut::chars(text, TEXT_MAX).replace("](", "]\u{200b}(")
}
