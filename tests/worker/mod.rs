//! The worker over a queue in memory: what becomes of a delivery.

/// How each delivery ends, and how the worker does.
pub(crate) mod deliveries;
/// What a worker hears, of what its process died, and who is taken along: nobody.
mod attempts;
/// What it does with a verdict that nobody stores: it is kept, and nobody hears the event again.
mod verdicts;
/// Under a worker the server settles what fails, and the bus keeps no dead letter of it.
mod final_letters;
/// How many deliveries it fetches ahead where nobody has said.
mod ahead;
/// How much memory it takes for what waits and for what is heard.
mod bounds;
/// What others get while it is paused or drains.
mod pause;
/// A worker whose server says nothing, though it is asked.
mod silence;
/// Inside a supervisor: it is started again with those that fall.
mod together;
/// What it gives up stays in its place, and what follows with the same key waits behind it.
mod parking;
/// How it ends when the server is away, and what its report says of what it had.
mod end;
