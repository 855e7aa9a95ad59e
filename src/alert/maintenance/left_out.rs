//! The times of maintenance of one site, for figures that leave them out.
//!
//! They come from the windows of the file and from silences that count as maintenance. A silence that ended early counts up to
//! its end.
//!
//! Invariants: the spans are half-open, in order, and neither overlap nor touch. Bounds: one span per window that takes place.

use std::time::Duration;

use crate::alert::kept::incident::Silence;
use crate::model::Timestamp;

use super::Maintenance;

/// From its first instant on, before its second.
pub type Span = (Timestamp, Timestamp);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    spans: Vec<Span>,
}

impl LeftOut {
    /// What `windows` and `silences` leave out of `since..until` for the site of this name and group.
    #[must_use]
    pub fn of(
        (site, group): (&str, Option<&str>),
        (since, until): Span,
        windows: &[Maintenance],
        silences: &[Silence],
    ) -> Self {
        let of_windows = windows.iter().filter(|window| window.sites.selects(site, group));
        let of_silences =
            silences.iter().filter(|silence| silence.is_maintenance && silence.sites.selects(site, group));
        let spans = of_windows.flat_map(|window| window.spans_within(since, until));
        let spans = spans.chain(of_silences.map(|silence| (silence.from, silence.until)));
        Self::joined(spans.map(|(from, to)| (from.max(since), to.min(until))).collect())
    }

    fn joined(mut spans: Vec<Span>) -> Self {
        spans.retain(|(from, to)| from < to);
        spans.sort_unstable();
        let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match joined.last_mut().filter(|(_, end)| from <= *end) {
                Some((_, end)) => *end = to.max(*end),
                None => joined.push((from, to)),
            }
        }
        Self { spans: joined }
    }

    /// The spans, by time.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether `at` is left out.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let place = self.spans.partition_point(|(_, to)| *to <= at);
        self.spans.get(place).is_some_and(|(from, _)| *from <= at)
    }

    /// What is left of `since..until`, by time.
    #[must_use]
    pub fn rest(&self, (since, until): Span) -> Vec<Span> {
        let (mut rest, mut next) = (Vec::new(), since);
        for &(from, to) in &self.spans {
            if next < from.min(until) {
                rest.push((next, from.min(until)));
            }
            next = next.max(to);
        }
        if next < until {
            rest.push((next, until));
        }
        rest
    }

    /// How much of `since..until` is left out.
    #[must_use]
    pub fn length(&self, (since, until): Span) -> Duration {
        let inside = |&(from, to): &Span| to.min(until).since(from.max(since));
        self.spans.iter().map(inside).sum()
    }
}

impl Maintenance {
    /// Its windows, or their parts, in `since..until`, by their start. Cost: that of [`Maintenance::next_after`] for each.
    #[must_use]
    pub fn spans_within(&self, since: Timestamp, until: Timestamp) -> Vec<Span> {
        let mut spans: Vec<Span> = self.span_at(since).into_iter().collect();
        let mut next = self.next_after(since);
        while let Some(span) = next.filter(|span| span.0 < until) {
            spans.push(span);
            next = self.next_after(span.0);
        }
        spans
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::alert::SiteSelector;
    use crate::alert::maintenance::{Days, Schedule, clock_time};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn nightly(days: &str, from: &str, to: &str, sites: &str) -> Maintenance {
        let (from, to) = (clock_time(from).unwrap(), clock_time(to).unwrap());
        Maintenance {
            schedule: Schedule::Every { days: Days::of([days]).unwrap(), from, to },
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            sites: SiteSelector::of([sites]),
            reason: None,
        }
    }

    fn at(minutes: u64) -> Timestamp {
        // 27 March 2026, 00:00 UTC; Berlin's clock is set forward on the 29th.
        Timestamp::from_secs(1_774_569_600 + 60 * minutes)
    }

    fn silence(from: u64, until: u64, is_maintenance: bool) -> Silence {
        silence_of(at(from), at(until), is_maintenance)
    }

    /// A silence of everything.
    pub fn silence_of(from: Timestamp, until: Timestamp, is_maintenance: bool) -> Silence {
        let (by, text) = ("ada".into(), String::new());
        Silence { number: 1, sites: SiteSelector::All, from, until, by, text, is_maintenance }
    }

    #[test]
    fn windows_of_the_site_and_its_group_count_and_silences_only_as_maintenance() {
        let windows = [
            nightly("day", "02:00", "03:30", "api"),
            nightly("sun", "12:00", "13:00", "group:shop"),
            nightly("day", "05:00", "06:00", "blog"),
        ];
        let silences = [silence(0, 30, false), silence(2_000, 2_050, true)];
        let (day, zone_hour) = (24 * 60, 60);
        let left_out = LeftOut::of(("api", Some("shop")), (at(0), at(3 * day)), &windows, &silences);
        let expected = [
            (zone_hour, zone_hour + 90),
            (day + zone_hour, day + zone_hour + 90),
            (2_000, 2_050),
            // At 01:00 UTC the clock shows 03:00 in place of 02:00.
            (2 * day + 60, 2 * day + 90),
            (2 * day + 10 * 60, 2 * day + 11 * 60),
        ];
        assert_eq!(left_out.spans(), expected.map(|(from, to)| (at(from), at(to))));
        assert_eq!(left_out.length((at(0), at(day))), Duration::from_mins(90));
        assert_eq!(left_out.length((at(61), at(71))), Duration::from_mins(10));
        assert_eq!(LeftOut::of(("docs", None), (at(0), at(day)), &windows, &[]), LeftOut::default());
    }

    proptest! {
        /// Against a walk by the minute, where every window and silence starts and ends at a whole minute.
        #[test]
        fn each_instant_is_left_out_or_in_the_rest(
            clocks in prop::collection::vec((0u8..24, 0u8..60, 0u8..24, 0u8..60), 0..3),
            silences in prop::collection::vec((0u64..9_000, 1u64..2_000), 0..4),
            (since, length) in (0u64..5_000, 1u64..4_000),
        ) {
            let windows: Vec<Maintenance> = clocks.iter().map(|(a, b, c, d)| {
                nightly("day", &format!("{a:02}:{b:02}"), &format!("{c:02}:{d:02}"), "all")
            }).collect();
            let silences: Vec<Silence> = silences.into_iter().map(|(from, length)| silence(from, from + length, true)).collect();
            let period = (at(since), at(since + length));
            let left_out = LeftOut::of(("api", None), period, &windows, &silences);
            let rest = left_out.rest(period);
            let mut minutes = 0;
            for minute in since..since + length {
                let now = at(minute);
                let expected = windows.iter().any(|window| window.covers(now))
                    || silences.iter().any(|silence| silence.from <= now && now < silence.until);
                minutes += u64::from(expected);
                prop_assert_eq!(left_out.contains(now), expected);
                prop_assert_eq!(rest.iter().any(|(from, to)| *from <= now && now < *to), !expected);
            }
            prop_assert_eq!(left_out.length(period), Duration::from_mins(minutes));
            prop_assert!(left_out.spans().windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert!(rest.windows(2).all(|pair| pair[0].1 < pair[1].0) && rest.iter().all(|(from, to)| from < to));
        }
    }
}
