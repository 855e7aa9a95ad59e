//! Runs `alerting.exec`: once for all alerts that wait, with their JSON lines on stdin.
//!
//! Invariants: those of [`crate::app::system::program`]. Bounds: [`LIMIT`] per call, [`MESSAGES_MAX`] of messages in the environment.

use std::time::Duration;

use crate::alert::News;
use crate::app::system::program::{Call, CallFailure, run};
use crate::config::Exec;
use crate::report::json;

/// The longest time of a call.
pub const LIMIT: Duration = Duration::from_secs(10);
/// The longest text of `WEBMON_MESSAGE`, bytes: half of the limit of Linux for one variable.
const MESSAGES_MAX: usize = 64 << 10;

/// Runs `exec` for `news`, at least one, as attempt number `attempt` (from 1), and returns the last line that it printed, made harmless.
///
/// # Errors
/// [`CallFailure`].
pub async fn call(
    exec: &Exec,
    (news, attempt): (&[News], u32),
    limit: Duration,
) -> Result<Option<String>, CallFailure> {
    let mut input = Vec::new();
    news.iter().try_for_each(|news| json::news(&mut input, news)).expect("writing to a Vec cannot fail");
    let variables = vec![
        ("WEBMON_MESSAGE", messages(news).into()),
        ("WEBMON_ALERTS", news.len().to_string().into()),
        ("WEBMON_ATTEMPT", attempt.to_string().into()),
    ];
    run(Call { exec, key: "alerting.exec", input, variables, folder: None, limit }).await
}

/// The messages, one per line, as many whole ones as fit.
fn messages(news: &[News]) -> String {
    let mut messages = String::new();
    for message in news.iter().map(|news| &news.alert.message).filter(|message| !message.is_empty()) {
        if messages.len() + 1 + message.len() > MESSAGES_MAX {
            break;
        }
        if !messages.is_empty() {
            messages.push('\n');
        }
        messages.push_str(message);
    }
    messages
}

#[cfg(test)]
#[cfg(unix)]
pub mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use serde_json::Value;

    use super::*;
    use crate::alert::{Alert, AlertRecord, AlertState, NewsContext, NewsKind, Policies, RuleKind, Transition};
    use crate::model::{KnownSecrets, Secret, Timestamp};
    use crate::report::text::alert_text;
    use crate::stats::Availability;

    /// Far more than anything takes.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// A script that is read by sh: a file that was just written may not be run while another test's child has it open.
    pub fn sh(script: &str) -> Arc<Exec> {
        let arguments = ["-c", script, "sh"].map(Secret::new).to_vec();
        let secrets = KnownSecrets::new(["hunter2"]);
        Arc::new(Exec { program: "/bin/sh".into(), arguments, shown: "notify.sh".to_owned(), secrets })
    }

    pub fn news(sites: &[&str]) -> Vec<News> {
        let at = Timestamp::from_secs(1_795_340_000);
        let availability = Availability { up: 3, checks: 4 };
        let transition = Transition {
            rule: RuleKind::Availability,
            at,
            state: AlertState::Down,
            since: at,
            downtime: None,
            availability: Some(availability),
            reading: None,
            locations: None,
        };
        let of = |site: &&str| {
            let facts = Alert::new((*site).into(), &Policies::default(), &transition);
            let alert = AlertRecord { message: alert_text(&facts, &TimeZone::UTC), facts };
            News { kind: NewsKind::Opened, alert, context: NewsContext::default() }
        };
        sites.iter().map(of).collect()
    }

    #[tokio::test]
    async fn all_alerts_of_a_moment_are_one_call_with_a_line_each() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let script = format!(
            "cat > '{0}'; printf '%s|%s|%s' \"$WEBMON_MESSAGE\" $WEBMON_ALERTS $WEBMON_ATTEMPT >> '{0}'",
            out.display()
        );
        let told = call(&sh(&script), (&news(&["api", "shop; rm -rf $HOME `x`"]), 3), PATIENCE).await;
        assert_eq!(told, Ok(None));
        let written = std::fs::read_to_string(&out).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        let sites = lines[..2].iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["site"].clone());
        assert_eq!(sites.collect::<Vec<_>>(), ["api", "shop; rm -rf $HOME `x`"]);
        assert_eq!(lines[2], "Website api is down. availability=75.00%, time=2026-11-22T09:33:20+00:00");
        assert!(lines[3].starts_with("Website shop; rm") && lines[3].ends_with("+00:00|2|3"), "{}", lines[3]);
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_and_nothing_more_happens() {
        let many: Vec<String> = (0..20_000).map(|n| format!("site {n}")).collect();
        let many = news(&many.iter().map(String::as_str).collect::<Vec<_>>());
        for (script, expected) in [
            ("exit 3", "alerting.exec: notify.sh failed (exit status: 3)"),
            ("echo no; echo 'no \u{1b}[2Jroute' >&2; exit 1", "failed (exit status: 1): no \u{fffd}[2Jroute"),
            ("echo 'no such token: hunter2'; exit 1", "failed (exit status: 1): no such token: ***"),
            ("kill -9 $$", "failed (signal: 9 (SIGKILL))"),
            ("while :; do echo 12345678901234567890123456789012345678901234567890; done", "printed more than 1048576"),
            ("cat /dev/zero >&2", "printed more than 1048576 bytes and was killed"),
        ] {
            let told = call(&sh(script), (&many, 1), PATIENCE).await.unwrap_err();
            assert!(told.reason.contains(expected) && !told.is_unsent, "{script}: {told:?}");
        }
        // It need not read what it is given.
        assert_eq!(call(&sh("echo quick"), (&many, 1), PATIENCE).await, Ok(Some("quick".to_owned())));
        let gone = Exec { program: "/nowhere/notify.sh".into(), ..(*sh("")).clone() };
        let told = call(&gone, (&many, 1), PATIENCE).await.unwrap_err();
        assert!(told.reason.contains("cannot be run: it is not there") && told.is_unsent, "{told:?}");
        // A script whose interpreter is not there is there itself.
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("notify.sh");
        std::fs::write(&script, "#!/bin/sh\r\nexit 0\r\n").unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let told = call(&Exec { program: script, ..(*sh("")).clone() }, (&many, 1), PATIENCE).await.unwrap_err();
        let expected = "it asks for the interpreter \"/bin/sh\\r\": it has Windows line endings";
        assert!(told.reason.contains(expected) && told.is_unsent, "{told:?}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed() {
        let told = call(&sh("sleep 1000"), (&news(&["api"]), 1), Duration::from_millis(20)).await.unwrap_err();
        assert!(told.reason.contains("was still running after 0 s and was killed") && !told.is_unsent, "{told:?}");
    }

    #[tokio::test]
    async fn what_is_killed_is_killed_with_everything_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        // The first one ends at once and leaves a child behind that holds its outputs; the second one waits itself.
        for end in ["exit 0", "wait"] {
            let file = folder.path().join(end);
            let script = format!("sleep 1000 & echo $$ $! end > '{}'; {end}", file.display());
            let (exec, news) = (sh(&script), news(&["api"]));
            let started = async {
                loop {
                    let written = std::fs::read_to_string(&file).unwrap_or_default();
                    if written.ends_with("end\n") {
                        return written;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let written = tokio::select! {
                told = call(&exec, (&news, 1), PATIENCE) => panic!("{end}: {told:?}"),
                written = started => written,
            };
            for pid in written.split_whitespace().take(2) {
                assert!(is_gone(pid).await, "{end}: {pid} is still there");
            }
        }
    }

    /// Whether the process `pid` ends. What another process has to reap (init, of an orphan) may stay as a zombie.
    async fn is_gone(pid: &str) -> bool {
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
        };
        for _ in 0..6_000 {
            if matches!(state(), None | Some('Z' | 'X')) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}
