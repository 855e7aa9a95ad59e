//! Sends messages to one outlet, one at a time.
//!
//! The caller keeps the order, the pauses and the repeats; the sender knows the service. Invariants: nothing that it returns
//! holds a secret of the outlet. Bounds: [`SEND_MAX`] per message.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::time::timeout;

use crate::http::{Client, Outgoing, RequestError, Terms};
use crate::model::{KnownSecrets, Timestamp};

use super::answer::{Delivered, FailureKind, SendFailure, judge};
use super::envelope::{Envelope, NotifyError, Preview};
use super::fields::variables;
#[cfg(feature = "mail")]
use super::mail::Mailer;
use super::message::Message;
use super::outlet::Outlet;
#[cfg(feature = "mail")]
use super::outlet::Service;
use super::preset::{self, Body, Notice, Post};
use super::template;

/// Time for one message.
const SEND_MAX: Duration = Duration::from_secs(30);

enum Line {
    Http(Box<Client>),
    #[cfg(feature = "mail")]
    Mail(Box<Mailer>),
}

/// See the module.
pub struct Sender {
    outlet: Arc<Outlet>,
    zone: TimeZone,
    line: Line,
    secrets: KnownSecrets,
}

impl Sender {
    /// A sender to `outlet`, whose messages show times in `zone`; does not connect yet.
    ///
    /// # Errors
    /// [`NotifyError`]: a retry would not help.
    pub fn new(outlet: Arc<Outlet>, zone: TimeZone) -> Result<Self, NotifyError> {
        let terms = Terms {
            insecure: outlet.tls.insecure,
            roots: Arc::clone(&outlet.tls.roots),
            identity: outlet.tls.identity.clone(),
            proxy: outlet.proxy.clone(),
        };
        let line = match (&outlet.service, outlet.service.server()) {
            #[cfg(feature = "mail")]
            (Service::Email { to, from, smtp }, _) => Line::Mail(Box::new(Mailer::new(to, from, smtp, &terms)?)),
            (_, Some(server)) => Line::Http(Box::new(Client::new(server.expose(), &terms)?)),
            (_, None) => return Err(NotifyError::NoMail),
        };
        let secrets = outlet.secrets();
        Ok(Self { outlet, zone, line, secrets })
    }

    /// Sends `envelope` at `now`.
    ///
    /// # Errors
    /// [`SendFailure`]. Unless it says that nothing was sent, the service may have acted.
    pub async fn send(&mut self, envelope: &Envelope, now: Timestamp) -> Result<Delivered, SendFailure> {
        let secrets = self.secrets.clone();
        let sent = timeout(SEND_MAX, self.send_untimed(envelope, now)).await;
        sent.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", SEND_MAX.as_secs());
            let late = SendFailure::new(FailureKind::Transient, &reason, &secrets);
            match &self.line {
                Line::Http(_) => Err(late),
                #[cfg(feature = "mail")]
                Line::Mail(mailer) => Err(SendFailure { is_unsent: mailer.is_unsent(), ..late }),
            }
        })
    }

    /// Closes the connection, if one is kept.
    pub fn disconnect(&mut self) {
        match &mut self.line {
            Line::Http(client) => client.disconnect(),
            // Each letter has a connection of its own, which ends with it.
            #[cfg(feature = "mail")]
            Line::Mail(_) => {}
        }
    }

    /// What [`Sender::send`] would send.
    #[must_use]
    pub fn preview(&self, envelope: &Envelope, now: Timestamp) -> Preview {
        let message = self.message(envelope);
        match &self.line {
            Line::Http(_) => match post(&self.outlet, envelope, &message, now) {
                Ok(post) => self.preview_of(&post),
                Err(reason) => Preview {
                    method: "POST".to_owned(),
                    url: self.outlet.service.shown(),
                    headers: Vec::new(),
                    body: self.secrets.hidden_in(&reason).into(),
                },
            },
            #[cfg(feature = "mail")]
            Line::Mail(mailer) => {
                let letter = mailer.letter(envelope, &message);
                Preview {
                    method: "SMTP".to_owned(),
                    url: self.outlet.service.shown(),
                    headers: letter.headers(),
                    body: letter.text.into(),
                }
            }
        }
    }

    async fn send_untimed(&mut self, envelope: &Envelope, now: Timestamp) -> Result<Delivered, SendFailure> {
        let message = self.message(envelope);
        let Self { outlet, line, secrets, .. } = self;
        match line {
            #[cfg(feature = "mail")]
            Line::Mail(mailer) => mailer.send(&mailer.letter(envelope, &message), secrets, now).await,
            Line::Http(client) => {
                let failed = |kind, reason: &str| SendFailure::new(kind, reason, secrets);
                let request = post(outlet, envelope, &message, now).and_then(outgoing);
                let request = request.map_err(|reason| failed(FailureKind::Broken, &reason).unsent())?;
                match client.send(&request).await {
                    Ok(reply) => judge(&reply, secrets, now).map(|sent| Delivered { peer: client.peer(), ..sent }),
                    Err(RequestError::Network(reason)) => Err(failed(FailureKind::Transient, &reason)),
                    Err(RequestError::Unreached(reason)) => Err(failed(FailureKind::Transient, &reason).unsent()),
                    Err(RequestError::Refused(reason)) => Err(failed(FailureKind::Broken, &reason).unsent()),
                }
            }
        }
    }

    /// The message of `envelope`, in the user's own words where there are any.
    fn message(&self, envelope: &Envelope) -> Message {
        let Envelope { news, agent, .. } = envelope;
        let is_repeat = envelope.perhaps_repeat && !self.outlet.service.recognises_repeats();
        let message = Message::of(news, &self.zone, is_repeat);
        let Outlet { title, text, .. } = &*self.outlet;
        if title.is_none() && text.is_none() {
            return message;
        }
        let variables = variables(news, &message, agent);
        // A template that fails in spite of its check must not cost the message.
        let own =
            |template: &Option<String>| template.as_ref().and_then(|it| template::render_text(it, &variables).ok());
        let message = match own(title) {
            Some(title) => message.titled(&title),
            None => message,
        };
        match own(text) {
            Some(text) => message.with_text(&text),
            None => message,
        }
    }

    fn preview_of(&self, post: &Post) -> Preview {
        let shown = |header: &preset::Header| {
            let value = if header.is_secret { "***".to_owned() } else { header.value.expose().to_owned() };
            (header.name.clone(), value)
        };
        let body = match &post.body {
            Body::Json(body) => {
                let mut body = body.clone();
                for path in post.secret_members {
                    if let Some(member) = body.pointer_mut(path) {
                        *member = "***".into();
                    }
                }
                hidden(body, &self.secrets)
            }
            Body::Text(text) => self.secrets.hidden_in(text).into(),
        };
        let headers = post.headers.iter().map(shown).collect();
        Preview { method: post.method.to_string(), url: self.outlet.service.shown(), headers, body }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({})", self.outlet.key)
    }
}

/// `body` with `***` for each secret in its texts.
fn hidden(body: Value, secrets: &KnownSecrets) -> Value {
    match body {
        Value::String(text) => secrets.hidden_in(&text).into(),
        Value::Array(values) => values.into_iter().map(|value| hidden(value, secrets)).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, hidden(value, secrets))).collect(),
        other => other,
    }
}

/// The request that `envelope` becomes.
fn post(outlet: &Outlet, envelope: &Envelope, message: &Message, now: Timestamp) -> Result<Post, String> {
    let Envelope { news, agent, row, incident, .. } = envelope;
    let notice = Notice { news, message, agent, row: *row, incident: *incident, now };
    preset::request(&outlet.service, &notice).map_err(|reason| format!("body: {reason}"))
}

fn outgoing(post: Post) -> Result<Outgoing, String> {
    let body = match post.body {
        Body::Json(body) => body.to_string(),
        Body::Text(text) => text,
    };
    let headers = post.headers.iter().map(|header| (header.name.as_str(), header.value.expose()));
    let request = Outgoing::new(post.method, &post.url, headers, body.into_bytes());
    let request = request.map_err(|error| error.to_string())?;
    Ok(Outgoing { is_repeatable: post.is_repeatable, ..request })
}
