//! That a location lives and how it is: sent every 5 s.
//!
//! `version of webmon | lag | 1 if its own network is down | sites | each paused site`

use crate::model::SiteId;
use crate::store::codec::frame::{Cursor, Damage, put};

use super::fields::{Ascending, put_cut, take_clean, take_count};

/// The longest version, bytes; a longer one is cut.
const VERSION_TEXT_MAX: usize = 64;

/// How a location is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The version of webmon that it runs.
    pub version: String,
    /// Samples that it has stored and no server has acknowledged.
    pub lag: u64,
    /// Whether nothing can be reached from there: its checks say nothing about the sites.
    pub is_network_down: bool,
    /// The sites that are paused there, ascending.
    pub paused: Vec<SiteId>,
}

/// Appends `status`.
pub fn put_status(out: &mut Vec<u8>, status: &Status) {
    put_cut(out, &status.version, VERSION_TEXT_MAX);
    for number in [status.lag, u64::from(status.is_network_down), status.paused.len() as u64] {
        put(out, number);
    }
    let mut sites = Ascending::default();
    status.paused.iter().for_each(|site| sites.put(out, *site));
}

/// Takes a status.
pub fn take_status(cursor: &mut Cursor<'_>) -> Result<Status, Damage> {
    let (version, lag) = (take_clean(cursor, VERSION_TEXT_MAX)?, cursor.take()?);
    let is_network_down = match cursor.take()? {
        0 => false,
        1 => true,
        _ => return Err(Damage::Range),
    };
    let count = take_count(cursor, usize::MAX, 1)?;
    let mut sites = Ascending::default();
    let paused = (0..count).map(|_| sites.take(cursor)).collect::<Result<_, Damage>>()?;
    Ok(Status { version, lag, is_network_down, paused })
}
