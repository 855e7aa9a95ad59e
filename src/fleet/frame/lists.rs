//! The two kinds that are lists: certificates, as the store keeps them, and holes, which no sample will ever fill.
//!
//! ```text
//! certificates   sites | (site, certificate) for each
//! gone           holes | (distance from the site before it, 0 for the same; first number; how many more) for each
//! ```

use crate::model::text::clean;
use crate::model::{Certificate, SiteId};
use crate::store::codec::certificate::{NAME_MAX, put_certificate, take_certificate};
use crate::store::codec::frame::{Cursor, Damage, put};

use super::fields::{Ascending, in_range, take_count, take_number};

/// Samples that do not exist: retention removed them, or they were lost before they were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The site.
    pub site: SiteId,
    /// The number of the first.
    pub from: u64,
    /// The number after the last.
    pub to: u64,
}

/// A certificate takes at least this many bytes with its site: two lengths, two times, a count.
const CERTIFICATE_MIN: usize = 6;

/// Most bytes of a certificate with its site, without its names and its faults.
pub const CERTIFICATE_AROUND: usize = 5 + 2 * 2 + 2 * 10 + 1;

/// A hole takes at least this many bytes.
const HOLE_MIN: usize = 3;

/// Appends `certificates`, by ascending site.
pub fn put_certificates(out: &mut Vec<u8>, certificates: &[(SiteId, Certificate)]) {
    put(out, certificates.len() as u64);
    let mut sites = Ascending::default();
    for (site, certificate) in certificates {
        sites.put(out, *site);
        put_certificate(out, certificate);
    }
}

/// Takes certificates.
pub fn take_certificates(cursor: &mut Cursor<'_>) -> Result<Vec<(SiteId, Certificate)>, Damage> {
    let count = take_count(cursor, usize::MAX, CERTIFICATE_MIN)?;
    let mut sites = Ascending::default();
    let mut one = || {
        let (site, mut certificate) = (sites.take(cursor)?, take_certificate(cursor)?);
        for name in [&mut certificate.subject, &mut certificate.issuer] {
            if name.len() > NAME_MAX {
                return Err(Damage::Range);
            }
            *name = clean(name);
        }
        Ok((site, certificate))
    };
    (0..count).map(|_| one()).collect()
}

/// Appends `holes`, by ascending site, those of one site in order.
pub fn put_holes(out: &mut Vec<u8>, holes: &[Hole]) {
    put(out, holes.len() as u64);
    let mut before = SiteId(0);
    for hole in holes {
        debug_assert!(hole.site >= before && hole.from < hole.to);
        put(out, u64::from(hole.site.0 - before.0));
        put(out, hole.from);
        put(out, hole.to - hole.from - 1);
        before = hole.site;
    }
}

/// Takes holes.
pub fn take_holes(cursor: &mut Cursor<'_>) -> Result<Vec<Hole>, Damage> {
    let count = take_count(cursor, usize::MAX, HOLE_MIN)?;
    let mut before = 0_u32;
    let mut one = || {
        before = before.checked_add(cursor.take_as()?).ok_or(Damage::Range)?;
        let from = take_number(cursor)?;
        let to = cursor.take()?.checked_add(1).and_then(|length| length.checked_add(from)).ok_or(Damage::Range)?;
        Ok(Hole { site: SiteId(before), from, to: in_range(to)? })
    };
    (0..count).map(|_| one()).collect()
}
