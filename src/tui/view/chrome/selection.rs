//! The selected site in one sentence, which makes 80 columns enough.

use std::time::Duration;

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::{Cause, Micros, Place, Status, figures};
use crate::tui::incident_marks;
use crate::tui::past_words;
use crate::tui::state::site_list::{certificate_days, warned_days};
use crate::tui::style::line::{Line, cut, short_name, width};
use crate::tui::style::role::Role;
use crate::tui::style::time_text;
use crate::tui::view::frame::Frame;
use crate::tui::view::table::rows::{is_silent, note};
use crate::tui::view::table::{group_row, votes};

/// From this width on there is room for more words.
const WIDE: usize = 100;

/// How long the outcome of a manual check is shown.
const MANUAL_SHOWN: Duration = Duration::from_secs(30);

/// The line of the selected site as it is now, even while the tables are frozen.
pub fn line(frame: &Frame) -> Line {
    if let Some(group) = frame.state.selected_group(frame.inputs) {
        return group_row::sentence(frame, &group);
    }
    let Some(site) = selected(frame) else {
        let said = replied(frame).map(|(role, text)| Line::of(role, cut(&text, frame.width())));
        return said.unwrap_or_default();
    };
    let (role, mark) = frame.mark(site.state);
    let mut line = Line::of(role, mark);
    line.push(Role::Plain, " ");
    line.push(Role::Strong, cut(short_name(&site.name), frame.width() / 3));
    line.push(Role::Plain, "  ");
    let parts = replied(frame).into_iter().chain(manual_check(frame)).chain(parts(frame, site));
    for (i, (role, text)) in parts.enumerate() {
        let dot = if i == 0 { "" } else { " · " };
        let room = frame.width().saturating_sub(line.width() + width(dot));
        if i == 0 || width(&text) <= room {
            line.push(Role::Dim, dot);
            line.push(role, cut(&text, room));
        }
    }
    line
}

fn replied(frame: &Frame) -> Option<(Role, String)> {
    frame.state.timers.reply(frame.inputs.now).map(|reason| (Role::Strong, reason.to_owned()))
}

/// The outcome of a manual check while it is new.
fn manual_check(frame: &Frame) -> Option<(Role, String)> {
    let site = frame.tables.sites.get(frame.state.focus(frame.inputs)?)?.slot;
    let check = frame.inputs.manual_checks.iter().find(|check| check.site == site)?;
    let Some((at, observation)) = &check.outcome else {
        return Some((Role::Strong, "checking now …".to_owned()));
    };
    if frame.inputs.now.since(*at) >= MANUAL_SHOWN {
        return None;
    }
    let (role, outcome) = if observation.cause == Cause::Ok {
        (Role::Strong, success(observation.status, observation.phases.total()))
    } else if observation.detail.is_empty() {
        (Role::Fault, observation.cause.name().replace('_', " "))
    } else {
        (Role::Fault, observation.detail.clone())
    };
    Some((role, format!("manual check {}: {outcome}, not counted", frame.ago(*at))))
}

pub fn selected<'a>(frame: &Frame<'a>) -> Option<&'a SiteSnapshot> {
    let site = frame.state.focus(frame.inputs)?;
    let shown = frame.tables.sites.get(site)?;
    Some(frame.inputs.snapshot.of_slot(shown.slot, site).unwrap_or(shown))
}

fn parts(frame: &Frame, site: &SiteSnapshot) -> Vec<(Role, String)> {
    let wide = frame.width() >= WIDE;
    let now = frame.inputs.now;
    // Frozen tables show a site also after it has left.
    let place = frame.state.focus(frame.inputs);
    let is_gone = place.is_some_and(|place| frame.inputs.snapshot.of_slot(site.slot, place).is_none());
    let gone = || (Role::Strong, "no longer monitored".to_owned());
    let mut parts = vec![if is_gone { gone() } else { headline(frame, site) }];
    parts.extend(incident_marks::of_site(frame.inputs, site).into_iter().map(|words| (Role::Plain, words)));
    let failing = site.state == SiteState::Failing;
    if let Some(from) = site.judged_from.filter(|from| failing && *from > now) {
        parts.push((Role::Plain, format!("alert decision in {}", time_text::running(from.since(now)))));
    }
    // A recovering site was last up at its last check, which the headline tells.
    if wide && !matches!(site.state, SiteState::Up | SiteState::New | SiteState::Recovering) {
        parts.extend(site.last_up.map(|at| (Role::Plain, format!("last up {}", frame.moment(at)))));
    }
    // Each location has a last check of its own.
    if let Some(last) = site.last.as_ref().filter(|_| site.place != Place::Everywhere) {
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
    if let Some(votes) = &site.votes {
        let role = if site.state == SiteState::Up { Role::Plain } else { Role::Fault };
        return (role, votes::words(frame, site, votes));
    }
    let Some(last) = &site.last else {
        if let Some(why) = past_words::no_checks(frame.inputs, &site.name) {
            return (Role::Plain, why);
        }
        let within = time_text::span(site.interval + site.timeout);
        return (Role::Plain, format!("no result yet; first result within {within}"));
    };
    let sample = &last.sample;
    let ago = frame.ago(sample.at);
    match site.state {
        SiteState::Up | SiteState::Recovering | SiteState::New if sample.cause == Cause::Ok => {
            let recovered = if site.state == SiteState::Recovering { "recovered: " } else { "" };
            (Role::Plain, format!("{recovered}{}, {ago}", success(sample.status, sample.total())))
        }
        _ if is_silent(frame, site) => (Role::Plain, note(frame, site)),
        SiteState::Paused => (Role::Plain, format!("{}, last check {ago}", note(frame, site))),
        _ => (Role::Fault, format!("{}, {ago}", note(frame, site))),
    }
}

/// `200 in 35.3 ms`.
fn success(status: Option<Status>, total: Micros) -> String {
    let code = status.map_or_else(|| "up".to_owned(), |status| status.get().to_string());
    format!("{code} in {}", figures::time(f64::from(total.get())))
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

    /// The selection line of the second site, `secs` after a manual check of it began, which had this outcome.
    fn shown(outcome: Option<(Timestamp, Observation)>, secs: u64) -> String {
        let mut world = fixtures::five_sites();
        let outcome = outcome.map(|(at, observation)| (at, Arc::new(observation)));
        world.manual_checks = vec![ManualCheck { site: SiteSlot(1), asked: world.now, outcome }];
        let world = world.later(secs);
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        state.act(&Key::Char('j'), &world.inputs(), SIZE);
        view(&world.inputs(), &state, SIZE).lines[22].text()
    }

    #[test]
    fn a_manual_check_comes_first_while_it_is_new() {
        assert!(shown(None, 2).contains("shop-checkout  checking now … · slow: 2.05 s"), "{}", shown(None, 2));
        let mut good = Observation::failed(Cause::Ok, "");
        good.status = crate::model::Status::new(204);
        let good = || Some((fixtures::now().after(Duration::from_secs(1)), good.clone()));
        assert!(
            shown(good(), 3).contains("  manual check 2 s ago: 204 in 0.00 ms, not counted · "),
            "{}",
            shown(good(), 3)
        );
        assert!(!shown(good(), 31).contains("manual"));
        let bad = || Some((fixtures::now(), Observation::failed(Cause::ConnectRefused, "connection\u{1b} refused")));
        assert!(
            shown(bad(), 3).contains("manual check 3 s ago: connection\u{fffd} refused, not counted"),
            "{}",
            shown(bad(), 3)
        );
    }

    #[test]
    fn a_read_only_dashboard_gives_no_commands() {
        let world = fixtures::watched(true);
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        for key in [Key::Char('r'), Key::Char('p'), Key::Enter, Key::Char('r')] {
            state.act(&key, &world.inputs(), SIZE);
        }
        assert_eq!(state.take_commands(), []);
        state.act(&Key::Esc, &world.inputs(), SIZE);
        let line = view(&world.inputs(), &state, SIZE).lines[22].text();
        assert!(line.contains("r and p are not available"), "{line}");
        let line = view(&world.later(10).inputs(), &state, SIZE).lines[22].text();
        assert!(!line.contains("not available"), "{line}");
    }

    /// The commands that these keys give on the screen of `world`.
    fn commands(world: &fixtures::World, keys: &str) -> Vec<SiteCommand> {
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        keys.chars().for_each(|key| _ = state.act(&Key::Char(key), &world.inputs(), SIZE));
        state.take_commands()
    }

    #[test]
    fn x_acknowledges_and_withdraws() {
        let mut world = fixtures::with_orders();
        let withdraw = SiteCommand::Acknowledge { incident: 12, is_withdrawn: true };
        assert_eq!(commands(&world, "x"), [withdraw]);
        assert_eq!(commands(&world, "ax"), [withdraw]);
        // A second incident of the site, not acknowledged: only that one is.
        let mut second = world.incidents.incidents[0].clone();
        (second.number, second.rule, second.ack) = (13, crate::alert::RuleKind::Latency, None);
        world.incidents.incidents.push(second);
        let acknowledge = SiteCommand::Acknowledge { incident: 13, is_withdrawn: false };
        assert_eq!(commands(&world, "x"), [acknowledge]);
        assert_eq!(commands(&world, "ax"), [withdraw], "an alert is about its incident");
        // Nothing is open at the second site.
        let mut state = fixtures::state();
        state.settle(&world.inputs(), SIZE);
        "jx".chars().for_each(|key| _ = state.act(&Key::Char(key), &world.inputs(), SIZE));
        assert_eq!(state.take_commands(), []);
        let line = view(&world.inputs(), &state, SIZE).lines[22].text();
        assert!(line.contains("no incident is open"), "{line}");
    }

    #[test]
    fn z_silences_for_longer_with_each_press_and_then_ends_it() {
        let mut world = fixtures::with_orders();
        let now = world.now;
        let after = |hours: u64| Some(now.after(Duration::from_hours(hours)));
        // 14:02:13 in a zone of +01:00.
        let morning = Some(Timestamp::from_secs(1_795_417_200));
        assert_eq!(commands(&world, "z"), [SiteCommand::Silence(SiteSlot(0), after(1))]);
        for (until, next) in [(after(1), after(4)), (after(4), morning), (morning, None), (after(90), None)] {
            world.incidents.silences[0].until = until.unwrap();
            assert_eq!(commands(&world, "jz"), [SiteCommand::Silence(SiteSlot(1), next)]);
        }
        // A silence of all sites is not this key's.
        world.incidents.silences[0].sites = crate::alert::SiteSelector::All;
        assert_eq!(commands(&world, "jz"), [SiteCommand::Silence(SiteSlot(1), after(1))]);
    }

    #[test]
    fn a_read_only_dashboard_orders_too() {
        let mut world = fixtures::watched(true);
        world.incidents = fixtures::with_orders().incidents;
        assert_eq!(commands(&world, "xz").len(), 2);
    }

    #[test]
    fn r_checks_the_site_under_the_cursor_on_both_pages() {
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
