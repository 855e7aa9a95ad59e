//! The settings of the alert rules, and the words for their verdicts.

use std::num::NonZeroU32;
use std::time::Duration;

/// An availability in parts per million, `0..=1_000_000`, so that comparisons are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u32);

impl Threshold {
    /// `ppm` parts per million; `None` above 1,000,000.
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm <= 1_000_000 { Some(Self(ppm)) } else { None }
    }

    /// Its parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Its ratio in `0.0..=1.0`.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

/// Down when availability ≤ `threshold` over a covered `window` with at least `min_samples` checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// At this availability or below, a site is down.
    pub threshold: Threshold,
    /// The judged span, 1 s to 1 h.
    pub window: Duration,
    /// Judge only with at least this many checks in the window.
    pub min_samples: u32,
    /// While down: up at this availability or above; `None`: above `threshold`. At least `threshold`.
    pub recover: Option<Threshold>,
    /// Also down when so many checks in a row failed.
    pub failures: Option<NonZeroU32>,
}

impl Default for Rule {
    /// 80 % over 2 minutes, with at least one check.
    fn default() -> Self {
        Self {
            threshold: Threshold(800_000),
            window: Duration::from_mins(2),
            min_samples: 1,
            recover: None,
            failures: None,
        }
    }
}

/// A percentile of the response time, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Percentile {
    /// The median.
    P50,
    /// The 90th.
    P90,
    /// The 95th.
    P95,
    /// The 99th.
    P99,
}

impl Percentile {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::P50, Self::P90, Self::P95, Self::P99];

    /// `p50`, `p90`, `p95`, `p99`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// Its per cent.
    #[must_use]
    pub const fn percent(self) -> u64 {
        match self {
            Self::P50 => 50,
            Self::P90 => 90,
            Self::P95 => 95,
            Self::P99 => 99,
        }
    }

    /// Its share of the values.
    #[must_use]
    pub const fn threshold(self) -> Threshold {
        match self {
            Self::P50 => Threshold(500_000),
            Self::P90 => Threshold(900_000),
            Self::P95 => Threshold(950_000),
            Self::P99 => Threshold(990_000),
        }
    }
}

/// Breached while `percentile` of the response times over `window` is above `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyRule {
    /// The judged percentile.
    pub percentile: Percentile,
    /// The largest acceptable value.
    pub limit: Duration,
    /// The judged span, 1 s to 1 h.
    pub window: Duration,
    /// Judge only with at least this many answered checks in the window.
    pub min_samples: u32,
}

/// An objective: `target` availability over `period`; two alert rules watch how fast its error budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SloRule {
    /// The wanted availability, below 100 %.
    pub target: Threshold,
    /// The period of the objective, 1 to 366 days.
    pub period: Duration,
}

/// All rules of one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// When it counts as down.
    pub availability: Rule,
    /// When it counts as slow.
    pub latency: Option<LatencyRule>,
    /// Its objective.
    pub slo: Option<SloRule>,
    /// Warn this long before its certificate expires; `None`: never.
    pub certificate: Option<Duration>,
}

/// What an incident is about; one incident per site and kind is open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleKind {
    /// The availability of a site.
    Availability,
    /// A percentile of its response times.
    Latency,
    /// The end of its certificate.
    Certificate,
    /// Its error budget is spent fast.
    SloFast,
    /// Its error budget is spent slowly.
    SloSlow,
    /// webmon's own network.
    Network,
    /// webmon does not save.
    Store,
    /// webmon's checks are late or skipped.
    Lateness,
    /// An outlet cannot be notified.
    Outlet,
    /// Some locations see a site down, too few of them.
    Partial,
    /// A location has no vote: it is silent or blind.
    Location,
}

impl RuleKind {
    /// All kinds, in the order of their stored numbers.
    pub const ALL: [Self; 11] = [
        Self::Availability,
        Self::Latency,
        Self::Certificate,
        Self::SloFast,
        Self::SloSlow,
        Self::Network,
        Self::Store,
        Self::Lateness,
        Self::Outlet,
        Self::Partial,
        Self::Location,
    ];

    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Latency => "latency",
            Self::Certificate => "certificate",
            Self::SloFast => "slo_fast",
            Self::SloSlow => "slo_slow",
            Self::Network => "network",
            Self::Store => "store",
            Self::Lateness => "lateness",
            Self::Outlet => "outlet",
            Self::Partial => "partial",
            Self::Location => "location",
        }
    }

    /// The part of a site that it is about, where a site can be watched without the rule.
    #[must_use]
    pub const fn aspect(self) -> Option<&'static str> {
        match self {
            Self::Latency => Some("response time"),
            Self::Certificate => Some("certificate"),
            Self::SloFast | Self::SloSlow => Some("error budget"),
            _ => None,
        }
    }

    /// How urgent its incidents are.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Availability | Self::SloFast => Severity::Critical,
            _ => Severity::Warning,
        }
    }

    /// Whether it is about webmon itself, at one location or another.
    #[must_use]
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Network | Self::Store | Self::Lateness | Self::Outlet | Self::Location)
    }
}

/// How urgent an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Look at it in working hours.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// The public name: `warning`, `critical`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The change that an alert announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Availability fell to the threshold or below.
    Down,
    /// Availability rose above the threshold.
    Up,
    /// The site or its rule was removed while the incident was open; it closes without a message.
    Ended,
    /// A rule other than availability was breached.
    Breached,
    /// That rule is clear again.
    Cleared,
}

impl AlertState {
    /// Whether it opens an incident.
    #[must_use]
    pub const fn is_opening(self) -> bool {
        matches!(self, Self::Down | Self::Breached)
    }

    /// The public name: `down`, `up`, `ended`, `breached`, `cleared`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Ended => "ended",
            Self::Breached => "breached",
            Self::Cleared => "cleared",
        }
    }
}
