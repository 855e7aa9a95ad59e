//! The texts of failed checks in the file.
//!
//! Invariants: consecutive failures that share a text are one row. Bounds: [`SITE_TEXT_BYTES`] of rows per site, then its oldest
//! ones go.

use std::collections::HashMap;
use std::net::SocketAddr;

use redb::{ReadableTable, Table};

use crate::model::SiteId;
use crate::store::tables::record::TextRecord;
use crate::store::tables::schema;

/// Texts of one site in the file, with their keys.
pub const SITE_TEXT_BYTES: usize = 64 << 10;

/// The text of one failed check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureText {
    /// The site.
    pub site: SiteId,
    /// The sample, or the first of consecutive ones that share the text.
    pub seq: u64,
    /// The last of them.
    pub last: u64,
    /// The reason in words.
    pub detail: String,
    /// The address of the last connection or attempt.
    pub address: Option<SocketAddr>,
}

/// Bytes of texts in the file, of the sites that were written to since the database was opened.
#[derive(Debug, Default)]
pub struct TextSizes(HashMap<SiteId, usize>);

impl TextSizes {
    /// Clears the sizes, which may include uncommitted texts; they are counted again when needed.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

type Failures<'txn> = Table<'txn, (u32, u64), &'static [u8]>;

/// Writes `text`.
///
/// # Errors
/// Those of the database.
pub fn write_text(failures: &mut Failures<'_>, text: &FailureText, written: &mut TextSizes) -> Result<(), redb::Error> {
    let site = text.site.0;
    let mut key = text.seq;
    if let Some((first, last)) = last_text(failures, site)? {
        if (first..=last.last_seq).contains(&text.seq) && text.last <= last.last_seq {
            return Ok(());
        }
        // The same failure again: the row in the file grows by a sample, not by a text.
        if last.last_seq.checked_add(1) == Some(text.seq) && last.detail == text.detail && last.address == text.address
        {
            key = first;
        }
    }
    let mut bytes = Vec::new();
    TextRecord { last_seq: text.last, detail: text.detail.clone(), address: text.address }
        .encode((site, key), &mut bytes);
    let before = match written.0.get(&text.site) {
        Some(&bytes) => bytes,
        None => stored_bytes(failures, site)?,
    };
    let replaced = failures.insert((site, key), bytes.as_slice())?.map_or(0, |old| row_bytes(old.value()));
    let mut kept = before + row_bytes(&bytes) - replaced;
    while kept > SITE_TEXT_BYTES {
        let oldest = failures.range(schema::whole(site))?.next().transpose()?;
        let Some(oldest) = oldest.map(|(key, _)| key.value()) else { break };
        kept -= failures.remove(oldest)?.map_or(0, |old| row_bytes(old.value()));
    }
    written.0.insert(text.site, kept);
    Ok(())
}

fn last_text(failures: &Failures<'_>, site: u32) -> Result<Option<(u64, TextRecord)>, redb::Error> {
    let last = failures.range(schema::whole(site))?.next_back().transpose()?;
    Ok(last.and_then(|(key, bytes)| Some((key.value().1, TextRecord::decode(key.value(), bytes.value()).ok()?))))
}

fn stored_bytes(failures: &Failures<'_>, site: u32) -> Result<usize, redb::Error> {
    let rows = failures.range(schema::whole(site))?;
    rows.map(|row| Ok(row_bytes(row?.1.value()))).sum()
}

/// A row with its key.
const fn row_bytes(value: &[u8]) -> usize {
    value.len() + size_of::<u32>() + size_of::<u64>()
}
