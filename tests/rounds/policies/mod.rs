//! Every variant of every policy, and every deadline.

/// When a round is released, when it closes, who joins, comes twice or is lost, and the deadlines; each by its name.
mod variants;
/// What a predicate sees of who has answered, and what each voice weighs.
mod whom;
/// How many vetoes a round goes on with, and what a tolerated one means.
mod vetoes;
/// Emitters that ask for more time.
mod heartbeats;
