//! Matrix, an unencrypted room.
//!
//! Source: `spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid`. The transaction is the
//! row of the outbox, so a repeat is the same event. An event has at most 64 KiB.

use serde_json::json;

use crate::http::Method;
use crate::model::{Secret, SecretUrl};
use crate::notify::cut;
use crate::notify::message::{Message, Tone};

use super::{Notice, Post, below};

const BODY_MAX: usize = 8_000;
const HTML_MAX: usize = 36_000;

pub(super) fn request(notice: &Notice<'_>, room: &str, server: &SecretUrl, token: &Secret) -> Post {
    let message = notice.message;
    let text = [message.title.clone(), message.text()].join("\n");
    let body = json!({
        "msgtype": if message.tone == Tone::Down { "m.text" } else { "m.notice" },
        "body": cut::bytes(text.trim_end(), BODY_MAX),
        "format": "org.matrix.custom.html",
        "formatted_body": html(message),
        "m.mentions": {},
    });
    let path = ["_matrix", "client", "v3", "rooms", room, "send", "m.room.message", &notice.row_key()];
    let post = Post { method: Method::PUT, is_repeatable: true, ..Post::json(below(server, &path), body) };
    post.bearer(token)
}

/// The message as HTML, in whole lines.
fn html(message: &Message) -> String {
    let mut html = format!("<strong>{}</strong>", escaped(&message.title));
    let lines = message.lines.iter().map(|line| escaped(line));
    let facts = message.facts.iter().map(|(label, value)| format!("<em>{}</em>: {}", escaped(label), escaped(value)));
    for line in lines.chain(facts) {
        if html.len() + "<br>".len() + line.len() > HTML_MAX {
            break;
        }
        html.push_str("<br>");
        html.push_str(&line);
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
