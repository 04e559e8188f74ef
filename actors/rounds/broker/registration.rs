//! Who registers at a broker: emitters, consumers, and members that are handed over for ever.
//!
//! `Emitter::join, add_emitter, Consumer::join, add_consumer → Enlist, Attend → roster.rs → the guard`

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::fut::wrap_future;
use actix::{AsyncContext, Handler, Message};

use super::broker::Broker;
use crate::base::{Payload, Shown};
use crate::rounds::durable::{Attending, PartyTerms};
use crate::rounds::messages::{Ask, ConsumerSeat, Keeper, Membership, Route, Seat, ToEmitter, Wants};
use crate::rounds::outcome::EmitterRef;
use crate::rounds::room::{Joining, Listed, Member, ToSession};
use crate::rounds::round::{LateJoin, Needed, OnLost, Place, Slot, Terms, Who};
use crate::rounds::{ConfigError, EmitterId, EmitterStats, JoinError};
use crate::runtime::{Inbox, LocalContext};

/// The name of an emitter that is an actor of your own, and optionally its id, its deadline and its weight.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::EmitterSpec;
/// use std::time::Duration;
///
/// let clerk = EmitterSpec::new("clerk").deadline(Duration::from_millis(200));
/// let stock: EmitterSpec = "stock".into();
/// ```
#[derive(Clone, Debug)]
pub struct EmitterSpec {
    pub(crate) id: Option<EmitterId>,
    pub(crate) name: Arc<str>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) weight: u32,
}

impl EmitterSpec {
    /// Creates a specification with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { id: None, name: name.into(), deadline: None, weight: 1 }
    }

    /// Sets the id of the emitter. With this id the emitter can come back after it was lost. The default is a new UUID
    /// v7.
    pub fn with_id(mut self, id: impl Into<EmitterId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the emitter's own deadline, as [`Emitter::deadline`](crate::Emitter::deadline) does. By default only the
    /// timeout of the round applies.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how much the emitter's voice weighs, as [`Emitter::weight`](crate::Emitter::weight) does. The default is 1.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

impl<S: Into<Arc<str>>> From<S> for EmitterSpec {
    fn from(name: S) -> Self {
        Self::new(name)
    }
}

/// Registers an emitter.
pub(crate) struct Enlist<P: Payload> {
    pub(crate) id: Option<EmitterId>,
    pub(crate) name: Arc<str>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) weight: u32,
    pub(crate) ask: Ask<P>,
    pub(crate) wants: Option<(Wants, Arc<Inbox<ToEmitter<P>>>)>,
}

impl<P: Payload> Message for Enlist<P> {
    /// The guard itself, so that nobody is a member if the answer does not arrive.
    type Result = Result<Membership<P>, JoinError>;
}

impl<P: Payload> Handler<Enlist<P>> for Broker<P> {
    type Result = Enlisted<P>;

    fn handle(&mut self, enlist: Enlist<P>, ctx: &mut Self::Context) -> Self::Result {
        let terms = PartyTerms::new(enlist.deadline, !matches!(enlist.ask, Ask::Never));
        let member = self.enlist(enlist, ctx);
        let written = match (&mut self.desk, &member) {
            // Who says nothing of itself changes nothing of what was said before.
            (Some(desk), Ok(member)) if terms != PartyTerms::default() => Some(desk.admit(member.name().into(), terms)),
            _ => None,
        };
        Registered(member, written)
    }
}

/// What a member gets; at a durable broker it is one once that is written down.
type Enlisted<P> = Registered<Membership<P>>;

impl<P: Payload> Broker<P> {
    fn enlist(&mut self, enlist: Enlist<P>, ctx: &mut LocalContext<Self>) -> Result<Membership<P>, JoinError> {
        self.hear_sessions();
        // Its farewell may wait in the inbox, which has no order with this message.
        if let Some(id) = enlist.id {
            self.see_off(ctx, |roster| roster.find(id));
        }
        if self.unique_names {
            self.see_off(ctx, |roster| roster.find_named(&enlist.name));
        }
        if let Some(error) = self.misconfigured {
            return Err(error.into());
        }
        if enlist.deadline.is_some_and(|deadline| deadline.is_zero()) {
            return Err(ConfigError::ZeroTimeout.into());
        }
        let is_durable = self.desk.is_some();
        let room = self.room().clone();
        let mut roster = room.roster.borrow_mut();
        if roster.len() >= self.limits.members {
            return Err(JoinError::Full { limit: self.limits.members });
        }
        let who = EmitterRef { id: enlist.id.unwrap_or_default(), name: enlist.name };
        // Whoever comes back for a promise that waits for it is let in under every policy; the round knows.
        let back = self.rules.on_lost == OnLost::Wait && roster.knows(who.id);
        if self.rules.late_join == LateJoin::Rejected
            && !back
            && let Some(round) = self.open.oldest()
        {
            return Err(JoinError::RoundOpen { round });
        }
        if let Some(member) = roster.find(who.id) {
            return Err(JoinError::DuplicateId { id: who.id, name: member.seat.who.name.to_string() });
        }
        if self.unique_names && roster.find_named(&who.name).is_some() {
            return Err(JoinError::DuplicateName { name: who.name });
        }
        let required = match &self.rules.release {
            Needed::Names(names) => place(names, &who.name),
            _ => None,
        };
        let expected = place(&self.rules.expected, &who.name);
        let terms = Terms { deadline: enlist.deadline, required, expected };
        let slot = roster.add(
            who.clone(),
            enlist.weight,
            terms,
            || self.open.oldest(),
            |slot, generation| Member {
                seat: Arc::new(
                    Seat::new(self.door.clone(), self.id.clone(), who.clone(), slot, generation).durable(is_durable),
                ),
                ask: enlist.ask,
                wants: enlist.wants,
                stats: EmitterStats::new(&who),
                keeper: None,
                present: true,
            },
        );
        log::debug!(target: "convoke::broker", "broker {}: emitter `{who}` {} joined in slot {slot}", self.id, who.id);
        let seat = roster.slot(slot).map(|member| member.seat.clone()).ok_or(JoinError::BrokerGone)?;
        drop(roster);
        if self.rules.late_join == LateJoin::ThisRound || back {
            let joining = Rc::new(Joining { slot, terms, who: Who { name: who.name, weight: enlist.weight } });
            for link in self.open.all() {
                link.push(&room.executor, ToSession::Join(joining.clone()));
            }
        }
        Ok(Membership::new(seat))
    }
}

/// Registers a consumer.
pub(crate) struct Attend<P: Payload> {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) route: Route<P>,
}

impl<P: Payload> Message for Attend<P> {
    type Result = Result<ConsumerSeat<P>, JoinError>;
}

impl<P: Payload> Handler<Attend<P>> for Broker<P> {
    type Result = Attended<P>;

    fn handle(&mut self, attend: Attend<P>, ctx: &mut Self::Context) -> Self::Result {
        if self.desk.is_some() && attend.name.is_none() {
            return Registered(Err(JoinError::NamelessConsumer), None);
        }
        // Its farewell may wait in the inbox, which has no order with this message.
        if self.desk.is_some()
            && let Some(name) = &attend.name
        {
            self.see_off_consumer(name, ctx);
        }
        let seat = self.attend(attend);
        let written = match (&mut self.desk, &seat) {
            (Some(desk), Ok(seat)) => Some(desk.attend(seat.name().into())),
            _ => None,
        };
        Registered(seat, written)
    }
}

/// The seat of a consumer, in the same way.
type Attended<P> = Registered<ConsumerSeat<P>>;

/// What somebody gets who registers, once that is written down where it has to be.
pub(crate) struct Registered<T>(Result<T, JoinError>, Option<Attending>);

impl<P: Payload, M, T: Send + 'static> MessageResponse<Broker<P>, M> for Registered<T>
where
    M: Message<Result = Result<T, JoinError>>,
{
    fn handle(self, ctx: &mut LocalContext<Broker<P>>, answer: Option<OneshotSender<Result<T, JoinError>>>) {
        let Self(seat, written) = self;
        let Some(answer) = answer else { return };
        match written {
            None => drop(answer.send(seat)),
            // Whoever does not wait any more gives the seat up.
            Some(written) => {
                ctx.spawn(wrap_future(async move {
                    let seat = written.await.and(seat);
                    drop(answer.send(seat));
                }));
            }
        }
    }
}

impl<P: Payload> Broker<P> {
    fn attend(&mut self, attend: Attend<P>) -> Result<ConsumerSeat<P>, JoinError> {
        if let Some(error) = self.misconfigured {
            return Err(error.into());
        }
        if self.desk.is_some()
            && let Some(name) = &attend.name
            && self.room().consumers.borrow().iter().any(|listed| listed.name == *name)
        {
            return Err(JoinError::DuplicateName { name: name.clone() });
        }
        let room = self.room();
        if room.consumers.borrow().len() >= self.limits.members {
            return Err(JoinError::Full { limit: self.limits.members });
        }
        let ticket = self.next_ticket;
        let name = attend.name.unwrap_or_else(|| format!("consumer {}", ticket + 1).into());
        room.consumers.borrow_mut().push(Listed { ticket, name: name.clone(), route: attend.route });
        room.roster.borrow_mut().name_consumer(name.clone());
        self.next_ticket += 1;
        log::debug!(target: "convoke::broker", "broker {}: consumer `{}` joined", self.id, Shown::name(&name));
        Ok(ConsumerSeat::new(self.door.clone(), name, ticket))
    }
}

/// Hands a member over to its broker, to live as long as that does.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Keep {
    Emitter { slot: Slot, generation: u32, keeper: Keeper },
    Consumer { keeper: Keeper },
}

impl<P: Payload> Handler<Keep> for Broker<P> {
    type Result = ();

    fn handle(&mut self, keep: Keep, _: &mut Self::Context) {
        match keep {
            Keep::Consumer { keeper } => self.kept_consumers.push(keeper),
            Keep::Emitter { slot, generation, keeper } => {
                let mut roster = self.room().roster.borrow_mut();
                if roster.holds(slot, generation)
                    && let Some(member) = roster.slot_mut(slot)
                {
                    member.keeper = Some(keeper);
                }
            }
        }
    }
}

/// Which of these names it is.
fn place(names: &[Arc<str>], name: &Arc<str>) -> Option<Place> {
    (0..).zip(names).find(|(_, other)| *other == name).map(|(place, _)| place)
}
