//! `webmon fleet status`: what the hubs say about themselves and their locations.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use crate::app::cli::fleet::commands::FleetStatusArgs;
use crate::app::cli::formats::LineFormat;
use crate::app::cli::stdout::print_text;
use crate::app::clock;
use crate::app::exit::{CommandError, Ending, complain};
use crate::fleet::connection::Role;
use crate::fleet::hubs::statuses;
use crate::fleet::status::{HubStatus, LocationStatus, all_json};
use crate::model::time::duration;
use crate::model::{FleetTerms, Timestamp, figures};

/// Shows what the hubs at the servers of `terms` say.
///
/// # Errors
/// [`CommandError`]: files of certificates, or standard output.
pub(super) fn status(args: &FleetStatusArgs, terms: &FleetTerms) -> Result<Ending, CommandError> {
    super::over_a_link(terms, &Role::Watch, async |link| {
        let hubs = match statuses(&link).await {
            Ok(hubs) => hubs,
            Err(reason) => {
                complain(format!("webmon: {reason}"));
                return Ok(Ending::NotUp);
            }
        };
        let now = clock::wall();
        let is_well = is_well(&hubs, now);
        print_text(|out| match args.format {
            LineFormat::Text => out.write_all(described(&hubs, now).as_bytes()),
            LineFormat::Json => writeln!(out, "{}", all_json(&hubs, now, is_well)),
        })?;
        Ok(if is_well { Ending::Done } else { Ending::NotUp })
    })
}

/// Whether there is a hub, and no location needs attention.
fn is_well(hubs: &[HubStatus], now: Timestamp) -> bool {
    !hubs.is_empty() && hubs.iter().all(|hub| hub.is_well(now))
}

/// The lines for people.
fn described(hubs: &[HubStatus], now: Timestamp) -> String {
    if hubs.is_empty() {
        return "no hub has said anything yet; `webmon hub` starts one\n".to_owned();
    }
    hubs.iter().map(|hub| of_hub(hub, now)).collect::<Vec<_>>().join("\n")
}

fn of_hub(hub: &HubStatus, now: Timestamp) -> String {
    let HubStatus { version, position, behind, pairs, max_pairs, .. } = hub;
    let state =
        if hub.is_gone(now) { format!("gone, last heard {} ago", ago(now.since(hub.at))) } else { "ok".to_owned() };
    let part = match (hub.delivers, &hub.follows) {
        _ if hub.is_gone(now) => String::new(),
        (true, _) => ", delivers alerts".to_owned(),
        (false, Some(holder)) => format!(", stands by for {holder}"),
        (false, None) => ", waits".to_owned(),
    };
    let mut text = format!(
        "hub {}: {state}{part}; version {version}, position {position}, {} {} to take, {pairs} of {max_pairs} pairs\n",
        hub.hub,
        figures::count(*behind),
        figures::plural(*behind, "message")
    );
    let head = ["LOCATION", "STATE", "HEARD", "CLOCK", "TO GO", "VERSION", "SITES"].map(str::to_owned);
    let rows: Vec<[String; 7]> = [head].into_iter().chain(hub.locations.iter().map(|one| cells(one, hub.at))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    for row in rows.iter().filter(|_| !hub.locations.is_empty()) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(text, "  {}", line.trim_end()).expect("writing to a String cannot fail");
    }
    for notice in &hub.notices {
        writeln!(text, "  ! {notice}").expect("writing to a String cannot fail");
    }
    text
}

/// The cells of a location, as its hub saw it at `at`.
fn cells(one: &LocationStatus, at: Timestamp) -> [String; 7] {
    #[allow(clippy::cast_precision_loss, reason = "a tenth of a second is shown")]
    let clock = one.clock_offset_ms as f64 / 1_000.0;
    [
        one.location.to_string(),
        one.state().to_owned(),
        // Not since the hub started.
        if one.heard == Timestamp::ZERO { "–".to_owned() } else { format!("{} ago", ago(at.since(one.heard))) },
        format!("{clock:+.1}s"),
        figures::count(one.backfill),
        one.version.clone(),
        one.sites.to_string(),
    ]
}

/// A span in whole seconds.
fn ago(span: Duration) -> String {
    duration::format(Duration::from_secs(span.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Location, Presence};

    fn hub() -> HubStatus {
        let location = |name: &str| LocationStatus {
            location: Location::new(name).unwrap(),
            store: "ab".repeat(16),
            version: "0.1.0".to_owned(),
            sites: 10,
            heard: Timestamp::from_secs(98),
            clock_offset_ms: 120,
            presence: Presence::Heard,
            gap: false,
            backfill: 0,
            stores: 1,
            samples: 1_000,
            returning: false,
        };
        HubStatus {
            hub: Location::new("hub1").unwrap(),
            version: "0.1.0".to_owned(),
            at: Timestamp::from_secs(100),
            position: 1_234,
            behind: 1,
            pairs: 30,
            max_pairs: 30_000,
            delivers: true,
            follows: None,
            locations: vec![
                location("fra1"),
                LocationStatus { presence: Presence::Silent, heard: Timestamp::from_secs(10), ..location("nyc1") },
                LocationStatus { gap: true, backfill: 3_120, clock_offset_ms: -4_230, ..location("singapore-2") },
            ],
            notices: vec!["clock of singapore-2 is 4.2 s behind".to_owned()],
        }
    }

    #[test]
    fn the_lines_show_every_location_of_every_hub() {
        let gone = HubStatus { hub: Location::new("hub2").unwrap(), at: Timestamp::from_secs(20), ..hub() };
        let gone = HubStatus { delivers: false, follows: Location::new("hub1"), ..gone };
        let gone = HubStatus { locations: Vec::new(), notices: Vec::new(), ..gone };
        insta::assert_snapshot!(described(&[hub(), gone], Timestamp::from_secs(103)));
    }

    #[test]
    fn a_location_that_was_not_heard_has_no_time() {
        let hub = hub();
        let never = LocationStatus { heard: Timestamp::ZERO, presence: Presence::Awaited, ..hub.locations[1].clone() };
        assert_eq!(cells(&never, hub.at)[1], "not heard yet");
        assert_eq!(cells(&never, hub.at)[2], "–");
        assert_eq!(cells(&hub.locations[1], hub.at)[2], "1m30s ago");
    }

    #[test]
    fn all_is_well_with_at_least_one_hub() {
        let now = Timestamp::from_secs(103);
        assert!(!is_well(&[], now) && !is_well(&[hub()], now));
        let mut well = hub();
        well.locations.truncate(1);
        well.notices.clear();
        assert!(is_well(&[well.clone()], now));
        assert!(!is_well(&[well, hub()], now));
        assert!(described(&[], now).contains("webmon hub"));
    }
}
