//! The events that a crate has, and how another of its modules names them.

use std::path::Path;

use syn::punctuated::Punctuated;
use syn::{Attribute, Fields, Item, Meta, Token, Visibility};

use super::modules::{Module, is_open, modules, offers};
use crate::error::{Error, Result};
use crate::names::{EventName, literal, near, sample};

/// A type with `#[derive(Event)]`.
#[derive(Clone, Debug)]
pub(crate) struct EventType {
    pub(crate) name: String,
    /// From the crate: `["events", "OrderPlaced"]`.
    pub(crate) path: Vec<String>,
    /// Whether all of the crate may name it.
    open: bool,
    /// Whether other crates may.
    pub(crate) public: bool,
    /// A value of it for a test, if all of its fields can be made.
    pub(crate) sample: Option<String>,
}

impl EventType {
    /// As a `use` names it: `crate::events::OrderPlaced`.
    pub(crate) fn import(&self) -> String {
        format!("crate::{}", self.path.join("::"))
    }
}

/// All events of a crate, by their names.
pub(crate) fn events(root: &Path, face: &str) -> Result<Vec<EventType>> {
    let modules = modules(root, face)?;
    let mut found = Vec::new();
    for module in &modules {
        for item in &module.items {
            let (attributes, visibility, name, fields) = match item {
                Item::Struct(item) => (&item.attrs, &item.vis, &item.ident, Some(&item.fields)),
                Item::Enum(item) => (&item.attrs, &item.vis, &item.ident, None),
                _ => continue,
            };
            if !derives_event(attributes) {
                continue;
            }
            let mut path = module.path.clone();
            path.push(name.to_string());
            let open = module.path.is_empty() || module.open && is_open(visibility);
            let public = module.public && matches!(visibility, Visibility::Public(_));
            let (path, public) = offered(&modules, path, public);
            let sample = fields.and_then(|fields| of_fields(&name.to_string(), fields, module.path.is_empty()));
            found.push(EventType { name: name.to_string(), path, open, public, sample });
        }
    }
    found.sort_by(|one, other| (&one.name, &one.path).cmp(&(&other.name, &other.path)));
    Ok(found)
}

/// The one event that is meant.
///
/// # Errors
///
/// If there is none, with names that are near; if there are two, or if others may not name it.
pub(crate) fn find(events: &[EventType], wanted: &EventName) -> Result<EventType> {
    let found: Vec<&EventType> = events.iter().filter(|event| wanted.is_end_of(&event.path)).collect();
    match *found {
        [event] if event.open => Ok(event.clone()),
        [event] => {
            Err(Error::refused(format!("`{}` is private, and a listener elsewhere cannot name it", event.import()))
                .hint("say `pub` or `pub(crate)` at it, and at the modules that it is in"))
        }
        [] => {
            let error = Error::refused(format!("there is no event `{wanted}` in this crate"));
            let near = near(wanted.last(), events.iter().map(|event| event.name.as_str()));
            if !near.is_empty() {
                return Err(error.hint(format!("did you mean {}?", quoted(&near, " or "))));
            }
            let all: Vec<&str> = events.iter().map(|event| event.name.as_str()).take(10).collect();
            Err(match &*all {
                [] => error.hint("there is none at all yet: `convoke make event OrderPlaced --field id:u64`"),
                all => error.hint(format!("there is {}", quoted(all, ", "))),
            })
        }
        _ => {
            let paths: Vec<String> = found.iter().map(|event| event.path.join("::")).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            Err(Error::refused(format!("there are {} events `{wanted}`", found.len()))
                .hint(format!("say which: {}", quoted(&paths, " or "))))
        }
    }
}

fn quoted(names: &[&str], between: &str) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
}

fn derives_event(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("derive")).any(|attribute| {
        let derived = attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated);
        derived.is_ok_and(|all| all.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == "Event")))
            && matches!(attribute.meta, Meta::List(_))
    })
}

/// The path by which the folder of an event offers it, if that is shorter: `events::OrderPlaced`.
fn offered(modules: &[Module], path: Vec<String>, public: bool) -> (Vec<String>, bool) {
    let Some((name, module)) = path.split_last() else { return (path, public) };
    let Some((inner, above)) = module.split_last() else { return (path, public) };
    let door = modules.iter().find(|door| door.path == above);
    let direct = [inner.clone(), name.clone()];
    let all = [inner.clone(), "*".to_owned()];
    match door {
        Some(door) if door.open && offers(&door.items).iter().any(|offer| *offer == direct || *offer == all) => {
            let mut short = above.to_vec();
            short.push(name.clone());
            (short, public || door.public)
        }
        _ => (path, public),
    }
}

fn of_fields(name: &str, fields: &Fields, at_root: bool) -> Option<String> {
    match fields {
        Fields::Unit => Some(name.to_owned()),
        Fields::Unnamed(_) => None,
        Fields::Named(named) => {
            let mut parts = Vec::new();
            for field in &named.named {
                if !at_root && !is_open(&field.vis) {
                    return None;
                }
                parts.push(format!("{}: {}", field.ident.as_ref()?, sample(&field.ty)?));
            }
            Some(literal(name, &parts))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn events_are_found_wherever_they_are_and_named_as_others_may() {
        let folder = tempdir().unwrap();
        let root = folder.path();
        for (file, text) in [
            (
                "src/lib.rs",
                "mod events;\npub mod orders;\nmod a { pub mod b { #[derive(convoke::Event)] pub struct Deep; } }\n#[derive(Event)] struct AtRoot { id: u64 }",
            ),
            ("src/events/mod.rs", "pub mod order_placed;\nmod hidden;\npub use order_placed::OrderPlaced;"),
            (
                "src/events/order_placed.rs",
                "#[derive(Clone, Event)]\npub struct OrderPlaced { pub id: u64, pub to: Option<String> }",
            ),
            ("src/events/hidden.rs", "#[derive(Event)] pub struct Hidden;"),
            (
                "src/orders.rs",
                "mod inner;\n#[derive(Event)] pub enum Either { A }\n#[derive(Event)] pub struct Same; #[derive(Debug)] pub struct NoEvent;",
            ),
            ("src/orders/inner.rs", "#[derive(Event)] pub struct Same;"),
        ] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), text).unwrap();
        }
        let events = events(root, "src/lib.rs").unwrap();
        let named = |name: &str| find(&events, &EventName::new(name).unwrap());
        let placed = named("OrderPlaced").unwrap();
        assert_eq!(placed.import(), "crate::events::OrderPlaced");
        assert_eq!(placed.sample.as_deref(), Some("OrderPlaced {\n    id: 7,\n    to: Some(\"a\".to_owned()),\n}"));
        assert_eq!(named("Deep").unwrap().import(), "crate::a::b::Deep");
        assert_eq!(named("AtRoot").unwrap().sample.as_deref(), Some("AtRoot { id: 7 }"));
        assert_eq!(named("Either").unwrap().sample, None);
        assert!(named("Hidden").unwrap_err().to_string().contains("private"));
        assert!(named("Same").unwrap_err().to_string().contains("2 events"));
        assert!(named("inner::Same").unwrap_err().to_string().contains("private"));
        let none = named("OrderPlace").unwrap_err();
        assert_eq!(none.hints(), ["did you mean `OrderPlaced`?"]);
        assert!(named("NoEvent").unwrap_err().to_string().contains("no event"));
    }
}
