//! The certificate chain that a server presented, whether the handshake succeeded or not.

use crate::model::{Cause, Timestamp};

/// A fault of a presented chain. A chain may have several; a probe has one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateFault {
    /// The verification time is after its last day.
    Expired,
    /// The verification time is before its first day.
    NotYetValid,
    /// It names other hosts.
    WrongHost,
    /// It signs itself.
    SelfSigned,
    /// The chain lacks the certificate that signed its last one, and no root did.
    MissingIntermediate,
    /// No trusted root signed the chain.
    Untrusted,
    /// Something else is wrong with it.
    Invalid,
}

impl CertificateFault {
    /// The public name: `expired`, `wrong_host`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongHost => "wrong_host",
            Self::SelfSigned => "self_signed",
            Self::MissingIntermediate => "missing_intermediate",
            Self::Untrusted => "untrusted",
            Self::Invalid => "invalid",
        }
    }

    /// The cause of a probe that failed because of this fault.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::Expired => Cause::TlsExpired,
            Self::NotYetValid => Cause::TlsNotYetValid,
            Self::WrongHost => Cause::TlsWrongHost,
            Self::SelfSigned | Self::MissingIntermediate | Self::Untrusted => Cause::TlsUntrusted,
            Self::Invalid => Cause::TlsError,
        }
    }
}

/// The parts of a presented chain that are shown. All texts are clean (see [`crate::model::text`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Common name of the leaf, or its first name.
    pub subject: String,
    /// Common name of the leaf's issuer.
    pub issuer: String,
    /// First instant at which the leaf is valid.
    pub not_before: Timestamp,
    /// Earliest expiry of the presented chain.
    pub not_after: Timestamp,
    /// All faults, the worst first; empty when verified.
    pub faults: Vec<CertificateFault>,
}

impl Certificate {
    /// Whole days until the earliest expiry; negative once it has passed.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        const DAY: i64 = 86_400_000_000;
        self.not_after.as_micros().cast_signed().saturating_sub(now.as_micros().cast_signed()).div_euclid(DAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_left_count_down_through_zero() {
        let day = 86_400;
        let certificate = Certificate {
            subject: String::new(),
            issuer: String::new(),
            not_before: Timestamp::ZERO,
            not_after: Timestamp::from_secs(10 * day),
            faults: Vec::new(),
        };
        for (now, days) in [(0, 10), (10 * day - 1, 0), (10 * day, 0), (10 * day + 1, -1), (12 * day, -2)] {
            assert_eq!(certificate.days_left(Timestamp::from_secs(now)), days, "at {now} s");
        }
    }
}
