//! The service of an outlet, with the keys that it needs.

use crate::config::keys::reader::Scalar;
use crate::config::sections::headers;
use crate::config::sections::notes::Notes;
use crate::config::syntax::quote::is_sensitive;
use crate::config::syntax::tree::Kind;
use crate::model::Secret;
use crate::notify::{NotifyError, Service};

use super::body;
use super::fields::{Fields, header_value};
use super::smtp;

/// Longest address of e-mail (RFC 5321, section 4.5.3.1.3, without the brackets), bytes.
const ADDRESS_MAX: usize = 254;
/// Longest topic of ntfy, bytes.
const TOPIC_MAX: usize = 64;
const RECIPIENTS_MAX: usize = 50;

/// The service called `name`, and for e-mail each recipient's. Empty after a fault, or when contents do not matter.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    notes: &mut Notes,
) -> Vec<(Option<String>, Service)> {
    let service = match name {
        "slack" => fields.url(name, notes).map(|url| Service::Slack { url }),
        "discord" => fields.url(name, notes).map(|url| Service::Discord { url }),
        "teams" => fields.url(name, notes).map(|url| Service::Teams { url }),
        "mattermost" => fields.url(name, notes).map(|url| Service::Mattermost { url }),
        "telegram" => telegram(fields, notes),
        "ntfy" => ntfy(fields, notes),
        "gotify" => gotify(fields, notes),
        "pushover" => pushover(fields, notes),
        "matrix" => matrix(fields, notes),
        "pagerduty" => pagerduty(fields, notes),
        "alertmanager" => {
            let id = fields.value("alertmanager");
            fields.open_url("URL", id, notes).map(|url| Service::Alertmanager { url })
        }
        "webhook" => webhook(fields, notes),
        "email" => return email(fields, notes),
        other => unreachable!("{other} is declared as a service"),
    };
    service.map(|service| (None, service)).into_iter().collect()
}

/// The word under `name`, if `is_valid`; else `message` is its fault.
fn valid(fields: &mut Fields<'_, '_>, name: &'static str, is_valid: fn(&str) -> bool, message: &str) -> Option<Scalar> {
    let id = fields.value(name);
    let text = fields.word(id)?;
    if !is_valid(&text.value) {
        fields.reader.fault(text.fault(message.to_owned()));
        return None;
    }
    Some(text)
}

fn telegram(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let message = "this is not a chat of Telegram; write its number, such as -1001234567890, or its @name";
    let is_chat = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            || text.strip_prefix('@').is_some_and(|name| !name.is_empty() && is_name(name))
    };
    let chat = valid(fields, "telegram", is_chat, message);
    let token = fields.token("\"${TELEGRAM_TOKEN}\"", notes);
    let server = fields.server_or("https://api.telegram.org", notes);
    Some(Service::Telegram { chat: chat?.value, token: token?, server: server? })
}

fn ntfy(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let is_topic = |text: &str| {
        text.len() <= TOPIC_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let message = "this is not a topic of ntfy; write 1 to 64 letters, digits, dashes and underscores";
    let topic = valid(fields, "ntfy", is_topic, message);
    let token_at = fields.value("token");
    let token = fields.secret("token", token_at, notes);
    if let (Some(topic), None) = (&topic, token_at) {
        notes.credential(topic, format!("the ntfy topic of the outlet {:?}", fields.outlet));
    }
    let server = fields.server_or("https://ntfy.sh", notes);
    if token_at.is_some() && token.is_none() {
        return None;
    }
    Some(Service::Ntfy { topic: Secret::new(topic?.value), token, server: server? })
}

fn gotify(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let id = fields.value("gotify");
    let server = fields.open_url("URL", id, notes);
    let token = fields.token("\"${GOTIFY_TOKEN}\"", notes);
    Some(Service::Gotify { server: server?, token: token? })
}

fn pushover(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let id = fields.value("pushover");
    let user = fields.secret("pushover key", id, notes);
    let token = fields.token("\"${PUSHOVER_TOKEN}\"", notes);
    let server = fields.server_or("https://api.pushover.net", notes);
    Some(Service::Pushover { user: user?, token: token?, server: server? })
}

fn matrix(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let message = "this is not the id of a room; it begins with `!`, such as \"!abc:example.org\"";
    let room = valid(fields, "matrix", |text| text.starts_with('!'), message);
    let server = fields.needed("server", "https://matrix.example.org");
    let server = fields.open_url("server", server, notes);
    let token = fields.token("\"${MATRIX_TOKEN}\"", notes);
    Some(Service::Matrix { room: room?.value, server: server?, token: token? })
}

fn pagerduty(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let id = fields.value("pagerduty");
    let key = fields.secret("pagerduty key", id, notes);
    let server = fields.server_or("https://events.pagerduty.com", notes);
    Some(Service::Pagerduty { key: key?, server: server? })
}

fn webhook(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Option<Service> {
    let url = fields.url("webhook", notes);
    let mut headers = Vec::new();
    for (name, id) in fields.value("headers").map_or_else(Vec::new, |id| headers::read(fields.reader, id)) {
        let Some(text) = fields.reader.text(id).filter(|text| header_value(fields.reader, text)) else { continue };
        if is_sensitive(&name.to_ascii_lowercase()) {
            notes.credential(&text, format!("the header {name} of the outlet {:?}", fields.outlet));
        }
        headers.push((name, Secret::new(text.value)));
    }
    let body = fields.value("body").and_then(|id| body::read(fields.reader, id));
    Some(Service::Webhook { url: url?, headers, body })
}

fn email(fields: &mut Fields<'_, '_>, notes: &mut Notes) -> Vec<(Option<String>, Service)> {
    let reader = fields.reader;
    let recipients = fields.value("email");
    if let Some(id) = recipients.filter(|_| cfg!(not(feature = "mail"))) {
        reader.fault_at(id, format!("{}, or use another outlet", NotifyError::NoMail));
    }
    let recipients = recipients.map_or_else(Vec::new, |id| match reader.kind(id) {
        Kind::List(items) if items.is_empty() || items.len() > RECIPIENTS_MAX => {
            reader.fault_at(id, format!("write 1 to {RECIPIENTS_MAX} addresses"));
            Vec::new()
        }
        Kind::List(items) => items.iter().filter_map(|&item| reader.parsed(item, address)).collect(),
        _ => reader.parsed(id, address).into_iter().collect(),
    });
    let from = fields.needed("from", "webmon@example.com").and_then(|id| reader.parsed(id, sender));
    let server = fields.needed("smtp", "\"smtps://ada:${PASSWORD}@mail.example.com\"");
    let server = server.and_then(|id| reader.text(id)).and_then(|text| {
        let smtp =
            smtp::parse(&text.value, fields.insecure).map_err(|message| reader.fault(text.fault(message))).ok()?;
        if smtp.login.is_some() {
            notes.credential(&text, format!("the password of the outlet {:?}", fields.outlet));
        }
        Some(smtp)
    });
    let (Some(from), Some(smtp)) = (from, server) else { return Vec::new() };
    let service = |to: String| (Some(to.clone()), Service::Email { to, from: from.clone(), smtp: smtp.clone() });
    recipients.into_iter().map(service).collect()
}

fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_odd = |c: char| crate::model::text::is_harmful(c) || c.is_whitespace() || "<>()[],;:\\\"".contains(c);
    let parts = text.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty());
    if parts.is_none_or(|(_, host)| host.contains('@')) || text.contains(is_odd) || text.len() > ADDRESS_MAX {
        return Err(format!("{text:?} is not an e-mail address such as ada@example.com"));
    }
    Ok(text.to_owned())
}

/// An address, perhaps with a name before it: `webmon <webmon@example.com>`.
fn sender(text: &str) -> Result<String, String> {
    let text = text.trim();
    let Some((name, rest)) = text.strip_suffix('>').and_then(|text| text.split_once('<')) else { return address(text) };
    let is_plain = |c: char| c.is_alphanumeric() || " -_'".contains(c);
    if !name.chars().all(is_plain) {
        return Err(format!("{name:?} cannot be a sender's name; write letters, digits, spaces and dashes"));
    }
    address(rest).map(|address| format!("{} <{address}>", name.trim()))
}
