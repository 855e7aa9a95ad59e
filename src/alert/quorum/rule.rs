//! How many locations must agree before a site is down, as sites.yaml says it.
//!
//! Invariant: of V votes, V ≥ 1, a quorum needs at least 1 and at most V, whatever its settings are.

use std::fmt;
use std::str::FromStr;

/// How many of the votes must say down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Quorum {
    /// More than half.
    #[default]
    Majority,
    /// So many, or all if there are fewer; at least 1.
    Number(u32),
    /// This share in per cent, rounded up to whole votes; 1 to 100.
    Percent(u8),
    /// One.
    Any,
    /// Each.
    All,
}

impl Quorum {
    /// How many of `votes` must say down; at least 1, and at most `votes` if there are any.
    #[must_use]
    pub fn need(self, votes: u32) -> u32 {
        let most = votes.max(1);
        match self {
            Self::Majority => votes / 2 + 1,
            Self::Number(number) => number.clamp(1, most),
            Self::Percent(percent) => {
                let share = (u64::from(percent) * u64::from(votes)).div_ceil(100);
                u32::try_from(share).map_or(most, |share| share.clamp(1, most))
            }
            Self::Any => 1,
            Self::All => most,
        }
    }
}

impl fmt::Display for Quorum {
    /// As it stands in sites.yaml.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.write_str("majority"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Why a text is no quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// No location at all would have to agree.
    #[error("at least one location has to see a site down")]
    Zero,
    /// More than all of them.
    #[error("a percentage is from 1% to 100%")]
    Percent,
    /// Neither a number, nor a percentage, nor one of the words.
    #[error("expected majority, any, all, a number of locations, or a percentage of them")]
    Unknown,
}

impl FromStr for Quorum {
    type Err = QuorumError;

    fn from_str(text: &str) -> Result<Self, QuorumError> {
        match text {
            "majority" => return Ok(Self::Majority),
            "any" => return Ok(Self::Any),
            "all" => return Ok(Self::All),
            _ => {}
        }
        let digits = text.strip_suffix('%').unwrap_or(text);
        // `parse` would take a sign.
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuorumError::Unknown);
        }
        let number = digits.parse::<u32>().ok();
        match (number, digits == text) {
            (Some(0), _) => Err(QuorumError::Zero),
            (Some(number), true) => Ok(Self::Number(number)),
            (None, true) => Err(QuorumError::Unknown),
            (number, false) => {
                let percent = number.and_then(|number| u8::try_from(number).ok()).filter(|percent| *percent <= 100);
                percent.map(Self::Percent).ok_or(QuorumError::Percent)
            }
        }
    }
}

/// When the locations of a site say that it is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuorumRule {
    /// How many of the votes must say down.
    pub quorum: Quorum,
    /// With fewer votes, a vote that says down decides nothing; `None`: two, or one for a site of one location.
    pub min_locations: Option<u32>,
    /// Whether a partial outage is an alert.
    pub partial: bool,
}

impl QuorumRule {
    /// The fewest votes that can say down, of a site that `assigned` locations check.
    #[must_use]
    pub fn min_votes(&self, assigned: u32) -> u32 {
        self.min_locations.unwrap_or_else(|| assigned.min(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quorum_reads_back_as_it_is_written() {
        for text in ["majority", "any", "all", "1", "3", "4294967295", "1%", "40%", "82%", "100%"] {
            assert_eq!(text.parse::<Quorum>().map(|quorum| quorum.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("007".parse(), Ok(Quorum::Number(7)));
    }

    #[test]
    fn what_is_no_quorum_says_why() {
        for (text, error) in [
            ("0", QuorumError::Zero),
            ("0%", QuorumError::Zero),
            ("101%", QuorumError::Percent),
            ("256%", QuorumError::Percent),
            ("99999999999%", QuorumError::Percent),
            ("4294967296", QuorumError::Unknown),
            ("", QuorumError::Unknown),
            ("%", QuorumError::Unknown),
            ("+2", QuorumError::Unknown),
            ("-2", QuorumError::Unknown),
            ("1.5", QuorumError::Unknown),
            ("40 %", QuorumError::Unknown),
            ("most", QuorumError::Unknown),
            ("Majority", QuorumError::Unknown),
        ] {
            assert_eq!(text.parse::<Quorum>(), Err(error), "{text}");
        }
    }

    #[test]
    fn each_kind_of_quorum_needs_its_number_of_votes() {
        for (quorum, of_one, of_four, of_five, of_ten) in [
            (Quorum::Majority, 1, 3, 3, 6),
            (Quorum::Number(3), 1, 3, 3, 3),
            (Quorum::Percent(50), 1, 2, 3, 5),
            (Quorum::Percent(82), 1, 4, 5, 9),
            (Quorum::Any, 1, 1, 1, 1),
            (Quorum::All, 1, 4, 5, 10),
        ] {
            assert_eq!([1, 4, 5, 10].map(|votes| quorum.need(votes)), [of_one, of_four, of_five, of_ten], "{quorum}");
        }
    }

    proptest! {
        #[test]
        fn a_quorum_needs_one_vote_at_least_and_all_at_most(votes: u32, number: u32, percent: u8) {
            let all = [Quorum::Majority, Quorum::Number(number), Quorum::Percent(percent), Quorum::Any, Quorum::All];
            for quorum in all {
                prop_assert!((1..=votes.max(1)).contains(&quorum.need(votes)), "{} of {}", quorum, votes);
            }
        }
    }
}
