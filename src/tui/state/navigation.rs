//! Which page is shown, how the user got there, and what the keys go to.
//!
//! Invariant: each page is open at most once, so Esc always ends at the overview.

use crate::tui::page::{InputMode, Page};

#[derive(Clone, Debug, Default)]
pub struct Navigation {
    /// The pages above the overview, each with the first of its lines that is shown.
    open: Vec<(Page, usize)>,
    pub(crate) mode: InputMode,
    split: bool,
}

impl Navigation {
    pub fn page(&self) -> Page {
        self.open.last().map_or(Page::Overview, |(page, _)| *page)
    }

    /// The page that is shown, or the one that the help covers.
    pub fn content(&self) -> Page {
        self.open.iter().rev().map(|(page, _)| *page).find(|page| *page != Page::Help).unwrap_or_default()
    }

    /// The page that Esc leads to from `page`.
    pub fn below(&self, page: Page) -> Page {
        let place = self.open.iter().position(|(open, _)| *open == page).and_then(|place| place.checked_sub(1));
        place.map_or(Page::Overview, |place| self.open[place].0)
    }

    pub fn is_split(&self) -> bool {
        self.split && self.page() == Page::Site
    }

    /// The first line shown of the help or of a site.
    pub fn top(&self) -> usize {
        self.open.last().map_or(0, |(_, top)| *top)
    }

    pub fn scroll(&mut self, by: isize, max: usize) {
        if let Some((_, top)) = self.open.last_mut() {
            *top = top.saturating_add_signed(by).min(max);
        }
    }

    /// Opens `page` at its first line. A page that is open already closes together with those above it.
    pub fn open(&mut self, page: Page) {
        let below = self.open.iter().position(|(open, _)| *open == page);
        self.open.truncate(below.unwrap_or(self.open.len()));
        self.open.push((page, 0));
    }

    /// Opens a site; below the table if `split` and if there is room for both.
    pub fn open_site(&mut self, split: bool) {
        self.split = split;
        self.open(Page::Site);
    }

    pub fn back(&mut self) {
        self.open.pop();
    }
}
