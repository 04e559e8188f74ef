//! Rounds as somebody looks at them.
//!
//! `RoundStore → Kept → standing.rs → DurableRound`, `RoundsLook → broker → BrokerLook: rounds, why, history, abort`
//!
//! In reading order: `standing` is a round as it is described; `rounds_look` has the brokers of a database, and `broker_look` is one of
//! them for who has not its type: a tool.
//!
//! Nothing is made by looking, neither a broker nor its rules. Who aborts goes by the rules of the round, as every process does.

mod standing;
mod rounds_look;
mod broker_look;

pub use broker_look::BrokerLook;
pub use rounds_look::RoundsLook;
pub(super) use standing::Seeing;
pub use standing::{DurableParty, DurableRound, DurableState};
