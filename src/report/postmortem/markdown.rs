//! A postmortem as Markdown (GitHub's, for its tables), to paste into a page or a chat.

use std::fmt::Write as _;
use std::io;

use jiff::tz::TimeZone;

use crate::model::text::document::{Document, Section};

use super::Postmortem;
use super::sections::document;

/// Prints `report`.
///
/// # Errors
/// The writer's.
pub fn markdown(out: &mut impl io::Write, report: &Postmortem, zone: &TimeZone) -> io::Result<()> {
    let Document { title, sections } = document(report, zone);
    let mut page = String::new();
    let mut line = |text: &str| {
        page.push_str(text);
        page.push('\n');
    };
    line(&format!("# {}", plain(&title)));
    for Section { heading, facts, table, quoted } in sections {
        line("");
        line(&format!("## {heading}"));
        line("");
        for (name, text) in facts {
            line(&format!("- **{name}:** {}", plain(&text)));
        }
        if let Some(table) = table {
            line(&row(table.heads.iter().map(|head| (*head).to_owned())));
            line(&row(table.heads.iter().map(|_| "---".to_owned())));
            for known in table.rows {
                line(&row(known.cells.iter().map(|cell| plain(cell))));
            }
        }
        if !quoted.is_empty() {
            // Longer than any fence in it.
            let fence = "`".repeat(quoted.iter().map(|line| longest_run(line)).max().unwrap_or(0).max(2) + 1);
            line("");
            line(&fence);
            for text in &quoted {
                line(text);
            }
            line(&fence);
        }
    }
    out.write_all(page.as_bytes())
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let mut row = String::from("|");
    for cell in cells {
        write!(row, " {cell} |").expect("a string takes any text");
    }
    row
}

/// The length of the longest run of backticks in `text`.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// `text` without what Markdown, or HTML in it, takes for markup.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => {
                plain.push('\\');
                plain.push(c);
            }
            _ => plain.push(c),
        }
    }
    plain
}
