//! Discord, a webhook.
//!
//! Source: `discord.com/developers/docs/resources/webhook`. With `wait=true` it reports a message that it did not save;
//! nobody is mentioned, whatever the texts hold. Lengths are UTF-16 code units, and an embed has 6,000 of them.

use serde_json::{Value, json};

use crate::model::SecretUrl;
use crate::notify::cut;
use crate::notify::fields::{at, utc};
use crate::notify::message::Tone;

use super::{Notice, Post};

const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 2_000;
const LABEL_MAX: usize = 256;
const VALUE_MAX: usize = 1_024;
const EMBED_MAX: usize = 6_000;
/// A value that is shorter stands beside others.
const INLINE_MAX: usize = 40;

pub(super) fn request(notice: &Notice<'_>, url: &SecretUrl) -> Post {
    let message = notice.message;
    let title = cut::utf16(&message.title, TITLE_MAX);
    let description = cut::utf16(&message.lines.join("\n"), DESCRIPTION_MAX);
    let mut left = EMBED_MAX - length(&title) - length(&description);
    let mut fields: Vec<Value> = Vec::new();
    for (label, value) in &message.facts {
        let value = if value.is_empty() { "–" } else { value };
        let (label, value) = (cut::utf16(label, LABEL_MAX), cut::utf16(value, VALUE_MAX));
        let Some(rest) = left.checked_sub(length(&label) + length(&value)) else { break };
        left = rest;
        fields.push(json!({ "name": label, "value": value, "inline": length(&value) < INLINE_MAX }));
    }
    let mut embed = json!({ "title": title, "color": color(message.tone), "fields": fields });
    if !description.is_empty() {
        embed["description"] = description.into();
    }
    if let Some(first) = notice.news.first() {
        embed["timestamp"] = utc(at(first)).into();
    }
    let mut url = url.expose().clone();
    url.query_pairs_mut().append_pair("wait", "true");
    Post::json(url, json!({ "allowed_mentions": { "parse": [] }, "embeds": [embed] }))
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

const fn color(tone: Tone) -> u32 {
    match tone {
        Tone::Down => 0x00d9_3025,
        Tone::Warn => 0x00f2_9900,
        Tone::Up => 0x0018_8038,
    }
}
