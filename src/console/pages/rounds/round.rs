//! A round as it is shown: who has answered, who is missing, and why it waits.

use std::time::Duration;

use convoke::rounds::{BrokerSnapshot, EmitterStats, OpenRound, PastRound};

use super::bar::{PartyBar, Stands};
use crate::frame::{Figure, shown, told};

/// As many parties of a round are shown.
const PARTIES: usize = 40;

/// As many are named in a sentence.
const NAMED: usize = 5;

/// A party of an open round.
pub(super) struct Party {
    pub(super) name: String,
    pub(super) bar: PartyBar,
    pub(super) text: String,
}

/// A round that is open.
pub(super) struct Open {
    pub(super) title: String,
    pub(super) why: String,
    pub(super) left: String,
    pub(super) parties: Vec<Party>,
    pub(super) left_out: usize,
}

/// A round that is over.
pub(super) struct Past {
    pub(super) title: String,
    pub(super) class: &'static str,
    pub(super) ended: &'static str,
    pub(super) why: String,
    pub(super) took: String,
    pub(super) signals: Figure,
    pub(super) notes: Vec<String>,
}

/// How a party has kept its promises.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kept: Figure,
    pub(super) missed: Figure,
    pub(super) vetoed: Figure,
    pub(super) late: Figure,
    pub(super) last: Figure,
    pub(super) is_most_often_last: bool,
}

/// A time in its unit: `12 ms`, `1.25 s`, `3 min`.
pub(super) fn span(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..=999 => format!("{millis} ms"),
        1_000..=119_999 => format!("{:.2} s", time.as_secs_f64()),
        120_000..=7_199_999 => format!("{} min", time.as_secs() / 60),
        _ => format!("{} h", time.as_secs() / 3_600),
    }
}

/// The first names of a list, and how many more there are.
fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named: Vec<_> = names.take(NAMED).map(shown).collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn title(round: impl std::fmt::Display, key: Option<&convoke::RoundKey>) -> String {
    match key {
        Some(key) => format!("round {round} of {}", shown(&key.to_string())),
        None => format!("round {round}"),
    }
}

impl Open {
    pub(super) fn of(round: &OpenRound) -> Self {
        let whole = round.open_for.saturating_add(round.left);
        let kept = round.kept.iter().zip(&round.kept_at).map(|(who, at)| Party {
            name: shown(&who.name),
            bar: PartyBar::of(Stands::Kept, *at, whole),
            text: format!("after {}", span(*at)),
        });
        let waits = round.waits_for.iter().map(|who| Party {
            name: shown(&who.name),
            bar: PartyBar::of(Stands::Waits, round.open_for, whole),
            text: "owes its signal".to_owned(),
        });
        let vetoed = round.vetoed.iter().map(|veto| Party {
            name: shown(&veto.by.name),
            bar: PartyBar::of(Stands::Vetoed, round.open_for, whole),
            text: format!("has vetoed: {}", told(&veto.reason)),
        });
        let unfilled = round.unfilled.iter().map(|name| Party {
            name: shown(name),
            bar: PartyBar::of(Stands::Unknown, Duration::ZERO, whole),
            text: "nobody has joined under this name".to_owned(),
        });
        // Those that it waits for are not to be missed.
        let mut parties: Vec<_> = waits.take(PARTIES).chain(unfilled.take(PARTIES)).collect();
        parties.extend(vetoed.take(PARTIES).chain(kept.take(PARTIES)));
        parties.truncate(PARTIES);
        let all = round.kept.len() + round.waits_for.len() + round.vetoed.len() + round.unfilled.len();
        Self {
            title: title(round.round, round.key.as_ref()),
            why: why(round),
            left: span(round.left),
            left_out: all.saturating_sub(parties.len()),
            parties,
        }
    }
}

/// Why a round waits, in a sentence.
fn why(round: &OpenRound) -> String {
    let open = span(round.open_for);
    let mut reasons = Vec::new();
    if !round.waits_for.is_empty() {
        reasons.push(format!("it waits for {}", names(round.waits_for.iter().map(|who| &*who.name))));
    }
    if !round.unfilled.is_empty() {
        reasons.push(format!("nobody has joined as {}", names(round.unfilled.iter().map(|name| &**name))));
    }
    match reasons.is_empty() {
        true => {
            format!("open for {open}: all have answered, and it closes at its deadline, or once its release allows")
        }
        false => format!("open for {open}: {}", reasons.join(", and ")),
    }
}

impl Past {
    pub(super) fn of(round: &PastRound) -> Self {
        let (class, ended) = match (&round.cause, round.partial) {
            (Some(_), _) => ("bad", "cancelled"),
            (None, true) => ("warn", "resolved in part"),
            (None, false) => ("good", "resolved"),
        };
        let mut notes = Vec::new();
        if !round.missing.is_empty() {
            notes.push(format!("missing: {}", names(round.missing.iter().map(|who| &*who.name))));
        }
        if !round.unfilled.is_empty() {
            notes.push(format!("nobody had joined as {}", names(round.unfilled.iter().map(|name| &**name))));
        }
        notes.extend(round.vetoed.iter().take(NAMED).map(|veto| format!("vetoed by {}", told(&veto.to_string()))));
        notes.extend(round.failed_consumers.iter().take(NAMED).map(|failed| told(&failed.to_string())));
        Self {
            title: title(round.round, round.key.as_ref()),
            class,
            ended,
            why: round.cause.as_ref().map(|cause| told(&cause.to_string())).unwrap_or_default(),
            took: span(round.elapsed),
            signals: Figure::of(round.signals as u64),
            notes,
        }
    }
}

impl Member {
    pub(super) fn of(stats: &EmitterStats, snapshot: &BrokerSnapshot) -> Self {
        Self {
            name: shown(&stats.name),
            kept: Figure::of(stats.kept),
            missed: Figure::of(stats.missed),
            vetoed: Figure::of(stats.vetoed),
            late: Figure::of(stats.late),
            last: Figure::of(stats.last),
            is_most_often_last: snapshot.most_often_last.as_ref().is_some_and(|last| last.id == stats.id),
        }
    }
}
