//! Runs `alerting.exec`: once for all alerts that wait, with their JSON lines on stdin.
//!
//! Each call has its own process group, which ends with the call: when the program has exited and closed its outputs, or by
//! a kill of the group. A blocking thread starts the program, because an `exec` from a slow disk waits.
//!
//! Invariants: no shell. A program that fails, hangs, floods or is missing costs a warning and nothing else. It inherits
//! webmon's environment without the variables of the service manager, and never webmon's outputs. The group is killed
//! before its leader is reaped, so its id cannot belong to another group yet.
//! Bounds: [`LIMIT`] per call, [`OUTPUT_MAX`] of output, [`MESSAGES_MAX`] of messages in the environment. webmon does not follow a program that detaches itself (`setsid`, outputs closed).

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

use crate::alert::News;
#[cfg(unix)]
use crate::app::system::reap;
use crate::config::{DEFAULT_PATH, Exec, obstacle_of};
use crate::model::Secret;
use crate::model::text::clean_line;
use crate::report::json;

/// The longest time of a call.
pub const LIMIT: Duration = Duration::from_secs(10);
/// The longest text of `WEBMON_MESSAGE`, bytes: half of the limit of Linux for one variable.
const MESSAGES_MAX: usize = 64 << 10;
/// The largest output of a program, bytes.
const OUTPUT_MAX: usize = 1 << 20;
/// The end of its output that is kept, bytes.
const KEPT: usize = 4 << 10;
/// The longest line of its output that a warning quotes, bytes.
const QUOTED_MAX: usize = 160;
/// The wait for the end of a killed program.
const REAP: Duration = Duration::from_secs(1);
/// Variables of the service manager, for webmon alone.
const NOT_INHERITED: [&str; 5] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"];

/// Why a program did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFailure {
    /// A sentence for the user.
    pub reason: String,
    /// Whether it was not started.
    pub is_unsent: bool,
}

/// Runs `exec` for `news`, at least one, as attempt number `attempt` (from 1), and returns the last line that it printed, made harmless.
///
/// # Errors
/// [`CallFailure`].
pub async fn call(
    exec: &Exec,
    (news, attempt): (&[News], u32),
    limit: Duration,
) -> Result<Option<String>, CallFailure> {
    let failed =
        |what: String| CallFailure { reason: format!("alerting.exec: {} {what}", exec.shown), is_unsent: false };
    let mut input = Vec::new();
    news.iter().try_for_each(|news| json::news(&mut input, news)).expect("writing to a Vec cannot fail");
    let mut command = command(exec, news, attempt);
    let spawned = tokio::task::spawn_blocking(move || Started::by(&mut command)).await.map_err(io::Error::other);
    let mut started = spawned.flatten().map_err(|error| {
        let why = obstacle(exec).map_or_else(|| error.to_string(), |why| format!("it {why}"));
        CallFailure { is_unsent: true, ..failed(format!("cannot be run: {why}")) }
    })?;
    let ended = tokio::time::timeout(limit, converse(&mut started.child, &input)).await;
    let (status, last_line) = match ended {
        Ok(Ok(ended)) => ended,
        problem => {
            drop(started.group);
            // A killed program ends at once, unless it waits for a disk that hangs: then it is reaped later.
            let _reaped = tokio::time::timeout(REAP, started.child.wait()).await;
            let what = match problem {
                Err(_) => format!("was still running after {} s and was killed", limit.as_secs()),
                Ok(Err(ExecError::Flood)) => format!("printed more than {OUTPUT_MAX} bytes and was killed"),
                Ok(Err(ExecError::System(error))) => format!("could not be followed and was killed: {error}"),
                Ok(Ok(_)) => unreachable!("that is no problem"),
            };
            return Err(failed(what));
        }
    };
    started.group.has_ended();
    let last_line = last_line.map(|line| exec.secrets.hidden_in(&line));
    if status.success() {
        return Ok(last_line);
    }
    let said = last_line.map_or_else(String::new, |line| format!(": {line}"));
    // The exit codes of a shell or env that cannot run its command.
    let why = status.code().filter(|code| [126, 127].contains(code)).and_then(|_| obstacle(exec));
    let said = why.map_or_else(|| said.clone(), |why| format!("{said}; it {why}"));
    Err(failed(format!("failed ({status}){said}")))
}

/// The visible reason why the program cannot run.
fn obstacle(exec: &Exec) -> Option<String> {
    let search = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    obstacle_of(&exec.program, &search)
}

fn command(exec: &Exec, news: &[News], attempt: u32) -> Command {
    let mut command = Command::new(&exec.program);
    command.args(exec.arguments.iter().map(Secret::expose));
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.env("WEBMON_MESSAGE", messages(news));
    command.env("WEBMON_ALERTS", news.len().to_string()).env("WEBMON_ATTEMPT", attempt.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command
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

enum ExecError {
    Flood,
    System(io::Error),
}

/// Writes the input of `child`, reads until both its outputs are closed, and waits for its end.
async fn converse(child: &mut Child, input: &[u8]) -> Result<(ExitStatus, Option<String>), ExecError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let fed = async {
        feed(stdin, input).await;
        std::future::pending().await
    };
    let heard = async {
        let (out, err) = tokio::try_join!(listen(stdout), listen(stderr))?;
        let status = child.wait().await.map_err(ExecError::System)?;
        Ok((status, last_line(&err).or_else(|| last_line(&out))))
    };
    tokio::select! {
        heard = heard => heard,
        // A program need not read its input.
        ended = fed => ended,
    }
}

async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        // It closed its stdin and does not want the rest.
        let _unwanted = stdin.write_all(input).await;
    }
}

/// Reads `output` until it is closed; returns its end.
async fn listen(output: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, ExecError> {
    let (mut kept, mut total) = (Vec::with_capacity(2 * KEPT), 0);
    let Some(mut output) = output else { return Ok(kept) };
    loop {
        if kept.len() > KEPT {
            kept.drain(..kept.len() - KEPT);
        }
        match output.read_buf(&mut kept).await.map_err(ExecError::System)? {
            0 => return Ok(kept),
            read => total += read,
        }
        if total > OUTPUT_MAX {
            return Err(ExecError::Flood);
        }
    }
}

fn last_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(clean_line(line, QUOTED_MAX))
}

/// A program and its group, together from the start, so that cancelling the start leaves no process behind. The group is
/// dropped first, and so killed before its leader is reaped.
struct Started {
    group: ProcessGroup,
    child: Child,
    /// Dropped last, because nothing else may reap it before.
    #[cfg(unix)]
    _own: reap::Own,
}

impl Started {
    #[cfg(unix)]
    fn by(command: &mut Command) -> io::Result<Self> {
        let (child, own) = reap::start(command)?;
        Ok(Self { group: ProcessGroup::of(&child), child, _own: own })
    }

    #[cfg(not(unix))]
    fn by(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        Ok(Self { group: ProcessGroup::of(&child), child })
    }
}

/// A process group that is killed when this is dropped.
struct ProcessGroup(#[cfg(unix)] Option<rustix::process::Pid>);

impl ProcessGroup {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        Self(number.and_then(rustix::process::Pid::from_raw))
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self()
    }

    /// Notes that the leader was reaped: the id may belong to another group from now on.
    #[allow(unused_mut, reason = "there is nothing to take where there are no groups")]
    fn has_ended(mut self) {
        #[cfg(unix)]
        self.0.take();
    }
}

#[cfg(unix)]
impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails only when the group is empty.
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
pub mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use serde_json::Value;

    use super::*;
    use crate::alert::{Alert, AlertRecord, AlertState, NewsContext, NewsKind, Policies, RuleKind, Transition};
    use crate::model::{KnownSecrets, Timestamp};
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
        // The first one ends at once and leaves somebody behind who holds its outputs; the second one waits itself.
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

    /// Whether the process `pid` ends. What somebody else has to reap (init, of an orphan) may stay as a zombie.
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
