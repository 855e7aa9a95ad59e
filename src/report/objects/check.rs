//! The object that `webmon check` prints for a site: its sample, and what is known besides.

use crate::model::{Certificate, DomainExpiry, Flags, Hop, Sample, Status, StepResult, Timestamp};
use crate::report::time;

use super::SampleObject;

/// A sample of `check`, with its certificate, its domain and redirects.
#[derive(serde::Serialize)]
pub(in crate::report) struct CheckObject<'a> {
    #[serde(flatten)]
    pub(in crate::report) sample: SampleObject<'a>,
    pub(in crate::report) certificate: Option<CertificateObject<'a>>,
    pub(in crate::report) domain: Option<DomainObject<'a>>,
    pub(in crate::report) hops: Vec<HopObject<'a>>,
    pub(in crate::report) steps: Vec<StepObject<'a>>,
}

#[derive(serde::Serialize)]
pub(in crate::report) struct CertificateObject<'a> {
    subject: &'a str,
    issuer: &'a str,
    not_after: String,
    days_left: i64,
    faults: Vec<&'static str>,
}

impl<'a> CertificateObject<'a> {
    /// `certificate` as of `sample`, which knows whether it ends within the warning time of its site.
    pub(in crate::report) fn of(certificate: &'a Certificate, sample: &Sample) -> Self {
        let now = sample.at;
        let ends_soon = certificate.faults.is_empty() && sample.flags.has(Flags::CERTIFICATE);
        let faults = certificate.faults.iter().map(|fault| fault.name());
        Self {
            subject: &certificate.subject,
            issuer: &certificate.issuer,
            not_after: time::utc(certificate.not_after),
            days_left: certificate.days_left(now),
            faults: faults.chain(ends_soon.then_some("expires_soon")).collect(),
        }
    }
}

#[derive(serde::Serialize)]
pub(in crate::report) struct DomainObject<'a> {
    name: &'a str,
    expires: Option<String>,
    days_left: Option<i64>,
}

impl<'a> DomainObject<'a> {
    /// `domain` as of `now`.
    pub(in crate::report) fn of(domain: &'a DomainExpiry, now: Timestamp) -> Self {
        Self { name: &domain.name, expires: domain.expires.map(time::utc), days_left: domain.days_left(now) }
    }
}

#[derive(serde::Serialize)]
pub(in crate::report) struct HopObject<'a> {
    url: &'a str,
    location: &'a str,
    status: u16,
    total_us: u32,
}

impl<'a> HopObject<'a> {
    pub(in crate::report) fn of(hop: &'a Hop) -> Self {
        Self { url: &hop.url, location: &hop.location, status: hop.status.get(), total_us: hop.total.get() }
    }
}

#[derive(serde::Serialize)]
pub(in crate::report) struct StepObject<'a> {
    step: &'a str,
    url: &'a str,
    status: Option<u16>,
    total_us: u32,
}

impl<'a> StepObject<'a> {
    pub(in crate::report) fn of(made: &'a StepResult) -> Self {
        let (status, total_us) = (made.status.map(Status::get), made.phases.total().get());
        Self { step: &made.step, url: &made.url, status, total_us }
    }
}
