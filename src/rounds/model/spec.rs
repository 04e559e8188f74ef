//! What a durable broker goes by, and what is done to it, as the documentation has it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use crate::{Broker, Close, Early, Gathered, OnTimeout, OnVeto, Release, RepeatEmit};

/// A moment, or a wait: everything that is said is said at whole seconds.
pub(super) type Secs = u64;

pub(super) const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(super) const KEYS: [&str; 3] = ["x", "y", "z"];
pub(super) const PROCESSES: usize = 2;

/// How much somebody weighs, who may weigh something else in each process.
pub(super) const WEIGHTS: [[u32; NAMES.len()]; PROCESSES] = [[1, 2, 0, 1, 3], [2, 1, 1, 3, 1]];

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
    /// A predicate: b has vetoed, or a says so much at least.
    Says(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    Opens,
    Waits(Secs),
    Rejected,
}

#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Whether time passes; without, nothing is ever over by itself.
    pub(super) has_time: bool,
    pub(super) timeout: Secs,
    pub(super) idle: Option<Secs>,
    pub(super) need: Need,
    pub(super) expected: Vec<&'static str>,
    pub(super) close: Close,
    pub(super) repeat: RepeatEmit,
    pub(super) on_timeout: OnTimeout,
    pub(super) on_veto: OnVeto,
    pub(super) early: Before,
    pub(super) late_window: Secs,
}

impl Spec {
    /// Any of the policies that a durable broker has, all combinations of them.
    pub(super) fn any(has_time: bool) -> impl Strategy<Value = Self> {
        let need = prop_oneof![
            2 => Just(Need::All),
            3 => (1..5_usize).prop_map(Need::AtLeast),
            2 => select(vec![vec!["a"], vec!["b", "a"], vec!["c", "d"]]).prop_map(Need::Names),
            1 => Just(Need::NobodyOwes),
            1 => (5..25_u32).prop_map(Need::Sum),
            1 => Just(Need::OneOrTwo),
            2 => (1..8_u64).prop_map(Need::Weight),
            1 => (3..10_u32).prop_map(Need::Says),
        ];
        let names = [vec!["a"], vec!["b", "a"], vec!["a", "c"], vec!["c", "d"], vec!["a", "b", "c", "d"]];
        let expected = prop_oneof![1 => Just(vec![]), 2 => select(names.to_vec())];
        let early =
            prop_oneof![3 => Just(Before::Opens), 2 => (1..5_u64).prop_map(Before::Waits), 1 => Just(Before::Rejected)];
        let when = (2..9_u64, proptest::option::of(1..5_u64), need, expected, early, 0..6_u64);
        let policies = (
            prop_oneof![3 => Just(Close::Released), 1 => Just(Close::Deadline)],
            select(vec![RepeatEmit::Rejected, RepeatEmit::Replaces]),
            select(vec![OnTimeout::Cancel, OnTimeout::DeliverPartial]),
            prop_oneof![
                2 => Just(OnVeto::Cancel),
                3 => (0..4_usize).prop_map(OnVeto::Tolerate),
                2 => select(vec![0, 20, 25, 33, 50, 99, 100]).prop_map(OnVeto::TolerateShare),
            ],
        );
        (when, policies).prop_map(move |(when, (close, repeat, on_timeout, on_veto))| {
            let (timeout, idle, need, mut expected, early, late_window) = when;
            if matches!(need, Need::All) && expected.is_empty() {
                expected = vec!["b", "a"];
            }
            let idle = idle.filter(|_| has_time);
            Self { has_time, timeout, idle, need, expected, close, repeat, on_timeout, on_veto, early, late_window }
        })
    }

    /// Deadlines are between the whole seconds, so that nothing is said in the very moment; an idle one comes before a total one.
    fn span(&self, secs: Secs, millis: u64) -> Duration {
        match self.has_time {
            true => Duration::from_millis(secs * 1_000 + millis),
            false => Duration::from_secs(24 * 60 * 60),
        }
    }

    pub(super) fn broker(&self) -> Broker<u32> {
        let mut broker = Broker::new(self.span(self.timeout, 500))
            .release(self.release())
            .close(self.close)
            .repeat_emit(self.repeat)
            .on_timeout(self.on_timeout)
            .on_veto(self.on_veto)
            .late_window(self.span(self.late_window, 250));
        if !self.expected.is_empty() {
            broker = broker.expects(self.expected.iter().copied());
        }
        if let Some(idle) = self.idle {
            broker = broker.idle_timeout(self.span(idle, 250));
        }
        broker
    }

    pub(super) fn early(&self) -> Early {
        match self.early {
            Before::Opens => Early::Opens,
            Before::Waits(wait) => Early::Waits(self.span(wait, 500)),
            Before::Rejected => Early::Rejected,
        }
    }

    fn release(&self) -> Release<u32> {
        type Decides = Box<dyn Fn(&Gathered<'_, u32>) -> bool + Send + Sync>;
        let named = |predicate: Decides| Release::when_named("p", 1, predicate);
        match &self.need {
            Need::All => Release::all(),
            Need::AtLeast(quorum) => Release::at_least(*quorum),
            Need::Names(names) => Release::required(names.iter().copied()),
            Need::NobodyOwes => named(Box::new(|it| it.owing() == 0)),
            Need::Sum(least) => {
                let least = *least;
                named(Box::new(move |it| it.payloads().iter().sum::<u32>() >= least))
            }
            Need::OneOrTwo => named(Box::new(|it| it.kept("a") || it.kept("b") && it.kept("c"))),
            Need::Weight(least) => {
                let least = *least;
                named(Box::new(move |it| it.weight() >= least))
            }
            Need::Says(least) => {
                let least = *least;
                named(Box::new(move |it| {
                    it.vetoed().any(|(name, _)| name == "b") || it.payload("a").is_some_and(|payload| *payload >= least)
                }))
            }
        }
    }

    /// Whether this name may take part.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.expected.is_empty() || self.parties().contains(&name)
    }

    /// Those that owe a signal from the beginning.
    pub(super) fn parties(&self) -> Vec<&'static str> {
        let mut parties = self.expected.clone();
        if let Need::Names(names) = &self.need {
            parties.extend(names.iter().filter(|name| !self.expected.contains(name)));
        }
        parties
    }
}

/// What a party says.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Signal(u32),
    Veto(&'static str),
}

/// What one says, to which round, and whether the end of it is awaited, or only that it is a row.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: usize,
    pub(super) key: usize,
    pub(super) word: Word,
    pub(super) awaits_end: bool,
}

/// What becomes of the next transaction of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies before it.
    DiesBefore,
    /// The process dies in it, when it has been polled so often: between two of its statements.
    DiesWithin(usize),
    /// The process dies when it has committed, and nobody was told.
    DiesAfter,
    /// It fails so often, and comes to nothing.
    FailsBefore(u32),
    /// It has committed, and says so often that nobody knows.
    FailsAfter(u32),
    /// It has committed, and says that nobody knows; and of what is tried then, that it will not have it.
    IsRefusedAfter,
    /// The database will not have it.
    IsRefused,
}

impl Fault {
    pub(super) fn kills(self) -> bool {
        matches!(self, Self::DiesBefore | Self::DiesWithin(_) | Self::DiesAfter)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// All of it in one go.
    Say(Vec<Line>),
    Open(usize),
    Abort(usize),
    /// So many seconds pass.
    Pass(Secs),
    /// The process ends, and another comes.
    Restart,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) process: usize,
    pub(super) deed: Deed,
    pub(super) fault: Option<Fault>,
}

impl Step {
    pub(super) fn any(has_time: bool, polls: usize) -> impl Strategy<Value = Self> {
        let word = prop_oneof![
            6 => (1..10_u32).prop_map(Word::Signal),
            1 => select(vec!["no", "never"]).prop_map(Word::Veto),
        ];
        let line = (0..NAMES.len(), prop_oneof![3 => Just(0), 1 => 1..KEYS.len()], word, any::<bool>())
            .prop_map(|(name, key, word, awaits_end)| Line { name, key, word, awaits_end });
        let say = prop_oneof![
            2 => proptest::collection::vec(line.clone(), 1),
            1 => proptest::collection::vec(line, 2..5),
        ];
        let pass = if has_time { 4 } else { 0 };
        let key = prop_oneof![3 => Just(0), 1 => 1..KEYS.len()];
        let deed = prop_oneof![
            12 => say.prop_map(Deed::Say),
            pass => (1..4_u64).prop_map(Deed::Pass),
            2 => key.clone().prop_map(Deed::Open),
            1 => key.prop_map(Deed::Abort),
            1 => Just(Deed::Restart),
        ];
        let fault = prop_oneof![
            1 => Just(Fault::DiesBefore),
            4 => (1..polls).prop_map(Fault::DiesWithin),
            2 => Just(Fault::DiesAfter),
            1 => (1..3_u32).prop_map(Fault::FailsBefore),
            2 => (1..3_u32).prop_map(Fault::FailsAfter),
            1 => Just(Fault::IsRefused),
        ];
        (0..PROCESSES, deed, proptest::option::weighted(0.25, fault)).prop_map(|(process, deed, fault)| Self {
            process,
            deed,
            fault,
        })
    }
}
