//! Rounds, in the order in which one meets them.

/// From the first signal to the outcome that everybody hears; every form of emit, veto, abort and leave.
mod outcomes;
/// Every variant of every policy, and every deadline.
mod policies;
/// Parties that are named at the broker: late, lost, never there, or several of a name.
mod expects;
/// How an outcome, a cause and an error of a round are read.
mod texts;
/// Rounds by key, and the limit on how many are open.
mod keyed;
/// Signals that come after their round, and the limit on how many rounds are remembered.
mod late;
/// Closures and actors that receive outcomes, and what becomes of those that fail.
mod consumers;
/// Actors of the user's own as emitters: summons, pledge, membership.
mod summons;
/// What work that was summoned can learn: that it is not wanted any more, what it is for, what others have said.
mod wanted;
/// What may be asked of brokers.
mod watched;
/// Errors by name, with their exact text.
mod bad_input;
/// What is stopped, lost or crashes: nobody is left waiting.
mod losses;
/// What a hostile caller tries.
mod hostile;
/// What must hold whatever the order, the load and the clock.
mod pressure;
/// Rounds whose signals are rows.
mod durable;
