//! By which rule events of an outbox have their keys: one rule for all who have it open in this process.
//!
//! `ordered_by → Rule → Rules (of an outbox) → publish: the key of an event`

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::Envelope;

static ALL: Mutex<Option<HashMap<String, Weak<Rules>>>> = Mutex::new(None);

type KeyOf = Box<dyn Fn(&Envelope) -> Option<String> + Send + Sync>;

/// A rule, and where it was given.
pub(super) struct Rule {
    key: KeyOf,
    /// The function's own type: that of another one is another.
    function: TypeId,
    at: &'static Location<'static>,
}

impl Rule {
    #[track_caller]
    pub(super) fn new<F: Fn(&Envelope) -> Option<String> + Send + Sync + 'static>(key: F) -> Self {
        Self { key: Box::new(key), function: TypeId::of::<F>(), at: Location::caller() }
    }

    pub(super) fn key(&self, event: &Envelope) -> Option<String> {
        (self.key)(event)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The rule of one outbox, for all who have it open in this process.
#[derive(Debug, Default)]
pub struct Rules(OnceLock<Rule>);

impl Rules {
    /// Returns those of this outbox, by what no other has.
    pub(crate) fn of(outbox: String) -> Arc<Self> {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        if let Some(rules) = all.get(&outbox).and_then(Weak::upgrade) {
            return rules;
        }
        all.retain(|_, rules| rules.strong_count() > 0);
        let rules = Arc::new(Self::default());
        all.insert(outbox, Arc::downgrade(&rules));
        rules
    }

    /// Has this rule hold from now on.
    ///
    /// # Errors
    ///
    /// Says where the other one was given that holds.
    pub(super) fn set(&self, rule: Rule) -> Result<(), &'static Location<'static>> {
        let function = rule.function;
        let holds = self.0.get_or_init(|| rule);
        if holds.function == function { Ok(()) } else { Err(holds.at) }
    }

    pub(super) fn get(&self) -> Option<&Rule> {
        self.0.get()
    }
}
