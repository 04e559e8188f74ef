//! DOOR

mod topic;
mod patterns;
mod topic_index;

pub use patterns::Patterns;
pub(crate) use topic::check_topic;
pub use topic::{Pattern, TopicError};
pub(crate) use topic_index::PatternIndex;
