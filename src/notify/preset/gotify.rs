//! Gotify, an application.
//!
//! Source: `docs/spec.json` of gotify/server. The token goes into a header, never into the query, which servers log.

use serde_json::json;

use crate::model::{Secret, SecretUrl};
use crate::notify::cut;
use crate::notify::message::Tone;

use super::{Header, Notice, Post, below};

const TITLE_MAX: usize = 250;

pub(super) fn request(notice: &Notice<'_>, server: &SecretUrl, token: &Secret) -> Post {
    let message = notice.message;
    let priority = match message.tone {
        Tone::Down => 8,
        Tone::Warn => 5,
        Tone::Up => 4,
    };
    let mut extras = json!({ "client::display": { "contentType": "text/plain" } });
    if let Some(link) = notice.link() {
        extras["client::notification"] = json!({ "click": { "url": link } });
    }
    let body = json!({
        "title": cut::chars(&message.title, TITLE_MAX), "message": message.body(), "priority": priority, "extras": extras,
    });
    let mut post = Post::json(below(server, &["message"]), body);
    post.headers.push(Header::secret("X-Gotify-Key", token.expose().to_owned()));
    post
}
