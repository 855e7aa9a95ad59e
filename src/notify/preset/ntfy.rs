//! ntfy, a topic.
//!
//! Source: `docs.ntfy.sh/publish/#publish-as-json`. A message of more than 4,096 bytes would become an attachment.

use serde_json::json;

use crate::model::{Secret, SecretUrl};
use crate::notify::cut;
use crate::notify::message::Tone;

use super::{Notice, Post};

const TITLE_MAX: usize = 200;
const MESSAGE_MAX: usize = 3_900;

pub(super) fn request(notice: &Notice<'_>, topic: &Secret, token: Option<&Secret>, server: &SecretUrl) -> Post {
    let message = notice.message;
    let (priority, tag) = match message.tone {
        Tone::Down => (4, "red_circle"),
        Tone::Warn => (3, "warning"),
        Tone::Up => (3, "green_circle"),
    };
    let mut body = json!({
        "topic": topic.expose(),
        "title": cut::chars(&message.title, TITLE_MAX),
        "message": cut::bytes(&message.body(), MESSAGE_MAX),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = notice.link() {
        body["click"] = link.into();
    }
    let post = Post { secret_members: &["/topic"], ..Post::json(server.expose().clone(), body) };
    match token {
        Some(token) => post.bearer(token),
        None => post,
    }
}
