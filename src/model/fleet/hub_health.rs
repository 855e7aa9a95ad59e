//! What a hub knows of its locations, for the dashboard and the metrics.

use crate::model::Timestamp;

use super::Location;

/// How a hub hears a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is heard, and sees.
    Heard,
    /// It was not heard since the hub started, and there is time yet.
    Awaited,
    /// It was not heard for `silent_after`, and has no vote.
    Silent,
    /// It alone sees down what all others see up, and has no vote.
    Blind,
}

impl Presence {
    /// The public name: `heard`, `awaited`, `silent`, `blind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heard => "heard",
            Self::Awaited => "awaited",
            Self::Silent => "silent",
            Self::Blind => "blind",
        }
    }
}

/// How a location is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationHealth {
    /// Its name.
    pub location: Location,
    /// How it is heard.
    pub presence: Presence,
    /// Since when it is silent or blind.
    pub since: Option<Timestamp>,
    /// When it was last heard; none since the hub started.
    pub heard: Option<Timestamp>,
    /// How far its clock is ahead of the hub's, µs, as far as that is known.
    pub ahead: Option<i64>,
    /// Whether it sends samples again that the hub lacks.
    pub is_filling: bool,
}

/// How the locations of a hub are, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubHealth {
    /// See the type.
    pub locations: Vec<LocationHealth>,
}

impl HubHealth {
    /// How many are heard, and see.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.locations.iter().filter(|location| location.presence == Presence::Heard).count()
    }

    /// The location of this name.
    #[must_use]
    pub fn of(&self, name: &Location) -> Option<&LocationHealth> {
        self.locations.iter().find(|known| known.location == *name)
    }

    /// Those without a vote.
    pub fn voiceless(&self) -> impl Iterator<Item = &LocationHealth> {
        self.locations.iter().filter(|location| matches!(location.presence, Presence::Silent | Presence::Blind))
    }
}
