//! The selected site in one sentence: what makes 80 columns enough.

use crate::engine::snapshot::{SiteSnapshot, SiteState};
use crate::model::{Cause, figures};

use super::frame::Frame;
use super::line::{Line, Role, cut};
use super::order::{CERT_WARN_DAYS, certificate_days};
use super::rows::{is_silent, note, short_name};
use super::words;

/// From this width on there is room for more words.
const WIDE: usize = 100;

/// The line of the selected site, as it is now, even while the tables are frozen.
pub fn line(frame: &Frame) -> Line {
    let Some(site) = selected(frame) else { return Line::default() };
    let (role, mark) = frame.mark(site.state);
    let mut line = Line::of(role, mark);
    line.push(Role::Plain, " ");
    line.push(Role::Strong, cut(short_name(&site.name), frame.width() / 3));
    line.push(Role::Plain, "  ");
    for (i, (role, text)) in parts(frame, site).into_iter().enumerate() {
        let dot = if i == 0 { "" } else { " · " };
        let room = frame.width().saturating_sub(line.width() + super::line::width(dot));
        if i > 0 && super::line::width(&text) > room {
            continue;
        }
        line.push(Role::Dim, dot);
        line.push(role, cut(&text, room));
    }
    line
}

pub fn selected<'a>(frame: &Frame<'a>) -> Option<&'a SiteSnapshot> {
    let i = frame.state.focus(frame.tables)?;
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
        parts.push((Role::Plain, format!("judged in {}", words::running(from.since(now)))));
    }
    if wide && !matches!(site.state, SiteState::Up | SiteState::New) {
        let good = site.last_up.map(|at| format!("last good {}", words::moment(at, now, frame.inputs.zone)));
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
        let text = if wide { format!("certificate {days} days") } else { format!("cert {days} d") };
        parts.push((if days <= CERT_WARN_DAYS { Role::Warning } else { Role::Plain }, text));
    }
    parts
}

fn headline(frame: &Frame, site: &SiteSnapshot) -> (Role, String) {
    let now = frame.inputs.now;
    let Some(last) = &site.last else {
        let within = words::span(site.interval + site.timeout);
        return (Role::Plain, format!("no result yet; the first comes within {within}"));
    };
    let sample = &last.sample;
    let ago = words::running(now.since(sample.at));
    match site.state {
        SiteState::Up | SiteState::Recovering | SiteState::New if sample.cause == Cause::Ok => {
            let code = sample.status.map_or_else(|| "up".to_owned(), |status| status.get().to_string());
            let took = figures::time(f64::from(sample.total().get()));
            let again = if site.state == SiteState::Recovering { "good again: " } else { "" };
            (Role::Plain, format!("{again}{code} in {took}, {ago} ago"))
        }
        _ if is_silent(frame, site) => (Role::Plain, note(frame, site)),
        SiteState::Paused => (Role::Plain, format!("paused, last check {ago} ago")),
        _ => (Role::Fault, format!("{}, {ago} ago", note(frame, site))),
    }
}
