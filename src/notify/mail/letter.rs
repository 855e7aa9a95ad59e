//! The letter that a message becomes: plain text, with the headers that let mail programs thread and filter it.
//!
//! Every letter about an incident refers to one id, which the letter that opens it has; so a mail program shows them as one
//! conversation, and repeats of a letter as one. Sources: RFC 5322, section 3.6.4; RFC 3834 (`Auto-Submitted`).

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mime};

use crate::alert::NewsKind;
use crate::model::Timestamp;
use crate::notify::envelope::Envelope;
use crate::notify::message::Message;

/// Incidents that a letter refers to.
const REFERENCES_MAX: usize = 10;

pub(in crate::notify) struct Letter {
    from: Mailbox,
    to: Mailbox,
    id: String,
    references: Vec<String>,
    incident: u64,
    subject: String,
    /// The text.
    pub(in crate::notify) text: String,
}

impl Letter {
    /// The letter from `from` to `to` with `message` about `envelope`.
    pub(super) fn new(from: &Mailbox, to: &Mailbox, envelope: &Envelope, message: &Message) -> Self {
        let host = from.email.domain();
        // Only these characters need no quotes in an id.
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let agent: String = envelope.agent.chars().filter(plain).collect();
        let of_incident = |incident: u64| format!("<webmon-{agent}-incident-{incident}@{host}>");
        let of_row = format!("<webmon-{agent}-{}@{host}>", envelope.row);
        let (id, references) = match envelope.news.as_slice() {
            [one] if one.kind == NewsKind::Opened => (of_incident(envelope.incident), Vec::new()),
            [_] => (of_row, vec![of_incident(envelope.incident)]),
            several => {
                let incidents = several.iter().filter_map(|news| news.alert.incident).take(REFERENCES_MAX);
                (of_row, incidents.map(of_incident).collect())
            }
        };
        let text = [message.title.clone(), message.text()].join("\n\n");
        Self {
            from: from.clone(),
            to: to.clone(),
            id,
            references,
            incident: envelope.incident,
            subject: message.subject.clone(),
            text: text.trim_end().to_owned(),
        }
    }

    /// Its headers, but the date and those of the encoding.
    pub(in crate::notify) fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            ("From", self.from.to_string()),
            ("To", self.to.to_string()),
            ("Subject", self.subject.clone()),
            ("Message-ID", self.id.clone()),
        ];
        if !self.references.is_empty() {
            headers.push(("In-Reply-To", self.references.join(" ")));
            headers.push(("References", self.references.join(" ")));
        }
        headers.extend(self.own_headers());
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn own_headers(&self) -> [(&'static str, String); 2] {
        [("Auto-Submitted", "auto-generated".to_owned()), ("X-Webmon-Incident", self.incident.to_string())]
    }

    /// It as it is sent at `now`.
    pub(super) fn message(&self, now: Timestamp) -> Result<Mime, lettre::error::Error> {
        let date = SystemTime::UNIX_EPOCH + Duration::from_micros(now.as_micros());
        let mut builder = Mime::builder()
            .message_id(Some(self.id.clone()))
            .date(date)
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(self.subject.clone())
            .header(ContentType::TEXT_PLAIN);
        if !self.references.is_empty() {
            let references = self.references.join(" ");
            builder = builder.in_reply_to(references.clone()).references(references);
        }
        for (name, value) in self.own_headers() {
            let name = HeaderName::new_from_ascii_str(name);
            builder = builder.raw_header(HeaderValue::new(name, value));
        }
        builder.body(self.text.clone())
    }
}
