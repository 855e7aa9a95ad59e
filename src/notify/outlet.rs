//! An outlet: where and on which terms incidents are reported. The validated form of one entry of `alerting.notify`.
//!
//! Invariants: `key` is unique among the outlets of a file and stable over reloads; nothing printable holds a secret.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Severity, SiteSelector};
use crate::model::{ClientIdentity, Secret, SecretUrl};

/// An outlet. An e-mail outlet with several recipients is one outlet per recipient, so that each has its own queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// Its name in sites.yaml.
    pub name: Arc<str>,
    /// Its name in the outbox: the name, and for e-mail the recipient.
    pub key: Arc<str>,
    /// The service.
    pub service: Service,
    /// It hears of an incident only if that is open and not acknowledged this long after it opened.
    pub after: Duration,
    /// The least severity that it hears of.
    pub only: Severity,
    /// The sites that it hears of.
    pub sites: SiteSelector,
    /// A template that replaces the title.
    pub title: Option<String>,
    /// A template that replaces the text below the title.
    pub text: Option<String>,
    /// How to verify its server.
    pub tls: OutletTls,
    /// An HTTP proxy (CONNECT).
    pub proxy: Option<SecretUrl>,
}

/// How to verify the server of an outlet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutletTls {
    /// Accept any certificate.
    pub insecure: bool,
    /// Trusted roots in addition to the platform's, DER.
    pub roots: Arc<Vec<Vec<u8>>>,
    /// The client's certificate.
    pub identity: Option<Arc<ClientIdentity>>,
}

/// A service and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// An incoming webhook of Slack; the whole URL is a secret.
    Slack {
        /// The webhook.
        url: SecretUrl,
    },
    /// A webhook of Discord.
    Discord {
        /// The webhook.
        url: SecretUrl,
    },
    /// A workflow of Microsoft Teams.
    Teams {
        /// The workflow's URL.
        url: SecretUrl,
    },
    /// An incoming webhook of Mattermost.
    Mattermost {
        /// The webhook.
        url: SecretUrl,
    },
    /// A bot of Telegram.
    Telegram {
        /// The chat's number or name.
        chat: String,
        /// The bot's token.
        token: Secret,
        /// The API's server.
        server: SecretUrl,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The topic; without a token it is the only secret.
        topic: Secret,
        /// An access token.
        token: Option<Secret>,
        /// The server.
        server: SecretUrl,
    },
    /// An application of Gotify.
    Gotify {
        /// The server.
        server: SecretUrl,
        /// The application's token.
        token: Secret,
    },
    /// A user of Pushover.
    Pushover {
        /// The user's or group's key.
        user: Secret,
        /// The application's token.
        token: Secret,
        /// The API's server.
        server: SecretUrl,
    },
    /// An unencrypted room of Matrix.
    Matrix {
        /// The room's id.
        room: String,
        /// The home server.
        server: SecretUrl,
        /// An access token.
        token: Secret,
    },
    /// A service of PagerDuty.
    Pagerduty {
        /// The integration key.
        key: Secret,
        /// The API's server.
        server: SecretUrl,
    },
    /// An Alertmanager.
    Alertmanager {
        /// Its base URL.
        url: SecretUrl,
    },
    /// Any HTTP endpoint: CloudEvents, or an own body.
    Webhook {
        /// The endpoint.
        url: SecretUrl,
        /// Headers in addition to those that webmon sets.
        headers: Vec<(String, Secret)>,
        /// The body, whose strings are templates; a string alone is sent as text; `None`: a CloudEvent.
        body: Option<serde_json::Value>,
    },
    /// E-mail to one recipient.
    Email {
        /// The recipient.
        to: String,
        /// The sender.
        from: String,
        /// The server.
        smtp: Smtp,
    },
}

/// An SMTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: SmtpSecurity,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// How a connection to an SMTP server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the start (`smtps://`).
    Tls,
    /// STARTTLS, required (`smtp+starttls://`).
    StartTls,
    /// None (`smtp://`), for loopback.
    Plain,
}

/// How a service treats several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutletClass {
    /// People read it: messages are grouped, at most one per second.
    Chat,
    /// It keeps incidents by key: each message apart, at once, at most ten per second.
    Dedup,
}

impl Service {
    /// The key that names it in sites.yaml.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Discord { .. } => "discord",
            Self::Teams { .. } => "teams",
            Self::Mattermost { .. } => "mattermost",
            Self::Telegram { .. } => "telegram",
            Self::Ntfy { .. } => "ntfy",
            Self::Gotify { .. } => "gotify",
            Self::Pushover { .. } => "pushover",
            Self::Matrix { .. } => "matrix",
            Self::Pagerduty { .. } => "pagerduty",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Webhook { .. } => "webhook",
            Self::Email { .. } => "email",
        }
    }

    /// How it treats several messages.
    #[must_use]
    pub const fn class(&self) -> OutletClass {
        match self {
            Self::Pagerduty { .. } | Self::Alertmanager { .. } | Self::Webhook { .. } => OutletClass::Dedup,
            _ => OutletClass::Chat,
        }
    }
}
