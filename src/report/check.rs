//! The report of `webmon check` as text: a head per site, the phases as a waterfall, one closing line.
//!
//! ```text
//! ▼ api   down  status: 503 Service Unavailable   35.3 ms   https://api.example.com/health
//!   resolve      0.31 ms ░
//!   connect      12.4 ms ▒▒▒▒▒▒▒▒▒▒▒
//!   tls          14.3 ms            ▓▓▓▓▓▓▓▓▓▓▓▓▓
//!   processing   8.20 ms                         ███████
//!   transfer     0.09 ms                                ▏
//!   203.0.113.7:443 · HTTP/1.1 · 12 B · no redirect
//!   certificate api.example.com · issued by R11 · 61 days, until 2027-01-22
//! 1 of 2 sites is down
//! ```
//!
//! The bars of a site share one scale: the response time is 32 cells (fewer in a narrow terminal), and a phase that took place
//! has at least one. Above [`SITES_WITH_PHASES`] sites only heads and warnings are printed, unless the style is verbose; then
//! the headers of the last answer follow, and the start of an unexpected body.
//!
//! Invariants: a site is printed at once and does not depend on later ones. No line is wider than the terminal.

use std::io;

use jiff::tz::TimeZone;

use crate::model::{Cause, Evidence, Flags, Hop, Micros, Observation, Outcome, Phase, Sample, StepResult, figures};

use super::lines::expiry;
use super::lines::wrap::{Wrapping, cut};
use super::wording::{self, NONE};

/// The most sites whose phases are shown by default.
pub const SITES_WITH_PHASES: usize = 3;

/// Cells of a response time, and the fewest that are worth drawing.
const BAR: u64 = 32;
const BAR_MIN: u64 = 4;
/// Cells beside a bar: the name and the time of its phase.
const BESIDE_BAR: usize = 25;

/// The least cells of a reason in a list.
const REASON_MIN: usize = 8;

/// One fill per phase, in their order, distinct without colour.
const FILLS: [char; Phase::ALL.len()] = ['░', '▒', '▓', '█', '▏'];

/// Widest name that heads make room for; a longer one pushes its own line to the right.
const NAME_MAX: usize = 48;

/// One checked site.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// Its name.
    pub site: &'a str,
    /// The requested URL, secrets as `***`.
    pub url: &'a str,
    /// The figures of the check.
    pub sample: Sample,
    /// The rest of its result.
    pub observation: &'a Observation,
}

/// The style of the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckStyle {
    /// Show the phases of all sites, response headers, and unexpected bodies.
    pub verbose: bool,
    /// Colour mark, name and state of a site.
    pub color: bool,
    /// Columns of the terminal; none for lines of any length.
    pub width: Option<usize>,
}

/// A report, written site by site.
#[derive(Clone, Copy, Debug)]
pub struct CheckReport {
    manner: CheckStyle,
    sites: usize,
    names: usize,
    /// Sites per outcome, in the order of the outcomes.
    counts: [u64; 3],
    warnings: u64,
}

impl CheckReport {
    /// A report of sites with these `names`.
    #[must_use]
    pub fn of<'a>(names: impl Iterator<Item = &'a str>, manner: CheckStyle) -> Self {
        let most = manner.width.map_or(NAME_MAX, |width| (width / 3).min(NAME_MAX));
        let widths: Vec<usize> = names.map(wording::cells).collect();
        let names = widths.iter().copied().filter(|&cells| cells <= most).max().unwrap_or(0);
        Self { manner, sites: widths.len(), names, counts: [0; 3], warnings: 0 }
    }

    /// Writes one site.
    ///
    /// # Errors
    /// The writer's.
    pub fn site(&mut self, out: &mut impl io::Write, zone: &TimeZone, one: &Checked<'_>) -> io::Result<()> {
        let outcome = one.sample.outcome();
        self.counts[outcome as usize] += 1;
        let mut out = Wrapping::new(out, self.manner.width);
        let (head, rest) = self.head_line(one);
        let warnings = warnings(one);
        if self.manner.color {
            let color = if outcome == Outcome::Up && !warnings.is_empty() { YELLOW } else { color(outcome) };
            out.colored_line(color, &head, &rest)?;
        } else {
            out.line(&(head + &rest))?;
        }
        if self.shows_phases() {
            waterfall(&mut out, one)?;
            surroundings(&mut out, zone, one)?;
        }
        for warning in warnings {
            self.warnings += 1;
            let line = format!("  warning: {warning}");
            if self.manner.color { out.colored_line(YELLOW, &line, "")? } else { out.line(&line)? }
        }
        match &one.observation.evidence {
            Some(evidence) if self.manner.verbose => came(&mut out, evidence, one),
            _ => Ok(()),
        }
    }

    /// Writes the closing line: `1 of 2 sites is down`, `2 sites are up, 1 warning`, `1 of 3 sites is down, 1 unknown`.
    ///
    /// # Errors
    /// The writer's.
    pub fn close(&self, out: &mut impl io::Write) -> io::Result<()> {
        let mut line = closing(self.counts);
        if self.warnings > 0 {
            line = format!("{line}, {}", wording::plural(self.warnings, "warning"));
        }
        Wrapping::new(out, self.manner.width).line(&line)
    }

    /// The head of a site: mark, name and state, then reason, time and URL. With several sites, short states and statuses align.
    fn head_line(&self, one: &Checked<'_>) -> (String, String) {
        let mark = match one.sample.outcome() {
            Outcome::Up => '●',
            Outcome::Down => '▼',
            Outcome::Unknown => '?',
        };
        let total = match one.sample.total() {
            Micros::ZERO => NONE.to_owned(),
            total => figures::time(f64::from(total.get())),
        };
        let (word, reason) = (word(one), reason(one));
        let state_width = if self.sites > 1 { "down".len() } else { 0 };
        let pad = " ".repeat(state_width.saturating_sub(word.len()));
        let head = format!("{mark} {}  {word}", wording::left(one.site, self.names));
        let rest = |reason: &str| format!("{pad}  {}   {total:>7}", wording::left(reason, "200".len()));
        let Some(width) = self.manner.width else { return (head, format!("{}   {}", rest(&reason), one.url)) };
        let url = if is_named_by(one.site, one.url) { String::new() } else { format!("   {}", one.url) };
        let line = rest(&reason) + &url;
        if self.shows_phases() || wording::cells(&head) + wording::cells(&line) <= width {
            return (head, line);
        }
        // In a list each site has one line, and what happened comes before the URL.
        let beside = wording::cells(&head) + wording::cells(&rest("")) - "200".len();
        let rest = rest(&cut(&reason, width.saturating_sub(beside).max(REASON_MIN)));
        (head, rest)
    }

    /// Whether each site has its phases, and thus several lines.
    const fn shows_phases(&self) -> bool {
        self.manner.verbose || self.sites <= SITES_WITH_PHASES
    }
}

/// Whether the name of a site is its URL, as that of an ad hoc one; it may lack the scheme and the last slash.
fn is_named_by(site: &str, url: &str) -> bool {
    let bare = url.split_once("://").map_or(url, |(_, bare)| bare);
    [url, bare].iter().any(|url| site.trim_end_matches('/') == url.trim_end_matches('/'))
}

/// Warnings that do not change the state of the site.
#[must_use]
pub fn warnings(one: &Checked<'_>) -> Vec<String> {
    let domain = one.observation.domain.as_ref().and_then(|domain| domain.warning(one.sample.at));
    certificate_warning(one).into_iter().chain(domain).collect()
}

fn certificate_warning(one: &Checked<'_>) -> Option<String> {
    let shown = one.observation.certificate.as_ref()?;
    // The cause of a failure was reported already.
    let is_said = one.sample.outcome() == Outcome::Down && !shown.faults.is_empty();
    if is_said || !one.sample.flags.has(Flags::CERTIFICATE) {
        return None;
    }
    let subject = &shown.subject;
    Some(match (shown.days_left(one.sample.at), shown.faults.as_slice()) {
        (..0, []) => format!("the certificate of {subject} has expired"),
        (0, []) => format!("the certificate of {subject} expires within a day"),
        (days, []) => {
            format!("the certificate of {subject} expires in {}", wording::plural(days.unsigned_abs(), "day"))
        }
        (_, faults) => {
            let faults: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
            format!("the certificate of {subject} is accepted with faults: {}", faults.join(", "))
        }
    })
}

/// The headers of the last answer, and the start of an unexpected body, marked line by line so that they cannot imitate
/// webmon.
fn came<W: io::Write>(out: &mut Wrapping<'_, W>, evidence: &Evidence, one: &Checked<'_>) -> io::Result<()> {
    let from = if evidence.url == one.url { String::new() } else { format!(" of {}", evidence.url) };
    if !evidence.headers.is_empty() {
        out.line(&format!("  headers{from}"))?;
    }
    for (name, value) in &evidence.headers {
        out.line(format!("  < {name}: {value}").trim_end())?;
    }
    if let more @ 1.. = evidence.more_headers {
        out.line(&format!("  … {}", wording::plural(more.try_into().unwrap_or(u64::MAX), "more header")))?;
    }
    let Some(body) = &evidence.body else { return Ok(()) };
    out.line("  start of the body")?;
    body.lines().try_for_each(|line| out.line(format!("  | {line}").trim_end()))
}

fn word(one: &Checked<'_>) -> &'static str {
    match one.sample.outcome() {
        Outcome::Up => "up",
        Outcome::Down => "down",
        Outcome::Unknown => "unknown",
    }
}

/// The status if the site is up, else cause and detail.
fn reason(one: &Checked<'_>) -> String {
    let detail = &one.observation.detail;
    let cause = one.sample.cause;
    match (one.sample.outcome(), detail.is_empty()) {
        (Outcome::Up, _) => one.sample.status.map_or_else(String::new, |status| status.get().to_string()),
        (Outcome::Unknown, false) => detail.clone(),
        (_, true) => cause.name().to_owned(),
        (Outcome::Down, false) => format!("{}: {detail}", cause.name()),
    }
}

/// The colour of what is unknown, and of warnings.
const YELLOW: u8 = 33;

/// Green, red and yellow of the terminal's palette, which suits any background.
const fn color(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Up => 32,
        Outcome::Down => 31,
        Outcome::Unknown => YELLOW,
    }
}

fn waterfall<W: io::Write>(out: &mut Wrapping<'_, W>, one: &Checked<'_>) -> io::Result<()> {
    let phases = &one.sample.phases;
    if phases.total() == Micros::ZERO {
        return Ok(());
    }
    let total = u64::from(phases.total().get());
    let ended_in = failed_phase(one);
    let room = out.width().map_or(BAR, |width| u64::try_from(width.saturating_sub(BESIDE_BAR)).unwrap_or(BAR));
    let cells = room.clamp(BAR_MIN, BAR);
    let mut before = 0;
    for (phase, fill) in Phase::ALL.into_iter().zip(FILLS) {
        let name = phase.name();
        let Some(spent) = phases.get(phase).map(|micros| u64::from(micros.get())) else {
            out.line(&format!("  {name:<13}   {NONE}"))?;
            continue;
        };
        let (start, length) = bar(before, spent, total, cells);
        before += spent;
        let blanks = " ".repeat(start);
        let filled: String = std::iter::repeat_n(fill, length).collect();
        let end = if ended_in == Some(phase) { ending(one.sample.cause) } else { "" };
        let cell = figures::time_cell(one.sample.phases.get(phase).map_or(0.0, |micros| f64::from(micros.get())));
        out.line(format!("  {name:<13}{cell} {blanks}{filled} {end}").trim_end())?;
    }
    Ok(())
}

/// First cell and number of cells, of `cells` in all, for a phase of `spent` of `total` µs after `before` µs.
fn bar(before: u64, spent: u64, total: u64, cells: u64) -> (usize, usize) {
    let cell = |micros: u64| (micros * cells * 2 + total) / (total * 2);
    let start = cell(before).min(cells - 1);
    let length = cell(before + spent).saturating_sub(start).max(1);
    let fits = "a bar is a few cells";
    (usize::try_from(start).expect(fits), usize::try_from(length).expect(fits))
}

/// The phase in which an exchange failed: the one that its cause names, or the last.
fn failed_phase(one: &Checked<'_>) -> Option<Phase> {
    let took_place = |phase: &Phase| one.sample.phases.get(*phase).is_some();
    match one.sample.cause {
        Cause::Ok | Cause::Redirect | Cause::Status | Cause::Header | Cause::Body | Cause::Slow | Cause::Local => None,
        Cause::DnsNotFound | Cause::DnsError | Cause::DnsTimeout | Cause::DnsAnswer => Some(Phase::Resolve),
        Cause::ConnectRefused | Cause::ConnectUnreachable | Cause::ConnectTimeout | Cause::Proxy => {
            Some(Phase::Connect)
        }
        Cause::TlsExpired
        | Cause::TlsNotYetValid
        | Cause::TlsWrongHost
        | Cause::TlsUntrusted
        | Cause::TlsError
        | Cause::TlsPinned
        | Cause::TlsTimeout => Some(Phase::Tls),
        Cause::ResponseTimeout => Some(Phase::Processing),
        Cause::TransferTimeout | Cause::Truncated => Some(Phase::Transfer),
        Cause::Reset | Cause::Closed | Cause::BadResponse => Phase::ALL.into_iter().rev().find(took_place),
    }
}

const fn ending(cause: Cause) -> &'static str {
    match cause {
        Cause::DnsTimeout
        | Cause::ConnectTimeout
        | Cause::TlsTimeout
        | Cause::ResponseTimeout
        | Cause::TransferTimeout => "timed out here",
        _ => "failed here",
    }
}

/// Steps, redirects, address, protocol, size and certificate, if any.
fn surroundings<W: io::Write>(out: &mut Wrapping<'_, W>, zone: &TimeZone, one: &Checked<'_>) -> io::Result<()> {
    let observation = one.observation;
    let mut hops = observation.hops.iter();
    for step in &*observation.steps {
        let time = figures::time(f64::from(step.phases.total().get()));
        let status = step.status.map_or_else(|| NONE.to_owned(), |status| status.get().to_string());
        out.line(&format!("  {} {status} {} · {time}", StepResult::title(&step.step), step.url))?;
        hops.by_ref().take(step.redirects).try_for_each(|hop| redirect(out, "    ", hop))?;
    }
    hops.try_for_each(|hop| redirect(out, "  ", hop))?;
    let mut facts = Vec::new();
    let proxy = if observation.is_proxied { " (proxy)" } else { "" };
    facts.extend(observation.address.map(|address| format!("{address}{proxy}")));
    if let Some(http) = observation.http.name() {
        facts.push(format!("HTTP/{http}"));
        facts.push(figures::bytes(observation.bytes));
        match observation.hops.len() {
            // The head says which redirect was not followed.
            0 if one.sample.cause == Cause::Redirect => {}
            // A handshake is not redirected.
            0 if observation.status.is_some_and(|status| status.get() == 101) => {}
            0 => facts.push("no redirect".to_owned()),
            hops => facts.push(wording::plural(u64::try_from(hops).expect("redirects are bounded"), "redirect")),
        }
    } else if observation.bytes > 0 {
        facts.push(figures::bytes(observation.bytes));
    }
    if !facts.is_empty() {
        out.line(&format!("  {}", facts.join(" · ")))?;
    }
    if let Some(shown) = &observation.certificate {
        out.line(&expiry::of_certificate(shown, one.sample, zone))?;
    }
    match &observation.domain {
        Some(domain) => out.line(&expiry::of_domain(domain, one.sample, zone)),
        None => Ok(()),
    }
}

fn redirect<W: io::Write>(out: &mut Wrapping<'_, W>, indent: &str, hop: &Hop) -> io::Result<()> {
    let time = figures::time(f64::from(hop.total.get()));
    let plain = if hop.leaves_encryption() { " · no longer encrypted" } else { "" };
    out.line(&format!("{indent}redirect {} {} → {} · {time}{plain}", hop.status.get(), hop.url, hop.location))
}

/// The number of sites that are not up, if any; `counts` in the order of the outcomes.
fn closing([up, down, unknown]: [u64; 3]) -> String {
    let all = up + down + unknown;
    let say = |sites: u64, word: &str| {
        let verb = if sites == 1 { "is" } else { "are" };
        if sites == all {
            format!("{} {verb} {word}", wording::plural(all, "site"))
        } else {
            format!("{} of {} {verb} {word}", wording::grouped(sites), wording::plural(all, "site"))
        }
    };
    match (down, unknown) {
        (0, 0) => say(up, "up"),
        (0, unknown) => say(unknown, "unknown"),
        (down, 0) => say(down, "down"),
        (down, unknown) => format!("{}, {} unknown", say(down, "down"), wording::grouped(unknown)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::text::is_harmful;
    use crate::model::{Certificate, CertificateFault, DomainExpiry, Http, Phases};
    use crate::report::tests::fixtures::{at, hostile, printed, status, zone};

    fn check(out: &mut impl io::Write, zone: &TimeZone, checked: &[Checked<'_>], manner: CheckStyle) -> io::Result<()> {
        let mut sheet = CheckReport::of(checked.iter().map(|one| one.site), manner);
        checked.iter().try_for_each(|one| sheet.site(out, zone, one))?;
        sheet.close(out)
    }

    fn api() -> Observation {
        Observation {
            phases: phases([Some(310), Some(12_400), Some(14_300), Some(8_200), Some(90)]),
            status: Some(status(503)),
            http: Http::V11,
            bytes: 12,
            address: Some("203.0.113.7:443".parse().unwrap()),
            certificate: Some(Arc::new(Certificate {
                subject: "api.example.com".to_owned(),
                issuer: "R11".to_owned(),
                not_before: at("2026-10-22T09:00:00Z"),
                not_after: at("2027-01-22T09:00:00Z"),
                faults: Vec::new(),
            })),
            ..Observation::failed(Cause::Status, "503 Service Unavailable")
        }
    }

    fn docs() -> Observation {
        Observation {
            phases: phases([Some(9_000), Some(9_100), None, None, None]),
            status: Some(status(200)),
            http: Http::V2,
            bytes: 1_500,
            hops: [("http://docs/", "https://docs.example.com/"), ("https://docs.example.com/", "http://docs/en")]
                .map(|(url, location)| Hop {
                    url: url.to_owned(),
                    location: location.to_owned(),
                    status: status(301),
                    total: Micros::new(2_000),
                })
                .into(),
            ..Observation::failed(Cause::Ok, "")
        }
    }

    fn phases(micros: [Option<u32>; 5]) -> Phases {
        Phase::ALL.into_iter().zip(micros).fold(Phases::NONE, |phases, (phase, micros)| {
            micros.map_or(phases, |micros| phases.with(phase, Micros::new(micros)))
        })
    }

    fn checked<'a>(site: &'a str, url: &'a str, observation: &'a Observation) -> Checked<'a> {
        let sample = observation.sample(at("2026-11-22T09:00:00Z"), Micros::ZERO, 0);
        Checked { site, url, sample, observation }
    }

    #[test]
    fn a_few_sites_show_every_phase() {
        let (api, docs) = (api(), docs());
        let sites = [
            checked("api", "https://api.example.com/health", &api),
            checked("docs", "https://docs.example.com/", &docs),
        ];
        assert_eq!(
            printed(|out| check(out, &zone(), &sites, CheckStyle::default())),
            "\
▼ api   down  status: 503 Service Unavailable   35.3 ms   https://api.example.com/health
  resolve      0.31 ms ░
  connect      12.4 ms ▒▒▒▒▒▒▒▒▒▒▒▒
  tls          14.3 ms             ▓▓▓▓▓▓▓▓▓▓▓▓
  processing   8.20 ms                         ████████
  transfer     0.09 ms                                ▏
  203.0.113.7:443 · HTTP/1.1 · 12 B · no redirect
  certificate api.example.com · issued by R11 · 61 days, until 2027-01-22
● docs  up    200   18.1 ms   https://docs.example.com/
  resolve      9.00 ms ░░░░░░░░░░░░░░░░
  connect      9.10 ms                 ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
  tls             –
  processing      –
  transfer        –
  redirect 301 http://docs/ → https://docs.example.com/ · 2.00 ms
  redirect 301 https://docs.example.com/ → http://docs/en · 2.00 ms · no longer encrypted
  HTTP/2 · 1.5 kB · 2 redirects
1 of 2 sites is down
"
        );
    }

    #[test]
    fn each_step_of_a_journey_has_a_line_with_its_redirects_below() {
        let step = |step: &str, url: &str, code, millis: u32, redirects| StepResult {
            step: step.to_owned(),
            url: url.to_owned(),
            status: code,
            phases: phases([None, None, None, Some(millis * 1_000), None]),
            redirects,
        };
        let mut login = docs();
        login.steps = vec![
            step("form", "https://docs.example.com/in", Some(status(200)), 8, 1),
            step("step 2", "https://docs.example.com/***", None, 9, 1),
        ]
        .into();
        let text = printed(|out| {
            let sites = [checked("docs", "https://docs.example.com/in", &login)];
            check(out, &zone(), &sites, CheckStyle::default())
        });
        assert_eq!(
            text.lines().skip(6).collect::<Vec<_>>(),
            [
                "  step form 200 https://docs.example.com/in · 8.00 ms",
                "    redirect 301 http://docs/ → https://docs.example.com/ · 2.00 ms",
                "  step 2 – https://docs.example.com/*** · 9.00 ms",
                "    redirect 301 https://docs.example.com/ → http://docs/en · 2.00 ms · no longer encrypted",
                "  HTTP/2 · 1.5 kB · 2 redirects",
                "1 site is up",
            ]
        );
    }

    #[test]
    fn in_a_terminal_a_list_has_a_line_a_site_and_no_url_twice() {
        let (down, up) = (api(), Observation { status: Some(status(200)), ..Observation::failed(Cause::Ok, "") });
        let url = "https://api.example.com/health";
        let sites = [("api", &down), ("my.site", &up), ("https://my.site", &up), ("b", &up)];
        let text = |width| {
            let checked: Vec<Checked<'_>> = sites
                .iter()
                .map(|&(site, observation)| Checked {
                    site,
                    url: if site.contains("my") { "https://my.site/" } else { url },
                    sample: observation.sample(at("2026-11-22T09:00:00Z"), Micros::ZERO, 0),
                    observation,
                })
                .collect();
            printed(|out| check(out, &zone(), &checked, CheckStyle { width, ..CheckStyle::default() }))
        };
        assert_eq!(text(None).matches("https://my.site").count(), 3);
        let wide = text(Some(120));
        assert!(wide.matches("https://my.site").count() == 1 && wide.matches(url).count() == 2, "{wide}");
        let narrow = text(Some(50));
        assert_eq!(narrow.lines().count(), sites.len() + 1, "{narrow}");
        assert!(narrow.lines().all(|line| wording::cells(line) <= 50) && narrow.contains('…'), "{narrow}");
        assert!(!narrow.contains(url), "{narrow}");
    }

    #[test]
    fn a_failed_phase_keeps_its_line_and_later_ones_are_missing() {
        let mut observation = Observation {
            phases: phases([Some(1_000_000), None, Some(3_000_000), None, None]),
            ..Observation::failed(Cause::TlsTimeout, "no handshake within 4s")
        };
        observation.certificate = Some(Arc::new(Certificate {
            subject: "a".to_owned(),
            issuer: "b".to_owned(),
            not_before: at("2026-10-22T09:00:00Z"),
            not_after: at("2026-11-20T09:00:00Z"),
            faults: vec![CertificateFault::Expired, CertificateFault::WrongHost],
        }));
        assert_eq!(
            printed(|out| check(out, &zone(), &[checked("api", "https://a/", &observation)], CheckStyle::default())),
            "\
▼ api  down  tls_timeout: no handshake within 4s    4.00 s   https://a/
  resolve      1.00 s  ░░░░░░░░
  connect         –
  tls          3.00 s          ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ timed out here
  processing      –
  transfer        –
  certificate a · issued by b · expired on 2026-11-20 · expired, wrong_host
1 site is down
"
        );
    }

    #[test]
    fn many_sites_have_a_line_each_unless_all_is_asked_for() {
        let (api, docs) = (api(), docs());
        let sites: Vec<_> = [("a", &api), ("b", &docs), ("c", &docs), ("d", &api)]
            .map(|(site, observation)| checked(site, "https://x/", observation))
            .into();
        let text = printed(|out| check(out, &zone(), &sites, CheckStyle::default()));
        assert_eq!(text.lines().count(), 5);
        assert!(text.ends_with("\n2 of 4 sites are down\n"), "{text}");
        assert!(
            printed(|out| check(out, &zone(), &sites, CheckStyle { verbose: true, ..CheckStyle::default() }))
                .lines()
                .count()
                > 4 * 6
        );
    }

    #[test]
    fn a_machine_without_a_network_says_so() {
        let local = Observation::failed(Cause::Local, "no route to the network from this machine");
        assert_eq!(
            printed(|out| check(out, &zone(), &[checked("api", "https://a/", &local)], CheckStyle::default())),
            "? api  unknown  no route to the network from this machine         –   https://a/\n1 site is unknown\n"
        );
    }

    #[test]
    fn each_head_is_in_the_colour_of_its_state_if_there_are_to_be_any() {
        let observations = [docs(), api(), Observation::failed(Cause::Local, "")];
        let sites: Vec<_> = observations.iter().map(|observation| checked("s", "u", observation)).collect();
        let text = printed(|out| check(out, &zone(), &sites, CheckStyle { color: true, ..CheckStyle::default() }));
        for head in
            ["\x1b[32m● s  up\x1b[0m    200", "\x1b[31m▼ s  down\x1b[0m  status", "\x1b[33m? s  unknown\x1b[0m  "]
        {
            assert!(text.contains(head), "{head:?} in {text:?}");
        }
        let plain = printed(|out| check(out, &zone(), &sites, CheckStyle::default()));
        assert_eq!(
            ["32", "31", "33", "0"].iter().fold(text, |text, sgr| text.replace(&format!("\x1b[{sgr}m"), "")),
            plain
        );
    }

    #[test]
    fn the_closing_line_counts_what_is_not_up() {
        let (good, bad, local) = (docs(), api(), Observation::failed(Cause::Local, ""));
        for (sites, line) in [
            (vec![&good], "1 site is up"),
            (vec![&good, &good], "2 sites are up"),
            (vec![&bad, &bad], "2 sites are down"),
            (vec![&good, &bad, &bad], "2 of 3 sites are down"),
            (vec![&good, &local], "1 of 2 sites is unknown"),
            (vec![&good, &bad, &local], "1 of 3 sites is down, 1 unknown"),
        ] {
            let sites: Vec<_> = sites.into_iter().map(|observation| checked("s", "u", observation)).collect();
            let text = printed(|out| check(out, &zone(), &sites, CheckStyle::default()));
            assert_eq!(text.lines().last(), Some(line));
        }
    }

    #[test]
    fn every_transport_failure_is_shown_in_one_phase() {
        let all = phases([Some(1), Some(1), Some(1), Some(1), None]);
        for &cause in Cause::ALL {
            let observation = Observation { phases: all, ..Observation::failed(cause, "") };
            let shown = failed_phase(&checked("s", "u", &observation));
            let is_later = [Cause::TlsPinned, Cause::Proxy, Cause::DnsAnswer].contains(&cause);
            let transport = cause != Cause::Ok && cause < Cause::Redirect || is_later;
            assert_eq!(shown.is_some(), transport, "{}", cause.name());
            if cause == Cause::Reset {
                assert_eq!(shown, Some(Phase::Processing));
            }
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_lost_but_blanks() {
        let (mut long, mut plain) = (api(), api());
        long.detail = "the body does not contain 日本語のとても長い文字列 within 1,048,576 bytes".to_owned();
        plain.evidence = Some(Box::new(Evidence {
            url: "https://api.example.com/en".to_owned(),
            headers: vec![("x-long".to_owned(), "日本語".repeat(80)), ("x-empty".to_owned(), String::new())],
            more_headers: 2,
            body: Some("no blank ".repeat(30) + "\n" + &"x".repeat(300)),
        }));
        let url = "https://example.com/a/very/long/path/that/has/no/blank/in/it/at/all";
        let sites = [
            checked("監視対象のとても長い名前のサイト一覧と詳細", url, &long),
            checked("api", "https://api.example.com/health", &plain),
        ];
        let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let manner = CheckStyle { verbose: true, ..CheckStyle::default() };
        let wide = printed(|out| check(out, &zone(), &sites, manner));
        assert!(wide.lines().any(|line| line.len() > 300), "nothing is cut where there is no terminal");
        for (width, color) in [(20, false), (40, true), (80, true), (80, false), (200, false)] {
            let text = printed(|out| check(out, &zone(), &sites, CheckStyle { width: Some(width), color, ..manner }));
            let text = ["32", "31", "0"].iter().fold(text, |text, sgr| text.replace(&format!("\x1b[{sgr}m"), ""));
            for line in text.lines() {
                assert!(wording::cells(line) <= width, "{width}: {line:?}");
            }
            if width >= 80 {
                assert_eq!(solid(&text), solid(&wide), "{width}");
            }
        }
    }

    #[test]
    fn a_domain_stands_below_the_certificate_and_warns_beside_it() {
        let domain = |expires: Option<&str>| {
            let warn = Duration::from_hours(30 * 24);
            let domain = DomainExpiry { name: "example.com".into(), expires: expires.map(at), warn };
            Observation { domain: Some(Arc::new(domain)), ..api() }
        };
        for (expires, line, warning) in [
            (None, "  domain example.com · expiry not known", None),
            (Some("2027-02-22T10:00:00Z"), "  domain example.com · 92 days, until 2027-02-22", None),
            (
                Some("2026-12-01T10:00:00Z"),
                "  domain example.com · 9 days, until 2026-12-01",
                Some("the domain example.com expires in 9 days"),
            ),
            (
                Some("2026-11-01T10:00:00Z"),
                "  domain example.com · expired on 2026-11-01",
                Some("the domain example.com has expired"),
            ),
        ] {
            let observation = domain(expires);
            let one = checked("a", "u", &observation);
            assert_eq!(warnings(&one), Vec::from_iter(warning), "{expires:?}");
            let text = printed(|out| check(out, &zone(), &[one], CheckStyle::default()));
            let below = text.lines().skip_while(|line| !line.contains("certificate api")).nth(1);
            assert_eq!(below, Some(line), "{text}");
        }
    }

    #[test]
    fn a_certificate_to_be_renewed_is_a_warning_also_of_one_of_many_sites() {
        let expiring = |until: &str, faults: Vec<CertificateFault>, cause| {
            let mut observation = Observation { cause, detail: String::new(), ..api() };
            observation.flags = observation.flags.with(Flags::CERTIFICATE);
            let shown = observation.certificate.as_deref().unwrap().clone();
            observation.certificate = Some(Arc::new(Certificate { not_after: at(until), faults, ..shown }));
            observation
        };
        for (until, faults, cause, said) in [
            ("2026-12-01T10:00:00Z", vec![], Cause::Ok, Some("expires in 9 days")),
            ("2026-12-01T10:00:00Z", vec![], Cause::Status, Some("expires in 9 days")),
            ("2026-11-22T10:00:00Z", vec![], Cause::Ok, Some("expires within a day")),
            ("2026-11-01T10:00:00Z", vec![], Cause::Ok, Some("has expired")),
            (
                "2027-11-01T10:00:00Z",
                vec![CertificateFault::WrongHost],
                Cause::Ok,
                Some("is accepted with faults: wrong_host"),
            ),
            ("2026-11-01T10:00:00Z", vec![CertificateFault::Expired], Cause::TlsExpired, None),
        ] {
            let said = said.map(|said| format!("the certificate of api.example.com {said}"));
            assert_eq!(warnings(&checked("a", "u", &expiring(until, faults, cause))), Vec::from_iter(said));
        }
        let (soon, other) = (expiring("2026-12-01T10:00:00Z", vec![], Cause::Ok), docs());
        assert_eq!(warnings(&checked("b", "u", &other)), [""; 0]);
        let sites =
            [checked("a", "u", &soon), checked("b", "u", &other), checked("c", "u", &soon), checked("d", "u", &other)];
        let text = printed(|out| check(out, &zone(), &sites, CheckStyle::default()));
        let line = "\n  warning: the certificate of api.example.com expires in 9 days\n";
        assert_eq!(text.matches(line).count(), 2, "{text}");
        assert!(text.ends_with("\n4 sites are up, 2 warnings\n"), "{text}");
    }

    #[test]
    fn the_address_of_a_proxy_is_not_taken_for_the_sites() {
        let observation = Observation { is_proxied: true, ..api() };
        let text = printed(|out| check(out, &zone(), &[checked("api", "u", &observation)], CheckStyle::default()));
        assert!(text.contains("\n  203.0.113.7:443 (proxy) · HTTP/1.1 · 12 B"), "{text}");
    }

    #[test]
    fn a_port_without_http_has_what_it_said_and_no_headers() {
        let mut observation = Observation::failed(Cause::Ok, "");
        (observation.bytes, observation.address) = (27, Some(([127, 0, 0, 1], 25).into()));
        let body = Some("220 mail.test".to_owned());
        observation.evidence = Some(Box::new(Evidence { url: "tcp://a:25".to_owned(), body, ..Evidence::default() }));
        let manner = CheckStyle { verbose: true, ..CheckStyle::default() };
        let text = printed(|out| check(out, &zone(), &[checked("mail", "tcp://a:25", &observation)], manner));
        let came = "\n  127.0.0.1:25 · 27 B\n  start of the body\n  | 220 mail.test\n1 site is up\n";
        assert!(text.ends_with(came), "{text}");
        (observation.http, observation.status) = (Http::V11, Some(status(101)));
        let text = printed(|out| check(out, &zone(), &[checked("mail", "ws://a:25", &observation)], manner));
        assert!(text.contains(" 127.0.0.1:25 · HTTP/1.1 · 27 B\n") && !text.contains("redirect"), "{text}");
    }

    #[test]
    fn what_came_is_shown_when_asked_for_and_cannot_pass_for_our_own_words() {
        let mut observation = api();
        observation.evidence = Some(Box::new(Evidence {
            url: "https://api.example.com/en".to_owned(),
            headers: vec![("server".to_owned(), "x\x1b[2Jy".to_owned()), ("set-cookie".to_owned(), "***".to_owned())],
            more_headers: 2,
            body: Some("<h1>\x1b[31m\nbusy".to_owned()),
        }));
        let sites = [checked("api", "u", &observation)];
        let text = printed(|out| check(out, &zone(), &sites, CheckStyle { verbose: true, ..CheckStyle::default() }));
        let came = "
  headers of https://api.example.com/en
  < server: x\u{fffd}[2Jy
  < set-cookie: ***
  … 2 more headers
  start of the body
  | <h1>\u{fffd}[31m
  | busy
1 site is down
";
        assert!(text.ends_with(came), "{text}");
        assert!(!printed(|out| check(out, &zone(), &sites, CheckStyle::default())).contains("server"));
    }

    proptest! {
        #[test]
        fn bars_fit_and_never_vanish(
            spent in proptest::array::uniform5(0u32..=Micros::MAX.get()), cells in BAR_MIN..=BAR,
        ) {
            let total: u64 = spent.iter().map(|&us| u64::from(us)).sum();
            prop_assume!(total > 0);
            let mut before = 0;
            for us in spent {
                let (start, length) = bar(before, us.into(), total, cells);
                before += u64::from(us);
                prop_assert!(length >= 1 && (start + length) as u64 <= cells);
            }
        }

        #[test]
        fn no_name_or_detail_breaks_a_line(name in hostile(), detail in hostile(), color in any::<bool>()) {
            let observation = Observation { detail, ..api() };
            let manner = CheckStyle { color, ..CheckStyle::default() };
            let text = printed(|out| check(out, &zone(), &[checked(&name, &name, &observation)], manner));
            prop_assert_eq!(text.chars().filter(|&c| c == '\n').count(), 9);
            let text = if color { text.replacen("\x1b[31m", "", 1).replacen("\x1b[0m", "", 1) } else { text };
            prop_assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{text:?}");
        }
    }
}
