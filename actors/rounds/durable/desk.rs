//! How a broker hands on what its members say to whoever writes it down, and how they hear what became of it.
//!
//! `Membership → Broker → Desk::take(Asked) → rows → Asked::{committed, ended, refused}`, `an outbox → Deliver → Broker → a consumer`

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix::Message;

use super::ending::Ending;
use super::notices::Notices;
use super::party::PartyTerms;
use crate::base::Payload;
use crate::rounds::messages::{Reply, Written, answer};
use crate::rounds::outcome::Outcome;
use crate::rounds::{ConsumerError, EmitError, JoinError, RoundId, RoundKey};

/// What a member of a broker says.
pub enum What<P> {
    /// A signal.
    Signal(P),
    /// A veto, with its reason.
    Veto(Arc<str>),
}

/// Omits the payload, which may be personal.
impl<P> fmt::Debug for What<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal(_) => "Signal(…)",
            Self::Veto(_) => "Veto(…)",
        })
    }
}

/// What a member of a broker says, for whoever writes it down.
pub struct Asked<P: 'static> {
    /// Who says it.
    pub name: Arc<str>,
    /// To which round.
    pub key: Option<RoundKey>,
    /// What.
    pub what: What<P>,
    /// How much a signal of it weighs.
    pub weight: u32,
    pub(crate) written: Option<Written>,
    pub(crate) reply: Option<Reply<P>>,
    pub(crate) notices: Option<Notices<P>>,
}

impl<P: 'static> Asked<P> {
    /// Takes what is said, leaving where it is answered.
    pub fn divide(self) -> (What<P>, Answers<P>) {
        (self.what, Answers { written: self.written, reply: self.reply, notices: self.notices })
    }
}

impl<P: 'static> fmt::Debug for Asked<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Where what a member has said is answered.
pub struct Answers<P: 'static> {
    written: Option<Written>,
    reply: Option<Reply<P>>,
    notices: Option<Notices<P>>,
}

impl<P: 'static> Answers<P> {
    /// Where the answer to a pledge goes.
    pub(super) fn of(reply: Option<Reply<P>>, written: Option<Written>, notices: Option<Notices<P>>) -> Self {
        Self { written, reply, notices }
    }

    /// Where the emitter hears of it, if it asked to be told.
    pub fn notices(&mut self) -> Option<Notices<P>> {
        self.notices.take()
    }

    /// It is a row of this round.
    pub fn committed(&mut self, round: RoundId) {
        if let Some(written) = self.written.take() {
            let _ = written.send(Ok(round));
        }
    }

    /// The round is over.
    pub fn ended(mut self, outcome: Outcome<P>) {
        self.committed(outcome.round());
        answer(self.reply, Ok(outcome));
    }

    /// It is none of a round.
    pub fn refused(mut self, error: EmitError) {
        if let Some(written) = self.written.take() {
            let _ = written.send(Err(error.clone()));
        }
        answer(self.reply, Err(error));
    }

    /// Whether somebody waits for the end of the round still.
    pub fn waits(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

impl<P: 'static> fmt::Debug for Answers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// What comes of having a consumer, or a party, written down.
pub type Attending = Pin<Box<dyn Future<Output = Result<(), JoinError>>>>;

/// Whoever writes down what the members of a broker say, on the arbiter of the broker.
pub trait Desk<P: Payload>: 'static {
    /// Takes what a member says; hands it back with the bound if too much waits.
    ///
    /// # Errors
    ///
    /// What it was given, and how many may wait.
    fn take(&mut self, asked: Asked<P>) -> Result<(), (Box<Asked<P>>, usize)>;

    /// Writes down what a party of this name says of itself, and begins to ask it if it can be.
    fn admit(&mut self, name: Arc<str>, terms: PartyTerms) -> Attending;

    /// There is one member less of this name here that can be asked.
    fn retire(&mut self, name: &Arc<str>);

    /// Writes down that there is a consumer of this name, and begins to deliver to it.
    fn attend(&mut self, name: Arc<str>) -> Attending;

    /// There is no consumer of this name in this process any more.
    fn leave(&mut self, name: &str);
}

/// Has a consumer of this broker hear of a round.
pub struct Deliver {
    /// Which consumer.
    pub consumer: Arc<str>,
    /// The number of the round.
    pub round: RoundId,
    /// What it was about.
    pub key: Option<RoundKey>,
    /// What became of it.
    pub ending: Ending,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver").field("consumer", &self.consumer).field("round", &self.round).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Delivered {
    /// The consumer is done.
    Done,
    /// It has failed, and may be tried again.
    Failed(ConsumerError),
    /// A payload cannot be read.
    Unreadable(String),
    /// There is no such consumer here any more.
    Nobody,
}

impl Message for Deliver {
    type Result = Delivered;
}
