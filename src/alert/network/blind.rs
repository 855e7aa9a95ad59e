//! The mask of an outage of this machine's own network: which checks say nothing about their sites.
//!
//! Samples stay as they were observed; figures and rules leave out what a [`Blind`] covers, like checks of cause `local`.

use crate::model::{Cause, Sample, SiteId, Timestamp};

use super::Realm;

/// Whether a check with this cause had no answer at all, from the host or the name servers.
#[must_use]
pub const fn is_silence(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::DnsTimeout
            | Cause::DnsError
            | Cause::ConnectTimeout
            | Cause::ConnectUnreachable
            | Cause::TlsTimeout
            | Cause::ResponseTimeout
            | Cause::TransferTimeout
            | Cause::Reset
            | Cause::Closed
            | Cause::Local
    )
}

/// A span in which no host of a realm could be reached from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blind {
    /// Whose hosts.
    pub realm: Realm,
    /// The start of the first check without an answer.
    pub from: Timestamp,
    /// The start of the first check with an answer; [`Timestamp::MAX`] while it lasts.
    pub to: Timestamp,
}

impl Blind {
    /// One that lasts.
    #[must_use]
    pub const fn open(realm: Realm, from: Timestamp) -> Self {
        Self { realm, from, to: Timestamp::MAX }
    }

    /// Whether `sample`, of a site in `realm`, counts as unknown: it had no answer and started within the span. `None`
    /// is a site on loopback, or one that was never reached.
    #[must_use]
    pub fn covers(&self, realm: Option<Realm>, sample: &Sample) -> bool {
        let started = sample.started();
        realm == Some(self.realm) && is_silence(sample.cause) && self.from <= started && started < self.to
    }
}

/// An outage as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When, and whose hosts.
    pub blind: Blind,
    /// The units of the panel.
    pub hosts: usize,
    /// The sites whose silent checks count as unknown: those of the realm when it began.
    pub sites: Vec<SiteId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Micros, Outcome, Phase, Phases};

    fn sample(at: u64, took_ms: u32, cause: Cause) -> Sample {
        Sample {
            phases: Phases::NONE.with(Phase::Connect, Micros::new(took_ms * 1_000)),
            ..Sample::bare(Timestamp::from_secs(at), cause)
        }
    }

    #[test]
    fn silence_is_what_no_host_and_no_name_server_answered() {
        let answered = [
            Cause::Ok,
            Cause::DnsNotFound,
            Cause::DnsAnswer,
            Cause::ConnectRefused,
            Cause::TlsExpired,
            Cause::TlsNotYetValid,
            Cause::TlsWrongHost,
            Cause::TlsUntrusted,
            Cause::TlsError,
            Cause::TlsPinned,
            Cause::Proxy,
            Cause::BadResponse,
            Cause::Truncated,
            Cause::Redirect,
            Cause::Status,
            Cause::Header,
            Cause::Body,
            Cause::Slow,
        ];
        for &cause in Cause::ALL {
            assert_eq!(is_silence(cause), !answered.contains(&cause), "{}", cause.name());
            // Whatever a timeout ended is silence, and no silent check is up.
            assert!(!cause.is_timeout() || is_silence(cause));
            assert!(!is_silence(cause) || cause.outcome() != Outcome::Up);
        }
    }

    #[test]
    fn a_mask_covers_silent_checks_that_started_within_it() {
        let blind = Blind { realm: Realm::Global, from: Timestamp::from_secs(100), to: Timestamp::from_secs(200) };
        let (global, timeout) = (Some(Realm::Global), Cause::ConnectTimeout);
        for (at, took_ms, covered) in
            [(109, 10_000, false), (110, 10_000, true), (205, 10_000, true), (210, 10_000, false), (100, 0, true)]
        {
            assert_eq!(blind.covers(global, &sample(at, took_ms, timeout)), covered, "{at} s, took {took_ms} ms");
        }
        assert!(!blind.covers(Some(Realm::Private), &sample(150, 10, timeout)));
        assert!(!blind.covers(None, &sample(150, 10, timeout)));
        assert!(!blind.covers(global, &sample(150, 10, Cause::Status)), "somebody answered");
        let open = Blind::open(Realm::Global, Timestamp::from_secs(100));
        assert!(open.covers(global, &sample(4_000_000_000, 10, timeout)));
        assert!(!open.covers(global, &sample(99, 10, timeout)));
    }
}
