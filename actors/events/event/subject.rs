//! What may travel on a bus: an event of a type, an event as JSON, a question.
//!
//! `Event, JsonEvent, Asked → Subject → Parcel`

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::bad_payload::BadPayload;
use super::event::Event;
use super::json_event::JsonEvent;
use super::metadata::Metadata;
use super::name::Name;
use super::secret::HIDDEN;

/// What may travel on a bus: an event of a type, an event as JSON, a question.
///
/// It is implemented for all there are; nobody else can.
#[doc(hidden)]
pub trait Subject: Send + Sync + Sized + 'static {
    /// Whether it is a question.
    const ASKED: bool = false;

    /// Whether nothing of the user's is dropped with it, so that its place may wait for another event.
    const OWNS_NOTHING: bool = !std::mem::needs_drop::<Self>();

    /// What whoever listens in for a test sees of it: itself, or the event that is asked.
    type Noted: Subject;

    /// Returns that.
    fn noted(event: &Arc<Self>) -> &Arc<Self::Noted>;

    /// The event's name.
    fn name(&self) -> Name;

    /// Where it travels.
    fn topic(&self) -> Name;

    /// What metadata says about its kind.
    fn kind(&self) -> Kind;

    /// Whether its payload is shown to nobody.
    fn is_personal(&self) -> bool;

    /// Whether topic subscribers can see it.
    fn has_json(&self) -> bool;

    /// Whether the last of them is kept.
    fn is_retained(&self) -> bool;

    /// What is known of it from another process, where it was emitted.
    fn came_with(&self) -> Option<&Arc<Metadata>> {
        None
    }

    /// Whether whoever has brought it here has it still: then it makes no dead letter.
    fn is_held(&self) -> bool {
        false
    }

    /// By what those who hear it are found.
    fn address(&self) -> Address<'_>;

    /// Returns the payload as JSON, if it has such a form.
    fn to_json(&self) -> Option<Result<Value, serde_json::Error>>;

    /// Writes the payload as JSON behind what is there; `false` if it has to become a `Value` first.
    fn write_json(&self, to: &mut Vec<u8>) -> bool {
        let _ = to;
        false
    }

    /// Makes one from an event as JSON, unless this kind is never told so.
    fn from_json(json: Cow<'_, JsonEvent>) -> Option<Result<Self, BadPayload>>;
}

/// By what those who hear an event are found.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Address<'a> {
    /// By its type; `public` are the topic and the name under which others hear it, unless it is local.
    Type { public: Option<(&'a str, &'a str)> },
    /// As JSON, by its topic.
    Topic(&'a str),
}

impl<E: Event> Subject for E {
    type Noted = Self;

    fn noted(event: &Arc<Self>) -> &Arc<Self> {
        event
    }

    fn name(&self) -> Name {
        E::NAME.into()
    }

    fn topic(&self) -> Name {
        E::TOPIC.into()
    }

    fn kind(&self) -> Kind {
        Kind { entity: E::ENTITY.into(), entity_id: self.entity_id().map(Name::from), version: E::VERSION }
    }

    fn is_personal(&self) -> bool {
        E::CONTAINS_PERSONAL_DATA
    }

    fn has_json(&self) -> bool {
        !E::LOCAL
    }

    fn is_retained(&self) -> bool {
        E::RETAINED
    }

    #[inline]
    fn address(&self) -> Address<'_> {
        Address::Type { public: (!E::LOCAL).then_some((E::TOPIC, E::NAME)) }
    }

    fn to_json(&self) -> Option<Result<Value, serde_json::Error>> {
        (!E::LOCAL).then(|| Event::to_json(self))
    }

    fn write_json(&self, to: &mut Vec<u8>) -> bool {
        !E::LOCAL && Event::write_json(self, to)
    }

    fn from_json(json: Cow<'_, JsonEvent>) -> Option<Result<Self, BadPayload>> {
        (!E::LOCAL).then(|| {
            // What happened long ago may have had another shape by the same names; what comes now may have more than is known.
            if json.kind().version != E::VERSION && json.came_with().is_some_and(|metadata| metadata.replay.is_replay())
            {
                let (found, wanted) = (json.kind().version, E::VERSION);
                return Err(BadPayload {
                    event: E::NAME.into(),
                    topic: json.topic().into(),
                    reason: format!("it has version {found}, and the type has {wanted}: add an upcaster to the store"),
                });
            }
            E::from_json(&json).map_err(|error| BadPayload {
                event: E::NAME.into(),
                topic: json.topic().into(),
                // What serde says may quote what it read.
                reason: if E::CONTAINS_PERSONAL_DATA || Subject::is_personal(&*json) {
                    HIDDEN.into()
                } else {
                    error.to_string()
                },
            })
        })
    }
}

/// What metadata says about a kind of event.
#[doc(hidden)]
#[derive(Clone, Default, PartialEq)]
pub struct Kind {
    pub(crate) entity: Name,
    pub(crate) entity_id: Option<Name>,
    pub(crate) version: u32,
}

/// Not which one it is: that may be personal.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("entity", &self.entity).field("version", &self.version).finish_non_exhaustive()
    }
}
