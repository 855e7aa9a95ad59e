//! How many locations agree on a site, as a cell `2/3` and in words.

use crate::alert::quorum::{Verdict, Votes};
use crate::engine::snapshot::SiteSnapshot;
use crate::model::{Place, Presence};
use crate::tui::state::state_counts::is_down;
use crate::tui::style::line::{Line, right};
use crate::tui::style::role::Role;
use crate::tui::view::frame::Frame;

/// Locations that a sentence names.
const NAMED: usize = 4;

/// How many of the votes on `site` say what the verdict says; blank for a site of one location.
pub fn cell(site: &SiteSnapshot, cells: usize) -> Line {
    if site.place != Place::Everywhere {
        return Line::default();
    }
    // The votes of the past are not stored.
    let Some(votes) = site.votes else { return Line::of(Role::Dim, right("–", cells)) };
    let is_odd = votes.tally.votes() < votes.assigned || votes.verdict == Verdict::Partial;
    Line::of(if is_odd { Role::Warning } else { Role::Plain }, right(&agreeing(&votes), cells))
}

/// `3/3` of an up site that all see up; `2/3` where two see a down site down, `1/3` where one does and that is not enough;
/// `?/3` where too few of three can tell.
fn agreeing(votes: &Votes) -> String {
    let (tally, all) = (votes.tally, votes.tally.votes());
    match votes.verdict {
        Verdict::Up => format!("{}/{all}", tally.up),
        Verdict::Down | Verdict::Partial => format!("{}/{all}", tally.down),
        Verdict::Unknown => format!("?/{}", votes.assigned),
    }
}

/// `down at 2 of 3: fra1, nyc1`: what the votes on `site` say, and which locations see it down.
pub fn words(frame: &Frame, site: &SiteSnapshot, votes: &Votes) -> String {
    let said = counted(votes);
    if votes.tally.down == 0 {
        return said;
    }
    let has_voice = |part: &SiteSnapshot| {
        let hub = frame.inputs.health.hub.as_deref();
        let known = part.place.location().and_then(|location| hub?.of(location));
        !known.is_some_and(|known| matches!(known.presence, Presence::Silent | Presence::Blind))
    };
    let parts = frame.inputs.snapshot.sites.iter().filter(|part| part.is_part_of(&site.name));
    let seeing: Vec<&str> = parts
        .filter(|part| is_down(part) && has_voice(part))
        .filter_map(|part| Some(part.place.location()?.name()))
        .take(NAMED + 1)
        .collect();
    match seeing.len() {
        0 => said,
        1..=NAMED => format!("{said}: {}", seeing.join(", ")),
        _ => format!("{said}: {}, …", seeing[..NAMED].join(", ")),
    }
}

/// The votes in words.
fn counted(votes: &Votes) -> String {
    let (up, down, all) = (votes.tally.up, votes.tally.down, votes.tally.votes());
    let silent = votes.assigned.saturating_sub(all);
    match votes.verdict {
        Verdict::Up if silent == 0 => format!("up at all {up}"),
        Verdict::Up => format!("up at {up} of {up}, {silent} without a vote"),
        Verdict::Down => format!("down at {down} of {all}"),
        Verdict::Partial => format!("partly down, at {down} of {all}"),
        Verdict::Unknown if all == 0 => "no location has a vote".to_owned(),
        Verdict::Unknown => format!("{all} of {} have a vote, too few", votes.assigned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::quorum::Tally;

    #[test]
    fn votes_are_counted_that_say_what_is_shown() {
        for (verdict, up, down, assigned, shown, said) in [
            (Verdict::Up, 3, 0, 3, "3/3", "up at all 3"),
            (Verdict::Up, 2, 0, 3, "2/2", "up at 2 of 2, 1 without a vote"),
            (Verdict::Down, 1, 2, 3, "2/3", "down at 2 of 3"),
            (Verdict::Partial, 2, 1, 4, "1/3", "partly down, at 1 of 3"),
            (Verdict::Unknown, 0, 1, 3, "?/3", "1 of 3 have a vote, too few"),
            (Verdict::Unknown, 0, 0, 3, "?/3", "no location has a vote"),
        ] {
            let votes = Votes { verdict, tally: Tally { up, down }, assigned };
            assert_eq!((&*agreeing(&votes), &*counted(&votes)), (shown, said));
        }
    }
}
