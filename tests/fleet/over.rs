//! A site over its locations: what a hub prints of it, and what `webmon stats` reads of the hub's store.

use serde_json::Value;

use crate::support::program::json;
use crate::verdicts::Places;

/// Waits for figures of the site `one` over its locations with this verdict and an availability below `most`; returns them, and the names
/// of the sites in the order in which they were printed with it.
#[track_caller]
fn figures(places: &mut Places, verdict: &str, most: f64) -> (Value, Vec<String>) {
    let is_it = |event: &Value| {
        let is_low = event["availability"].as_f64().is_some_and(|share| share < most);
        event["site"] == "one" && event["locations"]["verdict"] == verdict && is_low
    };
    let lines = places.hub.until(|lines| lines.iter().any(|line| is_it(&json(line))));
    let events: Vec<Value> = lines.iter().map(|line| json(line)).filter(|event| event["event"] == "stats").collect();
    let place = events.iter().position(is_it).unwrap();
    let name = |event: &Value| event["site"].as_str().unwrap().to_owned();
    let of_one_time = |event: &&Value| event["time"] == events[place]["time"];
    (events[place].clone(), events.iter().skip(place).take_while(of_one_time).map(name).collect())
}

fn share(event: &Value, key: &str) -> f64 {
    event[key].as_f64().unwrap_or_else(|| panic!("no {key} in {event}"))
}

#[test]
fn a_site_is_shown_over_its_locations_and_counted_so() {
    let Some(mut places) = Places::start(&["one", "two"], "partial: true") else { return };
    let (up, _) = figures(&mut places, "up", 2.0);
    assert!(up["state"] == "up" && up["timeframe"] == "10m", "{up}");
    places.fail(&["/a/one"]);
    let (partial, names) = figures(&mut places, "partial", 2.0);
    let votes = json(r#"{"verdict":"partial","up":2,"down":1,"assigned":3}"#);
    assert!(partial["state"] == "failing" && partial["locations"] == votes, "{partial}");
    assert!(share(&partial, "availability") > 0.9 && partial["down"].as_u64() > Some(0), "two see it up: {partial}");
    assert_eq!(names[..5], ["one", "a/one", "b/one", "c/one", "two"]);
    places.fail(&["/b/one"]);
    let (down, _) = figures(&mut places, "down", 1.0);
    assert_eq!(down["state"], "down");
    assert!(share(&down, "coverage") > 0.0, "{down}");

    let store = "--config hub1.yaml --store hub.redb --since 1h";
    let all = places.folder.run(&format!("stats {store} --each-location --format json")).with(0).json();
    let names: Vec<&str> = all.iter().map(|row| row["site"].as_str().unwrap()).collect();
    assert_eq!(names, ["one", "a/one", "b/one", "c/one", "two", "a/two", "b/two", "c/two"]);
    for key in ["checks", "up", "down"] {
        let sum: u64 = all[1..4].iter().map(|row| row[key].as_u64().unwrap()).sum();
        assert_eq!(all[0][key].as_u64(), Some(sum), "{key}: {all:?}");
    }
    let shares: Vec<f64> = all.iter().map(|row| share(row, "availability")).collect();
    assert!(shares[0] < 1.0 && shares[1] < shares[0], "a sees it down for longer than two do: {shares:?}");
    assert!(shares[3..].iter().all(|share| *share > 0.8), "{shares:?}");
    assert!(all[0]["longest_outage_ms"].as_u64() > Some(0), "{}", all[0]);

    let table = places.folder.run(&format!("stats {store}")).with(0).stdout;
    assert!(table.contains("\none ") && table.contains("\ntwo ") && !table.contains("a/one"), "{table}");
    let own = places.folder.run(&format!("stats {store} --location c --format csv")).with(0).stdout;
    assert!(own.contains(",one,") && !own.contains("c/one"), "{own}");
    let chosen = places.folder.run(&format!("stats one {store} --format json")).with(0).json();
    assert_eq!(chosen.iter().map(|row| &row["site"]).collect::<Vec<_>>(), ["one"]);
    let no_hub = places.folder.run("stats --config a.yaml --store a.redb --each-location").with(2).stderr;
    assert!(no_hub.contains("a.redb is not the store of a hub, so it has no locations"), "{no_hub}");
}
