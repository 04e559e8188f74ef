//! By what a listener is known: its name, and the id of its registration.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;

/// The id of a registration, unique within its bus. The first id of a bus is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub(crate) u64);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// By what one registration is known: whoever speaks of it needs no more of it.
#[derive(Debug)]
pub(crate) struct Sign {
    pub(crate) id: SubscriptionId,
    pub(crate) name: Arc<str>,
}

/// What a listener is called.
pub(crate) enum Naming {
    Given(Arc<str>),
    Found(Found),
}

/// By what a listener is named to which nobody has given a name. The name is made when somebody asks for it, as hardly
/// anybody does.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) place: &'static Location<'static>,
}

impl Naming {
    pub(crate) fn name(&self) -> Arc<str> {
        match self {
            Self::Given(name) => name.clone(),
            Self::Found(found) => found.name(),
        }
    }
}

impl Found {
    /// The name of the function, or the place where it was registered.
    pub(crate) fn name(self) -> Arc<str> {
        let (type_name, place) = ((self.type_name)(), self.place);
        // A closure is named by its place, also in a generic function, whose own arguments hold paths too.
        let closure = type_name.ends_with('}');
        let path = type_name.split('<').next().filter(|_| !closure).unwrap_or_default();
        match path.rsplit("::").next() {
            // A recipient does not say of whom it is.
            Some(name) if !name.is_empty() && !name.starts_with('{') && name != "Recipient" => name.into(),
            _ => format!("{}:{}", place.file(), place.line()).into(),
        }
    }
}
