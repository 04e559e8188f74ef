//! What a durable broker does with what its members say: it hands it on, and decides nothing.
//!
//! `ToBroker → hand_on → Desk`

use super::broker::Broker;
use crate::base::Payload;
use crate::rounds::durable::{Asked, What, Written};
use crate::rounds::messages::{Reply, Seated, answer};
use crate::rounds::{EmitError, RoundKey};

impl<P: Payload> Broker<P> {
    /// Hands on what a member says, if it is one.
    #[cold]
    pub(super) fn hand_on(
        &mut self,
        by: Seated,
        key: Option<RoundKey>,
        what: What<P>,
        written: Option<Written>,
        reply: Option<Reply<P>>,
    ) {
        let holds = self.room().roster.borrow().holds(by.slot, by.generation);
        let weight = self.room().roster.borrow().people().get(by.slot as usize).map_or(1, |who| who.weight);
        let asked = Asked { name: self.name(by.slot), key, what, weight, written, reply };
        let refused = match &mut self.desk {
            Some(desk) if holds => match desk.take(asked) {
                Ok(()) => return,
                Err((asked, limit)) => (asked, EmitError::Busy { limit }),
            },
            Some(_) => (asked, self.room().roster.borrow().refusal(by.slot, Some(by.generation))),
            None => (asked, EmitError::NotDurable),
        };
        let (Asked { written, reply, .. }, error) = refused;
        if let Some(written) = written {
            let _ = written.send(Err(error.clone()));
        }
        answer(reply, Err(error));
    }

    /// A consumer has left this process.
    pub(super) fn leave_desk(&mut self, ticket: u64) {
        let Some(desk) = &mut self.desk else { return };
        let room = self.room.as_ref();
        let name = room.and_then(|room| {
            room.consumers.borrow().iter().find(|listed| listed.ticket == ticket).map(|listed| listed.name.clone())
        });
        if let Some(name) = name {
            desk.leave(&name);
        }
    }
}
