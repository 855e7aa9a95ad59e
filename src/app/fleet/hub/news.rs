//! What changes at the locations, each change once, as a sentence.
//!
//! Invariant: a location that was never heard says nothing; what holds when the hub starts is news only if it is bad. That one is
//! silent or blind, and back, is an alert (`alert::quorum`).

use std::collections::BTreeMap;

use crate::fleet::frame::FrameFault;
use crate::fleet::gather::Report;
use crate::fleet::status::CLOCK_MAX_MS;
use crate::model::Location;

/// How a location was when it was last told of.
#[derive(Debug, Default)]
struct Told {
    /// What holds of it, in this order: back-filling, shared, another clock.
    states: [bool; 3],
    fault: Option<FrameFault>,
    refused: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LocationNews {
    told: BTreeMap<Location, Told>,
}

/// Whether the clock of a location differs by more than [`CLOCK_MAX_MS`].
#[must_use]
pub fn has_other_clock(report: &Report) -> bool {
    report.ahead.is_some_and(|micros| (micros / 1_000).abs() > CLOCK_MAX_MS)
}

impl LocationNews {
    /// What is new in `reports`.
    pub fn of(&mut self, reports: &[Report]) -> Vec<String> {
        let mut news = Vec::new();
        for report in reports {
            if report.heard.is_none() {
                continue;
            }
            let told = self.told.entry(report.location.clone()).or_default();
            let states = [report.is_filling, report.is_shared, has_other_clock(report)];
            let before = std::mem::replace(&mut told.states, states);
            let place = &report.location;
            for (state, (before, after)) in before.into_iter().zip(states).enumerate() {
                let change = match (state, before, after) {
                    (0, false, true) => format!("back-filling {place}: samples are missing, which it sends again"),
                    (0, true, false) => format!("back-filling {place} is done"),
                    (1, false, true) => {
                        format!("{place} is used by two programs: give one of them another `fleet.location`")
                    }
                    (2, false, true) => format!("the clock of {place} is wrong by {}", ahead(report)),
                    _ => continue,
                };
                news.push(change);
            }
            if let Some(fault) = report.fault.filter(|fault| told.fault.replace(*fault) != Some(*fault)) {
                news.push(format!("a frame of {place} cannot be read: {fault}"));
            }
            if std::mem::replace(&mut told.refused, report.sites.1) < report.sites.1 {
                let refused = report.sites.1;
                news.push(format!("{refused} sites of {place} are not gathered: `fleet.max_pairs` allows no more"));
            }
        }
        news
    }
}

/// `+4.2 s`: how far the clock of a location is ahead of the hub's.
#[must_use]
pub fn ahead(report: &Report) -> String {
    let micros = report.ahead.unwrap_or_default();
    let sign = if micros < 0 { '-' } else { '+' };
    let tenths = micros.unsigned_abs() / 100_000;
    format!("{sign}{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn report(heard: u64) -> Report {
        Report { ahead: Some(0), sites: (3, 0), ..Report::plain("fra1", Some(Timestamp::from_secs(heard))) }
    }

    #[test]
    fn each_change_is_told_once() {
        let mut news = LocationNews::default();
        let mut of = |report: &Report| news.of(std::slice::from_ref(report)).join(" | ");
        assert_eq!(of(&Report { heard: None, is_filling: true, ..report(0) }), "");
        assert_eq!(of(&report(1_000)), "");
        let slow = Report { ahead: Some(-2_001_000), is_filling: true, ..report(1_040) };
        assert_eq!(
            of(&slow),
            "back-filling fra1: samples are missing, which it sends again | the clock of fra1 is wrong by -2.0 s"
        );
        let other = Report { is_shared: true, sites: (3, 2), fault: Some(FrameFault::Version(2)), ..report(1_041) };
        assert_eq!(
            of(&other),
            "back-filling fra1 is done | fra1 is used by two programs: give one of them another `fleet.location` | a frame \
             of fra1 cannot be read: it speaks version 2, this webmon reads version 1 | 2 sites of fra1 are not \
             gathered: `fleet.max_pairs` allows no more"
        );
        assert_eq!(of(&other), "");
    }
}
