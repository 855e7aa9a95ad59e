//! The encoder against a strict parser of the text formats.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::alert::quorum::{Tally, Verdict, Votes};
use crate::model::{Cause, Location, LocationHealth, Presence, Timestamp};
use crate::stats::Availability;

/// One series of a parsed text.
#[derive(Debug, Clone, PartialEq)]
struct Parsed {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Parses `text` strictly: families are declared once and in one piece, series are unique, labels are well formed.
fn parse(text: &str, is_open: bool) -> Result<(BTreeMap<String, String>, Vec<Parsed>), String> {
    let mut types = BTreeMap::new();
    let (mut series, mut seen, mut family) = (Vec::new(), HashSet::new(), String::new());
    let body = match text.strip_suffix("# EOF\n") {
        Some(body) if is_open => body,
        None if !is_open => text,
        _ => return Err("the end".to_owned()),
    };
    let body = body.strip_suffix('\n').ok_or("no line feed at the end")?;
    for line in body.split('\n') {
        if let Some(help) = line.strip_prefix("# HELP ") {
            help.split_once(' ').ok_or("no help")?;
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if types.insert(name.to_owned(), kind.to_owned()).is_some() {
                return Err(format!("{name} is declared twice"));
            }
            name.clone_into(&mut family);
            continue;
        }
        let parsed = parse_series(line)?;
        let suffix = parsed.name.strip_prefix(family.as_str()).ok_or(format!("{line} is outside its family"))?;
        let allowed: &[&str] = match (types[&family].as_str(), is_open) {
            ("counter", true) => &["_total"],
            ("info", true) => &["_info"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        if !allowed.contains(&suffix) {
            return Err(format!("{line} has no place in {family}"));
        }
        if !seen.insert((parsed.name.clone(), parsed.labels.clone())) {
            return Err(format!("{line} is there twice"));
        }
        series.push(parsed);
    }
    Ok((types, series))
}

fn parse_series(line: &str) -> Result<Parsed, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or("no label")?;
            if label.is_empty() || !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(format!("the label {label:?}"));
            }
            let (value, after) = unescaped(value)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("{label} twice"));
            }
            let Some(more) = after.strip_prefix(',') else {
                rest = after.strip_prefix('}').ok_or("no end of labels")?;
                break;
            };
            rest = more;
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no value")?;
    let value = value.parse().map_err(|_| format!("the value {value:?}"))?;
    Ok(Parsed { name: name.to_owned(), labels, value })
}

/// The value up to its quote, and what follows.
fn unescaped(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next().ok_or("a lone backslash")?.1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                c => return Err(format!("the escape {c:?}")),
            },
            c => value.push(c),
        }
    }
    Err("a label without an end".to_owned())
}

/// The text for `sites` and for the program.
fn encode(exposition: Exposition, sites: &[SiteReading], program: &ProgramReading, histogram: bool) -> String {
    let (sites, program) = (sites.to_vec(), program.clone());
    Chunks::new(Arc::new(Scrape { exposition, sites, program, histogram })).collect()
}

fn reading(name: &str, group: Option<&str>) -> SiteReading {
    SiteReading {
        name: name.into(),
        location: None,
        group: group.map(Into::into),
        url: "https://a.example/?q=***".into(),
        interval: Duration::from_secs(90),
        sums: None,
        is_down: false,
        is_up: Some(true),
        last_check: Some(Timestamp::from_micros(1_795_340_000_250_000)),
        expires: Some(Timestamp::from_secs(1_800_000_000)),
        domain_expires: Some(Timestamp::from_secs(1_900_000_000)),
        quantiles: None,
    }
}

/// Names with everything that a format could trip over.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(
            prop::sample::select(vec!['"', '\\', '\n', '{', '}', ',', '=', ' ', '#', 'a', 'é', '\u{202e}']),
            0..12
        )
        .prop_map(String::from_iter),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn whatever_a_site_is_called_it_reads_back(
        named in prop::collection::btree_map(names(), prop::option::of(names()), 0..6), open: bool, histogram: bool,
    ) {
        let sites: Vec<SiteReading> = named.iter().map(|(name, group)| reading(name, group.as_deref())).collect();
        let exposition = if open { Exposition::OpenMetrics } else { Exposition::Text };
        let text = encode(exposition, &sites, &ProgramReading { version: "1", ..ProgramReading::default() }, histogram);
        let shown = |name: &String| name.replace('\r', "\u{fffd}");
        let distinct: HashSet<String> = named.keys().map(shown).collect();
        prop_assume!(distinct.len() == named.len());
        let (_, series) = parse(&text, open).map_err(TestCaseError::fail)?;
        for (name, group) in &named {
            let of_site: Vec<&Parsed> = series.iter().filter(|one| one.labels.get("site") == Some(&shown(name))).collect();
            prop_assert_eq!(of_site.len(), if histogram { SERIES_MAX } else { SERIES_MAX - 14 });
            prop_assert!(of_site.iter().all(|one| one.labels.get("group") == group.as_ref().map(shown).as_ref()));
        }
    }

    #[test]
    fn numbers_are_written_exactly(micros: u64, whole: u64) {
        let mut out = Encoder::new(Exposition::Text, 0);
        out.seconds("a", &[], micros);
        out.whole("b", &[], whole);
        let text = out.finish();
        let mut values = text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned());
        let seconds = values.next().unwrap();
        let (secs, rest) = seconds.split_once('.').unwrap_or((&seconds, ""));
        prop_assert_eq!(u128::from(secs.parse::<u64>().unwrap()) * 1_000_000 + format!("{rest:0<6}").parse::<u128>().unwrap(), u128::from(micros));
        prop_assert_eq!(values.next().unwrap().parse::<u64>().unwrap(), whole);
    }
}

#[test]
fn a_site_says_what_it_counted() {
    let mut sums = SiteSums { up: 7, down: 2, unknown: 1, skipped: 3, ..SiteSums::default() };
    sums.causes[Cause::ALL.iter().position(|cause| *cause == Cause::Reset).unwrap()] = 2;
    (sums.buckets[0], sums.buckets[11], sums.response_micros) = (6, 1, 11_000_500);
    let site = SiteReading {
        sums: Some(Arc::new(sums)),
        is_down: true,
        is_up: None,
        quantiles: Some([1_000, 2_000, 3_000]),
        ..reading("a", None)
    };
    let lag = ProgramReading {
        store_lag: Some(Duration::ZERO),
        store_bytes: Some(4096),
        version: "0.1",
        ..ProgramReading::default()
    };
    for open in [false, true] {
        let exposition = if open { Exposition::OpenMetrics } else { Exposition::Text };
        let (types, series) = parse(&encode(exposition, std::slice::from_ref(&site), &lag, true), open).unwrap();
        let value = |name: &str, label: Option<(&str, &str)>| {
            let is_it = |one: &&Parsed| {
                one.name == name
                    && label.is_none_or(|(name, value)| one.labels.get(name).is_some_and(|found| found == value))
            };
            series.iter().find(is_it).map(|one| one.value)
        };
        assert_eq!(value("webmon_checks_total", Some(("outcome", "down"))), Some(2.0));
        assert_eq!(value("webmon_failures_total", Some(("cause", "reset"))), Some(2.0));
        assert_eq!(value("webmon_checks_skipped_total", None), Some(3.0));
        assert_eq!(value("webmon_response_duration_seconds_bucket", Some(("le", "0.005"))), Some(6.0));
        assert_eq!(value("webmon_response_duration_seconds_bucket", Some(("le", "10.0"))), Some(6.0));
        assert_eq!(value("webmon_response_duration_seconds_bucket", Some(("le", "+Inf"))), Some(7.0));
        assert_eq!(value("webmon_response_duration_seconds_count", None), Some(7.0));
        assert_eq!(value("webmon_response_duration_seconds_sum", None), Some(11.0005));
        assert_eq!(value("webmon_response_quantile_seconds", Some(("quantile", "0.95"))), Some(0.002));
        assert_eq!((value("webmon_site_down", None), value("webmon_site_up", None)), (Some(1.0), None));
        assert_eq!(value("webmon_last_check_timestamp_seconds", None), Some(1_795_340_000.25));
        assert_eq!(
            (value("webmon_store_lag_seconds", None), value("webmon_export_lag_seconds", None)),
            (Some(0.0), None)
        );
        assert_eq!(types.contains_key("webmon_checks"), open);
    }
}

proptest! {
    /// A site at two locations and over both: the series of single locations sum up to those of both, whatever it is called.
    #[test]
    fn a_site_over_its_locations_is_no_series_of_them(
        name in names(), group in prop::option::of(names()), open: bool, ahead: i64, up in 0u64..1_000, more in 1u64..1_000,
    ) {
        let place = |name: &str| Location::new(name).unwrap();
        let at = |location: &str| SiteReading { location: Some(place(location)), ..reading(&name, group.as_deref()) };
        let votes = Votes { verdict: Verdict::Partial, tally: Tally { up: 2, down: 1 }, assigned: 4 };
        let minutes = Duration::from_mins(10);
        let whole = WholeReading {
            name: name.as_str().into(),
            group: group.as_deref().map(Into::into),
            votes: Some(votes),
            is_down: true,
            views: vec![(minutes, Some(Availability { up, checks: up + more }), Some(0.5)), (minutes * 6, None, None)],
        };
        let location = |name: &str, presence| LocationHealth {
            location: place(name), presence, since: None, heard: None, ahead: Some(ahead), is_filling: false,
        };
        let locations = vec![location("fra1", Presence::Heard), location("nyc1", Presence::Blind)];
        let hub = Some(HubReading { sites: vec![whole], locations });
        let exposition = if open { Exposition::OpenMetrics } else { Exposition::Text };
        let program = ProgramReading { version: "1", hub, ..ProgramReading::default() };
        let text = encode(exposition, &[at("fra1"), at("nyc1")], &program, true);
        let (_, series) = parse(&text, open).map_err(TestCaseError::fail)?;
        for one in series.iter().filter(|one| one.labels.contains_key("site")) {
            prop_assert_eq!(one.labels.contains_key("location"), !one.name.starts_with("webmon_hub_"), "{}", one.name);
        }
        let value = |name: &str, label: (&str, &str)| {
            let found = series.iter().find(|one| one.name == name && one.labels.get(label.0).is_some_and(|it| it == label.1));
            found.map(|one| one.value)
        };
        prop_assert_eq!(value("webmon_hub_site_verdict", ("verdict", "partial")), Some(1.0));
        prop_assert_eq!(value("webmon_hub_site_verdict", ("verdict", "up")), Some(0.0));
        prop_assert_eq!(value("webmon_hub_site_votes", ("vote", "up")), Some(2.0));
        prop_assert_eq!(value("webmon_hub_location_state", ("state", "blind")), Some(0.0), "that of fra1 comes first");
        #[allow(clippy::cast_precision_loss, reason = "a few digits are enough")]
        let (offset, share) = (ahead as f64 / 1e6, up as f64 / (up + more) as f64);
        let told = value("webmon_hub_location_clock_offset_seconds", ("location", "nyc1")).unwrap();
        prop_assert!((told - offset).abs() <= offset.abs() * 1e-9 + 1e-9, "{told} {offset}");
        let told = value("webmon_hub_site_availability_ratio", ("window", "10m")).unwrap();
        prop_assert!((told - share).abs() <= 1e-6, "{told} {share}");
    }
}

#[test]
fn a_strict_parser_refuses_what_is_not_well_formed() {
    for text in [
        "a 1",
        "# TYPE a gauge\na{b=\"c} 1\n",
        "# TYPE a gauge\na 1\na 1\n",
        "# TYPE a gauge\nb 1\n",
        "# TYPE a gauge\na{b=\"\\x\"} 1\n",
    ] {
        assert!(parse(text, false).is_err(), "{text}");
    }
    assert!(parse("# TYPE a gauge\na 1\n", true).is_err());
}

/// A part ends in the middle of a family, and the next one goes on with the next site.
#[test]
fn a_long_text_comes_in_parts_of_bounded_length() {
    let sites: Vec<SiteReading> = (0..3_000).map(|site| reading(&format!("site {site}"), Some("group"))).collect();
    let views = vec![(Duration::from_mins(10), Some(Availability { up: 1, checks: 2 }), Some(0.5))];
    let whole = |site: &SiteReading| WholeReading {
        name: Arc::clone(&site.name),
        group: None,
        votes: None,
        is_down: false,
        views: views.clone(),
    };
    let hub = Some(HubReading { sites: sites.iter().map(whole).collect(), locations: Vec::new() });
    let program = ProgramReading { version: "1", hub, ..ProgramReading::default() };
    let scrape = Scrape { exposition: Exposition::OpenMetrics, sites, program, histogram: true };
    let mut chunks = Chunks::new(Arc::new(scrape));
    let parts: Vec<String> = chunks.by_ref().collect();
    assert!(chunks.is_over() && parts.len() > 100, "{} parts", parts.len());
    assert!(parts.iter().all(|part| (1..70_000).contains(&part.len()) && part.ends_with('\n')));
    let (types, series) = parse(&parts.concat(), true).unwrap();
    assert!(types.len() > 12);
    let of = |name: &str| series.iter().filter(|one| one.name == name).count();
    assert_eq!((of("webmon_site_down"), of("webmon_phase_duration_seconds_total")), (3_000, 15_000));
    assert_eq!((of("webmon_hub_site_verdict"), of("webmon_hub_site_coverage_ratio")), (12_000, 3_000));
    assert_eq!(of("webmon_response_duration_seconds_bucket"), 36_000);
}
