//! An outlet: where and on which terms incidents are reported. The validated form of one entry of `alerting.notify`.
//!
//! Invariants: `key` is unique among the outlets of a file and stable over reloads; nothing printable holds a secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::alert::{Severity, SiteSelector};
use crate::model::text::clean;
use crate::model::{ClientIdentity, KnownSecrets, Secret, SecretUrl};

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

    /// The server that requests go to; none for e-mail.
    #[must_use]
    pub const fn server(&self) -> Option<&SecretUrl> {
        match self {
            Self::Slack { url }
            | Self::Discord { url }
            | Self::Teams { url }
            | Self::Mattermost { url }
            | Self::Alertmanager { url }
            | Self::Webhook { url, .. } => Some(url),
            Self::Telegram { server, .. }
            | Self::Ntfy { server, .. }
            | Self::Gotify { server, .. }
            | Self::Pushover { server, .. }
            | Self::Matrix { server, .. }
            | Self::Pagerduty { server, .. } => Some(server),
            Self::Email { .. } => None,
        }
    }

    /// Its address as it may be printed: `https://hooks.slack.com/***`, `smtps://mail.example.com:465 to ada@example.com`.
    #[must_use]
    pub fn shown(&self) -> String {
        match (self, self.server()) {
            (_, Some(url)) => {
                let url = url.expose();
                let host = &url[Position::BeforeHost..Position::AfterPort];
                clean(&format!("{}://{host}/***", url.scheme()))
            }
            (Self::Email { to, smtp, .. }, _) => clean(&format!("{smtp} to {to}")),
            _ => String::new(),
        }
    }

    /// Whether it recognises a message that it has had before.
    #[must_use]
    pub const fn recognises_repeats(&self) -> bool {
        matches!(self, Self::Matrix { .. } | Self::Email { .. }) || matches!(self.class(), OutletClass::Dedup)
    }
}

impl fmt::Display for Smtp {
    /// `smtps://mail.example.com:465`, without its login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            SmtpSecurity::Tls => "smtps",
            SmtpSecurity::StartTls => "smtp+starttls",
            SmtpSecurity::Plain => "smtp",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

impl Outlet {
    /// Everything secret that it sends, to be hidden where a server echoes it. Secrets of fewer than six bytes stay.
    #[must_use]
    pub fn secrets(&self) -> KnownSecrets {
        let mut texts = Vec::new();
        let is_open = matches!(self.service, Service::Alertmanager { .. });
        for (url, has_secret_path) in [(self.service.server(), !is_open), (self.proxy.as_ref(), false)] {
            if let Some(url) = url {
                texts.extend(secret_parts(url.expose(), has_secret_path));
            }
        }
        let mut token = |secret: &Secret| texts.push(secret.expose().to_owned());
        match &self.service {
            Service::Telegram { token: secret, .. }
            | Service::Gotify { token: secret, .. }
            | Service::Matrix { token: secret, .. }
            | Service::Pagerduty { key: secret, .. } => token(secret),
            Service::Ntfy { topic, token: secret, .. } => {
                token(topic);
                secret.iter().for_each(token);
            }
            Service::Pushover { user, token: secret, .. } => [user, secret].into_iter().for_each(token),
            Service::Webhook { headers, .. } => {
                for (_, value) in headers {
                    token(value);
                    // `Bearer TOKEN`: a server may echo the token alone.
                    value.expose().split_whitespace().skip(1).for_each(|word| token(&Secret::new(word)));
                }
            }
            Service::Email { smtp: Smtp { login: Some((user, password)), .. }, .. } => {
                token(password);
                let plain = format!("\0{user}\0{}", password.expose());
                token(&Secret::new(STANDARD.encode(&plain)));
                token(&Secret::new(STANDARD.encode(password.expose())));
            }
            _ => {}
        }
        KnownSecrets::new(texts.iter().map(String::as_str))
    }
}

/// The userinfo and the query of `url`, and, if its path is secret, the path and what in it is no plain word.
pub(crate) fn secret_parts(url: &Url, has_secret_path: bool) -> Vec<String> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut parts = vec![plain(url.username()), plain(url.password().unwrap_or_default())];
    if url.password().is_some() {
        parts.push(STANDARD.encode(format!("{}:{}", parts[0], parts[1])));
    }
    parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    if has_secret_path {
        let target = &url[Position::BeforePath..Position::AfterQuery];
        parts.extend([target, url.path(), url.path().trim_matches('/')].map(str::to_owned));
        let is_word = |part: &str| part.len() < 20 && part.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        parts.extend(url.path().split('/').filter(|part| !is_word(part)).map(plain));
    }
    parts
}
