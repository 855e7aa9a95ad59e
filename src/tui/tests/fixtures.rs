//! Worlds for the snapshots: five and nine sites, with figures that agree with each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::incident::list::{IncidentList, ListedIncident};
use crate::alert::incident::page::{IncidentPage, IncidentRequest};
use crate::alert::kept::incident::{Ack, Silence};
use crate::alert::objective::{ObjectiveFigures, SiteObjective, Standing, Tally};
use crate::alert::trial::{Trial, TrialAnswer, TrialCount, TrialIncident, TrialRequest};
use crate::alert::{Alert, AlertRecord, AlertState, Policies, Rule, RuleKind, SiteSelector, SloRule, Threshold};
use crate::engine::snapshot::{
    LastCheck, OpenIncident, Row, SiteFacts, SiteSnapshot, SiteState, Snapshot, ViewSnapshot,
};
use crate::model::text::document::{Document, Row as DocumentRow, Section, Table};
use crate::model::{
    Cause, Certificate, Flags, Health, Http, Micros, Observation, Phase, Phases, Sample, SiteSlot, Status, StoreHealth,
    Timeframe, Timestamp, Watched, Watching,
};
use crate::stats::series::site_history::{HistoryBuilder, HistoryRequest, SiteHistory};
use crate::stats::series::usual::{Usual, UsualRequest, UsualTimes};
use crate::stats::{Answer, Availability, Beat, Beats, Cadence, Counts, Latency, PeriodFigures, Summary};
use crate::tui::inputs::{About, Inputs};
use crate::tui::settings::Settings;
use crate::tui::state::UiState;
use crate::tui::style::theme::{Scheme, Theme};
use crate::tui::{Arrangement, Clipboard, Hyperlinks, ManualCheck, PastOverview, Symbols};

/// 2026-11-22 14:02:13 at +01:00.
pub fn now() -> Timestamp {
    Timestamp::from_secs(1_795_352_533)
}

pub struct World {
    pub snapshot: Snapshot,
    pub samples: Vec<Sample>,
    pub has_history: bool,
    pub history: Option<SiteHistory>,
    pub usual: Option<Usual>,
    pub objectives: Vec<SiteObjective>,
    pub incident: Option<IncidentPage>,
    pub trial: Option<TrialAnswer>,
    pub alerts: Vec<Arc<AlertRecord>>,
    pub incidents: IncidentList,
    pub health: Health,
    pub manual_checks: Vec<ManualCheck>,
    pub zone: TimeZone,
    pub about: About,
    pub arrangement: Arrangement,
    pub now: Timestamp,
    /// What the user turned to.
    pub past: Option<PastOverview>,
}

impl World {
    /// The site at index `place` leaves sites.yaml.
    pub fn remove(&mut self, place: usize) {
        self.snapshot.sites.remove(place);
        for view in &mut self.snapshot.views {
            Arc::make_mut(view).rows.remove(place);
        }
    }

    /// The first site of sites.yaml becomes its last.
    pub fn rotate(&mut self) {
        self.snapshot.sites.rotate_left(1);
        for view in &mut self.snapshot.views {
            Arc::make_mut(view).rows.rotate_left(1);
        }
    }

    pub fn inputs(&self) -> Inputs<'_> {
        self.past.as_ref().map_or(self.present(), |past| self.present().as_of(past))
    }

    fn present(&self) -> Inputs<'_> {
        Inputs {
            snapshot: &self.snapshot,
            samples: &self.samples,
            has_history: self.has_history,
            history: self.history.as_ref(),
            usual: self.usual.as_ref(),
            objectives: &self.objectives,
            incident: self.incident.as_ref(),
            trial: self.trial.as_ref(),
            alerts: &self.alerts,
            incidents: &self.incidents,
            health: &self.health,
            manual_checks: &self.manual_checks,
            now: self.now,
            zone: &self.zone,
            about: &self.about,
            past: None,
            arrangement: &self.arrangement,
        }
    }

    pub fn later(mut self, secs: u64) -> Self {
        self.now = self.now.after(Duration::from_secs(secs));
        self
    }
}

pub fn settings() -> Settings {
    let theme = Theme { scheme: Scheme::Dark, color: true, symbols: Symbols::Unicode };
    Settings { clipboard: Some(Clipboard::Terminal), links: Hyperlinks::On, ..Settings::of(theme) }
}

pub fn state() -> UiState {
    UiState::new(&settings())
}

/// A site of a snapshot; times in milliseconds.
#[derive(Clone, Copy)]
pub struct Made {
    pub name: &'static str,
    pub state: SiteState,
    pub since: u64,
    /// Cells of the bar from the newest back, as (length, up, down); the others are up.
    pub tail: &'static [(usize, u32, u32)],
    pub coverage: f64,
    /// avg, p50, p90, p95, p99, max of the short view.
    pub times: Option<[f64; 6]>,
    pub ttfb: [f64; 2],
    /// The same for the long view.
    pub long_times: [f64; 6],
    pub long_ttfb: [f64; 2],
    pub long_ups: u64,
    pub long_coverage: f64,
    pub answers: &'static [(u16, u64)],
    /// Checks without a status.
    pub causes: &'static [(Cause, u64)],
    pub detail: &'static str,
    pub cause: Cause,
    pub cert_days: u64,
}

pub fn api() -> Made {
    Made {
        name: "api",
        state: SiteState::Down,
        since: 252,
        tail: &[(26, 0, 1), (1, 1, 1)],
        coverage: 1.0,
        times: Some([63.1, 41.0, 48.0, 53.2, 1240.0, 1240.0]),
        ttfb: [58.2, 1230.0],
        long_times: [43.2, 39.8, 46.1, 50.4, 96.0, 1240.0],
        long_ttfb: [40.1, 1230.0],
        long_ups: 697,
        long_coverage: 1.0,
        answers: &[(503, 21), (200, 97)],
        causes: &[(Cause::ResponseTimeout, 2)],
        detail: "503 Service Unavailable",
        cause: Cause::Status,
        cert_days: 61,
    }
}

fn up(name: &'static str, times: [f64; 6], ttfb: [f64; 2]) -> Made {
    Made {
        name,
        state: SiteState::Up,
        since: 8_040,
        tail: &[],
        coverage: 1.0,
        times: Some(times),
        ttfb,
        long_times: times.map(|ms| ms * 1.02),
        long_ttfb: ttfb,
        long_ups: 360,
        long_coverage: 1.0,
        answers: &[(200, 60)],
        causes: &[],
        detail: "",
        cause: Cause::Ok,
        cert_days: 80,
    }
}

fn shop() -> Made {
    Made {
        state: SiteState::Failing,
        since: 35,
        long_times: [318.0, 305.0, 401.0, 571.0, 1530.0, 2050.0],
        long_ttfb: [288.0, 1980.0],
        long_ups: 359,
        tail: &[(1, 0, 1)],
        answers: &[(200, 59)],
        causes: &[(Cause::Slow, 1)],
        detail: "2.05 s > max_response_time 2 s",
        cause: Cause::Slow,
        ..up("shop-checkout", [338.0, 310.0, 420.0, 612.0, 1880.0, 2050.0], [290.0, 1980.0])
    }
}

fn rust() -> Made {
    Made {
        long_times: [49.1, 47.5, 54.0, 60.7, 80.2, 92.3],
        ..up("www.rust-lang.org", [48.6, 47.2, 52.0, 58.9, 71.0, 71.0], [46.9, 69.4])
    }
}

fn docs() -> Made {
    Made {
        cert_days: 6,
        long_times: [19.1, 18.5, 20.9, 23.4, 33.0, 40.3],
        ..up("docs", [18.9, 18.4, 20.1, 22.7, 31.0, 31.0], [18.1, 30.2])
    }
}

fn blog() -> Made {
    Made {
        long_times: [90.0, 88.4, 96.2, 100.0, 131.0, 156.0],
        ..up("blog", [89.1, 88.0, 95.0, 97.3, 120.0, 120.0], [84.0, 117.0])
    }
}

pub fn five_sites() -> World {
    world(&[api(), shop(), rust(), docs(), blog()])
}

/// The incident of `api` is acknowledged and relapsed, `shop-checkout` is silenced.
pub fn with_orders() -> World {
    let mut world = five_sites();
    let now = world.now;
    let alert = Arc::make_mut(world.alerts.last_mut().expect("api is down"));
    alert.facts.incident = Some(12);
    let ack = Ack { by: "ada".into(), at: now, text: "restarting the database".to_owned() };
    world.incidents.incidents = vec![ListedIncident {
        number: 12,
        site: "api".into(),
        group: None,
        rule: RuleKind::Availability,
        opened: alert.at,
        newest: alert.at,
        relapses: 3,
        ack: Some(ack),
    }];
    world.incidents.silences = vec![Silence {
        number: 3,
        sites: SiteSelector::of(["shop-checkout"]),
        from: now,
        until: now.after(Duration::from_hours(1)),
        by: "grace".into(),
        text: "deploy".to_owned(),
        is_maintenance: false,
    }];
    world
}

pub fn nine_sites() -> World {
    let intranet = Made {
        state: SiteState::Unknown,
        since: 130,
        tail: &[(13, 0, 0)],
        coverage: 0.78,
        long_times: [8.31, 8.05, 9.6, 11.2, 15.0, 22.4],
        long_ttfb: [7.9, 21.8],
        long_ups: 347,
        long_coverage: 0.96,
        answers: &[(200, 47)],
        detail: "no route from here: not counted",
        cause: Cause::Local,
        ..up("intranet", [8.4, 8.12, 9.4, 11.7, 14.2, 14.2], [8.01, 13.9])
    };
    let japanese = up("日本語サイト", [124.0, 122.0, 130.0, 141.0, 188.0, 188.0], [119.0, 182.0]);
    let status = Made { answers: &[(204, 60)], ..up("status", [5.11, 5.02, 5.4, 5.91, 9.02, 9.02], [4.95, 8.94]) };
    let legacy = Made {
        state: SiteState::Paused,
        since: 1_200,
        tail: &[(360, 0, 0)],
        coverage: 0.0,
        times: None,
        long_coverage: 0.0,
        answers: &[],
        ..up("legacy", [0.0; 6], [0.0; 2])
    };
    world(&[api(), shop(), intranet, rust(), japanese, docs(), blog(), status, legacy])
}

/// As many as two stacked views have room for at 80×24.
pub fn eight_sites() -> World {
    let mut world = nine_sites();
    world.snapshot.sites.pop();
    for view in &mut world.snapshot.views {
        Arc::make_mut(view).rows.pop();
    }
    world
}

/// `count` sites, a few of them not up.
pub fn many_sites(count: usize) -> World {
    let made: Vec<Made> = (0..count)
        .map(|i| match i % 100 {
            17 => Made {
                answers: &[],
                causes: &[(Cause::ConnectTimeout, 60)],
                times: None,
                tail: &[(360, 0, 1)],
                ..api()
            },
            41 => shop(),
            _ => rust(),
        })
        .collect();
    let mut world = world(&made);
    for (i, site) in world.snapshot.sites.iter_mut().enumerate() {
        let site = Arc::make_mut(site);
        Arc::make_mut(&mut site.facts).name = format!("{}/service-{i:04}", ["eu-west", "us", "ap"][i % 3]).into();
    }
    world
}

/// Five sites, after `count` others went down within ten seconds and all but four of them came up a minute ago.
pub fn burst(count: u64) -> World {
    let mut world = five_sites();
    let began = world.now.before(Duration::from_secs(200));
    let alert = |state, shift: u64, i: u64| {
        let at = began.after(Duration::from_secs(shift) + Duration::from_millis(i * 500));
        let name = format!("eu-west/service-{i:04}");
        let down_or_up = if state == AlertState::Down { "down" } else { "up" };
        let message = format!("Website {name} is {down_or_up}. availability=79.17%, time=2026-11-22T13:58:53+01:00");
        Arc::new(AlertRecord {
            facts: Alert {
                at,
                site: name.into(),
                state,
                rule: RuleKind::Availability,
                incident: None,
                reading: None,
                availability: None,
                threshold: Rule::default().threshold,
                window: Duration::from_mins(2),
                since: at,
                downtime: None,
                locations: None,
            },
            message,
        })
    };
    world.alerts.extend((0..count).map(|i| alert(AlertState::Down, 0, i)));
    world.alerts.extend((4..count).map(|i| alert(AlertState::Up, 140, i)));
    world
}

/// Five sites on a plane: no route to the network for a minute.
pub fn offline() -> World {
    let mut world = five_sites();
    let since = world.now.before(Duration::from_mins(1));
    world.health.offline_since = Some(since);
    for site in &mut world.snapshot.sites {
        let site = Arc::make_mut(site);
        site.state = SiteState::Unknown;
        if let Some(last) = &mut site.last {
            (last.sample.at, last.sample.cause) = (since, Cause::Ok);
        }
    }
    world
}

/// Five sites with a store. For this width the hour until half an hour ago was read of the first site.
pub fn with_history(width: u16) -> World {
    let mut world = five_sites();
    world.has_history = true;
    let ago = Duration::from_mins(30);
    let wanted = HistoryRequest {
        site: "api".into(),
        locations: Vec::new(),
        cadence: Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(10) },
        span: Duration::from_hours(1),
        until: world.now.before(ago),
        live: false,
        columns: usize::from(width) - 11,
    };
    let mut gather = HistoryBuilder::new(wanted);
    for sample in &world.samples {
        gather.admit(&Sample { at: sample.at.before(ago), ..*sample });
    }
    world.history = Some(gather.finish(Some(world.now.before(Duration::from_mins(88))), |_, _| false));
    world
}

/// Five sites of which the first one, with a limit for its response time, was never up in the last hour.
pub fn never_up() -> World {
    let mut world = five_sites();
    for (number, sample) in world.samples.iter_mut().enumerate() {
        let cause = if number % 5 == 2 { Cause::ResponseTimeout } else { Cause::Status };
        sample.cause = cause;
        sample.status = Status::new(503).filter(|_| cause == Cause::Status);
    }
    world
}

/// Five sites of which the first one has a limit of 300 ms, and alerts that opened and closed within the hour.
pub fn limited() -> World {
    let mut world = five_sites();
    Arc::make_mut(&mut Arc::make_mut(&mut world.snapshot.sites[0]).facts).max_response_time =
        Some(Duration::from_millis(300));
    let alert = |state, ago: u64| {
        let mut alert = (*world.alerts[2]).clone();
        alert.facts.at = world.now.before(Duration::from_secs(ago));
        (alert.facts.state, alert.facts.since) = (state, alert.facts.at);
        alert.message = format!("Website api is {}.", if state == AlertState::Up { "up" } else { "down" });
        Arc::new(alert)
    };
    let alerts = [alert(AlertState::Down, 2_600), alert(AlertState::Up, 2_400)];
    world.alerts.splice(2..2, alerts);
    world
}

/// Five sites with a store that knows what is usual at the first one: TLS takes longer now, the rest is as always.
pub fn with_usual() -> World {
    let mut world = with_history(120);
    let wanted = UsualRequest::new(vec!["api".into()], world.now.before(Duration::from_mins(5)), &world.zone);
    let phases = [Some(300.0), Some(12_400.0), Some(4_100.0), Some(33_100.0), Some(90.0)];
    world.usual = Some(Usual { wanted, times: vec![Some(UsualTimes { days: 6, phases, avg: 49_990.0, p95: 51_000 })] });
    world
}

/// The same with a period that has only hourly totals: a week until now, or an hour until half an hour ago (as if that were
/// long ago).
pub fn with_hours(width: u16, week: bool) -> World {
    let mut world = with_history(width);
    let now = world.now;
    let wanted = world.history.as_ref().map(|past| past.wanted.clone()).unwrap();
    let wanted = if week {
        HistoryRequest { span: Duration::from_hours(7 * 24), until: now, live: true, ..wanted }
    } else {
        wanted
    };
    let wanted = HistoryRequest { cadence: Cadence { interval: Duration::from_mins(5), ..wanted.cadence }, ..wanted };
    let made = |number: u64, at: Timestamp| {
        let mut observation = Observation::failed(if number % 150 == 7 { Cause::Reset } else { Cause::Ok }, "");
        let micros = 40_000 + u32::try_from(number * 7_919 % 20_000).unwrap();
        observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(micros));
        observation.sample(at, Micros::ZERO, 0)
    };
    let (mut sums, mut whole, mut number) = (Vec::new(), PeriodFigures::default(), 0);
    for (from, until) in wanted.parts() {
        let mut sum = PeriodFigures::default();
        let starts = std::iter::successors(Some(from), |at| Some(at.after(Duration::from_mins(5))));
        // A day without data.
        for at in
            starts.take_while(|at| *at < until).filter(|at| !(40..64).contains(&(now.since(*at).as_secs() / 3_600)))
        {
            number += 1;
            sum.admit(&made(number, at), None);
        }
        whole.append(&sum);
        sums.push(sum);
    }
    world.history = Some(SiteHistory::of_sums(
        wanted,
        &sums,
        (whole, week),
        Some(now.before(Duration::from_hours(1_000))),
        |_, _| false,
    ));
    world
}

/// Nine sites of a monitor in another process.
pub fn watched(alive: bool) -> World {
    let mut world = nine_sites();
    let until = world.now.before(Duration::from_secs(2));
    world.health.watching =
        Some(Watching { process: Some(4_711), alive, until, stored: Some(until), of: Watched::Store });
    world
}

/// Three sites, seconds after the first start: one was successful, one failed.
pub fn first_seconds() -> World {
    let mut world = world(&[rust(), shop(), blog()]);
    world.alerts.clear();
    world.samples.truncate(6);
    let end = world.samples[5].at;
    for sample in &mut world.samples {
        sample.at = world.now.before(end.since(sample.at) + Duration::from_secs(3));
    }
    for site in &mut world.snapshot.sites {
        let site = Arc::make_mut(site);
        site.judged_from = Some(world.now.after(Duration::from_secs(100)));
        site.last_up = None;
    }
    let blog = Arc::make_mut(&mut world.snapshot.sites[2]);
    (blog.state, blog.last) = (SiteState::New, None);
    for view in &mut world.snapshot.views {
        for (i, row) in Arc::make_mut(view).rows.iter_mut().enumerate() {
            let row = Arc::make_mut(row);
            row.beats.cells = [Beat::default(); Beats::CELLS];
            if i == 2 {
                (row.summary.counts, row.summary.availability) = (Counts::default(), None);
                row.summary.answers.clear();
                (row.summary.response, row.summary.ttfb) = (None, None);
                row.summary.phase_means = [None; 5];
                row.oldest = None;
            } else {
                row.oldest = Some(row.summary.as_of.before(Duration::from_secs(72)));
                row.beats.cells[52..].fill(Beat { up: 1, down: 0 });
            }
        }
    }
    world
}

pub fn world(made: &[Made]) -> World {
    let now = now();
    let at = now.before(Duration::from_secs(3));
    let view = |minutes: u64, refresh: u64, as_of: Timestamp| {
        Arc::new(ViewSnapshot {
            timeframe: Timeframe::new(Duration::from_secs(minutes * 60)),
            refresh: Duration::from_secs(refresh),
            as_of,
            next: as_of.after(Duration::from_secs(refresh)),
            rows: made.iter().map(|made| Arc::new(row(made, as_of, minutes))).collect(),
        })
    };
    let views = vec![view(10, 10, at), view(60, 60, now.before(Duration::from_secs(13)))];
    let sites = made.iter().enumerate().map(|(index, made)| Arc::new(site(index, made))).collect();
    World {
        snapshot: Snapshot { at: now, sites, views },
        samples: hour(now),
        has_history: false,
        history: None,
        usual: None,
        objectives: Vec::new(),
        incident: None,
        trial: None,
        alerts: alerts(),
        health: Health {
            checks_per_second: 0.6,
            late: Duration::from_micros(2_010),
            store: StoreHealth::Ok { bytes: 41_000_000 },
            ..Health::default()
        },
        incidents: IncidentList::default(),
        manual_checks: Vec::new(),
        zone: TimeZone::fixed(jiff::tz::offset(1)),
        arrangement: Arrangement::default(),
        about: About {
            version: "0.1.0 (abc1234)".to_owned(),
            config: Some("sites.yaml".to_owned()),
            store: Some("webmon.redb".to_owned()),
            listen: None,
        },
        now,
        past: None,
    }
}

/// An hour of a site that is checked every 5 s: 40 to 56 ms in waves, a few slow checks, no check for six minutes, only
/// failed ones in the last four.
fn hour(now: Timestamp) -> Vec<Sample> {
    let made = |i: u32| {
        let at = now.before(Duration::from_secs(3_600 - 5 * u64::from(i)));
        let failed = i >= 670 || i == 200;
        let mut observation = Observation::failed(if failed { Cause::Status } else { Cause::Ok }, "");
        let wave = (i / 30) % 12;
        let micros = 40_000 + 1_000 * wave.min(12 - wave) + i * 7_919 % 10_000;
        let micros = if i % 97 == 50 { micros * 3 } else { micros };
        let micros = if i == 400 { 1_240_000 } else { micros };
        observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(micros));
        observation.status = Status::new(if failed { 503 } else { 200 });
        observation.sample(at, Micros::ZERO, 0)
    };
    (0..720).filter(|i| !(300..372).contains(i)).map(made).collect()
}

fn alerts() -> Vec<Arc<AlertRecord>> {
    let alert = |site: &str, state, up, ago: u64, message: &str, downtime: Option<u64>| {
        let at = now().before(Duration::from_secs(ago));
        Arc::new(AlertRecord {
            facts: Alert {
                at,
                site: site.into(),
                state,
                rule: RuleKind::Availability,
                incident: None,
                reading: None,
                availability: Some(Availability { up, checks: 24 }),
                threshold: Rule::default().threshold,
                window: Duration::from_mins(2),
                since: at,
                downtime: downtime.map(Duration::from_secs),
                locations: None,
            },
            message: message.to_owned(),
        })
    };
    let blog_down = "Website blog is down. availability=75.00%, time=2026-11-22T09:12:25+01:00";
    let blog_up = "Website blog is up. availability=83.33%, time=2026-11-22T09:14:30+01:00, downtime=2m5s";
    let api_down = "Website api is down. availability=79.17%, time=2026-11-22T13:58:01+01:00";
    vec![
        alert("blog", AlertState::Down, 18, 17_388, blog_down, None),
        alert("blog", AlertState::Up, 20, 17_263, blog_up, Some(125)),
        alert("api", AlertState::Down, 19, 252, api_down, None),
    ]
}

fn site(index: usize, made: &Made) -> SiteSnapshot {
    let now = now();
    let at = now.before(Duration::from_secs(3));
    let down = made.state == SiteState::Down;
    let mut observation = Observation::failed(made.cause, made.detail);
    if made.cert_days <= 21 {
        observation.flags = observation.flags.with(Flags::CERTIFICATE);
    }
    observation.phases = Phases::NONE.with(Phase::Processing, Micros::new(35_300));
    observation.status = Status::new(made.answers.first().map_or(200, |(code, _)| *code));
    observation.http = Http::V11;
    observation.address = Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), 443));
    observation.certificate = Some(Arc::new(Certificate {
        subject: made.name.to_owned(),
        issuer: "R11".to_owned(),
        not_before: Timestamp::ZERO,
        not_after: now.after(Duration::from_secs(made.cert_days * 86_400 + 3_600)),
        faults: Vec::new(),
    }));
    SiteSnapshot {
        facts: Arc::new(SiteFacts {
            slot: SiteSlot::new(index),
            name: made.name.into(),
            url: format!("https://{}.example.com/", made.name).into(),
            curl: format!("curl -sSi https://{}.example.com/", made.name).into(),
            group: match made.name {
                "api" | "shop-checkout" => Some("shop".into()),
                "docs" | "blog" => Some("words".into()),
                _ => None,
            },
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            max_response_time: None,
            policies: Policies::default(),
            maintenance: Arc::default(),
            place: crate::model::Place::Here,
        }),
        state: made.state,
        since: now.before(Duration::from_secs(made.since)),
        is_older: false,
        last: Some(LastCheck {
            seq: 1234,
            sample: observation.sample(at, Micros::ZERO, 0),
            observation: Some(Arc::new(observation)),
        }),
        last_up: Some(now.before(Duration::from_secs(if down { 272 } else { 13 }))),
        paused_until: (made.state == SiteState::Paused).then(|| now.after(Duration::from_mins(10))),
        incident: down.then_some(OpenIncident { since: now.before(Duration::from_secs(252)) }),
        breaches: Vec::new(),
        judged_from: None,
        votes: None,
    }
}

fn row(made: &Made, as_of: Timestamp, minutes: u64) -> Row {
    let long = minutes == 60;
    let mut cells = [Beat { up: 1, down: 0 }; Beats::CELLS];
    // The long view ends at the same time, in cells six times as long.
    let mut end = Beats::CELLS;
    for &(length, up, down) in made.tail {
        let length = if long { length.div_ceil(6) } else { length };
        cells[end.saturating_sub(length)..end].fill(Beat { up, down });
        end = end.saturating_sub(length);
    }
    let failing = |code: u16| code >= 400;
    let grown = |count: u64, failed: bool| if long && !failed { made.long_ups } else { count };
    let codes: Vec<(Answer, u64, bool)> = made
        .answers
        .iter()
        .map(|&(code, count)| (Answer::Code(Status::new(code).unwrap()), grown(count, failing(code)), failing(code)))
        .chain(made.causes.iter().map(|&(cause, count)| (Answer::Cause(cause), count, true)))
        .collect();
    let mut answers: Vec<(Answer, u64, bool)> = codes.clone();
    answers.sort_by_key(|&(_, count, failed)| (!failed, std::cmp::Reverse(count)));
    let down = answers.iter().filter(|(.., failed)| *failed).map(|(_, count, _)| count).sum();
    let up = answers.iter().filter(|(.., failed)| !*failed).map(|(_, count, _)| count).sum();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    let us = |ms: f64| (ms * 1e3).round() as u32;
    Row {
        summary: Summary {
            as_of,
            timeframe: Timeframe::new(Duration::from_secs(minutes * 60)),
            counts: Counts { up, down, unknown: 0, skipped: 0 },
            availability: Counts { up, down, unknown: 0, skipped: 0 }.availability(),
            coverage: Some(if long { made.long_coverage } else { made.coverage }),
            response: made.times.map(|short| if long { made.long_times } else { short }).map(
                |[avg, p50, p90, p95, p99, max]| Latency {
                    count: up,
                    avg: avg * 1e3,
                    max: us(max),
                    p50: us(p50),
                    p90: us(p90),
                    p95: us(p95),
                    p99: us(p99),
                },
            ),
            ttfb: made.times.map(|_| if long { made.long_ttfb } else { made.ttfb }).map(|[avg, max]| Latency {
                count: up,
                avg: avg * 1e3,
                max: us(max),
                p50: us(avg),
                p90: us(avg),
                p95: us(avg),
                p99: us(max),
            }),
            phase_means: made.times.map_or([None; 5], |short| {
                let avg = if long { made.long_times[0] } else { short[0] };
                [Some(310.0), Some(0.2 * avg * 1e3), Some(0.25 * avg * 1e3), Some(0.54 * avg * 1e3 - 400.0), Some(90.0)]
            }),
            codes: Vec::new(),
            causes: made.causes.to_vec(),
            answers: answers.into_iter().map(|(answer, count, _)| (answer, count)).collect(),
        },
        beats: Beats { cell: Duration::from_secs(minutes), newest: as_of, cells },
        oldest: Some(as_of.before(Duration::from_secs(minutes * 60 - 7))),
        is_exact: true,
    }
}

/// Sites with objectives: one on track, one that burns, one that missed its target, one of which nothing can be told.
pub fn with_objectives() -> World {
    let mut world = nine_sites();
    world.has_history = true;
    let month = Duration::from_hours(720);
    let made = [
        ("api", 999_000, 400, 30),
        ("shop-checkout", 999_500, 60, 25),
        ("www.rust-lang.org", 990_000, 130, 1),
        ("docs", 990_000, 0, 0),
    ];
    for (name, ppm, failed, recent) in made {
        let rule = SloRule { target: Threshold::from_ppm(ppm).unwrap(), period: month };
        let site = world.snapshot.sites.iter_mut().find(|site| *site.name == *name).unwrap();
        Arc::make_mut(&mut Arc::make_mut(site).facts).policies.slo = Some(rule);
        let recent = |checks: u64| Tally { checks, failed: recent };
        let tally = Tally { checks: 259_200, failed };
        let standing = Standing::new(rule, tally, month, [recent(360), recent(2_160), recent(8_640), recent(25_920)]);
        let figures = ObjectiveFigures {
            standing,
            since: world.now.before(month),
            until: world.now.before(Duration::from_secs(4)),
            coverage: Some(0.998),
            is_exact: name != "api",
            left_out: Duration::from_hours(if name == "api" { 3 } else { 0 }),
            begins: None,
            in_time: None,
        };
        let figures = if name == "docs" { Err("nothing is stored yet".into()) } else { Ok(figures) };
        world.objectives.push(SiteObjective { site: name.into(), rule, figures });
    }
    world
}

/// Five sites, and what is known about the incident of the newest alert of the first one.
pub fn with_incident() -> World {
    let mut world = limited();
    let alert = Arc::clone(world.alerts.iter().rfind(|alert| &*alert.site == "api").unwrap());
    let facts = |facts: &[(&'static str, &str)]| facts.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let section = |heading, known: &[(&'static str, &str)]| Section {
        heading,
        facts: facts(known),
        table: None,
        quoted: Vec::new(),
    };
    let row = |is_failure, cells: &[&str]| DocumentRow {
        cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
        is_failure,
    };
    let table = |heading, heads: &[&'static str], rows: Vec<DocumentRow>| {
        let table = Some(Table { heads: heads.to_vec(), rows });
        Section { heading, facts: Vec::new(), table, quoted: Vec::new() }
    };
    let reason = "upstream connect error or disconnect/reset before headers; reset reason: connection failure";
    let failed = format!("2026-11-22T13:57:41+01:00, 503 from 93.184.216.34:443: {reason}");
    let checks = vec![
        row(false, &["2026-11-22 13:57:31", "ok", "200", "50.2 ms", ""]),
        row(true, &["2026-11-22 13:57:41", "failed", "503", "41.0 ms", reason]),
        row(true, &["2026-11-22 13:57:51", "failed", "timeout", "10.0 s", "no response after 10 s"]),
    ];
    let answers = vec![
        row(false, &["10m before", "13:47:41 – 13:57:41", "60", "50.2 ms", "200×60"]),
        row(false, &["during", "13:57:41 – 14:02:13", "27", "51.0 ms", "503×18 timeout×4 200×5"]),
    ];
    let document = Document {
        title: "api has been down for 4m12s".to_owned(),
        sections: vec![
            section(
                "What happened",
                &[
                    ("Incident", "17"),
                    ("URL", "https://api.example.com/health"),
                    ("Group", "shop"),
                    ("Rule", "availability"),
                    ("Alert", "2026-11-22T13:58:01+01:00"),
                    ("Ended", "not yet, as of 2026-11-22T14:02:13+01:00"),
                    ("First failed check", &failed),
                    ("Message", &alert.message),
                ],
            ),
            table("Answers", &["When", "Time", "Checks", "p50", "Answers"], answers),
            section(
                "Who else failed",
                &[("Within", "1m of the first failed check, 1 of 4 other sites failed, too"), ("Sites", "docs (503)")],
            ),
            table("Checks around its start and its end", &["Time", "Result", "Answer", "Took", "Detail"], checks),
            section("Who was told", &[("Start", "ops (2026-11-22 13:58:02), mail (waits)")]),
            Section {
                quoted: ["server: envoy", "content-type: text/plain", "set-cookie: ***", "", reason]
                    .map(str::to_owned)
                    .to_vec(),
                ..section(
                    Section::ANSWERED,
                    &[
                        ("At", "2026-11-22T13:57:41+01:00"),
                        ("Answer", "HTTP/1.1 503"),
                        ("URL", "https://api.example.com/health"),
                    ],
                )
            },
        ],
    };
    let request = IncidentRequest { alert, ended: None, as_of: world.now };
    let markdown = "# api has been down for 4m12s\n\n- **Incident:** 17\n".into();
    world.incident = Some(IncidentPage { request, number: Some(17), document, markdown });
    world
}

/// [`with_incident`], of which no answer is kept.
pub fn without_answer() -> World {
    let mut world = with_incident();
    if let Some(page) = &mut world.incident {
        page.document.sections.pop();
    }
    world
}

/// Sites of which the first one's rule was tried: 90 % and 5 min in place of what holds.
pub fn with_trial(tried: (u32, u64), trial: Result<u64, &'static str>) -> World {
    let mut world = five_sites();
    world.has_history = true;
    let site = &world.snapshot.sites[0];
    let (threshold, window) = (Threshold::from_ppm(tried.0).unwrap(), Duration::from_secs(tried.1));
    let current = site.policies.availability;
    let request = TrialRequest {
        site: Arc::clone(&site.name),
        interval: site.interval,
        current,
        tried: Rule { threshold, window, ..current },
        until: world.now,
    };
    let trial = trial.map(|days| {
        let incident = |ago: u64, length: Option<u64>, kinds: (bool, bool)| {
            let opened = world.now.before(Duration::from_secs(ago));
            TrialIncident {
                opened,
                closed: length.map(|secs| opened.after(Duration::from_secs(secs))),
                is_current: kinds.0,
                is_tried: kinds.1,
                cause: Some(Cause::DnsTimeout),
            }
        };
        Trial {
            since: world.now.before(Duration::from_secs(days * 86_400)),
            checks: days * 8_640,
            current: TrialCount { incidents: 3, messages: 6 },
            tried: TrialCount { incidents: 2, messages: 3 },
            incidents: vec![
                incident(200_000, Some(40), (true, false)),
                incident(90_000, Some(310), (true, false)),
                incident(40_000, Some(95), (false, true)),
                incident(252, None, (true, true)),
            ],
        }
    });
    world.trial = Some(TrialAnswer { request, trial: trial.map_err(Into::into) });
    world
}
