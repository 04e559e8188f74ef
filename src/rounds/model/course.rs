//! One round, as its documentation has it: a list of what was said to it and when, from which everything else is worked out anew at
//! every question. No counters, no caches, no cleverness.

use super::spec::{Need, Secs, Spec};
use crate::{Close, OnTimeout, OnVeto, RepeatEmit};

type Name = &'static str;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Signal(u32, u32),
    Veto(&'static str),
    Abort(&'static str),
}

/// A round, by what was said to it.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) opened: Secs,
    /// What counted, and what did not.
    pub(super) said: Vec<(Secs, Name, Said)>,
}

/// How far it has come.
#[derive(Clone, Debug)]
pub(super) struct Course<'a> {
    spec: &'a Spec,
    /// In the order in which they came to take part.
    parties: Vec<Name>,
    /// Whose, what it says, what it weighs.
    pub(super) signals: Vec<(Name, u32, u32)>,
    pub(super) vetoes: Vec<(Name, &'static str)>,
    pub(super) end: Option<End>,
    /// What of all that was said is a row.
    pub(super) rows: Vec<(Name, Said)>,
    pub(super) told: Option<Told>,
    opened: Secs,
    last_signal: Secs,
    /// The second in which it ended.
    pub(super) ended: Secs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Resolved,
    Partial,
    TimedOut,
    Idle,
    Vetoed(Name, &'static str),
    OutOfReach,
    Aborted(&'static str),
}

/// What the last word was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Taken,
    AlreadyKept,
    Vetoed,
    Stranger,
    Over,
}

impl History {
    pub(super) fn course<'a>(&self, spec: &'a Spec, now: Secs) -> Course<'a> {
        let mut course = Course {
            spec,
            parties: spec.parties(),
            signals: Vec::new(),
            vetoes: Vec::new(),
            end: None,
            rows: Vec::new(),
            told: None,
            opened: self.opened,
            last_signal: self.opened,
            ended: 0,
        };
        for (at, name, said) in &self.said {
            course.pass(*at);
            let told = match course.end {
                Some(_) => Told::Over,
                None => course.say(*at, name, said),
            };
            if told == Told::Taken && !matches!(said, Said::Abort(_)) {
                course.rows.push((name, said.clone()));
            }
            course.told = Some(told);
        }
        course.pass(now);
        course
    }
}

impl Course<'_> {
    fn say(&mut self, at: Secs, name: Name, said: &Said) -> Told {
        if let Said::Abort(reason) = said {
            self.finish(End::Aborted(reason), at);
            return Told::Taken;
        }
        if !self.spec.knows(name) {
            return Told::Stranger;
        }
        if !self.parties.contains(&name) {
            self.parties.push(name);
        }
        if self.has_vetoed(name) {
            return Told::Vetoed;
        }
        match *said {
            Said::Signal(payload, weight) => {
                if self.has_kept(name) {
                    if self.spec.repeat == RepeatEmit::Rejected {
                        return Told::AlreadyKept;
                    }
                    self.signals.retain(|(other, ..)| *other != name);
                }
                self.signals.push((name, payload, weight));
                self.last_signal = at;
            }
            Said::Veto(reason) => {
                let rest: Vec<_> = self.signals.iter().copied().filter(|(other, ..)| *other != name).collect();
                let count = self.vetoes.len() + 1;
                let is_tolerated = match self.spec.on_veto {
                    OnVeto::Cancel => false,
                    OnVeto::Tolerate(most) => count <= most,
                    OnVeto::TolerateShare(percent) => count * 100 <= self.parties.len() * usize::from(percent),
                };
                if !is_tolerated || self.has_kept(name) && rest.is_empty() {
                    self.finish(End::Vetoed(name, reason), at);
                    return Told::Taken;
                }
                self.signals = rest;
                self.vetoes.push((name, reason));
            }
            Said::Abort(_) => {}
        }
        if self.spec.close == Close::Released && self.is_released() {
            self.finish(End::Resolved, at);
        } else if !self.is_in_reach() {
            self.finish(End::OutOfReach, at);
        }
        Told::Taken
    }

    fn finish(&mut self, end: End, at: Secs) {
        (self.end, self.ended) = (Some(end), at);
    }

    /// The second whose deadline is the next one, and what it ends.
    fn deadline(&self) -> (Secs, End) {
        let total = (self.opened + self.spec.timeout, End::TimedOut);
        match self.spec.idle.map(|idle| self.last_signal + idle) {
            Some(idle) if idle <= total.0 => (idle, End::Idle),
            _ => total,
        }
    }

    fn pass(&mut self, now: Secs) {
        let (deadline, end) = self.deadline();
        if !self.spec.has_time || self.end.is_some() || deadline >= now {
            return;
        }
        let end = if self.is_released() {
            End::Resolved
        } else if matches!(self.spec.need, Need::All) && self.is_refused() {
            End::OutOfReach
        } else if self.spec.on_timeout == OnTimeout::DeliverPartial {
            End::Partial
        } else {
            end
        };
        self.finish(end, deadline);
    }

    fn is_released(&self) -> bool {
        match &self.spec.need {
            Need::All => self.owing().is_empty() && !self.is_refused(),
            Need::AtLeast(quorum) => self.signals.len() >= *quorum,
            Need::Names(names) => names.iter().all(|name| self.has_kept(name)),
            Need::NobodyOwes => self.owing().is_empty(),
            Need::Sum(least) => self.signals.iter().map(|(_, payload, _)| payload).sum::<u32>() >= *least,
            Need::OneOrTwo => self.has_kept("a") || self.has_kept("b") && self.has_kept("c"),
            Need::Weight(least) => self.signals.iter().map(|(_, _, weight)| u64::from(*weight)).sum::<u64>() >= *least,
            Need::Says(least) => {
                self.has_vetoed("b") || self.signals.iter().any(|(name, payload, _)| *name == "a" && payload >= least)
            }
        }
    }

    /// Everyone has answered, and everyone has vetoed.
    fn is_refused(&self) -> bool {
        self.owing().is_empty() && self.signals.is_empty() && !self.vetoes.is_empty()
    }

    fn is_in_reach(&self) -> bool {
        if self.spec.expected.is_empty() {
            // Somebody may come yet.
            return true;
        }
        match &self.spec.need {
            Need::All => !self.is_refused(),
            Need::AtLeast(quorum) => self.signals.len() + self.owing().len() >= *quorum,
            Need::Names(names) => names.iter().all(|name| !self.has_vetoed(name)),
            _ => true,
        }
    }

    fn has_kept(&self, name: &str) -> bool {
        self.signals.iter().any(|(other, ..)| *other == name)
    }

    fn has_vetoed(&self, name: &str) -> bool {
        self.vetoes.iter().any(|(other, _)| *other == name)
    }

    /// Those that it waits for.
    pub(super) fn owing(&self) -> Vec<Name> {
        let owes = |name: &Name| !self.has_kept(name) && !self.has_vetoed(name);
        self.parties.iter().copied().filter(owes).collect()
    }

    /// Those that are named when it is over: who has ended it by a veto is not.
    pub(super) fn missing(&self) -> Vec<Name> {
        let has_ended = |name: &Name| matches!(&self.end, Some(End::Vetoed(by, _)) if by == name);
        self.owing().into_iter().filter(|name| !has_ended(name)).collect()
    }

    pub(super) fn due(&self) -> Secs {
        self.deadline().0
    }
}
