//! What `#[event(…)]` says about an event, checked where it stands.
//!
//! `#[event(topic = "orders/placed", retained)] → Keys → event.rs`

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, LitInt, LitStr, Member, Meta, Path, Result};

use crate::arguments::{flag, keyed, root, set, value};
use crate::topic::{self, Grammar};

const UNKNOWN: &str = "unknown key: use `topic = \"orders/placed\"`, `name`, `entity`, `entity_id`, `version`, \
                       `example`, `contains_personal_data`, `retained`, `local` or `crate`";

/// What stands in the parentheses of all the `#[event(…)]`.
#[derive(Default)]
pub(crate) struct Keys {
    /// Where Convoke is found; `::convoke` unless told.
    pub(crate) root: Option<Path>,
    pub(crate) topic: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) entity: Option<LitStr>,
    pub(crate) entity_id: Option<Member>,
    pub(crate) version: Option<u32>,
    pub(crate) example: Option<Expr>,
    pub(crate) personal: Option<()>,
    pub(crate) retained: Option<()>,
    pub(crate) local: Option<()>,
}

/// Whether it is `#[event(…)]`.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("event")
}

impl Keys {
    /// Adds what one attribute says.
    pub(crate) fn read(&mut self, attribute: &Attribute) -> Result<()> {
        match &attribute.meta {
            Meta::List(list) => {
                keyed(&list.tokens, UNKNOWN)?;
                attribute.parse_nested_meta(|argument| self.take(&argument))
            }
            _ => {
                Err(Error::new_spanned(attribute, "no keys: write `#[event(topic = \"orders/placed\")]`, or remove it"))
            }
        }
    }

    fn take(&mut self, argument: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = argument.path.get_ident() else { return Err(argument.error(UNKNOWN)) };
        match key.to_string().as_str() {
            "topic" => {
                let topic = value(argument, "not a topic: write `topic = \"orders/placed\"`")?;
                topic::check(&topic, Grammar::Topic)?;
                set(&mut self.topic, argument, topic)
            }
            "name" => {
                let name = value(argument, "not a name: write `name = \"OrderPlaced\"`")?;
                topic::check(&name, Grammar::Segment)?;
                set(&mut self.name, argument, name)
            }
            "entity" => {
                let entity = value(argument, "not an entity: write `entity = \"Order\"`")?;
                topic::check(&entity, Grammar::Segment)?;
                set(&mut self.entity, argument, entity)
            }
            "entity_id" => {
                let field = value(argument, "not a field: write `entity_id = id`, or `entity_id = 0` for the first")?;
                set(&mut self.entity_id, argument, field)
            }
            "version" => set(&mut self.version, argument, version(argument)?),
            "example" => {
                let example =
                    value(argument, "not an example: write `example = Self { … }`, or a function that is called")?;
                set(&mut self.example, argument, example)
            }
            "contains_personal_data" => flag(argument).and_then(|()| set(&mut self.personal, argument, ())),
            "retained" => flag(argument).and_then(|()| set(&mut self.retained, argument, ())),
            "local" => flag(argument).and_then(|()| set(&mut self.local, argument, ())),
            "crate" => set(&mut self.root, argument, root(argument)?),
            _ => Err(argument.error(UNKNOWN)),
        }
    }
}

fn version(argument: &ParseNestedMeta<'_>) -> Result<u32> {
    const EXPECTED: &str = "not a version: write `version = 2`";
    let number: LitInt = value(argument, EXPECTED)?;
    match number.base10_parse() {
        Ok(0) => Err(Error::new_spanned(number, "no version: the first is 1")),
        Ok(version) => Ok(version),
        Err(_) => Err(Error::new_spanned(number, EXPECTED)),
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_quote;

    use super::*;

    /// The errors of an attribute that must not be read.
    fn faults(attribute: Attribute) -> Vec<String> {
        let fault = Keys::default().read(&attribute).expect_err("read");
        fault.into_iter().map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn a_wrong_key_says_what_to_write() {
        let topic = "not a topic: write `topic = \"orders/placed\"`";
        let name = "not a name: write `name = \"OrderPlaced\"`";
        let entity = "not an entity: write `entity = \"Order\"`";
        let field = "not a field: write `entity_id = id`, or `entity_id = 0` for the first";
        let version = "not a version: write `version = 2`";
        let example = "not an example: write `example = Self { … }`, or a function that is called";
        let alone = "takes no value: write the word alone, or leave it out";
        let twice = "given twice: remove one of the two";
        for (keys, expected) in [
            (quote!(topics = "orders/placed"), UNKNOWN),
            (quote!(event::topic = "orders/placed"), UNKNOWN),
            (quote!("orders/placed"), UNKNOWN),
            (quote!(topic = 5), topic),
            (quote!(topic), topic),
            (quote!(topic, local), topic),
            (quote!(topic("orders")), topic),
            (quote!(topic = ORDERS), topic),
            (quote!(name = OrderPlaced), name),
            (quote!(entity = 'O'), entity),
            (quote!(entity_id = "id"), field),
            (quote!(entity_id), field),
            (quote!(version = "2"), version),
            (quote!(version = -1), version),
            (quote!(version = 4294967296), version),
            (quote!(version), version),
            (quote!(version = 0), "no version: the first is 1"),
            (quote!(example), example),
            (quote!(example(Self)), example),
            (quote!(example = Self, example = Self), twice),
            (quote!(retained = true), alone),
            (quote!(local(true)), alone),
            (quote!(contains_personal_data = "email"), alone),
            (quote!(local, local), twice),
            (quote!(topic = "a", topic = "a"), twice),
            (quote!(crate = convoke), "not a path: write `crate = \"path::to::convoke\"`"),
        ] {
            assert_eq!(faults(parse_quote!(#[event(#keys)])), [expected], "{keys}");
        }
    }

    #[test]
    fn a_topic_a_name_and_an_entity_are_checked_where_they_stand() {
        for (keys, expected) in [
            (
                quote!(topic = "orders/*"),
                "a `*`, which only the pattern of a subscription may have: write what it stands for",
            ),
            (
                quote!(name = "orders/placed"),
                "a slash: this is one word, and only a topic has segments between slashes",
            ),
            (quote!(entity = ""), "empty: write a word, or leave it out"),
        ] {
            assert_eq!(faults(parse_quote!(#[event(#keys)])), [expected], "{keys}");
        }
    }

    #[test]
    fn an_attribute_without_keys_is_told_of_one() {
        let expected = "no keys: write `#[event(topic = \"orders/placed\")]`, or remove it";
        assert_eq!(faults(parse_quote!(#[event])), [expected]);
        assert_eq!(faults(parse_quote!(#[event = "orders/placed"])), [expected]);
    }
}
