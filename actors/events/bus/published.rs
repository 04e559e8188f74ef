//! What became of an event that was published.

use std::sync::Arc;

use super::publish_error::PublishError;
use crate::events::hub::Post;
use crate::events::verdict::Queued;

/// The result of publishing an event that waits for all its listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// How many events were dropped because a listener had no room and its policy is to [drop](crate::Overflow). Each
    /// dropped event becomes a dead letter. For a listener on another arbiter, the number is an estimate by the events
    /// that wait there.
    pub dropped: usize,
}

/// How those took an event who have a queue.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) dropped: usize,
    pub(crate) refused: Vec<Arc<Post>>,
}

impl Taken {
    /// A listener has lost one for it, or does not take it.
    #[cold]
    pub(crate) fn note(&mut self, queued: Queued, post: Option<&Arc<Post>>) {
        match queued {
            Queued::Taken => {}
            Queued::Dropped => self.dropped += 1,
            Queued::Refused => self.refused.extend(post.cloned()),
        }
    }

    #[inline]
    pub(crate) fn into_result(self) -> Result<Published, PublishError> {
        let Self { dropped, refused } = self;
        if refused.is_empty() { Ok(Published { dropped }) } else { Err(refusal(&refused, dropped)) }
    }
}

#[cold]
fn refusal(refused: &[Arc<Post>], dropped: usize) -> PublishError {
    PublishError::Refused { listeners: refused.iter().map(|post| post.name().clone()).collect(), dropped }
}
