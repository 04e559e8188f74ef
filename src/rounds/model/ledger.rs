//! The rounds of all keys, as the documentation has them: what each word is told, and what there is of each round.
//!
//! `Ledger::{say, open, abort, pass} → Answer; Ledger::text: the same text for a ledger and for what a database has`

use std::collections::BTreeSet;
use std::fmt::Write;

use super::course::{Course, End, History, Said, Told};
use super::spec::{Before, KEYS, NAMES, Secs, Spec};

/// A round: of which key, and the how many-th of it.
pub(super) type Name = (usize, usize);

/// What a word is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is a row of this round, or has ended it.
    Written(Name),
    AlreadyKept(Name),
    Vetoed(Name),
    Late(Name),
    Stranger,
    NoRound,
    /// The database has refused it.
    Refused,
}

#[derive(Clone, Debug)]
pub(super) struct OneRound {
    stage: Stage,
    /// Who was told to be late.
    late: BTreeSet<&'static str>,
}

#[derive(Clone, Debug)]
enum Stage {
    Awaited { since: Secs, signals: Vec<(&'static str, u32, u32)> },
    Open(History),
    Over(Over),
}

/// What became of a round.
#[derive(Clone, Debug)]
struct Over {
    opened: Secs,
    closed: Secs,
    outcome: String,
    missing: Vec<&'static str>,
}

const NOBODY: &str = "nobody has opened it in time";

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) spec: Spec,
    pub(super) now: Secs,
    /// By key.
    pub(super) keys: Vec<Vec<OneRound>>,
}

impl Ledger {
    pub(super) fn new(spec: Spec) -> Self {
        Self { spec, now: 0, keys: vec![Vec::new(); KEYS.len()] }
    }

    pub(super) fn say(&mut self, key: usize, name: usize, said: Said) -> Answer {
        let name = NAMES[name];
        let (spec, now) = (self.spec.clone(), self.now);
        let rounds = &mut self.keys[key];
        let nth = rounds.len();
        match rounds.last_mut().map(|round| &mut round.stage) {
            Some(Stage::Open(history)) => {
                history.said.push((now, name, said));
                let told = history.course(&spec, now).told;
                self.close(key);
                let round = (key, nth - 1);
                match told {
                    Some(Told::AlreadyKept) => Answer::AlreadyKept(round),
                    Some(Told::Vetoed) => Answer::Vetoed(round),
                    Some(Told::Stranger) => Answer::Stranger,
                    // Whatever is due is over before anything is said.
                    Some(Told::Taken | Told::Over) | None => Answer::Written(round),
                }
            }
            Some(Stage::Awaited { signals, .. }) => match said {
                _ if signals.iter().any(|(other, ..)| *other == name) && matches!(said, Said::Signal(..)) => {
                    Answer::AlreadyKept((key, nth - 1))
                }
                Said::Signal(payload, weight) if spec.knows(name) => {
                    signals.push((name, payload, weight));
                    Answer::Written((key, nth - 1))
                }
                Said::Signal(..) => Answer::Stranger,
                _ => Answer::NoRound,
            },
            Some(Stage::Over(_)) | None => self.say_to_nothing(key, name, said),
        }
    }

    fn say_to_nothing(&mut self, key: usize, name: &'static str, said: Said) -> Answer {
        let (spec, now, rounds) = (&self.spec, self.now, &mut self.keys[key]);
        let nth = rounds.len();
        let Said::Signal(payload, weight) = said else { return Answer::NoRound };
        if !spec.knows(name) {
            return Answer::Stranger;
        }
        if let Some(OneRound { stage: Stage::Over(over), late }) = rounds.last_mut()
            && (!spec.has_time || now - over.closed <= spec.late_window)
            && over.missing.contains(&name)
            && late.insert(name)
        {
            return Answer::Late((key, nth - 1));
        }
        let stage = match spec.early {
            Before::Rejected => return Answer::NoRound,
            Before::Opens => Stage::Open(History { opened: now, said: vec![(now, name, said)] }),
            Before::Waits(_) => Stage::Awaited { since: now, signals: vec![(name, payload, weight)] },
        };
        rounds.push(OneRound { stage, late: BTreeSet::new() });
        self.close(key);
        Answer::Written((key, nth))
    }

    pub(super) fn open(&mut self, key: usize) -> Answer {
        let (now, rounds) = (self.now, &mut self.keys[key]);
        match rounds.last_mut().map(|round| &mut round.stage) {
            Some(Stage::Open(_)) => {}
            Some(stage @ Stage::Awaited { .. }) => {
                let Stage::Awaited { signals, .. } = stage.clone() else { return Answer::NoRound };
                let said = signals.iter().map(|(name, payload, weight)| (now, *name, Said::Signal(*payload, *weight)));
                *stage = Stage::Open(History { opened: now, said: said.collect() });
            }
            Some(Stage::Over(_)) | None => {
                let stage = Stage::Open(History { opened: now, said: Vec::new() });
                rounds.push(OneRound { stage, late: BTreeSet::new() });
            }
        }
        let nth = rounds.len() - 1;
        self.close(key);
        Answer::Written((key, nth))
    }

    pub(super) fn abort(&mut self, key: usize, reason: &'static str) -> Answer {
        let now = self.now;
        let nth = self.keys[key].len();
        match self.keys[key].last_mut().map(|round| &mut round.stage) {
            Some(Stage::Open(history)) => history.said.push((now, "", Said::Abort(reason))),
            Some(stage @ Stage::Awaited { .. }) => lapse(stage, reason, now),
            Some(Stage::Over(_)) | None => return Answer::NoRound,
        }
        self.close(key);
        Answer::Written((key, nth - 1))
    }

    /// Time passes, and whatever is due by then is over.
    pub(super) fn pass(&mut self, secs: Secs) {
        self.now += secs;
        for key in 0..KEYS.len() {
            let Before::Waits(wait) = self.spec.early else {
                self.close(key);
                continue;
            };
            if let Some(stage @ Stage::Awaited { .. }) = self.keys[key].last_mut().map(|round| &mut round.stage)
                && let Stage::Awaited { since, .. } = stage
            {
                let due = *since + wait;
                if due < self.now {
                    lapse(stage, NOBODY, due);
                }
            }
            self.close(key);
        }
    }

    fn close(&mut self, key: usize) {
        let Some(OneRound { stage, .. }) = self.keys[key].last_mut() else { return };
        let Stage::Open(history) = stage else { return };
        let (opened, course) = (history.opened, history.course(&self.spec, self.now));
        if let Some(outcome) = told(&course) {
            let (missing, closed) = (course.missing(), course.ended);
            *stage = Stage::Over(Over { opened, closed, outcome, missing });
        }
    }

    /// What became of a round, if it is over.
    pub(super) fn outcome(&self, (key, nth): Name) -> Option<&str> {
        match &self.keys[key][nth].stage {
            Stage::Over(over) => Some(&over.outcome),
            _ => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.keys.iter().flatten().all(|round| matches!(round.stage, Stage::Over(_)))
    }

    /// Who has kept a promise and who owes one, in the round of a key that is open.
    pub(super) fn stands(&self, key: usize) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
        let Stage::Open(history) = &self.keys[key].last()?.stage else { return None };
        let course = history.course(&self.spec, self.now);
        Some((course.signals.iter().map(|(name, ..)| *name).collect(), course.owing()))
    }

    /// All rounds of a key, and all that is known of each.
    pub(super) fn text(&self, key: usize) -> String {
        self.text_of(&self.keys[key])
    }

    pub(super) fn text_of(&self, rounds: &[OneRound]) -> String {
        let mut text = String::new();
        for OneRound { stage, late } in rounds {
            let written = match stage {
                Stage::Awaited { since, signals } => {
                    let Before::Waits(wait) = self.spec.early else { continue };
                    let rows =
                        signals.iter().map(|(name, payload, weight)| row(name, &Said::Signal(*payload, *weight)));
                    writeln!(
                        text,
                        "awaited since {since} until {}: {}",
                        self.due(since + wait),
                        rows.collect::<String>()
                    )
                }
                Stage::Open(history) => {
                    let course = history.course(&self.spec, self.now);
                    let rows = course.rows.iter().map(|(name, said)| row(name, said)).collect::<String>();
                    writeln!(text, "open since {} until {}: {rows}", history.opened, self.due(course.due()))
                }
                Stage::Over(Over { opened, closed, outcome, .. }) => {
                    let late: Vec<_> = late.iter().copied().collect();
                    writeln!(text, "over from {opened} to {closed}: {outcome}; late {late:?}")
                }
            };
            let _ = written;
        }
        text
    }

    fn due(&self, due: Secs) -> Secs {
        if self.spec.has_time { due } else { 0 }
    }
}

fn lapse(stage: &mut Stage, reason: &'static str, closed: Secs) {
    let Stage::Awaited { since, signals } = stage else { return };
    let kept = signals.iter().map(|(name, payload, _)| (*name, *payload));
    let outcome = outcome_text(&format!("aborted: {reason}"), kept, [].into_iter(), [].into_iter());
    *stage = Stage::Over(Over { opened: *since, closed, outcome, missing: Vec::new() });
}

/// What becomes a row.
pub(super) fn row(name: &str, said: &Said) -> String {
    match said {
        Said::Signal(payload, weight) => format!("{name} says {payload} of weight {weight}, "),
        Said::Veto(reason) => format!("{name} vetoes: {reason}, "),
        Said::Abort(_) => String::new(),
    }
}

/// What everybody hears of a round.
pub(super) fn outcome_text<'a>(
    end: &str,
    signals: impl Iterator<Item = (&'a str, u32)>,
    vetoes: impl Iterator<Item = (&'a str, &'a str)>,
    missing: impl Iterator<Item = &'a str>,
) -> String {
    let signals: Vec<_> = signals.map(|(name, payload)| format!("{name} {payload}")).collect();
    let vetoes: Vec<_> = vetoes.map(|(name, reason)| format!("{name} {reason}")).collect();
    format!("{end}; kept {signals:?}, vetoed {vetoes:?}, missing {:?}", missing.collect::<Vec<_>>())
}

pub(super) fn told(course: &Course<'_>) -> Option<String> {
    let end = match course.end.as_ref()? {
        End::Resolved => "resolved".to_owned(),
        End::Partial => "partial".to_owned(),
        End::TimedOut => "timed out".to_owned(),
        End::Idle => "idle".to_owned(),
        End::Vetoed(by, reason) => format!("vetoed by {by}: {reason}"),
        End::OutOfReach => "out of reach".to_owned(),
        End::Aborted(reason) => format!("aborted: {reason}"),
    };
    let kept = course.signals.iter().map(|(name, payload, _)| (*name, *payload));
    Some(outcome_text(&end, kept, course.vetoes.iter().copied(), course.missing().into_iter()))
}
