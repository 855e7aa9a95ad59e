//! `quorum`, `min_locations` and `partial`, of `alerting` and of a site's `alert`.

use crate::alert::quorum::{Quorum, QuorumError, QuorumRule};
use crate::config::keys::mapping::Keys;
use crate::config::keys::value::set;

/// Replaces what is written in `keys`.
pub(super) fn read(keys: &mut Keys<'_, '_>, rule: &mut QuorumRule) {
    set(&mut rule.quorum, keys.value("quorum", quorum));
    set(&mut rule.min_locations, keys.whole("min_locations").map(Some));
    set(&mut rule.partial, keys.boolean("partial"));
}

fn quorum(text: &str) -> Result<Quorum, String> {
    let text = text.trim();
    text.parse().map_err(|error| match error {
        QuorumError::Unknown => {
            format!("{text:?} is not a quorum; write majority, any, all, a number of locations, or a share such as 40%")
        }
        error => format!("{text} is not a quorum: {error}"),
    })
}
