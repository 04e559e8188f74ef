//! One emission on its way: the event, where it came from, and the forms in which it is seen.
//!
//! `emit → Parcel → listeners (typed), viewers (as JSON), dead letters`

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use super::given::Given;
use crate::base::Shown;
use crate::events::event::{BadPayload, HIDDEN, JsonEvent, Kind, Metadata, Name, Replay, Subject, whole_micros};
use crate::events::verdict::{ListenerError, panicked};
use crate::runtime;

/// One emission of an event, shared by all who hear it.
#[doc(hidden)]
pub struct Parcel<E> {
    pub(crate) event: Arc<E>,
    depth: u32,
    cause: Option<Arc<dyn AnyParcel>>,
    /// When it was emitted, and by whom; absent if nobody could see that.
    stamp: Option<(SystemTime, Arc<Given>)>,
    metadata: OnceLock<Arc<Metadata>>,
    /// The same event in other forms: as JSON, or of the types that travel on its topic. Each is made once.
    forms: OnceLock<Mutex<Vec<Form>>>,
    /// Of what this is another form: what is known of its emission is known there.
    origin: Option<Arc<dyn AnyParcel>>,
}

struct Form {
    of: TypeId,
    event: Result<Arc<dyn Any + Send + Sync>, ListenerError>,
}

impl<E: Subject> Parcel<E> {
    /// Packs an event that is emitted now, from within a call if there is one.
    pub(crate) fn new(event: Arc<E>, cause: Option<Arc<dyn AnyParcel>>, given: Option<&Arc<Given>>) -> Self {
        Self {
            event,
            depth: cause.as_ref().map_or(0, |cause| cause.depth() + 1),
            cause,
            stamp: given.map(|given| (runtime::wall_clock(), given.clone())),
            metadata: OnceLock::new(),
            forms: OnceLock::new(),
            origin: None,
        }
    }

    /// Whether nothing is in it but the event.
    pub(crate) fn is_bare(&self) -> bool {
        let nothing = self.metadata.get().is_none() && self.forms.get().is_none();
        nothing && self.cause.is_none() && self.stamp.is_none() && self.origin.is_none()
    }

    /// Puts another event into a [bare](Self::is_bare) parcel that nobody else has; hands it back if somebody has.
    #[inline]
    pub(crate) fn reuse(spare: &mut Arc<Self>, event: E) -> Result<(), E> {
        let Some(parcel) = Arc::get_mut(spare) else { return Err(event) };
        let Some(place) = Arc::get_mut(&mut parcel.event) else { return Err(event) };
        *place = event;
        // Who had it until now may have looked for what it was bare of.
        if !parcel.is_bare() {
            parcel.metadata.take();
            parcel.forms.take();
        }
        Ok(())
    }

    /// Whether it is of no other emission: then another event may be put into it.
    pub(crate) fn is_of_its_own(&self) -> bool {
        self.cause.is_none() && self.origin.is_none()
    }

    /// Puts another event into a parcel [of its own](Self::is_of_its_own) that nobody else has, emitted now and by this one if
    /// somebody can see that; hands it back if somebody has.
    pub(crate) fn renew(spare: &mut Arc<Self>, event: E, given: Option<&Arc<Given>>) -> Result<(), E> {
        let Some(parcel) = Arc::get_mut(spare) else { return Err(event) };
        let Some(place) = Arc::get_mut(&mut parcel.event) else { return Err(event) };
        *place = event;
        parcel.stamp = given.map(|given| (runtime::wall_clock(), given.clone()));
        if let Some(forms) = parcel.forms.get_mut() {
            forms.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
        if let Some(mut metadata) = parcel.metadata.take()
            && parcel.stamp.is_some()
            && let Some(place) = Arc::get_mut(&mut metadata)
        {
            // Who has looked at those of the last event looks at these as well.
            *place = parcel.make_metadata();
            let _ = parcel.metadata.set(metadata);
        }
        Ok(())
    }

    /// Packs an event that came with its metadata.
    pub(crate) fn with_metadata(event: Arc<E>, metadata: Arc<Metadata>) -> Self {
        let cell = OnceLock::new();
        let _ = cell.set(metadata);
        Self { event, depth: 0, cause: None, stamp: None, metadata: cell, forms: OnceLock::new(), origin: None }
    }

    pub(crate) fn metadata(&self) -> &Arc<Metadata> {
        if let Some(origin) = &self.origin {
            return origin.metadata();
        }
        self.metadata.get_or_init(|| match self.event.came_with() {
            Some(metadata) => metadata.clone(),
            None => Arc::new(self.make_metadata()),
        })
    }

    /// What is told once more says so. What happens now has come with nothing, and nothing is made to see that.
    pub(crate) fn replay(&self) -> Option<&Replay> {
        match &self.origin {
            Some(origin) => origin.replay(),
            None => self.event.came_with().map(|metadata| &metadata.replay),
        }
    }

    fn make_metadata(&self) -> Metadata {
        let mut metadata = Metadata::new(self.event.name());
        metadata.topic = self.event.topic();
        metadata.contains_personal_data = self.event.is_personal();
        // An entity's id is shown by the user's code.
        let kind = catch_unwind(AssertUnwindSafe(|| self.event.kind())).unwrap_or_else(|panic| {
            let name = self.event.name();
            log::warn!(target: "convoke::bus", "{}: its entity id {}", Shown::name(&name), panicked(panic));
            Kind::default()
        });
        metadata.entity = kind.entity;
        metadata.entity_id = kind.entity_id;
        metadata.version = kind.version;
        if let Some((time, given)) = &self.stamp {
            metadata.time = whole_micros(*time);
            metadata.publisher = given.publisher.clone();
            metadata.authorization = given.authorization.clone();
            metadata.causation = given.causation;
            if let Some(correlation) = given.correlation {
                metadata.correlation = correlation;
            }
            if let Some(trace) = &given.trace {
                metadata.trace = trace.child();
            }
        }
        if let Some(cause) = &self.cause {
            let cause = cause.metadata();
            metadata.causation = Some(cause.id);
            metadata.correlation = cause.correlation;
            metadata.trace = cause.trace.child();
        }
        metadata
    }

    /// This emission as whoever listens to this subject hears it: as it is, as JSON, or made from JSON.
    pub(crate) fn heard(parcel: &Arc<dyn AnyParcel>) -> Result<Arc<Self>, ListenerError> {
        if let Ok(own) = parcel.clone().into_any().downcast() {
            return Ok(own);
        }
        let json = parcel.clone().json()?;
        match json.clone().into_any().downcast() {
            Ok(own) => Ok(own),
            Err(_) => json.form(),
        }
    }

    /// The same emission as another subject sees it, converted once.
    ///
    /// A panic of the user's `Serialize` or `Deserialize` is an error.
    pub(crate) fn form<T: Subject>(self: &Arc<Self>) -> Result<Arc<Parcel<T>>, ListenerError> {
        let event = {
            let forms = self.forms.get_or_init(Mutex::default);
            let mut forms = forms.lock().unwrap_or_else(PoisonError::into_inner);
            match forms.iter().find(|form| form.of == TypeId::of::<T>()) {
                Some(known) => known.event.clone(),
                None => {
                    let converted = catch_unwind(AssertUnwindSafe(|| self.convert::<T>()));
                    let converted = converted.map_err(panicked).and_then(|event| event.map_err(ListenerError::from));
                    let event = converted.map(|event| Arc::new(event) as Arc<dyn Any + Send + Sync>);
                    forms.push(Form { of: TypeId::of::<T>(), event: event.clone() });
                    event
                }
            }
        };
        match event?.downcast() {
            Ok(event) => Ok(Arc::new(Parcel {
                origin: Some(self.clone()),
                depth: self.depth,
                cause: self.cause.clone(),
                ..Parcel::new(event, None, None)
            })),
            Err(_) => unreachable!("it was kept under its type"),
        }
    }

    /// The same emission in a parcel that nobody else has.
    pub(crate) fn twin(self: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            origin: Some(self.clone()),
            depth: self.depth,
            cause: self.cause.clone(),
            ..Self::new(self.event.clone(), None, None)
        })
    }

    /// The event with all that is known of it, for somebody who sends it on.
    ///
    /// A panic of the user's `Serialize` is an error.
    pub(crate) fn into_json(self) -> Result<(Metadata, Value), ListenerError> {
        let json = catch_unwind(AssertUnwindSafe(|| self.convert::<JsonEvent>()));
        let json = json.map_err(panicked)??;
        Ok((self.make_metadata(), json.into_payload()))
    }

    fn convert<T: Subject>(&self) -> Result<T, BadPayload> {
        let bad = |reason: String| BadPayload {
            event: self.event.name().to_string(),
            topic: self.event.topic().to_string(),
            reason: if self.event.is_personal() { HIDDEN.to_owned() } else { reason },
        };
        let event: &dyn Any = &*self.event;
        let json = match event.downcast_ref::<JsonEvent>() {
            Some(json) => Cow::Borrowed(json),
            None => {
                let value = self.event.to_json().ok_or_else(|| bad("it has no form as JSON".to_owned()))?;
                let value = value.map_err(|error| bad(error.to_string()))?;
                Cow::Owned(JsonEvent::of(&*self.event, value))
            }
        };
        T::from_json(json).unwrap_or_else(|| Err(bad("it is never told as JSON".to_owned())))
    }
}

impl<E> std::fmt::Debug for Parcel<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parcel").field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// A parcel of any subject.
pub(crate) trait AnyParcel: Any + Send + Sync + std::fmt::Debug {
    fn name(&self) -> Name;
    fn topic(&self) -> Name;
    fn has_json(&self) -> bool;
    /// Whether its payload is shown to nobody.
    fn is_personal(&self) -> bool;
    fn depth(&self) -> u32;
    fn cause(&self) -> Option<&Arc<dyn AnyParcel>>;
    fn metadata(&self) -> &Arc<Metadata>;
    fn replay(&self) -> Option<&Replay>;
    /// The payload as JSON, if it has that form.
    fn json(self: Arc<Self>) -> Result<Arc<Parcel<JsonEvent>>, ListenerError>;
    /// Writes the payload as JSON behind what is there; `false` if it has to become a `Value` first, or has no such form.
    fn write_json(&self, to: &mut Vec<u8>) -> bool;
    /// The type of its subject.
    fn subject(&self) -> TypeId;
    /// Has its metadata say who emitted it, if nothing is said yet.
    fn complete(&self, given: &Arc<Given>) -> &Arc<Metadata>;
    /// Whether somebody outside has it still, and settles it.
    fn is_held(&self) -> bool;
    /// Whether it came from outside.
    fn is_foreign(&self) -> bool;
    fn event(&self) -> Arc<dyn Any + Send + Sync>;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// The same event once more, caused by this.
    fn again(&self, cause: &Arc<dyn AnyParcel>) -> Arc<dyn AnyParcel>;
}

impl<E: Subject> AnyParcel for Parcel<E> {
    fn name(&self) -> Name {
        self.event.name()
    }

    fn topic(&self) -> Name {
        self.event.topic()
    }

    fn has_json(&self) -> bool {
        self.event.has_json()
    }

    fn is_personal(&self) -> bool {
        self.event.is_personal()
    }

    fn depth(&self) -> u32 {
        self.depth
    }

    fn cause(&self) -> Option<&Arc<dyn AnyParcel>> {
        self.cause.as_ref()
    }

    fn metadata(&self) -> &Arc<Metadata> {
        Parcel::metadata(self)
    }

    fn replay(&self) -> Option<&Replay> {
        Parcel::replay(self)
    }

    fn subject(&self) -> TypeId {
        TypeId::of::<E>()
    }

    fn complete(&self, given: &Arc<Given>) -> &Arc<Metadata> {
        if let Some(origin) = &self.origin {
            return origin.complete(given);
        }
        self.metadata.get_or_init(|| {
            if let Some(metadata) = self.event.came_with() {
                return metadata.clone();
            }
            let mut metadata = self.make_metadata();
            if self.stamp.is_none() {
                metadata.publisher = given.publisher.clone();
            }
            Arc::new(metadata)
        })
    }

    fn json(self: Arc<Self>) -> Result<Arc<Parcel<JsonEvent>>, ListenerError> {
        match self.clone().into_any().downcast() {
            Ok(json) => Ok(json),
            Err(_) => self.form(),
        }
    }

    fn write_json(&self, to: &mut Vec<u8>) -> bool {
        let before = to.len();
        // What it panics with is told when it is made a value.
        let written = catch_unwind(AssertUnwindSafe(|| self.event.write_json(to))).unwrap_or(false);
        if !written {
            to.truncate(before);
        }
        written
    }

    fn is_foreign(&self) -> bool {
        self.event.came_with().is_some()
    }

    fn is_held(&self) -> bool {
        self.origin.as_ref().map_or_else(|| self.event.is_held(), |origin| origin.is_held())
    }

    fn event(&self) -> Arc<dyn Any + Send + Sync> {
        self.event.clone()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn again(&self, cause: &Arc<dyn AnyParcel>) -> Arc<dyn AnyParcel> {
        let again = Self::with_metadata(self.event.clone(), AnyParcel::metadata(self).clone());
        Arc::new(Self { depth: cause.depth() + 1, cause: Some(cause.clone()), ..again })
    }
}
