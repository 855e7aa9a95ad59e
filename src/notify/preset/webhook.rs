//! Any HTTP endpoint: a CloudEvent, or a body of the user's own.
//!
//! Source: CloudEvents 1.0, `spec.md` and `http-webhook.md` of cloudevents/spec, structured mode. The `id` is that of the row,
//! so a receiver can recognise a repeat.

use serde_json::{Value, json};

use crate::alert::{News, NewsKind};
use crate::model::{Cause, Secret, SecretUrl, Status};
use crate::notify::fields::{at, utc, variables};
use crate::notify::template;
use crate::report;

use super::{Body, Header, Notice, Post};

const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";

pub(super) fn request(
    notice: &Notice<'_>,
    url: &SecretUrl,
    headers: &[(String, Secret)],
    body: Option<&Value>,
) -> Result<Post, String> {
    let (content_type, body) = match body {
        None => (CLOUD_EVENT, Body::Json(cloud_event(notice))),
        Some(own) => {
            let variables = variables(notice.news, notice.message, notice.agent);
            match (own, template::render(own, &variables)?) {
                (Value::String(_), Value::String(text)) => ("text/plain; charset=utf-8", Body::Text(text)),
                (Value::String(_), value) => ("text/plain; charset=utf-8", Body::Text(value.to_string())),
                (_, value) => ("application/json", Body::Json(value)),
            }
        }
    };
    let mut post = Post::json(url.expose().clone(), Value::Null);
    let set = [Header::open("Content-Type", content_type), Header::open("Idempotency-Key", &notice.row_key())];
    let is_own = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    post.headers = set.into_iter().filter(|header| !is_own(&header.name)).collect();
    post.headers.extend(headers.iter().map(|(name, value)| Header::secret(name, value.expose().to_owned())));
    Ok(Post { body, is_repeatable: true, ..post })
}

fn cloud_event(notice: &Notice<'_>) -> Value {
    let first = notice.news.first();
    let mut event = json!({
        "specversion": "1.0",
        "id": notice.row_key(),
        "source": format!("webmon/{}", notice.agent),
        "type": format!("webmon.alert.{}", first.map_or("none", kind)),
        "time": utc(first.map_or(notice.now, at)),
        "datacontenttype": "application/json",
    });
    match notice.news {
        [one] => {
            event["subject"] = one.alert.site.as_ref().into();
            event["data"] = data(one, notice);
        }
        several => event["data"] = several.iter().map(|news| data(news, notice)).collect::<Vec<_>>().into(),
    }
    event
}

/// `down`, `up`, `breached`, `cleared`; for other events their own name.
fn kind(news: &News) -> &'static str {
    match news.kind {
        NewsKind::Opened | NewsKind::Closed => news.alert.state.name(),
        kind => kind.name(),
    }
}

/// The public alert object, and what is known beside it.
fn data(news: &News, notice: &Notice<'_>) -> Value {
    let mut line = Vec::new();
    // A vector takes every byte.
    drop(report::json::alert(&mut line, &news.alert));
    let mut data: Value = serde_json::from_slice(&line).unwrap_or_default();
    let context = &news.context;
    let more = json!({
        "incident": notice.incident,
        "kind": news.kind.name(),
        "title": notice.message.title,
        "url": context.url.as_ref(),
        "group": context.group.as_deref(),
        "cause": context.cause.map(Cause::name),
        "detail": Some(&context.detail).filter(|detail| !detail.is_empty()),
        "status": context.status.map(Status::get),
        "address": context.address.map(|address| address.to_string()),
        "relapses": context.relapses,
        "by": context.by,
        "text": context.text,
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    data
}
