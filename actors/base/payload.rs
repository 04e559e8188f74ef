//! What a round may gather.

/// What a round may gather: any type that can be shared between threads and lives as long as it is needed.
pub trait Payload: Send + Sync + Unpin + 'static {}

impl<P: Send + Sync + Unpin + 'static> Payload for P {}
