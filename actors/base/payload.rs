//! What a round may gather.

/// The payload of a signal: any type that can be shared between threads and has no borrowed data.
pub trait Payload: Send + Sync + Unpin + 'static {}

impl<P: Send + Sync + Unpin + 'static> Payload for P {}
