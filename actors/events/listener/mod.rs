//! What is called with an event, and what is said of that afterwards.
//!
//! `function, struct, recipient → Listen → Listening (options) → a seat → Report`
//!
//! In reading order: `listener`, what can listen; `function`, a function by its arguments; `by_message`, an
//! actor by its mailbox; `sending`, who sends events on; `argument`, what it may ask for;
//! `heard`, an event with its metadata; `listening`, a listener with its options; `listen_error`, why it is not registered;
//! `report`, what became of one emission.
//!
//! What a listener asks for is looked up when it is registered, so that what is missing fails there, by name.
//!
//! `argument` gives `Inject` (of `container`) and `Metadata`, `bus/giving` gives `EventBus`. A new argument goes into
//! `argument`, unless its type is of a room that this one does not know: then it goes there, as `EventBus` did.

mod listener;
mod function;
mod by_message;
mod sending;
mod argument;
mod heard;
mod listening;
mod listen_error;
mod report;

pub use argument::Argument;
pub use by_message::Unheeded;
pub(crate) use function::{Function, Returned, Way};
pub use heard::Heard;
pub use listen_error::ListenError;
pub use listener::{Listen, Listener};
pub use listening::Listening;
pub use report::{ListenerResult, Report};
pub use sending::Sending;
