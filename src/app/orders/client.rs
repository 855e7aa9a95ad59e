//! The side of a command: leaves an order for the monitor of a store and waits for its answer.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::alert::incident::order::{OrderedBy, UserOrder};
use crate::app::exit::CommandError;
use crate::model::text::{clean_line, shown_path};
use crate::store::Archive;

use super::file_format::{Answer, encode};
use super::folder::OrderFolder;

/// How long a command waits for an answer: the monitor looks once a second, then it commits.
pub const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);

/// The most bytes of a login name.
const NAME_MAX: usize = 64;

/// The time in the name of the last order: a name is used once.
static LAST: AtomicU64 = AtomicU64::new(0);

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The monitor obeyed or refused it.
    Answered(Answer),
    /// No monitor writes to the store: it waits for the next start.
    Waits,
    /// The monitor has not taken it yet.
    Unanswered,
}

/// The login name of the user, by the environment: the person behind `sudo`, if there is one.
#[must_use]
pub fn login_name() -> Arc<str> {
    let variables = ["SUDO_USER", "LOGNAME", "USER", "USERNAME"];
    let name = variables.into_iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.trim().is_empty());
    name.map_or_else(unnamed, |name| clean_line(&name, NAME_MAX).into())
}

#[cfg(unix)]
fn unnamed() -> Arc<str> {
    format!("somebody (uid {})", rustix::process::getuid().as_raw()).into()
}

#[cfg(not(unix))]
fn unnamed() -> Arc<str> {
    "somebody".into()
}

/// Leaves `order` for the monitor of `store`, whose path is resolved. Returns its name.
///
/// # Errors
/// [`CommandError::StoreFault`]: the folder cannot be written to.
pub fn leave(store: &Path, order: &UserOrder, ordered: &OrderedBy) -> Result<String, CommandError> {
    let folder = OrderFolder::of(store);
    let at = ordered.at.as_micros();
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(at.max(last + 1)));
    let name = format!("{}-{}", at.max(last.unwrap_or_default() + 1), std::process::id());
    folder.leave(store, &name, &encode(order, ordered)).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied => "; give it as the user of the monitor, for instance with `sudo -u USER`",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room first",
            ErrorKind::ReadOnlyFilesystem => "; the monitor cannot take orders there",
            _ => "",
        };
        CommandError::StoreFault(format!("cannot leave the order in {}: {error}{hint}", shown_path(folder.path())))
    })?;
    Ok(name)
}

/// Leaves `order` and waits for the answer, at most [`PATIENCE`].
///
/// # Errors
/// Those of [`leave`].
pub fn send(store: &Path, order: &UserOrder, ordered: &OrderedBy) -> Result<Fate, CommandError> {
    let name = leave(store, order, ordered)?;
    let folder = OrderFolder::of(store);
    let mut looks = PATIENCE.as_millis() / LOOK.as_millis();
    loop {
        if let Some(answer) = folder.answer(&name).and_then(|bytes| Answer::decode(&bytes)) {
            if answer.is_saved {
                // The monitor removes it, too; it may have ended in between.
                let _left = folder.remove(&name);
            }
            let _left = folder.remove_answer(&name);
            return Ok(Fate::Answered(answer));
        }
        if Archive::has_writer(store) == Some(false) {
            return Ok(Fate::Waits);
        }
        if looks == 0 {
            return Ok(Fate::Unanswered);
        }
        looks -= 1;
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_login_name_is_somebody_with_a_number() {
        let expected = format!("somebody (uid {})", rustix::process::getuid().as_raw());
        assert_eq!(*unnamed(), *expected);
    }
}
