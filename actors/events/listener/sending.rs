//! Who sends events on, as a listener: what came of one is looked at once others have had their turn.
//!
//! `a route → Sending → Exit → what came of it`

use std::fmt;

use super::listener::Listen;
use super::listening::Listening;
use crate::events::event::JsonEvent;
use crate::events::seats::Sender;

/// A listener that sends on whatever has not come from outside.
#[doc(hidden)]
pub struct Sending<T>(pub T);

/// Marks one.
#[doc(hidden)]
#[derive(Debug)]
pub struct BySending;

impl<T: Sender> Listen<JsonEvent, BySending> for Sending<T> {
    fn listening(self) -> Listening<JsonEvent> {
        let sending = Listening::new::<T>(true, move |seating| Ok(seating.seat_exit(self.0)));
        sending.when(|event: &JsonEvent| !event.is_foreign())
    }
}

impl<T> fmt::Debug for Sending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
