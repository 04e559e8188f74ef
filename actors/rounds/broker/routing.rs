//! Which session an input belongs to: opens rounds, and takes back what they leave.
//!
//! `ToBroker → by key → Link of the session; FromSession → table, debts, statistics, history`

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::AsyncContext;

use super::broker::Broker;
use crate::base::{Payload, Shown};
use crate::rounds::durable::What;
use crate::rounds::messages::{Ask, Durable, Reply, Seated, ToBroker, answer};
use crate::rounds::outcome::Account;
use crate::rounds::room::{FromSession, Link, Member, Roster, ToSession};
use crate::rounds::round::{Needed, Slot, Standing, Verdict};
use crate::rounds::session::Session;
use crate::rounds::{EmitError, Past, RoundId, RoundKey, Title};
use crate::runtime::{self, LocalContext};

/// How long the actors of a broker are held after its last round, so that a busy broker need not find them anew for
/// each one.
const WARM: Duration = Duration::from_secs(1);

impl<P: Payload> Broker<P> {
    pub(crate) fn input(&mut self, input: ToBroker<P>, ctx: &mut LocalContext<Self>) {
        match input {
            ToBroker::Emit { slot, generation, key, payload, reply } => {
                self.emit(slot, generation, key, payload, reply, ctx);
            }
            ToBroker::Durable(asked) => {
                let Durable { by, key, what, written, reply } = *asked;
                let what = what.map_or_else(What::Veto, What::Signal);
                self.hand_on(by, key, what, Some(written), Some(reply));
            }
            ToBroker::Veto { slot, generation, key, reason, reply } if self.desk.is_some() => {
                self.hand_on(Seated { slot, generation }, key, What::Veto(reason), None, reply);
            }
            ToBroker::Veto { slot, generation, key, reason, reply } => match self.open.by_key(key.as_ref()) {
                Some(link) if self.room().roster.borrow().holds(slot, generation) => {
                    link.push(&self.room().executor, ToSession::Veto { slot, reason, reply });
                }
                Some(_) => answer(reply, Err(self.room().roster.borrow().refusal(slot, Some(generation)))),
                None => answer(reply, Err(EmitError::NoRound)),
            },
            ToBroker::PledgeLate { by: Seated { slot, generation }, round, key, reply } => {
                // Whoever has its slot now is not to blame, and what it owes it still owes.
                if self.room().roster.borrow().holds(slot, generation) {
                    self.count_late(slot);
                    self.debts.forgive(key.as_ref(), round, slot);
                }
                answer(reply, Err(EmitError::Late { round, key }));
            }
            ToBroker::GiveUp { slot, generation, lost } => self.give_up(slot, generation, lost),
            ToBroker::ConsumerLeft { ticket } => {
                self.leave_desk(ticket);
                self.room().consumers.borrow_mut().retain(|consumer| consumer.ticket != ticket);
                self.room().name_consumers();
            }
        }
    }

    #[inline(always)]
    pub(crate) fn emit(
        &mut self,
        slot: Slot,
        generation: u32,
        key: Option<RoundKey>,
        payload: P,
        reply: Option<Reply<P>>,
        ctx: &mut LocalContext<Self>,
    ) {
        let room = self.room();
        if !room.roster.borrow().holds(slot, generation) {
            self.refuse(slot, generation, reply);
        } else if let Some(link) = self.open.by_key(key.as_ref()) {
            link.push(&room.executor, ToSession::Signal { slot, payload, reply });
        } else if self.desk.is_some() {
            self.hand_on(Seated { slot, generation }, key, What::Signal(payload), None, reply);
        } else {
            self.open_round(slot, key, payload, reply, ctx);
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, slot: Slot, generation: u32, reply: Option<Reply<P>>) {
        answer(reply, Err(self.room().roster.borrow().refusal(slot, Some(generation))));
    }

    #[inline(never)]
    fn open_round(
        &mut self,
        slot: Slot,
        key: Option<RoundKey>,
        payload: P,
        reply: Option<Reply<P>>,
        ctx: &mut LocalContext<Self>,
    ) {
        let now = runtime::now();
        if let Some(round) = self.debts.settle(key.as_ref(), slot, now) {
            self.count_late(slot);
            log::debug!(target: "convoke::broker", "broker {}: `{}` came too late for {}", self.id, Shown::name(&self.name(slot)), Title(round, key.as_ref()));
            return answer(reply, Err(EmitError::Late { round, key }));
        }
        let limit = self.limits.open;
        if self.room().sessions.get() >= limit {
            log::warn!(target: "convoke::broker", "broker {}: the limit of {limit} rounds is reached", self.id);
            return answer(reply, Err(EmitError::TooManyRounds { limit }));
        }
        self.debts.forget(key.as_ref());
        let round = RoundId(self.next_round);
        self.next_round += 1;
        let room = self.room().clone();
        let (queue, mut standing) = {
            let mut spare = room.spare.borrow_mut();
            (spare.queue(), spare.standing())
        };
        let link = Link::new(round, key, now, queue);
        standing.extend_from_slice(room.roster.borrow().template());
        link.push(&room.executor, ToSession::Signal { slot, payload, reply });
        let place = self.open.insert(link.clone());
        Session::start(&room, link, place, self.rules.clone(), standing);
        room.meter.opened();
        self.opened_since = true;
        if !self.warm {
            self.warm = true;
            ctx.run_later(WARM, Self::cool);
        }
    }

    /// Lets go of actors that are held for rounds, when there have been none for a while.
    fn cool(&mut self, ctx: &mut LocalContext<Self>) {
        self.hear_sessions();
        if std::mem::take(&mut self.opened_since) || self.open.len() > 0 {
            ctx.run_later(WARM, Self::cool);
        } else {
            self.warm = false;
            self.room().roster.borrow_mut().cool();
        }
    }

    fn give_up(&mut self, slot: Slot, generation: u32, lost: bool) {
        if !self.room().roster.borrow().holds(slot, generation) {
            return;
        }
        if let Some(desk) = &mut self.desk
            && let Some(room) = &self.room
            && let Some(member) = room.roster.borrow().slot(slot).filter(|member| !matches!(member.ask, Ask::Never))
        {
            desk.retire(&member.seat.who.name);
        }
        self.room().roster.borrow_mut().remove(slot, RoundId(self.next_round));
        self.debts.drop_slot(slot);
        log::debug!(
            target: "convoke::broker", "broker {}: `{}` {}", self.id, Shown::name(&self.name(slot)), if lost { "is lost" } else { "has left" }
        );
        if lost && matches!(self.rules.release, Needed::All) && !self.rules.expected.contains(&self.name(slot)) {
            self.warn_of_lost(slot);
        }
        for link in self.open.all() {
            let input = if lost { ToSession::Lost(slot) } else { ToSession::Leave(slot) };
            link.push(&self.room().executor, input);
        }
    }

    #[cold]
    fn warn_of_lost(&self, slot: Slot) {
        log::warn!(
            target: "convoke::broker",
            "broker {}: `{}` is lost, and the rounds that open from now on do without it: name it with `expects` if they must not",
            self.id,
            Shown::name(&self.name(slot))
        );
    }

    /// If this emitter has given up its seat, handles what waits in the inbox until its farewell.
    pub(crate) fn see_off(&mut self, ctx: &mut LocalContext<Self>, find: impl Fn(&Roster<P>) -> Option<&Member<P>>) {
        let leaving =
            |broker: &Self| find(&broker.room().roster.borrow()).is_some_and(|member| member.seat.is_given_up());
        while leaving(self) {
            self.batch.refill(&self.door);
            let Some(input) = self.returned.pop_front().or_else(|| self.batch.next(&self.door)) else { break };
            self.input(input, ctx);
        }
    }

    /// Who is, or was, in this slot.
    pub(super) fn name(&self, slot: Slot) -> Arc<str> {
        self.room().roster.borrow().directory().emitters[slot as usize].name.clone()
    }

    fn count_late(&self, slot: Slot) {
        self.room().meter.late();
        if let Some(member) = self.room().roster.borrow_mut().slot_mut(slot) {
            member.stats.late += 1;
        }
    }

    pub(crate) fn take_from_session(&mut self, message: FromSession<P>) {
        match message {
            FromSession::Closed { place, account, standing, returned } => {
                self.open.remove(place);
                self.count(&account, &standing);
                if standing.iter().any(|standing| standing.owes() || *standing == Standing::Missed) {
                    let window = self.limits.late_window.unwrap_or(self.rules.timeout);
                    let until = runtime::after(runtime::now(), window);
                    if self.debts.note(account.key.clone(), account.round, &standing, until) {
                        self.warn_of_forgotten();
                    }
                }
                self.take_back(&account.key, returned);
                self.remember(Past::new(&account));
                self.room().spare.borrow_mut().keep_standing(standing);
            }
            FromSession::Complete { place, past } => {
                self.open.remove(place);
                self.resolved += 1;
                self.remember(past);
            }
            FromSession::ConsumersFailed { round, failed } => {
                if let Some(past) = self.history.iter_mut().rev().find(|past| past.is_of(round)) {
                    past.add_failed(failed);
                }
            }
        }
    }

    fn remember(&mut self, past: Past) {
        if self.limits.history > 0 {
            if self.history.len() == self.limits.history {
                self.history.pop_front();
            }
            self.history.push_back(past);
        }
    }

    #[cold]
    fn warn_of_forgotten(&self) {
        log::warn!(
            target: "convoke::broker",
            "broker {}: more rounds have closed without all their signals than are remembered: whoever owed the oldest opens \
             none until the late window is over, and is told that it is late; raise `max_late`",
            self.id
        );
    }

    fn count(&mut self, account: &Account<P>, standing: &[Standing]) {
        let resolved = account.verdict.is_resolved();
        *(if resolved { &mut self.resolved } else { &mut self.cancelled }) += 1;
        let mut roster = self.room().roster.borrow_mut();
        (0..).zip(standing).for_each(|(slot, standing)| count_one(&mut roster, slot, *standing, &account.verdict));
        if let Verdict::Vetoed(slot, _) = account.verdict {
            count_veto(&mut roster, slot);
        }
        if resolved {
            roster.count_last(&account.kept);
        }
    }

    /// Signals that a round did not take open the next one, or are late, as if they came now.
    fn take_back(&mut self, key: &Option<RoundKey>, mut inputs: VecDeque<ToSession<P>>) {
        // From the last to the first, to the front: what still waits there from an earlier round came after all of these.
        while let Some(input) = inputs.pop_back() {
            match input {
                ToSession::Signal { slot, payload, reply } => {
                    let generation = self.room().roster.borrow().slot(slot).map(|member| member.seat.generation);
                    let Some(generation) = generation else { continue };
                    self.returned.push_front(ToBroker::Emit { slot, generation, key: key.clone(), payload, reply });
                }
                ToSession::Veto { reply, .. } => answer(reply, Err(EmitError::NoRound)),
                // What happened to the roster is known here, and the rest concerned that round alone.
                ToSession::Join(..)
                | ToSession::Leave(_)
                | ToSession::Lost(_)
                | ToSession::Abort(_)
                | ToSession::Inspect(_) => {}
            }
        }
        self.room().spare.borrow_mut().keep_queue(inputs);
    }
}

/// Counts for an emitter how it stood when a round closed.
fn count_one<P: Payload>(roster: &mut Roster<P>, slot: Slot, standing: Standing, verdict: &Verdict) {
    match standing {
        Standing::Kept => return roster.count_kept(slot),
        Standing::Missed | Standing::ToldLate => {}
        Standing::Owing | Standing::Awaited if verdict.is_timeout() => {}
        Standing::Vetoed => return count_veto(roster, slot),
        _ => return,
    }
    if let Some(member) = roster.slot_mut(slot) {
        member.stats.missed += 1;
    }
}

#[cold]
fn count_veto<P: Payload>(roster: &mut Roster<P>, slot: Slot) {
    if let Some(member) = roster.slot_mut(slot) {
        member.stats.vetoed += 1;
    }
}
