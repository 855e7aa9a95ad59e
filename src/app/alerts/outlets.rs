//! The outlets of a configuration, and what carries messages to each: a program or a service.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::incident::terms::{LedgerTerms, SiteTerms};
use crate::alert::outbox::Outgoing;
use crate::alert::outbox::queue::{Delivery, FailedRequest, Failure, OutletTerms};
use crate::alert::{News, Severity, SiteSelector};
use crate::app::system::program::CallFailure;
use crate::config::{Config, ConfiguredSite, Exec};
use crate::model::Timestamp;
use crate::notify::{Delivered, Envelope, FailureKind, Outlet, OutletClass, SendFailure, Sender, Service};

use super::book::PROGRAM;
use super::program::{LIMIT, call};

/// An outlet: its terms and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletSpec {
    /// How it takes messages.
    pub terms: OutletTerms,
    /// Where they go.
    pub target: OutletTarget,
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutletTarget {
    /// A program.
    Program(Arc<Exec>),
    /// A service.
    Service(Arc<Outlet>),
}

impl OutletSpec {
    /// The outlet as it may be printed.
    #[must_use]
    pub fn shown(&self) -> &str {
        match &self.target {
            OutletTarget::Program(exec) => &exec.shown,
            OutletTarget::Service(outlet) => &outlet.key,
        }
    }
}

/// The outlets of `config`.
#[must_use]
pub fn outlets(config: &Config) -> Vec<OutletSpec> {
    let services = config.alerting.outlets.iter().map(|outlet| service(outlet, config.alerting.group));
    config.exec.iter().map(program).chain(services).collect()
}

/// The outlet of a service; messages to people are gathered for `group`.
#[must_use]
pub fn service(outlet: &Arc<Outlet>, group: Duration) -> OutletSpec {
    let delivery = match outlet.service.class() {
        OutletClass::Chat => Delivery::Chat { group },
        OutletClass::Dedup => Delivery::Dedup,
    };
    let terms = OutletTerms {
        key: Arc::clone(&outlet.key),
        name: Arc::clone(&outlet.name),
        delivery,
        after: outlet.after,
        only: outlet.only,
        sites: outlet.sites.clone(),
        is_forgetful: matches!(outlet.service, Service::Alertmanager { .. }),
    };
    OutletSpec { terms, target: OutletTarget::Service(Arc::clone(outlet)) }
}

/// The outlet of `alerting.exec`.
#[must_use]
pub fn program(exec: &Arc<Exec>) -> OutletSpec {
    let terms = OutletTerms {
        key: PROGRAM.into(),
        name: PROGRAM.into(),
        delivery: Delivery::Program,
        after: Duration::ZERO,
        only: Severity::Warning,
        sites: SiteSelector::All,
        is_forgetful: false,
    };
    OutletSpec { terms, target: OutletTarget::Program(Arc::clone(exec)) }
}

/// The settings of the ledger of incidents in `config`.
#[must_use]
pub fn ledger_terms(config: &Config) -> LedgerTerms {
    let site = |watched: &ConfiguredSite| {
        let ConfiguredSite { group, parent, remind, tell, .. } = watched.clone();
        let terms = SiteTerms { group, parent, remind, tell };
        (Arc::clone(&watched.site.name), terms)
    };
    let alerting = &config.alerting;
    let sites = config.sites.iter().map(site).collect();
    LedgerTerms { calm: alerting.calm, maintenance: alerting.maintenance.clone(), sites }
}

/// Carries messages to one outlet.
pub enum Courier {
    /// A program.
    Program(Arc<Exec>),
    /// A service.
    Service(Box<Sender>),
    /// A service that cannot be used as configured, and why.
    Unusable(String),
}

impl Courier {
    /// The courier to `spec`; messages show times in `zone`.
    #[must_use]
    pub fn new(spec: &OutletSpec, zone: &TimeZone) -> Self {
        match &spec.target {
            OutletTarget::Program(exec) => Self::Program(Arc::clone(exec)),
            OutletTarget::Service(outlet) => match Sender::new(Arc::clone(outlet), zone.clone()) {
                Ok(sender) => Self::Service(Box::new(sender)),
                Err(error) => Self::Unusable(error.to_string()),
            },
        }
    }

    /// Sends `outgoing` of the webmon `agent` at `now`.
    ///
    /// # Errors
    /// The failure, whose reason is one clean line without a secret.
    pub async fn send(&mut self, outgoing: &Outgoing, agent: &str, now: Timestamp) -> Result<Receipt, FailedRequest> {
        let news: Vec<News> = outgoing.rows.iter().map(|row| row.news.clone()).collect();
        let attempt = outgoing.rows.iter().map(|row| row.attempts).max().unwrap_or(0) + 1;
        match self {
            Self::Program(exec) => {
                let told = call(exec, (&news, attempt), LIMIT).await;
                told.map(|said| Receipt { said, peer: None }).map_err(|CallFailure { reason, is_unsent }| {
                    FailedRequest { failure: Failure::Transient(None), reason, is_unsent }
                })
            }
            Self::Service(sender) => {
                let first = outgoing.rows.first().expect("a request has a row");
                let envelope = Envelope {
                    agent: agent.to_owned(),
                    row: outgoing.number,
                    incident: first.incident,
                    news,
                    attempt,
                    perhaps_repeat: outgoing.is_perhaps_repeat,
                };
                sent(sender.send(&envelope, now).await)
            }
            Self::Unusable(reason) => Err(unusable(reason)),
        }
    }

    /// Closes the connection, if one is kept.
    pub fn disconnect(&mut self) {
        if let Self::Service(sender) = self {
            sender.disconnect();
        }
    }

    /// Sends `news` again to an outlet that forgets what is not repeated.
    ///
    /// # Errors
    /// As [`Courier::send`].
    pub async fn repeat(&mut self, news: Vec<News>, agent: &str, now: Timestamp) -> Result<Receipt, FailedRequest> {
        match self {
            // A program forgets nothing.
            Self::Program(_) => Ok(Receipt::default()),
            Self::Service(sender) => {
                let incident = news.first().and_then(|news| news.alert.incident).unwrap_or(0);
                let agent = agent.to_owned();
                let envelope = Envelope { agent, row: 0, incident, news, attempt: 1, perhaps_repeat: false };
                sent(sender.send(&envelope, now).await)
            }
            Self::Unusable(reason) => Err(unusable(reason)),
        }
    }
}

/// What an outlet said, and the address that took the message.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// A word of the outlet.
    pub said: Option<String>,
    /// The address; none for a program, and through a proxy.
    pub peer: Option<IpAddr>,
}

fn unusable(reason: &str) -> FailedRequest {
    FailedRequest { failure: Failure::Broken, reason: reason.to_owned(), is_unsent: true }
}

fn sent(result: Result<Delivered, SendFailure>) -> Result<Receipt, FailedRequest> {
    match result {
        Ok(delivered) => Ok(Receipt { said: Some(delivered.status), peer: delivered.peer }),
        Err(SendFailure { kind, is_unsent, retry_after, reason }) => {
            let failure = match kind {
                FailureKind::Transient => Failure::Transient(retry_after),
                FailureKind::Broken => Failure::Broken,
                FailureKind::Gone => Failure::Gone,
            };
            Err(FailedRequest { failure, reason, is_unsent })
        }
    }
}
