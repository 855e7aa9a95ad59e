//! The page of an incident: what `webmon incident` prints of it, and the chart of its site at that time.
//!
//! Invariants: the texts are those of the document, wrapped; a table cuts its last column. Until the document is there, the page shows
//! the alert.

use crate::alert::incident::page::IncidentPage;
use crate::model::text::document::{Section, Table};
use crate::tui::page::{IncidentPart, Page};
use crate::tui::style::line::{Line, cut, width, wrap};
use crate::tui::style::role::Role;

use super::chrome::selection::selected;
use super::frame::Frame;
use super::site::chart::Chart;
use super::site::rule;

/// No body is longer than this.
pub const LINES_MAX: usize = 300;
/// The lowest and the tallest drawing of the chart.
const ROWS: (usize, usize) = (4, 16);
/// Cells of a column that others share; a longer text is cut.
const COLUMN_MAX: usize = 40;
/// Least cells for the texts of facts beside their names.
const TEXT_MIN: usize = 16;

/// The first line: where Esc leads, and what happened.
pub fn header(frame: &Frame) -> Line {
    let clock = frame.clock(frame.inputs.now);
    let mut line = Line::of(Role::Plain, frame.back(Page::Incident));
    let room = frame.width().saturating_sub(line.width() + clock.len() + 2);
    let title = match (page(frame), &frame.state.incident) {
        (Some(page), _) => match page.number {
            Some(number) => format!("incident {number}: {}", page.document.title),
            None => page.document.title.clone(),
        },
        (None, Some(alert)) => alert.site.to_string(),
        (None, None) => String::new(),
    };
    line.push(Role::Strong, cut(&title, room));
    line.pad_to(frame.width().saturating_sub(clock.len()));
    line.push(Role::Plain, clock);
    line
}

/// What is known about the open incident, once that was gathered.
pub fn page<'a>(frame: &Frame<'a>) -> Option<&'a IncidentPage> {
    let alert = frame.state.incident.as_ref()?;
    frame.inputs.incident.filter(|page| page.request.is_about(alert))
}

/// The body: `height` lines of it, and whether there are more below.
pub fn lines(frame: &Frame, height: usize) -> (Vec<Line>, bool) {
    let body = body(frame, height);
    let top = frame.state.nav.top().min(body.len().saturating_sub(height));
    let more = body.len() > top + height;
    let mut lines: Vec<Line> = body.into_iter().skip(top).take(height).collect();
    lines.resize(height, Line::default());
    (lines, more)
}

fn body(frame: &Frame, height: usize) -> Vec<Line> {
    if let (IncidentPart::Answer, Some(page)) = (frame.state.incident_part, page(frame)) {
        let known = page.document.sections.iter().find(|section| section.heading == Section::ANSWERED);
        return known.map_or_else(|| no_answer(frame), |known| section(frame, known));
    }
    let mut sections: Vec<Vec<Line>> = match page(frame) {
        Some(page) => page.document.sections.iter().map(|known| section(frame, known)).collect(),
        None => vec![waiting(frame)],
    };
    if let Some(site) = selected(frame) {
        let chart = Chart::of(frame, site);
        let others = sections.iter().map(Vec::len).sum::<usize>() + chart.height(frame, site);
        let rows = height.saturating_sub(others).clamp(ROWS.0, ROWS.1);
        sections.insert(1, chart.lines(frame, site, rows));
    }
    let mut body: Vec<Line> = sections.into_iter().flatten().collect();
    body.truncate(LINES_MAX);
    body
}

/// The alert, while the rest is being read.
fn waiting(frame: &Frame) -> Vec<Line> {
    let mut lines = vec![rule(Line::of(Role::Strong, "What happened"), "", frame.width())];
    if let Some(alert) = &frame.state.incident {
        lines.extend(fact("Alert", &format!("{}: {}", frame.moment(alert.at), alert.message), 5, frame.width()));
    }
    lines.push(Line::of(Role::Plain, " gathering what is known …"));
    lines
}

/// Why there is no answer to show.
fn no_answer(frame: &Frame) -> Vec<Line> {
    let why = "No answer is kept: the checks failed without one, or it is too long ago.";
    let mut lines = vec![rule(Line::of(Role::Strong, Section::ANSWERED), "", frame.width())];
    let texts = wrap(why, frame.width().saturating_sub(1), 0);
    lines.extend(texts.into_iter().map(|text| Line::of(Role::Plain, format!(" {text}"))));
    lines
}

fn section(frame: &Frame, section: &Section) -> Vec<Line> {
    let mut lines = vec![rule(Line::of(Role::Strong, section.heading), "", frame.width())];
    let names = section.facts.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    lines.extend(section.facts.iter().flat_map(|(name, text)| fact(name, text, names, frame.width())));
    lines.extend(section.table.iter().flat_map(|known| table(known, frame.width())));
    for quoted in &section.quoted {
        for text in wrap(quoted, frame.width().saturating_sub(4), 0) {
            let mut line = Line::of(Role::Dim, " | ");
            line.push(Role::Plain, text);
            lines.push(line);
        }
    }
    lines
}

/// A name and its text, which is wrapped beside it, or below where there is no room.
fn fact(name: &'static str, whole: &str, names: usize, cells: usize) -> Vec<Line> {
    let beside = names + 3;
    let indent = if cells >= beside + TEXT_MIN { beside } else { 3 };
    let mut lines = Vec::new();
    let mut line = Line::of(Role::Plain, " ");
    line.push(Role::Dim, name);
    if line.width() >= indent {
        lines.push(std::mem::take(&mut line));
    }
    for text in wrap(whole, cells.saturating_sub(indent), 0) {
        line.pad_to(indent);
        let is_url = name == "URL" && text == whole;
        line.push(if is_url { Role::Link } else { Role::Plain }, text);
        lines.push(std::mem::take(&mut line));
    }
    lines
}

fn table(table: &Table, cells: usize) -> Vec<Line> {
    let heads: Vec<String> = table.heads.iter().map(|head| head.to_uppercase()).collect();
    let column = |column: usize| {
        let rows = table.rows.iter().map(|row| width(&row.cells[column]).min(COLUMN_MAX));
        rows.max().unwrap_or(0).max(width(&heads[column]))
    };
    let widths: Vec<usize> = (0..heads.len()).map(column).collect();
    let row = |texts: &[String], role: Role| {
        let mut line = Line::default();
        for (number, (text, cells)) in texts.iter().zip(&widths).enumerate() {
            let is_last = number + 1 == texts.len();
            line.push(Role::Plain, if number == 0 { " " } else { "  " });
            let from = line.width();
            line.push(role, if is_last { text.clone() } else { cut(text, *cells) });
            line.pad_to(from + if is_last { 0 } else { *cells });
        }
        line
    };
    let mut lines = vec![row(&heads, Role::Dim)];
    lines.extend(table.rows.iter().map(|known| {
        let line = row(&known.cells, if known.is_failure { Role::Fault } else { Role::Plain });
        if line.width() > cells { cut_line(line, cells) } else { line }
    }));
    lines
}

/// `line` with `…` where its end is cut off.
fn cut_line(line: Line, cells: usize) -> Line {
    let role = line.spans().last().map_or(Role::Plain, |span| span.role);
    let mut line = line.fit(cells.saturating_sub(1));
    line.push(role, "…");
    line
}
