//! What became of a round, as it stands in a row, and the outcome that is made of it.
//!
//! `course.rs → Ending → JSON → any process → Ending → Outcome`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::Payload;
use crate::rounds::outcome::{Account, Deliveries, Directory, EmitterRef, Outcome, Vetoed};
use crate::rounds::round::{self, Slot, Verdict};
use crate::rounds::{BrokerId, EmitterId, RoundId, RoundKey};
use crate::runtime::catch;

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// What it needed was there.
    Resolved,
    /// The time was over, and what there was is delivered.
    Partial,
    /// The time was over.
    TimedOut,
    /// No signal came for too long.
    Idle,
    /// This party was lost.
    Lost(Arc<str>),
    /// This party has vetoed, for this reason.
    Vetoed(Arc<str>, Arc<str>),
    /// Whoever is left cannot release it.
    OutOfReach,
    /// Somebody has ended it, for this reason.
    Aborted(Arc<str>),
    /// Somebody of this name has ended it, for this reason.
    AbortedBy(Arc<str>, Arc<str>),
    /// No process that lives has its predicate.
    NoRule(Arc<str>),
}

/// What kind of row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Kind {
    /// A signal.
    Signal = 1,
    /// A veto.
    Veto = 2,
    /// What a party had said of itself when the round opened.
    Party = 3,
    /// How a party is being asked for its signal.
    Summons = 4,
    /// A party is lost that was asked.
    Lost = 5,
    /// A party that was asked needs more time.
    Beat = 6,
    /// A signal that waits for the next round.
    Next = 7,
}

impl Kind {
    /// Reads the kind of a row; `None` for one that a later program has written.
    pub fn read(kind: i16) -> Option<Self> {
        match kind {
            1 => Some(Self::Signal),
            2 => Some(Self::Veto),
            3 => Some(Self::Party),
            4 => Some(Self::Summons),
            5 => Some(Self::Lost),
            6 => Some(Self::Beat),
            7 => Some(Self::Next),
            _ => None,
        }
    }
}

/// A signal of a round that is over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// Whose it is.
    pub name: Arc<str>,
    /// Microseconds since the round opened.
    pub at: u64,
    /// By which whoever said it knows it again.
    pub token: Uuid,
    /// As JSON.
    pub payload: String,
}

/// Omits the payload, which may be personal.
impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sign").field("name", &self.name).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A veto that was tolerated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct No {
    /// Whose it is.
    pub name: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// By which whoever said it knows it again.
    pub token: Uuid,
}

/// What became of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How it ended.
    pub end: End,
    /// Microseconds since 1970.
    pub opened: i64,
    /// Microseconds.
    pub elapsed: u64,
    /// How many signals it took, if that is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<usize>,
    /// In their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Sign>,
    /// Those that were tolerated, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vetoes: Vec<No>,
    /// The token of the veto that has ended it, or of whoever has ended it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uuid>,
    /// The tokens of signals that were replaced, or taken back by a veto.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Uuid>,
    /// Who has not kept the promise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Arc<str>>,
    /// Those of them that were told that they are late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Arc<str>>,
    /// The tokens of the signals by which they were late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Uuid>,
    /// The tokens of the signals that have waited for the next round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Uuid>,
    /// The number of the round that they have opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

impl Ending {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// If a later program has written it, or it was damaged.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes it.
    pub fn to_text(&self) -> String {
        // It has nothing that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether what has this token was said to the round, and counted.
    pub fn knows(&self, token: Uuid) -> bool {
        self.signals.iter().any(|sign| sign.token == token)
            || self.vetoes.iter().any(|no| no.token == token)
            || self.by == Some(token)
            || self.withdrawn.contains(&token)
    }

    /// Says why it was cancelled.
    pub fn cause(&self, broker: &BrokerId) -> String {
        self.account::<()>(broker, RoundId(0), None, Vec::new(), Vec::new(), None).cause().to_string()
    }

    /// Whether the round was resolved.
    pub fn is_resolved(&self) -> bool {
        matches!(self.end, End::Resolved | End::Partial)
    }

    /// Makes the outcome that everybody hears.
    ///
    /// # Errors
    ///
    /// Says whose payload cannot be read.
    pub fn outcome<P: Payload + DeserializeOwned>(
        &self,
        broker: &BrokerId,
        round: RoundId,
        key: Option<RoundKey>,
    ) -> Result<Outcome<P>, String> {
        let payloads = self.payloads()?;
        Ok(Outcome::new(Arc::new(self.account(broker, round, key, payloads, Vec::new(), None))))
    }

    /// Reads the payloads, whose `Deserialize` is the user's.
    ///
    /// # Errors
    ///
    /// Says whose cannot be read.
    pub(crate) fn payloads<P: DeserializeOwned>(&self) -> Result<Vec<P>, String> {
        let read = |sign: &Sign| {
            let why = match catch(|| serde_json::from_str(&sign.payload)) {
                Ok(Ok(payload)) => return Ok(payload),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it has panicked: {panic}"),
            };
            Err(format!("the payload of `{}` cannot be read: {why}", sign.name))
        };
        self.signals.iter().map(read).collect()
    }

    /// Everything that is known of it, for consumers of these names.
    pub(crate) fn account<P>(
        &self,
        broker: &BrokerId,
        round: RoundId,
        key: Option<RoundKey>,
        payloads: Vec<P>,
        consumers: Vec<Arc<str>>,
        deliveries: Option<Deliveries>,
    ) -> Account<P> {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut slot = |name: &Arc<str>| -> Slot {
            let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            });
            Slot::try_from(place).unwrap_or(Slot::MAX)
        };
        let kept =
            self.signals.iter().map(|sign| round::Kept { slot: slot(&sign.name), at: Duration::from_micros(sign.at) });
        let kept: Vec<_> = kept.collect();
        let missing = self.missing.iter().map(&mut slot).collect();
        let verdict = match &self.end {
            End::Resolved => Verdict::Resolved { partial: false },
            End::Partial => Verdict::Resolved { partial: true },
            End::TimedOut => Verdict::TimedOut,
            End::Idle => Verdict::Idle,
            End::Lost(name) => Verdict::Lost(slot(name)),
            End::Vetoed(name, reason) => Verdict::Vetoed(slot(name), reason.clone()),
            End::OutOfReach => Verdict::OutOfReach,
            End::Aborted(reason) => Verdict::Aborted(round::Abort::Asked(reason.clone())),
            End::AbortedBy(by, reason) => {
                Verdict::Aborted(round::Abort::AskedBy(Box::new((by.clone(), reason.clone()))))
            }
            End::NoRule(rule) => Verdict::Aborted(round::Abort::Asked(format!("no process has rule {rule}").into())),
        };
        let no = |no: &No| Vetoed {
            by: EmitterRef { id: id_of(broker, &no.name), name: no.name.clone() },
            reason: no.reason.clone(),
        };
        let vetoes = self.vetoes.iter().map(no).collect();
        let emitters = names.iter().map(|name| EmitterRef { id: id_of(broker, name), name: name.clone() }).collect();
        Account {
            round,
            key,
            verdict,
            elapsed: Duration::from_micros(self.elapsed),
            kept,
            payloads,
            missing,
            unfilled: Vec::new(),
            vetoes,
            quorum: self.quorum,
            directory: Arc::new(Directory { broker: broker.clone(), emitters, consumers }),
            deliveries,
            #[cfg(feature = "testing")]
            noted: crate::base::last_noted(),
            #[cfg(feature = "testing")]
            predicate: crate::base::Noted::default(),
        }
    }
}

/// The id of a party of a durable broker: its name is who it is, so the id is made of that, the same in every process.
pub(super) fn id_of(broker: &BrokerId, name: &str) -> EmitterId {
    let hash = |seed: u64| {
        broker
            .as_str()
            .bytes()
            .chain([0])
            .chain(name.bytes())
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23))
    };
    let bits = (u128::from(hash(0xcbf2_9ce4_8422_2325)) << 64) | u128::from(hash(0x9e37_79b9_7f4a_7c15));
    // Version 8: an id of our own making.
    uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid().into()
}

/// Makes the number of a round, as a row has it.
pub fn round_id(id: i64) -> RoundId {
    RoundId(id.unsigned_abs())
}
