//! Telegram, a bot.
//!
//! Source: `core.telegram.org/bots/api#sendmessage`. Without `parse_mode` the text is plain. At most 4,096 UTF-16 code units.

use serde_json::json;

use crate::model::{Secret, SecretUrl};
use crate::notify::cut;
use crate::notify::message::Tone;

use super::{Notice, Post, below};

const TEXT_MAX: usize = 4_096;

pub(super) fn request(notice: &Notice<'_>, chat: &str, token: &Secret, server: &SecretUrl) -> Post {
    let message = notice.message;
    let text = [message.title.clone(), message.text()].join("\n");
    let url = below(server, &[&format!("bot{}", token.expose()), "sendMessage"]);
    Post::json(
        url,
        json!({
            "chat_id": chat,
            "text": cut::utf16(text.trim_end(), TEXT_MAX),
            "link_preview_options": { "is_disabled": true },
            "disable_notification": message.tone != Tone::Down,
        }),
    )
}
