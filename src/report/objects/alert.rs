//! The objects of alerts: as an event, as one of the past, and as programs and webhooks get it.

use serde::ser::{Serialize, Serializer};

use crate::alert::kept::telling::Heard;
use crate::alert::{AlertRecord, AlertState, Locations, News};
use crate::model::time::duration;
use crate::model::{Cause, Location, Status};
use crate::report::time;
use crate::stats::Availability;

use super::whole_millis;

/// `event: alert`.
#[derive(serde::Serialize)]
pub(in crate::report) struct AlertObject<'a> {
    pub(in crate::report) event: &'static str,
    pub(in crate::report) time: String,
    pub(in crate::report) site: &'a str,
    pub(in crate::report) state: &'static str,
    pub(in crate::report) availability: Option<f64>,
    pub(in crate::report) threshold: f64,
    pub(in crate::report) window: String,
    pub(in crate::report) since: String,
    pub(in crate::report) downtime_ms: Option<u64>,
    pub(in crate::report) message: Option<&'a str>,
    pub(in crate::report) incident: Option<u64>,
    pub(in crate::report) rule: &'static str,
    pub(in crate::report) severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) locations: Option<LocationsObject<'a>>,
}

/// The locations that an alert rests on: several with votes, or one alone.
#[derive(serde::Serialize)]
#[serde(untagged)]
pub(in crate::report) enum LocationsObject<'a> {
    Votes { down: u32, votes: u32, names: Vec<&'a str> },
    Alone { alone: &'a str },
}

impl<'a> LocationsObject<'a> {
    pub(in crate::report) fn of(locations: &'a Locations) -> Self {
        match locations {
            Locations::Votes { down, votes, names } => {
                Self::Votes { down: *down, votes: *votes, names: names.iter().map(Location::name).collect() }
            }
            Locations::Alone(location) => Self::Alone { alone: location.name() },
        }
    }
}

impl<'a> AlertObject<'a> {
    pub(in crate::report) fn of(alert: &'a AlertRecord) -> Self {
        Self {
            event: "alert",
            time: time::utc(alert.at),
            site: &alert.site,
            state: alert.state.name(),
            availability: alert.availability.map(as_in_the_message),
            threshold: alert.threshold.ratio(),
            window: duration::format(alert.window),
            since: time::utc(alert.since),
            downtime_ms: alert.downtime.map(whole_millis),
            message: (alert.state != AlertState::Ended).then_some(&*alert.message),
            incident: alert.incident,
            rule: alert.rule.name(),
            severity: alert.rule.severity().name(),
            locations: alert.locations.as_ref().map(LocationsObject::of),
        }
    }
}

/// An alert of the past, and which outlets have heard of it.
#[derive(serde::Serialize)]
pub(in crate::report) struct PastAlertObject<'a> {
    #[serde(flatten)]
    pub(in crate::report) alert: AlertObject<'a>,
    #[serde(skip_serializing_if = "ToldObject::is_empty")]
    pub(in crate::report) told: ToldObject<'a>,
}

/// The outlets that have heard, and when; null while the message waits.
pub(in crate::report) struct ToldObject<'a>(pub(in crate::report) &'a [Heard]);

impl ToldObject<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ToldObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(outlet, at)| (&**outlet, at.map(time::utc))))
    }
}

/// An alert as programs and webhooks get it: the alert, and what is known beside it.
#[derive(serde::Serialize)]
pub(in crate::report) struct NewsObject<'a> {
    #[serde(flatten)]
    alert: AlertObject<'a>,
    url: &'a str,
    group: Option<&'a str>,
    cause: Option<&'static str>,
    detail: Option<&'a str>,
    status: Option<u16>,
}

impl<'a> NewsObject<'a> {
    pub(in crate::report) fn of(news: &'a News) -> Self {
        let context = &news.context;
        Self {
            alert: AlertObject::of(&news.alert),
            url: &context.url,
            group: context.group.as_deref(),
            cause: context.cause.map(Cause::name),
            detail: Some(&*context.detail).filter(|detail| !detail.is_empty()),
            status: context.status.map(Status::get),
        }
    }
}

fn as_in_the_message(availability: Availability) -> f64 {
    f64::from(availability.basis_points()) / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_availability_of_an_alert_is_the_one_of_its_message() {
        for (up, checks, told) in [(19, 24, 0.7917), (23_999, 24_000, 0.9999), (1, 24_000, 0.0001)] {
            assert!((as_in_the_message(Availability { up, checks }) - told).abs() < 1e-12);
        }
    }
}
