//! Pushover, a user or a group.
//!
//! Source: `pushover.net/api`. Lengths are characters: title 250, message 1,024, URL 512.

use serde_json::json;

use crate::model::{Secret, SecretUrl};
use crate::notify::cut;
use crate::notify::fields::at;
use crate::notify::message::Tone;

use super::{Notice, Post, below};

const TITLE_MAX: usize = 250;
const MESSAGE_MAX: usize = 1_024;
const URL_MAX: usize = 512;

pub(super) fn request(notice: &Notice<'_>, user: &Secret, token: &Secret, server: &SecretUrl) -> Post {
    let message = notice.message;
    let at = notice.news.first().map_or(notice.now, at);
    let mut body = json!({
        "token": token.expose(),
        "user": user.expose(),
        "title": cut::chars(&message.title, TITLE_MAX),
        "message": cut::chars(&message.body(), MESSAGE_MAX),
        "priority": i32::from(message.tone == Tone::Down),
        "timestamp": at.as_micros() / 1_000_000,
    });
    // A URL that was cut leads nowhere.
    if let Some(link) = notice.link().filter(|link| link.chars().count() <= URL_MAX) {
        body["url"] = link.into();
        body["url_title"] = "open".into();
    }
    let url = below(server, &["1", "messages.json"]);
    Post { secret_members: &["/token", "/user"], ..Post::json(url, body) }
}
