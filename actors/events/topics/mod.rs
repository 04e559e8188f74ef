//! Where events travel: segments between slashes, and the patterns that match them.
//!
//! `"orders/*" → Pattern → PatternIndex → who hears`
//!
//! In reading order: `topic`, one topic and one pattern; `patterns`, one or several; `topic_index`, many of them at once;
//! `topic_tree`, the other way round: many topics, of which a pattern finds those that it matches.
//!
//! One grammar everywhere: `*` is one segment, `**` any number. It knows nothing of events, and no input makes it slow.

mod topic;
mod patterns;
mod topic_index;
mod topic_tree;

pub use patterns::Patterns;
pub use topic::check_topic;
pub use topic::{Pattern, TopicError};
pub(crate) use topic_index::PatternIndex;
pub(crate) use topic_tree::TopicTree;
