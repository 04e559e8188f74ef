//! What a round goes by, what is said to it, and what it says, as the documentation has it.

use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use crate::rounds::round::{Close, LateJoin, OnLost, OnTimeout, OnVeto, Release, RepeatEmit, Rules, Slot};

/// Milliseconds: since the round opened, or as a wait.
pub(super) type Ms = u64;

pub(super) fn ms(count: Ms) -> Duration {
    Duration::from_millis(count)
}

#[derive(Clone, Debug)]
pub(super) enum Need {
    All,
    AtLeast(usize),
    Names(Vec<&'static str>),
    /// A predicate: nobody owes anything.
    NobodyOwes,
    /// A predicate: the payloads come to so much together.
    Sum(u32),
    /// A predicate: of a, or of b and c.
    OneOrTwo,
    /// A predicate: those who have kept weigh so much together.
    Weight(u64),
    /// A predicate: a says so much at least, or b has vetoed and a owes nothing.
    Says(u32),
}

#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) timeout: Ms,
    pub(super) idle: Option<Ms>,
    pub(super) need: Need,
    pub(super) expected: Vec<&'static str>,
    pub(super) close: Close,
    pub(super) late_join: LateJoin,
    pub(super) repeat: RepeatEmit,
    pub(super) on_timeout: OnTimeout,
    pub(super) on_lost: OnLost,
    pub(super) on_veto: OnVeto,
    /// How much heartbeats may gain; no limit but the timeout if none.
    pub(super) max_heartbeat: Option<Ms>,
}

impl Spec {
    /// Any of the policies, all combinations of them.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let need = prop_oneof![
            2 => Just(Need::All),
            2 => (1..5_usize).prop_map(Need::AtLeast),
            2 => select(vec![vec!["a"], vec!["b", "a"], vec!["c", "d"]]).prop_map(Need::Names),
            1 => Just(Need::NobodyOwes),
            1 => (5..25_u32).prop_map(Need::Sum),
            1 => Just(Need::OneOrTwo),
            1 => (1..6_u64).prop_map(Need::Weight),
            1 => (3..10_u32).prop_map(Need::Says),
        ];
        let names = [vec!["a"], vec!["b", "a"], vec!["a", "c"], vec!["c", "d"], vec!["a", "b", "c", "d"]];
        let expected = prop_oneof![1 => Just(vec![]), 1 => select(names.to_vec())];
        let max_heartbeat = proptest::option::of(0..8_u64);
        let when = (3..20_u64, proptest::option::of(2..8_u64), need, expected, max_heartbeat);
        let policies = (
            select(vec![Close::Released, Close::Deadline]),
            select(vec![LateJoin::ThisRound, LateJoin::NextRound, LateJoin::Rejected]),
            select(vec![RepeatEmit::Rejected, RepeatEmit::Replaces, RepeatEmit::NextRound]),
            select(vec![OnTimeout::Cancel, OnTimeout::DeliverPartial]),
            select(vec![OnLost::Cancel, OnLost::Shrink, OnLost::Wait]),
            prop_oneof![
                2 => Just(OnVeto::Cancel),
                3 => (0..4_usize).prop_map(OnVeto::Tolerate),
                3 => select(vec![0, 20, 25, 33, 50, 99, 100]).prop_map(OnVeto::TolerateShare),
            ],
        );
        (when, policies).prop_map(
            |(
                (timeout, idle, need, expected, max_heartbeat),
                (close, late_join, repeat, on_timeout, on_lost, on_veto),
            )| Self {
                timeout,
                idle,
                need,
                expected,
                close,
                late_join,
                repeat,
                on_timeout,
                on_lost,
                on_veto,
                max_heartbeat,
            },
        )
    }

    pub(super) fn release(&self) -> Release<u32> {
        match &self.need {
            Need::All => Release::all(),
            Need::AtLeast(quorum) => Release::at_least(*quorum),
            Need::Names(names) => Release::required(names.iter().copied()),
            Need::NobodyOwes => Release::when_named("p", 1, |gathered| gathered.owing() == 0),
            Need::Sum(least) => {
                let least = *least;
                Release::when_named("p", 1, move |gathered| gathered.payloads().iter().sum::<u32>() >= least)
            }
            Need::OneOrTwo => Release::when_named("p", 1, |it| it.kept("a") || it.kept("b") && it.kept("c")),
            Need::Weight(least) => {
                let least = *least;
                Release::when_named("p", 1, move |gathered| gathered.weight() >= least)
            }
            Need::Says(least) => {
                let least = *least;
                Release::when_named("p", 1, move |gathered| {
                    let has_vetoed = gathered.vetoed().any(|(name, _)| name == "b");
                    assert_eq!(gathered.missing().is_empty(), gathered.owing() == 0);
                    gathered.payload("a").is_some_and(|payload| *payload >= least)
                        || has_vetoed && !gathered.missing().contains(&"a")
                })
            }
        }
    }

    pub(super) fn rules(&self) -> Rc<Rules<u32>> {
        let mut rules = Rules::new(ms(self.timeout));
        rules.idle = self.idle.map(ms);
        rules.release = self.release().0;
        rules.expected = self.expected.iter().copied().map(Into::into).collect();
        rules.close = self.close;
        rules.late_join = self.late_join;
        rules.repeat = self.repeat;
        rules.on_timeout = self.on_timeout;
        rules.on_lost = self.on_lost;
        rules.on_veto = self.on_veto;
        rules.max_heartbeat = self.max_heartbeat.map_or(Duration::MAX, ms);
        Rc::new(rules)
    }
}

/// Who takes part, how long it has of its own, and how much it weighs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    pub(super) name: &'static str,
    pub(super) deadline: Option<Ms>,
    pub(super) weight: u32,
}

/// What is said to a round.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Emits(Slot, u32),
    Joins(Slot, Party),
    Leaves(Slot),
    IsLost(Slot),
    Vetoes(Slot, &'static str),
    /// Asks to have time until then.
    Beats(Slot, Ms),
    Aborts(&'static str),
    /// The broker or the session is gone.
    Orphans,
    /// Nothing but that it is so late.
    Ticks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Owes,
    Awaited,
    Kept,
    /// Another of its name, which is expected, has kept the promise or vetoed.
    Covered,
    /// Has vetoed, which was tolerated.
    Vetoed,
    Missed,
    /// The same, and it has been told so.
    ToldLate,
    Lost,
    Left,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Resolved,
    Partial,
    TimedOut,
    Idle,
    Lost(Slot),
    Vetoed(Slot, &'static str),
    NoMember { timed_out: bool },
    OutOfReach,
    Aborted(&'static str),
    Orphaned,
}

/// What a signal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Taken { instead_of: Option<u32> },
    AlreadyKept,
    Vetoed,
    Late,
    Gone,
    NextRound,
    Over,
}
