//! The selected site in one sentence: what makes 80 columns enough.

use std::time::Duration;

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::{Cause, figures};
use crate::tui::state::FRESH;
use crate::tui::state::site_list::{certificate_days, warned_days};
use crate::tui::style::line::{Line, cut, safe, short_name};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::group_row;
use crate::tui::view::table::rows::{is_silent, note};

/// From this width on there is room for more words.
const WIDE: usize = 100;

/// How long the outcome of a check by hand is shown.
const BY_HAND_SHOWN: Duration = Duration::from_secs(30);

/// The line of the selected site, as it is now, even while the tables are frozen.
pub fn line(frame: &Frame) -> Line {
    if let Some(group) = frame.state.selected_group(frame.inputs) {
        return group_row::sentence(frame, &group);
    }
    let Some(site) = selected(frame) else { return Line::default() };
    let (role, mark) = frame.mark(site.state);
    let mut line = Line::of(role, mark);
    line.push(Role::Plain, " ");
    line.push(Role::Strong, cut(short_name(&site.name), frame.width() / 3));
    line.push(Role::Plain, "  ");
    for (i, (role, text)) in refused(frame).into_iter().chain(by_hand(frame)).chain(parts(frame, site)).enumerate() {
        let dot = if i == 0 { "" } else { " · " };
        let room = frame.width().saturating_sub(line.width() + crate::tui::style::line::width(dot));
        if i > 0 && crate::tui::style::line::width(&text) > room {
            continue;
        }
        line.push(Role::Dim, dot);
        line.push(role, cut(&text, room));
    }
    line
}

/// That what was asked for cannot be done here, while that is new.
fn refused(frame: &Frame) -> Option<(Role, String)> {
    let at = frame.state.refused.filter(|at| frame.inputs.now.since(*at) < FRESH)?;
    let fresh = frame.inputs.now >= at;
    fresh.then(|| (Role::Strong, "r and p are off: webmon watch only looks on".to_owned()))
}

/// What came of asking for a check by hand, while that is new.
fn by_hand(frame: &Frame) -> Option<(Role, String)> {
    let site = frame.inputs.snapshot.sites.get(frame.state.focus(frame.inputs)?)?.slot;
    let recheck = frame.inputs.rechecks.iter().find(|recheck| recheck.site == site)?;
    let Some((at, observation)) = &recheck.outcome else {
        return Some((Role::Strong, "checking now …".to_owned()));
    };
    let ago = frame.inputs.now.since(*at);
    if ago >= BY_HAND_SHOWN {
        return None;
    }
    let ago = time_text::running(ago);
    if observation.cause == Cause::Ok {
        let code = observation.status.map_or_else(|| "up".to_owned(), |status| status.get().to_string());
        let took = figures::time(f64::from(observation.phases.total().get()));
        return Some((Role::Strong, format!("by hand {ago} ago: {code} in {took}, not counted")));
    }
    let why = match safe(&observation.detail) {
        detail if detail.is_empty() => observation.cause.name().replace('_', " ").into(),
        detail => detail,
    };
    Some((Role::Fault, format!("by hand {ago} ago: {why}, not counted")))
}

pub fn selected<'a>(frame: &Frame<'a>) -> Option<&'a SiteSnapshot> {
    let i = frame.state.focus(frame.inputs)?;
    let shown = frame.tables.sites.get(i)?;
    let live = frame.inputs.snapshot.sites.get(i).filter(|site| site.name == shown.name);
    Some(live.unwrap_or(shown))
}

fn parts(frame: &Frame, site: &SiteSnapshot) -> Vec<(Role, String)> {
    let wide = frame.width() >= WIDE;
    let now = frame.inputs.now;
    let mut parts = vec![headline(frame, site)];
    let failing = site.state == SiteState::Failing;
    if let Some(from) = site.judged_from.filter(|from| failing && *from > now) {
        parts.push((Role::Plain, format!("judged in {}", time_text::running(from.since(now)))));
    }
    if wide && !matches!(site.state, SiteState::Up | SiteState::New) {
        let good = site.last_up.map(|at| format!("last good {}", time_text::moment(at, now, frame.inputs.zone)));
        parts.extend(good.map(|text| (Role::Plain, text)));
    }
    if let Some(last) = &site.last {
        if let Some(address) = last.observation.as_ref().and_then(|observation| observation.address) {
            let family = if address.is_ipv4() { " (IPv4)" } else { " (IPv6)" };
            parts.push((Role::Plain, format!("{}{}", address.ip(), if wide { family } else { "" })));
        }
        parts.extend(last.sample.http.name().map(|http| (Role::Plain, format!("HTTP/{http}"))));
    }
    if let Some(days) = certificate_days(site, now) {
        let text = match (days, wide) {
            (..0, true) => "certificate expired".to_owned(),
            (..0, false) => "cert expired".to_owned(),
            (_, true) => format!("certificate {days} days"),
            (_, false) => format!("cert {days} d"),
        };
        parts.push((if warned_days(site, now).is_some() { Role::Warning } else { Role::Plain }, text));
    }
    parts
}

fn headline(frame: &Frame, site: &SiteSnapshot) -> (Role, String) {
    let now = frame.inputs.now;
    let Some(last) = &site.last else {
        let within = time_text::span(site.interval + site.timeout);
        return (Role::Plain, format!("no result yet; the first comes within {within}"));
    };
    let sample = &last.sample;
    let ago = time_text::running(now.since(sample.at));
    match site.state {
        SiteState::Up | SiteState::Recovering | SiteState::New if sample.cause == Cause::Ok => {
            let code = sample.status.map_or_else(|| "up".to_owned(), |status| status.get().to_string());
            let took = figures::time(f64::from(sample.total().get()));
            let again = if site.state == SiteState::Recovering { "good again: " } else { "" };
            (Role::Plain, format!("{again}{code} in {took}, {ago} ago"))
        }
        _ if is_silent(frame, site) => (Role::Plain, note(frame, site)),
        SiteState::Paused => (Role::Plain, format!("{}, last check {ago} ago", note(frame, site))),
        _ => (Role::Fault, format!("{}, {ago} ago", note(frame, site))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ratatui::layout::Size;

    use crate::model::{Observation, SiteSlot, Timestamp};
    use crate::tui::input::key::Key;
    use crate::tui::tests::fixtures;
    use crate::tui::{ManualCheck, SiteCommand, view};

    use super::*;

    const SIZE: Size = Size { width: 100, height: 24 };

    /// The selection line of the second site, `secs` after a check of it by hand was started and came to `outcome`.
    fn told(outcome: Option<(Timestamp, Observation)>, secs: u64) -> String {
        let mut world = fixtures::five_sites();
        let outcome = outcome.map(|(at, observation)| (at, Arc::new(observation)));
        world.rechecks = vec![ManualCheck { site: SiteSlot(1), asked: world.now, outcome }];
        let world = world.later(secs);
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        state.act(&Key::Char('j'), &world.inputs(), SIZE);
        view(&world.inputs(), &state, SIZE).lines[22].text()
    }

    #[test]
    fn a_check_by_hand_is_told_first_and_only_while_it_is_new() {
        assert!(told(None, 2).contains("shop-checkout  checking now … · slow: 2.05 s"), "{}", told(None, 2));
        let mut good = Observation::failed(Cause::Ok, "");
        good.status = crate::model::Status::new(204);
        let good = || Some((fixtures::now().after(Duration::from_secs(1)), good.clone()));
        assert!(told(good(), 3).contains("  by hand 2 s ago: 204 in 0.00 ms, not counted · "), "{}", told(good(), 3));
        assert!(!told(good(), 31).contains("by hand"));
        let bad = || Some((fixtures::now(), Observation::failed(Cause::ConnectRefused, "connection\u{1b} refused")));
        assert!(
            told(bad(), 3).contains("by hand 3 s ago: connection\u{fffd} refused, not counted"),
            "{}",
            told(bad(), 3)
        );
    }

    #[test]
    fn who_only_looks_on_asks_for_nothing() {
        let world = fixtures::watched(true);
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        for key in [Key::Char('r'), Key::Char('p'), Key::Enter, Key::Char('r')] {
            state.act(&key, &world.inputs(), SIZE);
        }
        assert_eq!(state.take_commands(), []);
        state.act(&Key::Esc, &world.inputs(), SIZE);
        let told = view(&world.inputs(), &state, SIZE).lines[22].text();
        assert!(told.contains("r and p are off"), "{told}");
        let told = view(&world.later(10).inputs(), &state, SIZE).lines[22].text();
        assert!(!told.contains("are off"), "{told}");
    }

    #[test]
    fn r_asks_for_the_site_under_the_cursor_on_both_screens() {
        let world = fixtures::nine_sites();
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        for key in [Key::Char('r'), Key::Char('j'), Key::Enter, Key::Char('r')] {
            state.act(&key, &world.inputs(), SIZE);
        }
        assert_eq!(state.take_commands(), [SiteCommand::Check(SiteSlot(0)), SiteCommand::Check(SiteSlot(1))]);
        assert_eq!(state.take_commands(), []);
    }
}
