//! What a hub reads of its store about its sites over their locations: rows of long views, and the hours to be stored.
//!
//! An hour of a site is stored once every location is past it, or 24 hours after it if none of them is sending what is missing.
//! If another location joins, hours of the past are worked out again.
//!
//! Invariants: one hour of a site after the other; what does not fit the queue to the store waits for the next look. Bounds:
//! [`ROWS`] rows and [`HOURS`] hours a look; sites are looked up at most once in [`PAUSE`]. Cost of an hour: its checks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::app::locations::figures::{PATIENCE, Past, hour_of, hour_start};
use crate::app::locations::groups::{Group, Rules, groups};
use crate::config::Config;
use crate::engine::Row;
use crate::model::{Location, Timestamp};
use crate::store::{Archive, BlindTimes, Moment, SeenNews, StoreError};

use super::LongRow;

/// Rows of a look.
const ROWS: usize = 64;

/// Hours of a look.
const HOURS: usize = 64;

/// Time between two looks for hours that are over.
const PAUSE: Duration = Duration::from_secs(10);

/// Where the hours of a site go on.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// The next hour; none before the first check.
    next: Option<u64>,
    /// How many stored sites it was made for.
    members: usize,
}

/// See the module.
pub struct StoredReader {
    path: PathBuf,
    rules: Rules,
    news: mpsc::Sender<SeenNews>,
    wanted: VecDeque<LongRow>,
    groups: Vec<Group>,
    /// By name.
    cursors: HashMap<Arc<str>, Cursor>,
    /// When the groups were read.
    read: Timestamp,
    /// The group to go on with.
    turn: usize,
}

impl StoredReader {
    /// A reader of the store at `path` about the sites of `config`; hours go to `news`.
    #[must_use]
    pub fn new(path: PathBuf, config: &Config, news: mpsc::Sender<SeenNews>) -> Self {
        Self {
            path,
            rules: Rules::of(config),
            news,
            wanted: VecDeque::new(),
            groups: Vec::new(),
            cursors: HashMap::new(),
            read: Timestamp::ZERO,
            turn: 0,
        }
    }

    /// Reads `wanted` rows at `now`, and passes on the hours that are over; the locations of `filling` send what is missing, and of the
    /// stored sites only those of `shown` are to be checked.
    /// If the store cannot be read, the next look tries again.
    pub fn look(
        &mut self,
        wanted: Vec<LongRow>,
        (filling, shown): (&[Location], &HashSet<Arc<str>>),
        now: Timestamp,
    ) -> Vec<(LongRow, Row)> {
        for row in wanted {
            self.wanted.retain(|waiting| (waiting.site, waiting.view) != (row.site, row.view));
            self.wanted.push_back(row);
        }
        let is_due = self.read.after(PAUSE) <= now || now < self.read;
        if !is_due && self.wanted.is_empty() && self.turn == 0 {
            return Vec::new();
        }
        self.reading(is_due, (filling, shown), now).unwrap_or_default()
    }

    fn reading(
        &mut self,
        is_due: bool,
        (filling, shown): (&[Location], &HashSet<Arc<str>>),
        now: Timestamp,
    ) -> Result<Vec<(LongRow, Row)>, StoreError> {
        let archive = Archive::open(&self.path)?;
        if is_due {
            self.groups = groups(&archive.sites()?, &archive.origins()?, &self.rules);
            for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
                member.is_awaited = shown.contains(&member.name);
            }
            (self.read, self.turn) = (now, 0);
        }
        let (moment, blind) = (archive.moment()?, archive.blind_times()?);
        let rows = self.rows((&archive, &moment, &blind), now)?;
        self.hours((&archive, &moment, &blind), filling, now)?;
        Ok(rows)
    }

    fn rows(
        &mut self,
        (archive, moment, blind): (&Archive, &Moment, &BlindTimes),
        now: Timestamp,
    ) -> Result<Vec<(LongRow, Row)>, StoreError> {
        let past = Past::new(archive, moment, blind, now);
        let mut rows = Vec::new();
        while rows.len() < ROWS
            && let Some(wanted) = self.wanted.pop_front()
        {
            if let Some(group) = self.groups.iter().find(|group| group.name == wanted.name) {
                let row = past.row(group, (wanted.timeframe, wanted.as_of))?;
                rows.push((wanted, row));
            }
        }
        Ok(rows)
    }

    fn hours(
        &mut self,
        (archive, moment, blind): (&Archive, &Moment, &BlindTimes),
        filling: &[Location],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let past = Past::new(archive, moment, blind, now);
        let mut left = HOURS;
        while let Some(group) = self.groups.get(self.turn) {
            let Some(site) = group.id.filter(|_| self.rules.has(&group.name)) else {
                self.turn += 1;
                continue;
            };
            let cursor = match self.cursors.get(&group.name) {
                Some(cursor) if cursor.members == group.members.len() && cursor.next.is_some() => *cursor,
                // After a start, hours that are stored stay as they are.
                known => {
                    let stored = if known.is_some() { None } else { archive.newest_seen(site)? };
                    let next = match stored {
                        Some(newest) => Some(newest + 1),
                        None => begins(group, moment)?.map(hour_of),
                    };
                    Cursor { next, members: group.members.len() }
                }
            };
            self.cursors.insert(Arc::clone(&group.name), cursor);
            let mut next = cursor.next;
            while let Some(hour) = next.filter(|hour| is_over(group, *hour, filling, now)) {
                let (true, Ok(permit)) = (left > 0, self.news.try_reserve()) else { return Ok(()) };
                left -= 1;
                // Of an hour whose checks are gone, nothing is known.
                if let Some(seen) = past.hour(group, hour)? {
                    permit.send(SeenNews::Hour(site, hour, seen));
                }
                next = Some(hour + 1);
                self.cursors.insert(Arc::clone(&group.name), Cursor { next, ..cursor });
            }
            self.turn += 1;
        }
        self.turn = 0;
        Ok(())
    }
}

/// When the oldest stored check of the group was due.
fn begins(group: &Group, moment: &Moment) -> Result<Option<Timestamp>, StoreError> {
    let mut begins = None;
    for member in &group.members {
        let checks = moment.checks(member.id, (Timestamp::ZERO, Timestamp::ZERO), None)?;
        begins = [begins, checks.begins].into_iter().flatten().min();
    }
    Ok(begins)
}

/// Whether hour number `hour` of the group can be stored at `now`.
fn is_over(group: &Group, hour: u64, filling: &[Location], now: Timestamp) -> bool {
    let end = hour_start(hour + 1);
    let mut awaited = group.members.iter().filter(|member| member.is_awaited);
    let is_past = awaited.clone().all(|member| member.newest.is_some_and(|newest| end <= newest));
    let is_filling = awaited.any(|member| filling.contains(&member.location));
    end <= now && (is_past || end.after(PATIENCE) <= now && !is_filling)
}

#[cfg(test)]
mod tests;
