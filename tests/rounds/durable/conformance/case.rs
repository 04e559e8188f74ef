//! How a row is tried.
//!
//! `Case → a broker by its rules → its steps, one after the other → what is told of each round`

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase};
use convoke::{Durable, EmitterHandle, Payload, RoundId, testing};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use tokio::time::sleep;

/// How a payload is written and read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Json,
    /// In an envelope, which nobody sees who reads it.
    Wrapped,
    /// A text that becomes a moment.
    Dated,
    /// A text that becomes a number.
    Counted,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    All,
    AtLeast(usize),
    Required(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) parties: &'static [&'static str],
    pub(super) need: Need,
    pub(super) on_veto: OnVeto,
    pub(super) close: Close,
    /// Seconds.
    pub(super) time: u64,
}

/// What is done, to the round of a key; of the key "", to the one that has none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Says(&'static str, &'static str, &'static str),
    /// So many bytes.
    SaysMuch(&'static str, &'static str, usize),
    /// All of them at once, in this order.
    Together(&'static str, &'static [(&'static str, &'static str)]),
    Vetoes(&'static str, &'static str, &'static str),
    Opens(&'static str),
    Aborts(&'static str, &'static str),
    /// So many seconds pass.
    Passes(u64),
    /// The process ends, and another comes.
    Reopens,
    /// What became of one round is what this party says in another.
    Feeds(&'static str, &'static str, &'static str),
    /// Somebody is told that it is too late.
    IsLate(&'static str, &'static str),
    /// Somebody is refused, with these words.
    IsRefused(&'static str, &'static str, &'static str),
    /// It waits for these still.
    WaitsFor(&'static str, &'static [&'static str]),
    /// It is over, or will be: with this.
    Ends(&'static str, &'static str),
    /// How long it took, in seconds.
    Took(&'static str, u64),
}

/// A row of the table.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) rules: Rules,
    pub(super) steps: Vec<Step>,
    /// The words with which the rules are refused.
    pub(super) is_none: Option<&'static str>,
}

impl Case {
    pub(super) fn run(&self) {
        testing::run(self.name, || async {
            match self.form {
                Form::Json => self.play::<Json>().await,
                Form::Wrapped => self.play::<Wrapped>().await,
                Form::Dated => self.play::<Dated>().await,
                Form::Counted => self.play::<Counted>().await,
            }
        });
    }

    fn broker<P: Answer>(&self) -> Broker<P> {
        let Rules { parties, need, on_veto, close, time } = self.rules;
        let release = match need {
            Need::All => Release::all(),
            Need::AtLeast(quorum) => Release::at_least(quorum),
            Need::Required(names) => Release::required(names.iter().copied()),
        };
        let broker = Broker::new(Duration::from_secs(time)).release(release).on_veto(on_veto).close(close);
        // Who requires names need not expect them.
        if matches!(need, Need::Required(_)) { broker } else { broker.expects(parties.iter().copied()) }
    }

    async fn play<P: Answer>(&self) {
        let db = Memory::database();
        if let Some(words) = self.is_none {
            let error = self.broker::<P>().durable(&db, "work").await.unwrap_err().to_string();
            assert!(error.contains(words), "{}: {error}", self.name);
            return;
        }
        let keyless = Rc::new(Cell::new(None));
        let mut process = Process::<P>::open(self, &db, &keyless).await;
        for (number, step) in self.steps.iter().enumerate() {
            if matches!(step, Step::Reopens) {
                drop(process);
                sleep(Duration::from_millis(1)).await;
                process = Process::open(self, &db, &keyless).await;
                continue;
            }
            process.perform(*step, &format!("{}: step {number}: {step:?}", self.name)).await;
        }
    }
}

struct Process<P: Answer> {
    broker: Durable<P>,
    parties: Vec<EmitterHandle<P>>,
    /// The round that has no key.
    keyless: Rc<Cell<Option<RoundId>>>,
}

impl<P: Answer> Process<P> {
    async fn open(case: &Case, db: &MemoryDatabase, keyless: &Rc<Cell<Option<RoundId>>>) -> Self {
        let broker = case.broker().durable(db, "work").await.unwrap();
        let mut parties = Vec::new();
        for name in case.rules.parties {
            parties.push(Emitter::join(&broker, *name).await.unwrap());
        }
        Self { broker, parties, keyless: keyless.clone() }
    }

    fn party(&self, name: &str) -> &EmitterHandle<P> {
        self.parties.iter().find(|party| party.name() == name).unwrap_or_else(|| panic!("nobody is named {name}"))
    }

    async fn perform(&self, step: Step, at: &str) {
        let says = async |key: &'static str, name: &str, said: P| {
            let emission = match key {
                "" => self.party(name).emit(said),
                key => self.party(name).emit_for(key, said),
            };
            let round = emission.committed().await.unwrap_or_else(|error| panic!("{at}: {error}"));
            if key.is_empty() {
                self.keyless.set(Some(round));
            }
        };
        match step {
            Step::Says(key, name, text) => says(key, name, P::of(text)).await,
            Step::SaysMuch(key, name, bytes) => says(key, name, P::of(&"x".repeat(bytes))).await,
            Step::Together(key, all) => {
                let all = all.iter().map(|(name, text)| self.party(name).emit_for(key, P::of(text)).committed());
                for said in all.collect::<Vec<_>>() {
                    said.await.unwrap_or_else(|error| panic!("{at}: {error}"));
                }
            }
            Step::Vetoes(key, name, reason) => {
                let said = self.party(name).veto_for(key, reason).committed().await;
                said.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            Step::Opens(key) => drop(self.broker.open(key).await.unwrap_or_else(|error| panic!("{at}: {error}"))),
            Step::Aborts(key, reason) => {
                self.broker.abort(key, reason).await.unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            Step::Passes(secs) => sleep(Duration::from_secs(secs)).await,
            Step::Reopens => {}
            Step::Feeds(key, name, to) => {
                let outcome = self.broker.outcome_for(key).await.unwrap();
                let result = outcome.into_result().unwrap_or_else(|why| panic!("{at}: {why}"));
                let all: Vec<_> = result.payloads().iter().map(|said| said.shown()).collect();
                says(to, name, P::of(&json!(all).to_string())).await;
            }
            Step::IsLate(key, name) => {
                let late = self.party(name).emit_for(key, P::of("7")).committed().await;
                assert!(matches!(late, Err(EmitError::Late { .. })), "{at}: {late:?}");
            }
            Step::IsRefused(key, name, words) => {
                let refused = self.party(name).emit_for(key, P::of("7")).committed().await.unwrap_err().to_string();
                assert!(refused.contains(words), "{at}: {refused}");
            }
            Step::WaitsFor(key, names) => {
                let why = self.broker.why(key).await.unwrap().unwrap_or_else(|| panic!("{at}: it is over"));
                assert!(why.missing.iter().map(|name| &**name).eq(names.iter().copied()), "{at}: {:?}", why.missing);
            }
            Step::Ends("", expected) => {
                assert_eq!(told(&self.broker.outcome(self.keyless.get().unwrap()).await.unwrap()), expected, "{at}");
            }
            Step::Ends(key, expected) => {
                let outcome = self.broker.outcome_for(key).await.unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(told(&outcome), expected, "{at}");
                assert!(self.broker.why(key).await.unwrap().is_none(), "{at}: it is over, and has a reason not to be");
            }
            Step::Took(key, secs) => {
                let outcome = self.broker.outcome_for(key).await.unwrap();
                assert_eq!(outcome.elapsed().as_secs(), secs, "{at}");
            }
        }
    }
}

/// What became of a round: how it ended, who has said what, who has refused, who is missing.
fn told<P: Answer>(outcome: &Outcome<P>) -> String {
    let mut text = match outcome {
        Outcome::Resolved(round) if round.is_partial() => "partial".to_owned(),
        Outcome::Resolved(_) => "resolved".to_owned(),
        Outcome::Cancelled(round) => match round.cause() {
            Cause::OutOfReach { .. } => "out of reach".to_owned(),
            Cause::TimedOut { .. } => "timed out".to_owned(),
            cause => cause.to_string(),
        },
    };
    for signal in outcome.signals() {
        let _ = write!(text, "; {} says {}", signal.emitter.name, signal.payload.shown());
    }
    for veto in outcome.vetoes() {
        let _ = write!(text, "; {} refuses: {}", veto.by.name, veto.reason);
    }
    for missing in outcome.missing() {
        let _ = write!(text, "; {} is missing", missing.name);
    }
    text
}

/// What a party says, made of the text in a row.
pub(super) trait Answer: Payload + Serialize + DeserializeOwned {
    fn of(text: &str) -> Self;

    fn shown(&self) -> String;
}

/// Any JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Json(Value);

impl Answer for Json {
    fn of(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
    }

    fn shown(&self) -> String {
        match &self.0 {
            Value::String(text) if text.len() > 1_000 => format!("{} bytes", text.len()),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Wrapped(String);

impl Serialize for Wrapped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "wrapped": self.0 }).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Wrapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let envelope = Value::deserialize(deserializer)?;
        let text = envelope.get("wrapped").and_then(Value::as_str).ok_or_else(|| D::Error::custom("no envelope"))?;
        Ok(Self(text.to_owned()))
    }
}

impl Answer for Wrapped {
    fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn shown(&self) -> String {
        self.0.clone()
    }
}

/// A moment, in seconds since 1970, of a text that the other side has written.
#[derive(Clone, Debug, PartialEq)]
struct Dated {
    text: String,
    seconds: i64,
}

impl Dated {
    fn read(text: &str) -> Option<Self> {
        let seconds = text.strip_prefix("@")?.parse().ok()?;
        Some(Self { text: text.to_owned(), seconds })
    }
}

impl Serialize for Dated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "signed": self.text }).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Dated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = value.get("signed").and_then(Value::as_str);
        text.and_then(Self::read).ok_or_else(|| D::Error::custom("no moment"))
    }
}

impl Answer for Dated {
    fn of(text: &str) -> Self {
        Self::read(text).unwrap()
    }

    fn shown(&self) -> String {
        format!("{}, a second later {}", self.seconds, self.seconds + 1)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Counted(u64);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

impl Answer for Counted {
    fn of(text: &str) -> Self {
        Self(text.parse().unwrap())
    }

    fn shown(&self) -> String {
        format!("{}, twice that is {}", self.0, self.0 * 2)
    }
}
