//! Names and dates of one certificate.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::model::Timestamp;
use crate::model::text::{DETAIL_MAX, clean_line};

/// Longest subject or issuer that is shown, in bytes.
const NAME_MAX: usize = 255;

/// A period in which certificates are valid, both ends included; empty if it ends before it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Validity {
    /// Of one certificate.
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Self {
        let seconds = |unix: i64| Timestamp::from_secs(u64::try_from(unix).unwrap_or(0));
        let validity = certificate.validity();
        Self { from: seconds(validity.not_before.timestamp()), until: seconds(validity.not_after.timestamp()) }
    }

    /// The period in which both are valid.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    pub(crate) fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at <= self.until
    }
}

/// The certificate in `der`, if it can be parsed.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

/// The common name in `name`, clean.
pub(crate) fn own_name(name: &X509Name<'_>) -> Option<String> {
    let name = name.iter_common_name().next().and_then(|cn| cn.as_str().ok()).map(shown);
    name.filter(|name| !name.is_empty())
}

/// The common name in `name`, or all of it if there is none.
pub(crate) fn common_name(name: &X509Name<'_>) -> String {
    own_name(name).unwrap_or_else(|| shown(&name.to_string()))
}

/// `name`, clean and bounded.
pub(crate) fn shown(name: &str) -> String {
    clean_line(name, NAME_MAX.min(DETAIL_MAX))
}
