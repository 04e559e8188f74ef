//! DOOR

mod listener;
mod listening;
mod function;
mod argument;
mod call;
mod heard;
mod work;
mod report;
mod listen_error;

pub use argument::Argument;
pub(crate) use call::Scope;
pub(crate) use call::{AsyncCall, Call, Ran, Step};
pub(crate) use function::{Function, Way};
pub use heard::Heard;
pub use listen_error::ListenError;
pub use listener::{Listen, Listener};
pub(crate) use listening::{Condition, Options};
pub use listening::{Listening, Overflow};
pub(crate) use listening::{Seated, Seating};
pub(crate) use report::{Board, SHOWN_CHAIN, Ticket, Verdict};
pub use report::{ListenerError, ListenerResult, Permanent, Report, TooDeep};
pub(crate) use work::Work;
