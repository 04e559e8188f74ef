//! DOOR

mod emitter;
mod emitter_requests;
mod membership;
mod pledge;

pub(crate) use emitter::ToEmitter;
pub use emitter::{Emitter, EmitterHandle, Kept};
pub use emitter_requests::{Emit, EmitterExt, Join, Leave, Veto};
pub use membership::{Emission, Membership};
pub(crate) use membership::{Reply, Seat, answer};
pub(crate) use pledge::{Call, Pledged, Seated};
pub use pledge::{Pledge, Summons};
