//! Who is registered at a broker: its emitters by slot.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Payload;
use crate::rounds::messages::{Ask, Keeper, Seat, ToEmitter, Wants};
use crate::rounds::outcome::{Directory, EmitterRef};
use crate::rounds::round::{Kept, Slot, Standing, Terms, Who};
use crate::rounds::{BrokerId, EmitError, EmitterId, EmitterStats, RoundId};
use crate::runtime::Inbox;

/// Below this many vacated slots it is not worth looking whether one can be used again.
const RECYCLE: usize = 64;

pub(crate) struct Member<P: Payload> {
    pub(crate) seat: Arc<Seat<P>>,
    pub(crate) ask: Ask<P>,
    pub(crate) wants: Option<(Wants, Arc<Inbox<ToEmitter<P>>>)>,
    pub(crate) stats: EmitterStats,
    /// The emitter that was handed over for ever.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) present: bool,
}

pub(crate) struct Roster<P: Payload> {
    members: Vec<Member<P>>,
    by_id: HashMap<EmitterId, Slot>,
    present: usize,
    /// Who is present, by slot: its generation, or zero. Close together, because every signal looks here.
    generations: Vec<u32>,
    /// How many signals of each have counted, by slot, which its `stats` do not say: close together, because every round that
    /// closes counts them.
    kept: Vec<u64>,
    /// How many of those present are asked.
    asked: usize,
    /// How everyone stands when a round opens.
    template: Vec<Standing>,
    terms: Rc<Vec<(Slot, Terms)>>,
    directory: Arc<Directory>,
    /// Who everyone is, by slot, for rounds whose release asks for that.
    people: Rc<Vec<Who>>,
    /// Slots nobody holds, with the last round that may know them, oldest first.
    vacated: VecDeque<(Slot, RoundId)>,
    /// Those that want to hear every outcome.
    pub(crate) hearers: Vec<Slot>,
    /// Whether any member wants to be told that its promise is kept.
    pub(crate) anyone_wants_kept: bool,
    generation: u32,
}

impl<P: Payload> Roster<P> {
    pub(crate) fn new(broker: BrokerId) -> Self {
        Self {
            members: Vec::new(),
            by_id: HashMap::new(),
            present: 0,
            generations: Vec::new(),
            kept: Vec::new(),
            asked: 0,
            template: Vec::new(),
            terms: Rc::default(),
            directory: Arc::new(Directory { broker, emitters: Vec::new(), consumers: Vec::new() }),
            people: Rc::default(),
            vacated: VecDeque::new(),
            hearers: Vec::new(),
            anyone_wants_kept: false,
            generation: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.present
    }

    pub(crate) fn template(&self) -> &[Standing] {
        &self.template
    }

    pub(crate) fn terms(&self) -> &Rc<Vec<(Slot, Terms)>> {
        &self.terms
    }

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(crate) fn people(&self) -> &Rc<Vec<Who>> {
        &self.people
    }

    /// Sets the names of the consumers, for the rounds that close from now on.
    pub(crate) fn name_consumers(&mut self, names: Vec<Arc<str>>) {
        Arc::make_mut(&mut self.directory).consumers = names;
    }

    /// Adds the name of a consumer that has joined behind all others.
    pub(crate) fn name_consumer(&mut self, name: Arc<str>) {
        Arc::make_mut(&mut self.directory).consumers.push(name);
    }

    /// The member in this slot, whether it is present or has gone while a round still knows it.
    pub(crate) fn slot(&self, slot: Slot) -> Option<&Member<P>> {
        self.members.get(slot as usize)
    }

    pub(crate) fn slot_mut(&mut self, slot: Slot) -> Option<&mut Member<P>> {
        self.members.get_mut(slot as usize)
    }

    /// Whether this very emitter is present.
    pub(crate) fn holds(&self, slot: Slot, generation: u32) -> bool {
        self.generations.get(slot as usize) == Some(&generation)
    }

    /// What a signal of an emitter hears that is not present: the one of this generation, or whoever had the slot last.
    #[cold]
    pub(crate) fn refusal(&self, slot: Slot, generation: Option<u32>) -> EmitError {
        match self.slot(slot) {
            Some(Member { seat, .. }) if generation.is_none_or(|generation| generation == seat.generation) => {
                seat.refusal()
            }
            _ => EmitError::NotJoined,
        }
    }

    pub(crate) fn find(&self, id: EmitterId) -> Option<&Member<P>> {
        self.by_id.get(&id).and_then(|slot| self.slot(*slot)).filter(|member| member.present)
    }

    /// One of the members that bear this name.
    pub(crate) fn find_named(&self, name: &str) -> Option<&Member<P>> {
        self.present().find(|member| &*member.seat.who.name == name)
    }

    /// Whether an emitter of this id is here, or has been and its slot is still its own.
    pub(crate) fn knows(&self, id: EmitterId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(crate) fn present(&self) -> impl Iterator<Item = &Member<P>> {
        self.members.iter().filter(|member| member.present)
    }

    /// Adds an emitter, in the slot it had before if its id has been here, and returns its slot. `oldest` tells the
    /// oldest open round, when that is needed to know whether a vacated slot is free.
    pub(crate) fn add(
        &mut self,
        who: EmitterRef,
        weight: u32,
        terms: Terms,
        oldest: impl FnOnce() -> Option<RoundId>,
        member: impl FnOnce(Slot, u32) -> Member<P>,
    ) -> Slot {
        // Never zero, which is nobody.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        let slot = match self.by_id.get(&who.id) {
            Some(slot) => *slot,
            None => self.free_slot(oldest),
        };
        let mut member = member(slot, self.generation);
        let wants = member.wants.is_some();
        self.asked += usize::from(!matches!(member.ask, Ask::Never));
        if let Some(before) = self.members.get_mut(slot as usize) {
            if before.seat.who.id == who.id {
                member.stats = before.stats.clone();
            } else {
                self.kept[slot as usize] = 0;
                self.by_id.remove(&before.seat.who.id);
            }
            *before = member;
            self.vacated.retain(|(vacated, _)| *vacated != slot);
            Rc::make_mut(&mut self.terms).retain(|(other, _)| *other != slot);
        } else {
            self.members.push(member);
            self.template.push(Standing::Absent);
            self.generations.push(0);
            self.kept.push(0);
        }
        let emitters = &mut Arc::make_mut(&mut self.directory).emitters;
        match emitters.get_mut(slot as usize) {
            Some(entry) => *entry = who.clone(),
            None => emitters.push(who.clone()),
        }
        let people = Rc::make_mut(&mut self.people);
        let person = Who { name: who.name.clone(), weight };
        match people.get_mut(slot as usize) {
            Some(entry) => *entry = person,
            None => people.push(person),
        }
        self.by_id.insert(who.id, slot);
        self.template[slot as usize] = Standing::Owing;
        self.generations[slot as usize] = self.generation;
        self.present += 1;
        if terms != Terms::default() {
            let place = self.terms.partition_point(|(other, _)| *other < slot);
            Rc::make_mut(&mut self.terms).insert(place, (slot, terms));
        }
        if wants {
            self.note_wants();
        }
        slot
    }

    fn free_slot(&mut self, oldest: impl FnOnce() -> Option<RoundId>) -> Slot {
        if self.vacated.len() >= RECYCLE {
            let oldest = oldest();
            if let Some((slot, last)) = self.vacated.front().copied()
                && oldest.is_none_or(|oldest| oldest > last)
            {
                self.vacated.pop_front();
                return slot;
            }
        }
        self.members.len() as Slot
    }

    /// Takes an emitter off; rounds up to `last` may still know its slot.
    pub(crate) fn remove(&mut self, slot: Slot, last: RoundId) {
        let Some(member) = self.members.get_mut(slot as usize).filter(|member| member.present) else { return };
        member.present = false;
        self.generations[slot as usize] = 0;
        self.asked -= usize::from(!matches!(member.ask, Ask::Never));
        member.ask = Ask::Never;
        member.keeper = None;
        let wants = member.wants.take().is_some();
        self.present -= 1;
        self.template[slot as usize] = Standing::Absent;
        self.vacated.push_back((slot, last));
        if let Ok(place) = self.terms.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Rc::make_mut(&mut self.terms).remove(place);
        }
        if wants {
            self.note_wants();
        }
    }

    fn note_wants(&mut self) {
        let wants = |member: &Member<P>| member.wants.as_ref().map(|(wants, _)| *wants).unwrap_or_default();
        self.hearers = (0..)
            .zip(&self.members)
            .filter(|(_, member)| member.present && wants(member).outcome)
            .map(|(slot, _)| slot)
            .collect();
        self.anyone_wants_kept = self.members.iter().any(|member| member.present && wants(member).kept);
    }

    /// How many are to be asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// Lets go of the actors that were held for the rounds.
    pub(crate) fn cool(&mut self) {
        for member in &mut self.members {
            if let Ask::Any { strong, .. } = &mut member.ask {
                *strong = None;
            }
        }
    }

    /// The signal of this one has counted.
    pub(crate) fn count_kept(&mut self, slot: Slot) {
        if let Some(kept) = self.kept.get_mut(slot as usize) {
            *kept += 1;
        }
    }

    /// Those of so many have, from the first slot on.
    pub(crate) fn count_all_kept(&mut self, slots: usize) {
        self.kept.iter_mut().take(slots).for_each(|kept| *kept += 1);
    }

    /// Of several signals of a resolved round, the last has come.
    pub(crate) fn count_last(&mut self, kept: &[Kept]) {
        if let [_, .., last] = kept
            && let Some(member) = self.slot_mut(last.slot)
        {
            member.stats.last += 1;
        }
    }

    pub(crate) fn stats(&self) -> impl Iterator<Item = EmitterStats> {
        let all = self.members.iter().zip(&self.kept);
        all.filter(|(member, _)| member.present)
            .map(|(member, kept)| EmitterStats { kept: *kept, ..member.stats.clone() })
    }
}
