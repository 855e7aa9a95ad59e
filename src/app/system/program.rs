//! Runs a program of sites.yaml: `alerting.exec`, `report.then`.
//!
//! Each call has its own process group, which ends with the call: when the program has exited and closed its outputs, or by
//! a kill of the group. A blocking thread starts the program, because an `exec` from a slow disk waits.
//!
//! Invariants: no shell. A program that fails, hangs, floods or is missing costs an error and nothing else. It inherits
//! webmon's environment without the variables of the service manager, and never webmon's outputs. The group is killed
//! before its leader is reaped, so its id cannot belong to another group yet; a call that is dropped kills it too.
//! Bounds: a limit per call, [`OUTPUT_MAX`] of output. webmon does not follow a program that detaches itself (`setsid`, outputs closed).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

use crate::config::{DEFAULT_PATH, Exec, obstacle_of};
use crate::model::Secret;
use crate::model::text::clean_line;

#[cfg(unix)]
use super::reap;

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

/// One run of a program.
pub struct Call<'a> {
    /// The program.
    pub exec: &'a Exec,
    /// Its key, for messages.
    pub key: &'static str,
    /// What it reads from stdin.
    pub input: Vec<u8>,
    /// Variables beside webmon's own.
    pub variables: Vec<(&'static str, OsString)>,
    /// Where it runs; `None`: where webmon runs.
    pub folder: Option<&'a Path>,
    /// The longest time.
    pub limit: Duration,
}

/// Makes `call`, and returns the last line that the program printed, made harmless.
///
/// # Errors
/// [`CallFailure`].
pub async fn run(call: Call<'_>) -> Result<Option<String>, CallFailure> {
    let exec = call.exec;
    let failed =
        |what: String| CallFailure { reason: format!("{}: {} {what}", call.key, exec.shown), is_unsent: false };
    let unsent = |error: io::Error| {
        let why = obstacle(exec).map_or_else(|| error.to_string(), |why| format!("it {why}"));
        CallFailure { is_unsent: true, ..failed(format!("cannot be run: {why}")) }
    };
    let mut command = command(&call).map_err(unsent)?;
    let spawned = tokio::task::spawn_blocking(move || Started::by(&mut command)).await.map_err(io::Error::other);
    let mut started = spawned.flatten().map_err(unsent)?;
    let ended = tokio::time::timeout(call.limit, converse(&mut started.child, &call.input)).await;
    let (status, last_line) = match ended {
        Ok(Ok(ended)) => ended,
        problem => {
            drop(started.group);
            // A killed program ends at once, unless it waits for a disk that hangs: then it is reaped later.
            let _reaped = tokio::time::timeout(REAP, started.child.wait()).await;
            let what = match problem {
                Err(_) => format!("was still running after {} s and was killed", call.limit.as_secs()),
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

fn command(call: &Call<'_>) -> io::Result<Command> {
    let exec = call.exec;
    let mut command = match call.folder {
        None => Command::new(&exec.program),
        Some(folder) => {
            // What has a slash is a path from where webmon runs, not from where the program will.
            let is_path = exec.program.components().count() > 1;
            let program: PathBuf = if is_path { std::path::absolute(&exec.program)? } else { exec.program.clone() };
            let mut command = Command::new(program);
            command.current_dir(Path::new(".").join(folder));
            command
        }
    };
    command.args(exec.arguments.iter().map(Secret::expose));
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(call.variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    Ok(command)
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
