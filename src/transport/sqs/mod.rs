//! Queues of Amazon SQS, standard and FIFO.
//!
//! `Packet → publish.rs → SendMessageBatch`, `ReceiveMessage → poll.rs → source.rs → Delivery → receipt.rs → DeleteMessageBatch`
//!
//! In reading order: `builder` describes a queue, `finder` finds or makes it; `sqs` is what users hold, `queue` what its clones
//! share, `requests/` how SQS is asked; `publish` sends, `source` lends what `poll` fetches. `groups` lets one at a time of each
//! group through, for SQS lends several at once; `unseen` counts what was given back without an attempt, for SQS counts each
//! receipt. `receipt` settles, `dead` says where dead letters go, and `redrive` when SQS moves one there by itself. `look` is what
//! whoever looks at a queue sees, and `allow` lets a topic send to the queue.
//!
//! What is sent to the dead letters is sent before it is deleted. Of one group nothing is handed on before the one ahead is
//! settled.

mod builder;
mod finder;
mod sqs;
mod queue;
mod requests;
mod publish;
mod source;
mod poll;
mod groups;
mod unseen;
mod receipt;
mod dead;
mod redrive;
mod look;
#[cfg(feature = "sns")]
mod allow;

pub use builder::SqsBuilder;
pub(crate) use dead::dead_of;
pub(crate) use look::{SqsFigures, queue_names};
pub(crate) use redrive::Redrive;
pub use sqs::Sqs;
