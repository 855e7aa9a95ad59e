//! The text of `/metrics` in parts, each written when the one before is gone.
//!
//! A family has to be in one piece, so the text goes through all sites once a family; the place where a part ends is all that is
//! kept of it. Invariant: the parts together are the text of one moment, that of the [`Scrape`]. Bounds: a part of [`CHUNK`] bytes
//! and the series of one site in one family.

use std::sync::Arc;

use super::encoder::{Encoder, Exposition};
use super::family::{Family, Labelled};
use super::hub::WholeReading;
use super::reading::{ProgramReading, SiteReading};
use super::{hub, program, sites};

/// A part is full at so many bytes.
const CHUNK: usize = 64 << 10;

/// Room for the series of the site that fills a part.
const SPARE: usize = 4 << 10;

/// What is said at one moment, and how.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The format.
    pub exposition: Exposition,
    /// The sites.
    pub sites: Vec<SiteReading>,
    /// webmon itself.
    pub program: ProgramReading,
    /// Whether response times come in buckets.
    pub histogram: bool,
}

/// See the module.
pub struct Chunks {
    scrape: Arc<Scrape>,
    of_sites: Vec<&'static Family<SiteReading>>,
    of_wholes: &'static [Family<WholeReading>],
    place: Option<Place>,
    /// The labels of one site, written anew for each.
    labels: String,
}

/// Where the next part begins: at this row of this family.
#[derive(Clone, Copy, Default)]
struct Place {
    family: usize,
    row: usize,
}

impl Chunks {
    /// The text of `scrape`.
    #[must_use]
    pub fn new(scrape: Arc<Scrape>) -> Self {
        let is_wanted = |family: &&Family<SiteReading>| match family.name {
            sites::RESPONSE => scrape.histogram,
            sites::QUANTILES => scrape.sites.iter().any(|site| site.quantiles.is_some()),
            _ => true,
        };
        let of_sites = sites::FAMILIES.iter().filter(is_wanted).collect();
        let of_wholes = if scrape.program.hub.is_some() { &hub::FAMILIES[..] } else { &[] };
        Self { scrape, of_sites, of_wholes, place: Some(Place::default()), labels: String::new() }
    }

    /// Whether every part was written.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.place.is_none()
    }

    /// Goes on from `place` until `out` is full or a family is over. Returns where to go on.
    fn write(&mut self, out: &mut Encoder, place: Place) -> Option<Place> {
        let (scrape, labels) = (&*self.scrape, &mut self.labels);
        let hub = scrape.program.hub.as_ref();
        let more = if let Some(family) = self.of_sites.get(place.family) {
            rows(out, family, (&scrape.sites, place.row), labels)
        } else if let Some(family) = self.of_wholes.get(place.family - self.of_sites.len()) {
            rows(out, family, (hub.map_or(&[], |hub| &hub.sites), place.row), labels)
        } else {
            if let Some(hub) = hub {
                hub::locations(out, &hub.locations);
            }
            program::about_program(out, &scrape.program);
            out.end();
            return None;
        };
        Some(more.map_or(Place { family: place.family + 1, row: 0 }, |row| Place { row, ..place }))
    }
}

impl Iterator for Chunks {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut place = self.place?;
        let mut out = Encoder::new(self.scrape.exposition, CHUNK + SPARE);
        loop {
            self.place = self.write(&mut out, place);
            match self.place {
                Some(next) if out.len() < CHUNK => place = next,
                _ => return Some(out.finish()),
            }
        }
    }
}

/// Writes the series of `family` of the rows from `from` on. Returns the row to go on with; none at the end.
fn rows<T: Labelled>(
    out: &mut Encoder,
    family: &Family<T>,
    (rows, from): (&[T], usize),
    labels: &mut String,
) -> Option<usize> {
    if from == 0 {
        out.family(family.name, family.kind, family.help);
    }
    for (at, row) in rows.iter().enumerate().skip(from) {
        labels.clear();
        row.labels(labels);
        (family.write)(out, family.name, row, labels);
        if out.len() >= CHUNK {
            return Some(at + 1);
        }
    }
    None
}
