//! `webmon alerts --test`: sends one test alert to `alerting.exec`, as if it were real.

use std::io::Write as _;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::runtime::Builder;

use crate::alert::{Alert, AlertRecord, AlertState, News, NewsContext, NewsKind, Policies, RuleKind, Transition};
use crate::app::alerts::program::{LIMIT, call};
use crate::app::cli::args::CommonArgs;
use crate::app::cli::selection::load;
use crate::app::cli::stdout::print;
use crate::app::cli::zone;
use crate::app::clock;
use crate::app::exit::{CommandError, Ending};
use crate::app::system::threads;
use crate::model::Timestamp;
use crate::report::text::alert_text;
use crate::stats::Availability;

/// The site of the test alert.
const SITE: &str = "webmon-test";

/// Sends the alert and reports the result.
///
/// # Errors
/// [`CommandError`]: the configuration, or the error of the called program.
pub fn send(common: &CommonArgs) -> Result<Ending, CommandError> {
    let config = load(&common.config)?;
    let Some(exec) = config.exec else {
        let file = common.config.display();
        return Err(CommandError::Usage(format!(
            "no alerting.exec configured in {file}; for example: alerting: {{ exec: [notify.sh, ops] }}"
        )));
    };
    let alert = test_alert(clock::wall(), &zone::local_or_complain());
    let runtime = threads::runtime(&mut Builder::new_current_thread()).context("cannot start a runtime")?;
    let news = News { kind: NewsKind::Opened, alert, context: NewsContext::default() };
    let told = runtime.block_on(call(&exec, (std::slice::from_ref(&news), 1), LIMIT));
    // A program that cannot be reaped must not keep the process.
    runtime.shutdown_background();
    let said = told.map_err(anyhow::Error::msg)?;
    print(|out| {
        writeln!(out, "sent to {}: {}", exec.shown, news.alert.message)?;
        said.iter().try_for_each(|said| writeln!(out, "output: {said}"))
    })?;
    Ok(Ending::Done)
}

fn test_alert(now: Timestamp, zone: &TimeZone) -> AlertRecord {
    let transition = Transition {
        rule: RuleKind::Availability,
        at: now,
        state: AlertState::Down,
        since: now,
        downtime: None,
        availability: Some(Availability { up: 0, checks: 1 }),
        reading: None,
    };
    let facts = Alert::new(SITE.into(), &Policies::default(), &transition);
    AlertRecord { message: alert_text(&facts, zone), facts }
}
