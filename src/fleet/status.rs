//! What a hub says about its fleet: the document under `<hub>.status` in the bucket `WEBMON_HUB`, and whether all is well.
//!
//! Invariants: a document is read leniently, so that hubs of other versions are understood: what is missing is zero or empty, what
//! is unknown is passed over. Every text is one clean line. Bounds: `LOCATIONS_MAX` locations, `NOTICES_MAX` notices.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::text::clean_line;
use crate::model::{Location, Presence, Timestamp};

/// How often a hub writes its document.
pub const STATUS_EVERY: Duration = Duration::from_secs(5);

/// A hub that wrote nothing for so long counts as gone.
pub const GONE_AFTER: Duration = Duration::from_secs(15);

/// Clocks that differ by more are worth a warning.
pub const CLOCK_MAX_MS: i64 = 2_000;

/// Most locations of a document that are read.
const LOCATIONS_MAX: usize = 10_000;

/// Most notices of a document that are read.
const NOTICES_MAX: usize = 100;

/// Longest text, bytes.
const TEXT_MAX: usize = 400;

/// What a hub says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubStatus {
    /// Its name.
    pub hub: Location,
    /// Its version of webmon.
    pub version: String,
    /// When it said this, by its clock.
    pub at: Timestamp,
    /// The number of the last message of the stream that it has committed.
    pub position: u64,
    /// Messages of the stream that it has yet to take.
    pub behind: u64,
    /// Pairs of a site and a location that it holds.
    pub pairs: u64,
    /// Pairs that it would hold at most.
    pub max_pairs: u64,
    /// Whether it delivers alerts.
    pub delivers: bool,
    /// The hub that does instead, as far as this one knows.
    pub follows: Option<Location>,
    /// The locations that it knows.
    pub locations: Vec<LocationStatus>,
    /// Notices for the user, one line each.
    pub notices: Vec<String>,
}

/// What a hub says about a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationStatus {
    /// Its name.
    pub location: Location,
    /// The store that its samples come from, as hexadecimal digits.
    pub store: String,
    /// Its version of webmon.
    pub version: String,
    /// Sites that it checks.
    pub sites: u64,
    /// When the hub heard it last, by the hub's clock.
    pub heard: Timestamp,
    /// How far its clock is ahead of the hub's, ms.
    pub clock_offset_ms: i64,
    /// Whether it is heard. A hub that has just started, or come back to its server, waits before it calls a location silent.
    pub presence: Presence,
    /// The hub lacks samples that it has asked for again.
    pub gap: bool,
    /// Samples that it has yet to send again.
    pub backfill: u64,
    /// Stores that send under this name; more than one is a mistake.
    pub stores: u64,
    /// Samples that the hub has taken from it.
    pub samples: u64,
    /// It was silent lately, and does not yet check again what it would share with others.
    pub returning: bool,
}

impl HubStatus {
    /// The document, in one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    fn to_value(&self) -> Value {
        let locations: Vec<Value> = self.locations.iter().map(LocationStatus::to_value).collect();
        json!({
            "hub": self.hub.name(),
            "version": self.version,
            "at": self.at.as_micros(),
            "position": self.position,
            "behind": self.behind,
            "pairs": self.pairs,
            "max_pairs": self.max_pairs,
            "delivers": self.delivers,
            "follows": self.follows.as_ref().map(Location::name),
            "locations": locations,
            "notices": self.notices,
        })
    }

    /// Reads a document that a hub wrote; none if it is not one.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let list = |key: &str| document[key].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(Self {
            hub: Location::new(document["hub"].as_str()?)?,
            version: text(&document["version"]),
            at: Timestamp::from_micros(document["at"].as_u64()?),
            position: number(&document["position"]),
            behind: number(&document["behind"]),
            pairs: number(&document["pairs"]),
            max_pairs: number(&document["max_pairs"]),
            // Each hub of earlier versions did.
            delivers: document["delivers"].as_bool().unwrap_or(true),
            follows: document["follows"].as_str().and_then(Location::new),
            locations: list("locations").iter().take(LOCATIONS_MAX).filter_map(LocationStatus::from_value).collect(),
            notices: list("notices").iter().take(NOTICES_MAX).map(text).collect(),
        })
    }

    /// Whether it has said nothing for so long, at `now`, that it counts as gone.
    #[must_use]
    pub fn is_gone(&self, now: Timestamp) -> bool {
        now.since(self.at) > GONE_AFTER
    }

    /// Whether, at `now`, all is well: the hub is there, and it hears every location, with nothing to notice.
    #[must_use]
    pub fn is_well(&self, now: Timestamp) -> bool {
        !self.is_gone(now) && self.notices.is_empty() && self.locations.iter().all(LocationStatus::is_well)
    }
}

/// The documents of all `hubs` as `webmon fleet status --format json` prints them at `now`, in one line.
#[must_use]
pub fn all_json(hubs: &[HubStatus], now: Timestamp, is_well: bool) -> String {
    let hubs: Vec<Value> = hubs.iter().map(HubStatus::to_value).collect();
    json!({ "at": now.as_micros(), "well": is_well, "hubs": hubs }).to_string()
}

impl LocationStatus {
    /// Whether it is heard, from one store, without a gap, and its clock is right.
    #[must_use]
    pub fn is_well(&self) -> bool {
        matches!(self.state(), "ok" | "returning") && self.clock_offset_ms.abs() <= CLOCK_MAX_MS
    }

    /// Its state in words.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if matches!(self.presence, Presence::Silent) {
            "silent"
        } else if matches!(self.presence, Presence::Awaited) {
            "not heard yet"
        } else if self.stores > 1 {
            "two stores"
        } else if self.gap || self.backfill > 0 {
            "back-filling"
        } else if self.returning {
            "returning"
        } else {
            "ok"
        }
    }

    fn to_value(&self) -> Value {
        json!({
            "location": self.location.name(),
            "store": self.store,
            "version": self.version,
            "sites": self.sites,
            "heard": self.heard.as_micros(),
            "clock_offset_ms": self.clock_offset_ms,
            "silent": self.presence == Presence::Silent,
            "awaited": self.presence == Presence::Awaited,
            "gap": self.gap,
            "backfill": self.backfill,
            "stores": self.stores,
            "samples": self.samples,
            "returning": self.returning,
        })
    }

    fn from_value(value: &Value) -> Option<Self> {
        let flag = |key: &str| value[key].as_bool().unwrap_or(false);
        Some(Self {
            location: Location::new(value["location"].as_str()?)?,
            store: text(&value["store"]),
            version: text(&value["version"]),
            sites: number(&value["sites"]),
            heard: Timestamp::from_micros(number(&value["heard"])),
            clock_offset_ms: value["clock_offset_ms"].as_i64().unwrap_or(0),
            presence: match (flag("silent"), flag("awaited")) {
                (true, _) => Presence::Silent,
                (false, true) => Presence::Awaited,
                (false, false) => Presence::Heard,
            },
            gap: flag("gap"),
            backfill: number(&value["backfill"]),
            stores: number(&value["stores"]),
            samples: number(&value["samples"]),
            returning: flag("returning"),
        })
    }
}

fn text(value: &Value) -> String {
    clean_line(value.as_str().unwrap_or_default(), TEXT_MAX)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn location(name: &str) -> LocationStatus {
        LocationStatus {
            location: Location::new(name).unwrap(),
            store: "ab".repeat(16),
            version: "0.1.0".to_owned(),
            sites: 10,
            heard: Timestamp::from_secs(99),
            clock_offset_ms: -42,
            presence: Presence::Heard,
            gap: false,
            backfill: 0,
            stores: 1,
            samples: 1_000,
            returning: false,
        }
    }

    fn hub() -> HubStatus {
        HubStatus {
            hub: Location::new("hub1").unwrap(),
            version: "0.1.0".to_owned(),
            at: Timestamp::from_secs(100),
            position: 12,
            behind: 3,
            pairs: 20,
            max_pairs: 30_000,
            delivers: false,
            follows: Location::new("hub2"),
            locations: vec![location("fra1"), location("nyc1")],
            notices: Vec::new(),
        }
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        for presence in [Presence::Heard, Presence::Awaited, Presence::Silent] {
            let hub = HubStatus { locations: vec![LocationStatus { presence, ..location("fra1") }], ..hub() };
            assert_eq!(HubStatus::from_json(hub.to_json().as_bytes()), Some(hub));
        }
        assert_eq!(HubStatus::from_json(hub().to_json().as_bytes()), Some(hub()));
        let later = r#"{"hub":"h","at":1,"new":{"a":1},"locations":[{"location":"a","silent":true},{"location":"A B"},7],
            "notices":["a\u001b[2J"]}"#;
        let read = HubStatus::from_json(later.as_bytes()).unwrap();
        assert_eq!((read.locations.len(), read.locations[0].state()), (1, "silent"));
        assert_eq!(read.notices, ["a\u{fffd}[2J"]);
        for none in ["", "[]", "{}", r#"{"hub":"A B","at":1}"#, r#"{"hub":"h"}"#, r#"{"hub":"h","at":-1}"#] {
            assert_eq!(HubStatus::from_json(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn all_is_well_while_the_hub_is_there_and_hears_everybody() {
        let now = Timestamp::from_secs(115);
        assert!(hub().is_well(now) && !hub().is_gone(now));
        assert!(!hub().is_well(Timestamp::from_secs(116)) && hub().is_gone(Timestamp::from_secs(116)));
        assert!(!HubStatus { notices: vec!["a".to_owned()], ..hub() }.is_well(now));
        let returning = LocationStatus { returning: true, ..location("nyc1") };
        assert_eq!((returning.state(), returning.is_well()), ("returning", true));
        for (state, ill) in [
            ("silent", LocationStatus { presence: Presence::Silent, gap: true, ..location("nyc1") }),
            ("not heard yet", LocationStatus { presence: Presence::Awaited, ..location("nyc1") }),
            ("two stores", LocationStatus { stores: 2, ..location("nyc1") }),
            ("back-filling", LocationStatus { gap: true, ..location("nyc1") }),
            ("back-filling", LocationStatus { backfill: 1, ..location("nyc1") }),
            ("ok", LocationStatus { clock_offset_ms: -2_001, ..location("nyc1") }),
        ] {
            assert_eq!(ill.state(), state);
            assert!(!HubStatus { locations: vec![location("fra1"), ill], ..hub() }.is_well(now));
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
            drop(HubStatus::from_json(&bytes));
            let document = format!("{{\"hub\":\"h\",\"at\":1,\"locations\":{text},\"notices\":[{text:?}]}}");
            drop(HubStatus::from_json(document.as_bytes()));
        }
    }
}
