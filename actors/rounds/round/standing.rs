//! How an emitter stands in a round.

use std::time::Duration;

/// An emitter's place in the broker's roster; it stays the same while any round is open that knows it.
pub(crate) type Slot = u32;

/// How an emitter stands in this round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not part of this round.
    #[default]
    Absent,
    /// Owes its signal.
    Owing,
    /// Was lost while it owed, and the policy is to wait for somebody with its id.
    Awaited,
    Kept,
    /// Another that bears its expected name has answered for it: has kept the promise, or has vetoed.
    Covered,
    /// Has vetoed, and the round goes on.
    Vetoed,
    /// Let its own deadline pass.
    Missed,
    /// The same, and a signal of it has been refused for it.
    ToldLate,
    Lost,
    Left,
}

impl Standing {
    /// Whether the round waits for it.
    pub(crate) fn owes(self) -> bool {
        matches!(self, Self::Owing | Self::Awaited)
    }

    /// Whether it has a say in the round.
    pub(crate) fn takes_part(self) -> bool {
        !matches!(self, Self::Absent | Self::Lost | Self::Left)
    }

    /// Whether its own deadline is past.
    pub(crate) fn has_missed(self) -> bool {
        matches!(self, Self::Missed | Self::ToldLate)
    }

    /// Whether a round that closes now names it as missing.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Self::Owing | Self::Awaited | Self::Missed | Self::ToldLate | Self::Lost)
    }
}

/// The place of a name among those that are required, or expected. Small, because [`Terms`] travel with what an emitter
/// says, and make all of that as large as they are.
pub(crate) type Place = u32;

/// What is particular to one emitter: many have none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Its own deadline, from the opening of the round, or from its joining if that came later.
    pub(crate) deadline: Option<Duration>,
    /// Which of the required names it bears.
    pub(crate) required: Option<Place>,
    /// Which of the expected names it bears.
    pub(crate) expected: Option<Place>,
}
