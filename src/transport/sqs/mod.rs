//! Queues of Amazon SQS, standard and FIFO.
//!
//! `Packet → publish.rs → SendMessageBatch`, `ReceiveMessage → poll.rs → source.rs → Delivery → receipt.rs → DeleteMessageBatch`
//!
//! In reading order: `builder` describes a queue, `finder` finds or makes it; `sqs` is what users hold, `queue` what its clones
//! share, `clients` those of the SDK; `publish` sends, `poll` fetches, `source` lends with the help of `groups` and `unseen`,
//! `receipt` settles by `lanes`; `dead` and `redrive` are where what is dead goes, and `allow` lets a topic in.
//!
//! What is sent to the dead letters is sent before it is deleted. Of one group nothing is handed on before the one ahead is
//! settled.

mod builder;
mod finder;
mod sqs;
mod queue;
mod clients;
mod publish;
mod source;
mod poll;
mod groups;
mod unseen;
mod receipt;
mod lanes;
mod dead;
mod redrive;
#[cfg(feature = "sns")]
mod allow;

pub use builder::SqsBuilder;
pub use sqs::Sqs;
