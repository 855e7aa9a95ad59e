//! `webmon alerts --test`: sends a test alert to `alerting.exec` and to outlets, as if it were real; the store is left alone.
//!
//! A program gets a down. An outlet gets a down and, [`PAUSE`] later, its up, so that nothing stays open. Bounds: those of a
//! real call.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::runtime::{Builder, Runtime};

use crate::alert::{Alert, AlertRecord, AlertState, News, NewsContext, NewsKind, Policies, RuleKind, Transition};
use crate::app::alerts::program::{LIMIT, call};
use crate::app::cli::args::{AlertsArgs, CommonArgs, TableFormat};
use crate::app::cli::selection::load;
use crate::app::cli::stdout::{print, print_text};
use crate::app::cli::zone;
use crate::app::clock;
use crate::app::exit::{CommandError, Ending};
use crate::app::system::threads;
use crate::config::{Config, Exec, nearest};
use crate::model::Timestamp;
use crate::notify::{Envelope, Outlet, Sender};
use crate::report::text::alert_text;
use crate::stats::Availability;

/// The site of the test alert.
const SITE: &str = "webmon-test";

/// Between the down and its up.
const PAUSE: Duration = Duration::from_secs(2);

/// Sends the alert, or prints what would be sent, and reports the results.
///
/// # Errors
/// [`CommandError`]: the configuration, an unknown outlet, or the error of the called program.
pub fn test(args: &AlertsArgs, common: &CommonArgs) -> Result<Ending, CommandError> {
    let config = load(&common.config)?;
    let outlets = chosen(&config, args.test.as_deref().unwrap_or_default())?;
    let zone = zone::local_or_complain();
    if args.dry_run {
        return preview(&outlets, args.history.format, &zone);
    }
    let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
    let names_none = args.test.as_ref().is_none_or(Vec::is_empty);
    let program = config.exec.as_ref().filter(|_| names_none).map(|exec| run(&runtime, exec, &zone));
    let mut is_well = true;
    for outlet in &outlets {
        let (line, is_sent) = runtime.block_on(send(outlet, &zone));
        is_well &= is_sent;
        print_text(|out| writeln!(out, "{line}"))?;
    }
    // A program that cannot be reaped must not keep the process.
    runtime.shutdown_background();
    program.transpose()?;
    Ok(if is_well { Ending::Done } else { Ending::NotUp })
}

/// The outlets of these names; all without a name.
fn chosen(config: &Config, names: &[String]) -> Result<Vec<Arc<Outlet>>, CommandError> {
    let all = &config.alerting.outlets;
    if all.is_empty() && config.exec.is_none() {
        return Err(CommandError::Usage(
            "neither alerting.exec nor alerting.notify is configured; for example: \
             alerting: { notify: { ops: { slack: \"${SLACK_URL}\" } } }"
                .to_owned(),
        ));
    }
    for name in names {
        if !all.iter().any(|outlet| *outlet.name == **name) {
            let mut text = format!("there is no outlet {name:?} in alerting.notify");
            if let Some(near) = nearest(name, all.iter().map(|outlet| &*outlet.name)) {
                let _infallible = write!(text, "; did you mean {near}?");
            }
            return Err(CommandError::Usage(text));
        }
    }
    let is_chosen = |outlet: &&Arc<Outlet>| names.is_empty() || names.iter().any(|name| **name == *outlet.name);
    Ok(all.iter().filter(is_chosen).cloned().collect())
}

fn run(runtime: &Runtime, exec: &Exec, zone: &TimeZone) -> Result<(), CommandError> {
    let news = news(NewsKind::Opened, clock::wall(), zone);
    let said = runtime
        .block_on(call(exec, (std::slice::from_ref(&news), 1), LIMIT))
        .map_err(|failure| anyhow::Error::msg(failure.reason))?;
    print_text(|out| {
        writeln!(out, "sent to {}: {}", exec.shown, news.alert.message)?;
        said.iter().try_for_each(|said| writeln!(out, "output: {said}"))
    })?;
    Ok(())
}

/// Sends a down and an up to `outlet`. Returns a line about it, and whether the outlet took both.
async fn send(outlet: &Arc<Outlet>, zone: &TimeZone) -> (String, bool) {
    let head = format!("{}  {} {}", outlet.key, outlet.service.name(), outlet.service.shown());
    let mut sender = match Sender::new(Arc::clone(outlet), zone.clone()) {
        Ok(sender) => sender,
        Err(error) => return (format!("{head}  failed: {error}"), false),
    };
    let (mut answers, began) = (Vec::new(), clock::wall());
    for kind in [NewsKind::Opened, NewsKind::Closed] {
        if kind == NewsKind::Closed {
            tokio::time::sleep(PAUSE).await;
        }
        let began_at = clock::stopwatch();
        let envelope = envelope(kind, began, zone);
        match sender.send(&envelope, clock::wall()).await {
            Ok(delivered) => {
                let took = clock::stopwatch().duration_since(began_at).as_millis();
                answers.push(format!("{} in {took} ms", delivered.status));
            }
            Err(failure) => return (format!("{head}  failed: {}", failure.reason), false),
        }
    }
    (format!("{head}  {}  ok", answers.join(", ")), true)
}

fn preview(outlets: &[Arc<Outlet>], format: TableFormat, zone: &TimeZone) -> Result<Ending, CommandError> {
    let now = clock::wall();
    for outlet in outlets {
        let sender = Sender::new(Arc::clone(outlet), zone.clone()).map_err(anyhow::Error::new)?;
        for kind in [NewsKind::Opened, NewsKind::Closed] {
            let preview = sender.preview(&envelope(kind, now, zone), now);
            print(|out| {
                if format == TableFormat::Json {
                    return writeln!(out, "{}", preview.json(&outlet.key));
                }
                writeln!(out, "{}: {} {}", outlet.key, preview.method, preview.url)?;
                for (name, value) in &preview.headers {
                    writeln!(out, "{name}: {value}")?;
                }
                writeln!(out, "{}\n", preview.body)
            })?;
        }
    }
    Ok(Ending::Done)
}

/// The message of one event of the test incident, whose number is the time at which it began.
fn envelope(kind: NewsKind, began: Timestamp, zone: &TimeZone) -> Envelope {
    let incident = began.as_micros();
    let row = incident + u64::from(kind == NewsKind::Closed);
    let mut news = news(kind, began, zone);
    news.alert.facts.incident = Some(incident);
    let agent = "test".to_owned();
    Envelope { agent, row, incident, news: vec![news], attempt: 1, perhaps_repeat: false }
}

fn news(kind: NewsKind, began: Timestamp, zone: &TimeZone) -> News {
    let is_up = kind == NewsKind::Closed;
    let at = if is_up { began.after(PAUSE) } else { began };
    let state = if is_up { AlertState::Up } else { AlertState::Down };
    let availability = Availability { up: u64::from(is_up), checks: 1 };
    let transition = Transition {
        rule: RuleKind::Availability,
        at,
        state,
        since: began,
        downtime: is_up.then_some(PAUSE),
        availability: Some(availability),
        reading: None,
        locations: None,
    };
    let facts = Alert::new(SITE.into(), &Policies::default(), &transition);
    let context = NewsContext { url: "https://webmon-test.example/".into(), ..NewsContext::default() };
    News { kind, alert: AlertRecord { message: alert_text(&facts, zone), facts }, context }
}
