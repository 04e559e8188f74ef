//! Topics of Amazon SNS.
//!
//! `Packet → Sns → PublishBatch → the topic → filter policies → queues of SQS → transport/sqs`
//!
//! In reading order: `builder` finds a topic or makes it, `topic` publishes, `subscribe` has a queue of SQS get what its filter
//! lets through.
//!
//! SNS says nothing of what no queue gets.

mod builder;
mod topic;
#[cfg(feature = "sqs")]
mod subscribe;

pub use builder::SnsBuilder;
#[cfg(feature = "sqs")]
pub use subscribe::{Subscribe, Subscription};
pub use topic::Sns;
