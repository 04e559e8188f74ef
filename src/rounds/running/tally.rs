//! How a round is that a part of Convoke keeps for itself, as it reads it.
//!
//! `Kept | what a consumer hears → Tally: who has said what, and how it ended`

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::__private::rounds::{End, Ending, Kind};
use crate::codec;
use crate::durable::store::{Kept, Row};
use crate::transport::Packet;
use crate::{EnvelopeLimits, Uuid};

/// How a round is.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Its number.
    pub(crate) round: i64,
    /// How it ended, if it has.
    pub(crate) end: Option<End>,
    /// How long it was open, if it has.
    pub(crate) elapsed: Duration,
    /// What was said first.
    pub(crate) first: String,
    /// Who has kept the promise, with the payload.
    pub(crate) kept: Vec<(Arc<str>, String)>,
    /// Who has said no, and why.
    pub(crate) refused: Vec<(Arc<str>, String)>,
}

impl Tally {
    fn open(round: i64, rows: &[Row]) -> Self {
        let said = |kind: Kind| {
            let rows = rows.iter().skip(1).filter(move |row| row.kind == kind as i16);
            rows.map(|row| (row.name.clone(), body(row).into_owned())).collect()
        };
        let first = rows.first().map(|row| body(row).into_owned()).unwrap_or_default();
        let (kept, refused) = (said(Kind::Signal), said(Kind::Veto));
        Self { round, end: None, elapsed: Duration::ZERO, first, kept, refused }
    }

    fn over(round: i64, ending: Ending) -> Self {
        let mut signals = ending.signals.into_iter();
        Self {
            round,
            end: Some(ending.end),
            elapsed: Duration::from_micros(ending.elapsed),
            first: signals.next().map(|sign| sign.payload).unwrap_or_default(),
            kept: signals.map(|sign| (sign.name, sign.payload)).collect(),
            refused: ending.vetoes.into_iter().map(|no| (no.name, no.reason.to_string())).collect(),
        }
    }

    /// # Errors
    ///
    /// If a later program has written it.
    pub(super) fn of(kept: Kept) -> Result<(Option<Uuid>, Self), String> {
        Ok(match kept {
            Kept::Open(round, _, rows) => (key_of(&round.key), Self::open(round.id, &rows)),
            Kept::Over(past) => {
                let ending = Ending::read(&past.outcome)
                    .map_err(|error| format!("the outcome of round {} cannot be read: {error}", past.id))?;
                (key_of(&past.key), Self::over(past.id, ending))
            }
        })
    }

    /// Reads what a consumer hears of a round.
    ///
    /// # Errors
    ///
    /// If a later program has written it.
    pub(crate) fn heard(packet: &Packet) -> Result<(Uuid, Self), String> {
        #[derive(Deserialize)]
        struct Told {
            round: i64,
            key: String,
            outcome: String,
        }
        let envelope = codec::read(packet, limits()).map_err(|error| error.to_string())?;
        let Told { round, key, outcome } = Told::deserialize(&envelope.payload).map_err(|error| error.to_string())?;
        let ending = Ending::read(&outcome).map_err(|error| error.to_string())?;
        let key = key_of(&key).ok_or_else(|| format!("`{key}` is no key of a round that we keep"))?;
        Ok((key, Self::over(round, ending)))
    }
}

/// What is in an outbox of ours was made by us.
pub(crate) fn limits() -> EnvelopeLimits {
    EnvelopeLimits::default().bytes(usize::MAX).depth(usize::MAX).keys(usize::MAX)
}

pub(super) fn body(row: &Row) -> Cow<'_, str> {
    String::from_utf8_lossy(&row.body)
}

/// As `key.rs` writes it.
pub(super) fn text_of(key: Uuid) -> String {
    format!("u{key}")
}

fn key_of(text: &str) -> Option<Uuid> {
    text.strip_prefix('u')?.parse().ok()
}
