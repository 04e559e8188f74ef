//! What reaches an emitter, and how: by the inbox of our own, or as a message to any actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Recipient, WeakRecipient};

use super::pledge::{Pledge, Summons};
use crate::base::Payload;
use crate::rounds::outcome::Outcome;
use crate::rounds::{RoundId, RoundKey};
use crate::runtime::Inbox;

/// What reaches an emitter from the sessions.
pub(crate) enum ToEmitter<P: 'static> {
    Summons(Pledge<P>),
    Kept { round: RoundId, key: Option<RoundKey>, at: Duration },
    Outcome(Outcome<P>),
}

/// How an emitter is asked for its signal.
pub(crate) enum Ask<P: Payload> {
    /// It emits by itself.
    Never,
    /// Our own emitter, by its inbox.
    Own(Arc<Inbox<ToEmitter<P>>>),
    /// Any actor. A strong recipient would keep it alive for ever, and making one for each summons costs more than
    /// the summons: it is held while rounds are open and let go soon after.
    Any { weak: WeakRecipient<Summons<P>>, strong: Option<Recipient<Summons<P>>> },
}

/// What an emitter of ours wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) kept: bool,
    pub(crate) outcome: bool,
}
