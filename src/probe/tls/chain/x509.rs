//! What is read of one certificate: names and dates.

use x509_parser::certificate::X509Certificate;
use x509_parser::x509::X509Name;

use crate::model::Timestamp;
use crate::model::text::{DETAIL_MAX, clean_line};
use crate::probe::tls::chain::cache::Dates;

/// Longest subject or issuer that is kept, in bytes.
pub(crate) const NAME_MAX: usize = 255;

/// Within which dates `leaf` and everything `above` it are valid; the end may come before the beginning.
pub(crate) fn dates(leaf: &X509Certificate<'_>, above: &[X509Certificate<'_>]) -> Dates {
    let from = above.iter().map(begin).fold(begin(leaf), Ord::max);
    let until = above.iter().map(expiry).fold(expiry(leaf), Ord::min);
    (from, until)
}

/// What `name` is called by itself, clean.
pub(crate) fn own_name(name: &X509Name<'_>) -> Option<String> {
    let name = name.iter_common_name().next().and_then(|cn| cn.as_str().ok()).map(keep);
    name.filter(|name| !name.is_empty())
}

/// The same, or all of it where it is not called anything.
pub(crate) fn common_name(name: &X509Name<'_>) -> String {
    own_name(name).unwrap_or_else(|| keep(&name.to_string()))
}

pub(crate) fn begin(certificate: &X509Certificate<'_>) -> Timestamp {
    seconds(certificate.validity().not_before.timestamp())
}

pub(crate) fn expiry(certificate: &X509Certificate<'_>) -> Timestamp {
    seconds(certificate.validity().not_after.timestamp())
}

pub(crate) fn seconds(unix: i64) -> Timestamp {
    Timestamp::from_secs(u64::try_from(unix).unwrap_or(0))
}

pub(crate) fn keep(name: &str) -> String {
    clean_line(name, NAME_MAX.min(DETAIL_MAX))
}
