//! A question: an event that is answered.
//!
//! `request → Asked (in a parcel of its own kind) → answerers → answers → Request`
//!
//! - `ask_error`: why there is no answer.
//! - `answer`: what an answerer returns.
//! - `asked`: the question on its way, with the answers that have come.
//! - `request`: the question that is awaited, for one answer or for all.
//! - `ask`: how a bus is asked, and how an answerer is registered.
//!
//! What must always hold: nobody is asked before the request is awaited; an answer that nobody waits for any more is dropped
//! where it comes.

mod ask_error;
mod answer;
mod asked;
mod request;
mod ask;

pub use answer::{Answer, IntoAnswer};
pub use ask_error::AskError;
pub use request::{Request, RequestAll, Requesting, RequestingAll};
