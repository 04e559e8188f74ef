//! Coordination for actix: rounds of signals that all arrive in time or are cancelled for everyone.
pub use convoke_actors::*;
