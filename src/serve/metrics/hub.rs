//! What a hub says about a site over all its locations, and about the locations.
//!
//! Invariant: these families have names of their own, so that what is summed over the series of single locations never counts a site
//! once more. At most [`VERDICTS`] + 4 series of a site, and two of each view.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::quorum::{Verdict, Votes};
use crate::model::time::duration;
use crate::model::{LocationHealth, Presence};
use crate::stats::Availability;

use super::encoder::{Encoder, Kind, label, put_label};
use super::family::{Family, Labelled};

/// The verdicts, each a series of a site.
const VERDICTS: [Verdict; 4] = [Verdict::Up, Verdict::Down, Verdict::Partial, Verdict::Unknown];

/// What is said about a site over all its locations.
#[derive(Clone, Debug)]
pub struct WholeReading {
    /// Its name.
    pub name: Arc<str>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// How its locations voted; none of a site that was not judged yet.
    pub votes: Option<Votes>,
    /// Whether it counts as down.
    pub is_down: bool,
    /// By the length of each view: the availability and the coverage that the locations saw together.
    pub views: Vec<(Duration, Option<Availability>, Option<f64>)>,
}

/// What a hub says.
#[derive(Clone, Debug, Default)]
pub struct HubReading {
    /// The sites.
    pub sites: Vec<WholeReading>,
    /// The locations.
    pub locations: Vec<LocationHealth>,
}

/// The families of series that each site has over all its locations.
pub(super) const FAMILIES: [Family<WholeReading>; 6] = [
    Family {
        name: "webmon_hub_site_verdict",
        kind: Kind::Gauge,
        help: "What the votes of the locations say: 1 for the verdict, 0 for the others.",
        write: verdict,
    },
    Family {
        name: "webmon_hub_site_down",
        kind: Kind::Gauge,
        help: "Whether the site counts as down over its locations: 1 or 0.",
        write: |out, name, site, labels| out.whole(name, &[labels], u64::from(site.is_down)),
    },
    Family {
        name: "webmon_hub_site_votes",
        kind: Kind::Gauge,
        help: "Locations that vote on the site, by what they say.",
        write: votes,
    },
    Family {
        name: "webmon_hub_site_locations",
        kind: Kind::Gauge,
        help: "Locations that check the site, with a vote or without.",
        write: |out, name, site, labels| {
            out.whole(name, &[labels], u64::from(site.votes.map_or(0, |votes| votes.assigned)));
        },
    },
    Family {
        name: "webmon_hub_site_availability_ratio",
        kind: Kind::Gauge,
        help: "The share of the known time in which the locations together saw the site up.",
        write: availability,
    },
    Family {
        name: "webmon_hub_site_coverage_ratio",
        kind: Kind::Gauge,
        help: "The share of the time of which the locations together know something.",
        write: coverage,
    },
];

impl Labelled for WholeReading {
    fn labels(&self, out: &mut String) {
        put_label(out, "site", &self.name);
        if let Some(group) = &self.group {
            put_label(out, "group", group);
        }
    }
}

fn verdict(out: &mut Encoder, name: &str, site: &WholeReading, labels: &str) {
    let found = site.votes.map_or(Verdict::Unknown, |votes| votes.verdict);
    for verdict in VERDICTS {
        out.whole(name, &[labels, &label("verdict", verdict.name())], u64::from(verdict == found));
    }
}

fn votes(out: &mut Encoder, name: &str, site: &WholeReading, labels: &str) {
    let tally = site.votes.map(|votes| votes.tally).unwrap_or_default();
    for (vote, count) in [("up", tally.up), ("down", tally.down)] {
        out.whole(name, &[labels, &label("vote", vote)], u64::from(count));
    }
}

fn window(length: Duration) -> String {
    label("window", &duration::format(length))
}

fn availability(out: &mut Encoder, name: &str, site: &WholeReading, labels: &str) {
    for (length, availability, _) in &site.views {
        if let Some(Availability { up, checks }) = availability {
            // A number of millionths reads like one of microseconds.
            let ppm = u128::from(*up) * 1_000_000 / u128::from((*checks).max(1));
            out.seconds(name, &[labels, &window(*length)], u64::try_from(ppm).unwrap_or(u64::MAX));
        }
    }
}

fn coverage(out: &mut Encoder, name: &str, site: &WholeReading, labels: &str) {
    for (length, _, coverage) in &site.views {
        if let Some(coverage) = coverage {
            out.text(name, &[labels, &window(*length)], &format!("{coverage:.6}"));
        }
    }
}

/// Adds what is said about the locations themselves.
pub(super) fn locations(out: &mut Encoder, locations: &[LocationHealth]) {
    const STATE: &str = "webmon_hub_location_state";
    const HEARD: &str = "webmon_hub_location_last_heard_timestamp_seconds";
    const OFFSET: &str = "webmon_hub_location_clock_offset_seconds";
    let named: Vec<(&LocationHealth, String)> =
        locations.iter().map(|one| (one, label("location", one.location.name()))).collect();
    out.family(STATE, Kind::Gauge, "How the hub hears the location: 1 for its state, 0 for the others.");
    for (one, labels) in &named {
        for state in [Presence::Heard, Presence::Awaited, Presence::Silent, Presence::Blind] {
            out.whole(STATE, &[labels, &label("state", state.name())], u64::from(state == one.presence));
        }
    }
    out.family(HEARD, Kind::Gauge, "When the location was last heard; absent if not since the hub started.");
    for (one, labels) in &named {
        if let Some(heard) = one.heard {
            out.seconds(HEARD, &[labels], heard.as_micros());
        }
    }
    out.family(
        OFFSET,
        Kind::Gauge,
        "How far the clock of the location is ahead of the hub's; absent if that is not known.",
    );
    for (one, labels) in &named {
        if let Some(ahead) = one.ahead {
            out.signed_seconds(OFFSET, &[labels], ahead);
        }
    }
}
