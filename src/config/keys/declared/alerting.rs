//! The keys under `alerting`, and those of them that a site's `alert` may override.

use super::ValueForm::Or;
use super::{DAY, DeclaredKey, HOUR, MINUTE, ValueForm, key, millis, outlet, seconds};

/// What a site's `alert` and `alerting` share.
const SHARED: [DeclaredKey; 12] = [
    key("threshold", ValueForm::Percentage, "down when availability is at or below this ...").or("80%").such_as("95%"),
    key("window", seconds(1, HOUR), "... over this time").or("2m").such_as("5m"),
    key("min_samples", ValueForm::Whole(1..=1_000_000), "evaluate only with at least this many checks in the window")
        .or("1"),
    key("recover", Or("off", &ValueForm::Percentage), "up again only at or above this; default: above the threshold")
        .such_as("98%"),
    key("failures", Or("off", &ValueForm::Whole(1..=1_000)), "also down after so many failed checks in a row")
        .such_as("5"),
    key("latency", Or("off", &LATENCY_FORM), "warn when a percentile of the response time is above a limit")
        .such_as("{ p95: 800ms, window: 10m }"),
    key("slo", Or("off", &SLO_FORM), "warn when the error budget of this objective is spent too fast").such_as("99.9%"),
    key(
        "remind",
        Or("off", &seconds(MINUTE, DAY)),
        "remind of an open incident; then after twice as long, up to a day",
    )
    .such_as("1h"),
    key("tell", ValueForm::Names(OUTLETS_MAX), "the outlets under `alerting.notify` that hear of it; default: all")
        .such_as("all"),
    key("quorum", ValueForm::Quorum, "of several locations: how many must see it down: majority, any, all, 3 or 40%")
        .or("majority")
        .such_as("40%")
        .rare(),
    key(
        "min_locations",
        ValueForm::Whole(1..=LOCATIONS_MAX),
        "with fewer that can tell, it is not down; default: 2, or 1 of 1",
    )
    .such_as("3"),
    key("partial", ValueForm::Boolean, "true: also tell when some of them see it down, and too few").or("false").rare(),
];

/// Most locations of a site.
pub(super) const LOCATIONS_MAX: u32 = 1_000;

/// Most outlets in a file, and most names in a list of them.
pub(crate) const OUTLETS_MAX: usize = 100;

/// The keys of a site's `alert`.
pub(super) static RULE: &[DeclaredKey] = &SHARED;

static LATENCY_FORM: ValueForm = ValueForm::Section(LATENCY);
static SLO_FORM: ValueForm = ValueForm::Shorthand(SLO);

/// The percentiles of `latency`, in the order of [`crate::alert::Percentile::ALL`].
static LATENCY: &[DeclaredKey] = &[
    key("p50", millis(1, 10 * MINUTE * 1_000), "the limit of the median").such_as("300ms"),
    key("p90", millis(1, 10 * MINUTE * 1_000), "the limit of the 90th percentile").such_as("500ms"),
    key("p95", millis(1, 10 * MINUTE * 1_000), "the limit of the 95th percentile").such_as("800ms"),
    key("p99", millis(1, 10 * MINUTE * 1_000), "the limit of the 99th percentile").such_as("2s"),
    key("window", seconds(1, HOUR), "the time over which it is computed").or("10m").such_as("5m"),
    key(
        "min_samples",
        ValueForm::Whole(1..=1_000_000),
        "evaluate only with so many answers; default: 2, 10, 20 or 100",
    )
    .such_as("50"),
];

static SLO: &[DeclaredKey] = &[
    key("target", ValueForm::Percentage, "the availability that is promised").such_as("99.9%").required(),
    key("over", seconds(DAY, 366 * DAY), "the period of the promise").or("30d").such_as("90d"),
];

pub(super) static ALERTING: &[DeclaredKey] = &{
    let [threshold, window, min_samples, recover, failures, latency, slo, remind, tell, quorum, min_locations, partial] =
        SHARED;
    let exec =
        key("exec", ValueForm::Words(65), "run once for all alerts of one moment, with their JSON lines on stdin");
    [
        threshold,
        window,
        min_samples,
        key("notify", ValueForm::Outlets(outlet::OUTLET), "whom to tell, each under a name of your own")
            .such_as("{ ops: { slack: \"${file:slack.url}\" } }"),
        exec.such_as("[notify.sh, ops]"),
        recover,
        failures,
        latency,
        slo,
        remind,
        tell,
        quorum,
        min_locations,
        partial,
        key("locations", ValueForm::Boolean, "tell when a location is silent or blind").or("true").rare(),
        key("group", seconds(0, 5 * MINUTE), "time that a message waits for others").or("10s").such_as("30s").rare(),
        key("calm", ValueForm::Calm(CALM), "after a relapse, time without another before up is told; or off")
            .or("5m..1h")
            .such_as("10m..2h")
            .rare(),
        key("own_network", ValueForm::Choice(&["auto", "off"]), "hold alerts while this machine's network is down")
            .or("auto")
            .rare(),
        key("heartbeat", ValueForm::Section(HEARTBEAT), "a URL to request while webmon works: a dead man's switch"),
        key(
            "maintenance",
            ValueForm::List(MAINTENANCE, 0..=1_000),
            "when outlets are not notified of a site; checks continue",
        ),
    ]
};

/// The limits of both ends of `calm`, seconds.
const CALM: [u64; 2] = [1, DAY];

static HEARTBEAT: &[DeclaredKey] = &[
    key("url", ValueForm::Url, "such as a check at healthchecks.io")
        .such_as("https://hc-ping.com/your-uuid")
        .required()
        .secret(),
    key("every", seconds(10, DAY), "how often").or("1m").such_as("5m"),
];

static MAINTENANCE: &[DeclaredKey] = &[
    key("every", ValueForm::Names(40), "mon to sun, a range of them, day, 1 to 31, last; without it: once")
        .such_as("[mon-fri, sun]"),
    key("from", ValueForm::Text, "when it begins, by the clock of the zone; once: 2026-12-01T22:00")
        .such_as("\"02:00\"")
        .required(),
    key("to", ValueForm::Text, "when it ends; the next day when not after `from`").such_as("\"04:30\"").required(),
    key("zone", ValueForm::Text, "an IANA time zone; default: this machine's").such_as("Europe/Berlin"),
    key("sites", ValueForm::Names(10_000), "names of sites and groups (group:shop)").or("all").such_as("[api]"),
    key("reason", ValueForm::Text, "shown with held alerts").such_as("backup"),
];
