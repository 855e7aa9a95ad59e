//! A postmortem as text for a terminal.

use std::io;

use jiff::tz::TimeZone;

use crate::model::text::document::{Document, Section, Table};
use crate::report::lines::wrap::cut;
use crate::report::lines::{Columns, folded_line};
use crate::report::wording::{self, cells, left};

use super::Postmortem;
use super::sections::document;

/// Cells of a column that others share; a longer text pushes its own line to the right.
const COLUMN_MAX: usize = 40;

/// Prints `report`.
///
/// # Errors
/// The writer's.
pub fn text(out: &mut impl Columns, report: &Postmortem, zone: &TimeZone) -> io::Result<()> {
    let Document { title, sections } = document(report, zone);
    folded_line(out, &title)?;
    for Section { heading, facts, table, quoted } in sections {
        wording::line(out, "")?;
        folded_line(out, heading)?;
        let width = facts.iter().map(|(name, _)| cells(name)).max().unwrap_or(0);
        for (name, text) in facts {
            folded_line(out, &format!("  {}  {text}", left(name, width)))?;
        }
        if let Some(table) = table {
            print(out, &table)?;
        }
        for line in quoted {
            folded_line(out, format!("  | {line}").trim_end())?;
        }
    }
    Ok(())
}

fn print(out: &mut impl Columns, table: &Table) -> io::Result<()> {
    let heads: Vec<String> = table.heads.iter().map(|head| head.to_uppercase()).collect();
    let width = |column: usize| {
        let rows = table.rows.iter().map(|row| cells(&row.cells[column]).min(COLUMN_MAX));
        rows.max().unwrap_or(0).max(cells(&heads[column]))
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for row in std::iter::once(&heads).chain(table.rows.iter().map(|row| &row.cells)) {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| left(cell, *width)).collect();
        let line = format!("  {}", padded.join("  "));
        let line = line.trim_end();
        match out.columns() {
            Some(columns) => wording::line(out, &cut(line, columns))?,
            None => wording::line(out, line)?,
        }
    }
    Ok(())
}
