//! Why a check came out as it did: a closed list.
//!
//! Invariants: the codes are on disk and in exports, so a number is never given twice and never changes; a
//! code fits 6 bits. Causes are judged in the order transport, redirect, status, header, body, slow.

use crate::model::Phase;

/// Whether a check counts as up, as down, or as neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The final answer arrived whole, in time, and met every expectation.
    Up,
    /// The check failed, and the site is responsible.
    Down,
    /// This machine could not check: neither up nor down.
    Unknown,
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal;)+) => {
        /// The one reason of an outcome.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Cause { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl Cause {
            /// Every cause, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The cause of a stored code, if there is one.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The public name: `dns_not_found`, `status`, `ok`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

causes! {
    /// Up.
    Ok = 0, "ok";
    /// The name does not exist (NXDOMAIN) or has no address.
    DnsNotFound = 1, "dns_not_found";
    /// The name servers failed or refused, or there is none.
    DnsError = 2, "dns_error";
    /// No answer from the name servers in time.
    DnsTimeout = 3, "dns_timeout";
    /// The port is closed.
    ConnectRefused = 4, "connect_refused";
    /// No route to the host, from a machine that has a network.
    ConnectUnreachable = 5, "connect_unreachable";
    /// No connection in time.
    ConnectTimeout = 6, "connect_timeout";
    /// The certificate has expired.
    TlsExpired = 7, "tls_expired";
    /// The certificate is not valid yet.
    TlsNotYetValid = 8, "tls_not_yet_valid";
    /// The certificate names other hosts.
    TlsWrongHost = 9, "tls_wrong_host";
    /// No trusted root vouches for the certificate.
    TlsUntrusted = 10, "tls_untrusted";
    /// The handshake failed otherwise.
    TlsError = 11, "tls_error";
    /// The handshake did not end in time.
    TlsTimeout = 12, "tls_timeout";
    /// The connection was reset.
    Reset = 13, "reset";
    /// The connection was closed before an answer.
    Closed = 14, "closed";
    /// The response is not HTTP, or exceeds a limit.
    BadResponse = 15, "bad_response";
    /// The body ended before its length.
    Truncated = 16, "truncated";
    /// No response head in time.
    ResponseTimeout = 17, "response_timeout";
    /// The body did not end in time.
    TransferTimeout = 18, "transfer_timeout";
    /// Too many redirects, a loop, or a target that is not followed.
    Redirect = 19, "redirect";
    /// The status is not an expected one.
    Status = 20, "status";
    /// The body does not meet the expectations.
    Body = 21, "body";
    /// The answer is successful, but later than `max_response_time`.
    Slow = 22, "slow";
    /// This machine could not probe.
    Local = 23, "local";
    /// A header is not as expected.
    Header = 24, "header";
    /// The proxy could not connect to the site.
    Proxy = 25, "proxy";
    /// No certificate of the server has a pinned public key.
    TlsPinned = 26, "tls_pinned";
    /// The name servers have other records for the name than expected.
    DnsAnswer = 27, "dns_answer";
}

const _: () = assert!(Cause::ALL[Cause::ALL.len() - 1].code() < Cause::LIMIT);

impl Cause {
    /// Codes are below this: they fit 6 bits.
    pub const LIMIT: u8 = 64;

    /// The stored code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The cause with this public name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }

    /// The outcome of a check with this cause.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Up,
            Self::Local => Outcome::Unknown,
            _ => Outcome::Down,
        }
    }

    /// Whether the answer was successful, late or not, so that its response time enters the statistics.
    #[must_use]
    pub const fn is_timed(self) -> bool {
        matches!(self, Self::Ok | Self::Slow)
    }

    /// The short word for a failure in a list of answers; similar causes share one.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::DnsNotFound | Self::DnsError | Self::DnsTimeout | Self::DnsAnswer => "dns",
            Self::ConnectRefused => "refused",
            Self::ConnectUnreachable => "unreach",
            Self::ConnectTimeout | Self::TlsTimeout | Self::ResponseTimeout | Self::TransferTimeout => "timeout",
            Self::TlsExpired | Self::TlsNotYetValid | Self::TlsWrongHost | Self::TlsUntrusted => "cert",
            Self::TlsError => "tls",
            Self::TlsPinned => "pin",
            Self::Proxy => "proxy",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::BadResponse => "bad",
            Self::Truncated => "trunc",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Header => "header",
            Self::Body => "body",
            Self::Slow => "slow",
            Self::Local => "local",
        }
    }

    /// Whether a timeout ended the probe.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::DnsTimeout | Self::ConnectTimeout | Self::TlsTimeout | Self::ResponseTimeout | Self::TransferTimeout
        )
    }

    /// The cause of a timeout in `phase`.
    #[must_use]
    pub const fn timeout_in(phase: Phase) -> Self {
        match phase {
            Phase::Resolve => Self::DnsTimeout,
            Phase::Connect => Self::ConnectTimeout,
            Phase::Tls => Self::TlsTimeout,
            Phase::Processing => Self::ResponseTimeout,
            Phase::Transfer => Self::TransferTimeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back() {
        for &cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause.code()), Some(cause));
            assert_eq!(Cause::from_name(cause.name()), Some(cause));
        }
        for code in [28, Cause::LIMIT, u8::MAX] {
            assert_eq!(Cause::from_code(code), None);
        }
    }

    #[test]
    fn only_local_is_unknown_and_only_ok_is_up() {
        for &cause in Cause::ALL {
            let expected = match cause {
                Cause::Ok => Outcome::Up,
                Cause::Local => Outcome::Unknown,
                _ => Outcome::Down,
            };
            assert_eq!(cause.outcome(), expected);
        }
    }
}
