//! Which sites a location checks, and how: the first frame of a session, and again at each reload.
//!
//! ```text
//! revision | part | parts | sites | (site, name, group, interval µs, timeout µs, shown URL, hash 8 B) for each
//! ```
//!
//! Invariants: sites ascend, over the parts too. A roster is complete once every part of a revision has come.

use std::time::Duration;

use crate::model::SiteId;
use crate::model::time::duration::micros;
use crate::store::codec::frame::{Cursor, Damage, put};

use super::fields::{Ascending, put_cut, take_clean, take_count};

/// The longest name, group or URL, bytes; longer ones are cut.
pub const ROSTER_TEXT_MAX: usize = 2 << 10;

/// A site takes at least this many bytes.
const SITE_MIN: usize = 6 + size_of::<u64>();

/// A part of the sites that a location checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Counts up within a session.
    pub revision: u64,
    /// Which part of the revision this is, from 0.
    pub part: u32,
    /// How many parts it has, at least one.
    pub parts: u32,
    /// The sites of this part.
    pub sites: Vec<RosterSite>,
}

/// A site as its location has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterSite {
    /// Its number in the sender's store.
    pub site: SiteId,
    /// Its name, the same at all locations.
    pub name: String,
    /// Its group; empty without one.
    pub group: String,
    /// The time between two checks.
    pub interval: Duration,
    /// The longest time that a check may take.
    pub timeout: Duration,
    /// The URL as it may be shown, without secrets.
    pub url: String,
    /// Of everything that is probed, with `${…}` as it is in the file: differs where two locations check different things.
    pub hash: u64,
}

impl RosterSite {
    /// Most bytes that it takes in a frame.
    #[must_use]
    pub const fn size_max(&self) -> usize {
        let texts = self.name.len() + self.group.len() + self.url.len();
        5 + 3 * 2 + 2 * 10 + size_of::<u64>() + texts
    }
}

/// Appends `roster`.
pub fn put_roster(out: &mut Vec<u8>, roster: &Roster) {
    for number in [roster.revision, u64::from(roster.part), u64::from(roster.parts), roster.sites.len() as u64] {
        put(out, number);
    }
    let mut sites = Ascending::default();
    for site in &roster.sites {
        sites.put(out, site.site);
        put_cut(out, &site.name, ROSTER_TEXT_MAX);
        put_cut(out, &site.group, ROSTER_TEXT_MAX);
        put(out, micros(site.interval));
        put(out, micros(site.timeout));
        put_cut(out, &site.url, ROSTER_TEXT_MAX);
        out.extend_from_slice(&site.hash.to_le_bytes());
    }
}

/// Takes a roster.
pub fn take_roster(cursor: &mut Cursor<'_>) -> Result<Roster, Damage> {
    let (revision, part, parts) = (cursor.take()?, cursor.take_as()?, cursor.take_as()?);
    if part >= parts {
        return Err(Damage::Range);
    }
    let count = take_count(cursor, usize::MAX, SITE_MIN)?;
    let mut ascending = Ascending::default();
    let mut site = || -> Result<RosterSite, Damage> {
        Ok(RosterSite {
            site: ascending.take(cursor)?,
            name: take_clean(cursor, ROSTER_TEXT_MAX)?,
            group: take_clean(cursor, ROSTER_TEXT_MAX)?,
            interval: Duration::from_micros(cursor.take()?),
            timeout: Duration::from_micros(cursor.take()?),
            url: take_clean(cursor, ROSTER_TEXT_MAX)?,
            hash: u64::from_le_bytes(cursor.take_array()?),
        })
    };
    let sites = (0..count).map(|_| site()).collect::<Result<_, Damage>>()?;
    Ok(Roster { revision, part, parts, sites })
}
