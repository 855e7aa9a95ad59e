//! E-mail by SMTP: one connection, one message, one recipient.
//!
//! lettre speaks SMTP and writes the message. The connection is ours, so that TLS is verified as everywhere else and a
//! server's bytes are bounded. One connection per message: alerts are rare, and servers close idle ones without a word.
//!
//! Invariants: where TLS is configured, nothing but the request for it is sent without. The sender bounds the time.

mod letter;
mod starttls;
mod stream;

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use crate::http::{Endpoint, RequestError, Terms};
use crate::model::{KnownSecrets, Secret, Timestamp};

use super::answer::{Delivered, FailureKind, SendFailure};
use super::envelope::{Envelope, NotifyError};
use super::message::Message;
use super::outlet::{Smtp, SmtpSecurity};
pub(super) use letter::Letter;
use stream::SmtpStream;

/// Time for saying goodbye, which changes nothing.
const QUIT_MAX: Duration = Duration::from_secs(1);

/// Sends mail from one address to another.
pub(super) struct Mailer {
    from: Mailbox,
    to: Mailbox,
    endpoint: Endpoint,
    security: SmtpSecurity,
    login: Option<(String, Secret)>,
    hello: ClientId,
    /// Whether the server was sent text of the last message.
    has_text: Arc<AtomicBool>,
}

/// What went wrong, and what to do about it.
type Fault = (FailureKind, String);

impl Mailer {
    /// A mailer from `from` to `to` by the server `smtp`; does not connect yet.
    ///
    /// # Errors
    /// [`NotifyError`]: a retry would not help.
    pub(super) fn new(to: &str, from: &str, smtp: &Smtp, terms: &Terms) -> Result<Self, NotifyError> {
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|_| NotifyError::Address(text.to_owned()));
        let is_secure = smtp.security != SmtpSecurity::Plain;
        Ok(Self {
            from: mailbox(from)?,
            to: mailbox(to)?,
            endpoint: Endpoint::new(&smtp.host, smtp.port, is_secure, terms)?,
            security: smtp.security,
            login: smtp.login.clone(),
            hello: ClientId::default(),
            has_text: Arc::default(),
        })
    }

    /// The letter that `message` about `envelope` becomes.
    pub(super) fn letter(&self, envelope: &Envelope, message: &Message) -> Letter {
        Letter::new(&self.from, &self.to, envelope, message)
    }

    /// Sends `letter`, dated `now`.
    pub(super) async fn send(
        &self,
        letter: &Letter,
        secrets: &KnownSecrets,
        now: Timestamp,
    ) -> Result<Delivered, SendFailure> {
        self.has_text.store(false, Ordering::Relaxed);
        let sent = self.sent(letter, now).await;
        sent.map_err(|(kind, reason)| SendFailure {
            is_unsent: self.is_unsent(),
            ..SendFailure::new(kind, &reason, secrets)
        })
    }

    /// Whether no server was sent any text of the last message.
    pub(super) fn is_unsent(&self) -> bool {
        !self.has_text.load(Ordering::Relaxed)
    }

    async fn sent(&self, letter: &Letter, now: Timestamp) -> Result<Delivered, Fault> {
        let message = letter.message(now).map_err(|error| (FailureKind::Broken, error.to_string()))?;
        let (stream, peer) = self.connect().await?;
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await;
        let mut connection = connection.map_err(|error| explain(&error))?;
        if let Some((user, password)) = &self.login {
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            let granted = connection.auth(&[Mechanism::Plain, Mechanism::Login], &login).await;
            granted.map_err(|error| explain(&error))?;
        }
        let answer =
            connection.send(message.envelope(), &message.formatted()).await.map_err(|error| explain(&error))?;
        let words = answer.first_line().unwrap_or_default();
        let status = crate::model::text::clean_line(&format!("{} {words}", answer.code()), STATUS_MAX);
        // The message is accepted; whatever the server does now cannot take that back.
        drop(timeout(QUIT_MAX, connection.quit()).await);
        Ok(Delivered { status, peer })
    }

    async fn connect(&self) -> Result<(SmtpStream, Option<IpAddr>), Fault> {
        let (mut line, _allowance, peer) = self.endpoint.connect().await.map_err(unreached)?;
        let has_text = Arc::clone(&self.has_text);
        let stream = match self.security {
            SmtpSecurity::Plain => SmtpStream::new(line, has_text),
            SmtpSecurity::Tls => SmtpStream::new(self.endpoint.secure(line).await.map_err(unreached)?, has_text),
            SmtpSecurity::StartTls => {
                starttls::request(&mut line, &self.hello).await?;
                SmtpStream::greeted(self.endpoint.secure(line).await.map_err(unreached)?, has_text)
            }
        };
        Ok((stream, peer))
    }
}

/// The longest answer that is shown, bytes.
const STATUS_MAX: usize = 100;

fn unreached(error: RequestError) -> Fault {
    match error {
        RequestError::Network(reason) | RequestError::Unreached(reason) => (FailureKind::Transient, reason),
        RequestError::Refused(reason) => (FailureKind::Broken, reason),
    }
}

/// A fault that lettre reports: the server's code and words, or what broke.
fn explain(error: &smtp::Error) -> Fault {
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    let kind = if error.is_permanent() || error.is_client() { FailureKind::Broken } else { FailureKind::Transient };
    let reason = match error.status() {
        Some(code) => format!("{code} {words}"),
        None if error.is_response() => format!("the server does not speak SMTP: {words}"),
        None if words.is_empty() => error.to_string(),
        None => words,
    };
    (kind, reason)
}
