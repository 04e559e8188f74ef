//! Which events there are, as far as this process says: those that somebody listens to, and those that a document has.

use std::collections::BTreeMap;
use std::sync::Arc;

use convoke::schema::Document;
use convoke::{Hears, Pattern};

use crate::shown::{BusShown, ListenerShown};

/// An event, and who listens to it.
pub(super) struct Event<'a> {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) is_local: bool,
    pub(super) is_personal: bool,
    /// The versions that documents have.
    pub(super) versions: Vec<u32>,
    /// A document says that this process publishes it.
    pub(super) is_published: bool,
    /// Those of its type, and those whose patterns match.
    pub(super) listeners: Vec<&'a ListenerShown>,
}

/// The events of a bus, by their names, and those who listen by patterns that match none of them.
pub(super) struct Catalog<'a> {
    pub(super) events: Vec<Event<'a>>,
    pub(super) others: Vec<&'a ListenerShown>,
}

/// What somebody listens to, in words.
pub(crate) fn what(hears: &Hears) -> String {
    match hears {
        Hears::Event { name, .. } => (*name).to_owned(),
        Hears::Topics(patterns) => patterns.join(", "),
        Hears::Leaving(patterns) => format!("{}, out of the process", patterns.join(", ")),
        _ => "something that this console does not know".to_owned(),
    }
}

impl<'a> Catalog<'a> {
    pub(super) fn of(bus: &'a BusShown, publisher: &str, documents: &[Arc<Document>]) -> Self {
        let mut events: BTreeMap<(String, String), Event<'a>> = BTreeMap::new();
        for document in documents {
            for schema in document.registry().iter() {
                let event = entry(&mut events, schema.name(), schema.topic());
                event.is_personal |= schema.contains_personal_data();
                event.is_published |= document.publishes(schema.name(), schema.version());
                if !event.versions.contains(&schema.version()) {
                    event.versions.push(schema.version());
                }
            }
        }
        for listener in &bus.listeners {
            if let Hears::Event { name, topic, local, personal, .. } = &listener.hears {
                let event = entry(&mut events, name, topic);
                event.is_local |= local;
                event.is_personal |= personal;
                event.listeners.push(listener);
            }
        }
        let mut others = Vec::new();
        for listener in &bus.listeners {
            let (patterns, leaves) = match &listener.hears {
                Hears::Topics(patterns) => (patterns, false),
                Hears::Leaving(patterns) => (patterns, true),
                _ => continue,
            };
            let patterns: Vec<_> = patterns.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
            let mut hears_some = false;
            for event in events.values_mut().filter(|event| !event.is_local) {
                let path = if leaves { format!("{publisher}/{}", event.name) } else { event.topic.clone() };
                if patterns.iter().any(|pattern| pattern.matches(&path)) {
                    event.listeners.push(listener);
                    hears_some = true;
                }
            }
            if !hears_some {
                others.push(listener);
            }
        }
        Self { events: events.into_values().collect(), others }
    }
}

fn entry<'e, 'a>(events: &'e mut BTreeMap<(String, String), Event<'a>>, name: &str, topic: &str) -> &'e mut Event<'a> {
    let key = (name.to_owned(), topic.to_owned());
    events.entry(key).or_insert_with(|| Event {
        name: name.to_owned(),
        topic: topic.to_owned(),
        is_local: false,
        is_personal: false,
        versions: Vec::new(),
        is_published: false,
        listeners: Vec::new(),
    })
}
