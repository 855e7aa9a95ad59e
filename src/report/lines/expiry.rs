//! What ends some day, the certificate and the domain of a site, each as a line below its check.

use jiff::tz::TimeZone;

use crate::model::{Certificate, DomainExpiry, Sample, Timestamp};
use crate::report::{time, wording};

/// `certificate api.example.com · issued by R11 · 61 days, until 2027-01-22`
pub(in crate::report) fn of_certificate(shown: &Certificate, sample: Sample, zone: &TimeZone) -> String {
    let validity = validity(shown.not_after, shown.days_left(sample.at), zone);
    let mut line = format!("  certificate {} · issued by {} · {validity}", shown.subject, shown.issuer);
    if !shown.faults.is_empty() {
        let faults: Vec<&str> = shown.faults.iter().map(|fault| fault.name()).collect();
        line.push_str(" · ");
        line.push_str(&faults.join(", "));
    }
    line
}

/// `domain example.com · 61 days, until 2027-01-22`
pub(in crate::report) fn of_domain(domain: &DomainExpiry, sample: Sample, zone: &TimeZone) -> String {
    let ends = domain.expires.zip(domain.days_left(sample.at));
    let validity = ends.map_or_else(|| "expiry not known".to_owned(), |(ends, left)| validity(ends, left, zone));
    format!("  domain {} · {validity}", domain.name)
}

fn validity(ends: Timestamp, days_left: i64, zone: &TimeZone) -> String {
    let until = time::date(ends, zone);
    match days_left {
        days @ 0.. => format!("{}, until {until}", wording::plural(days.unsigned_abs(), "day")),
        _ => format!("expired on {until}"),
    }
}
