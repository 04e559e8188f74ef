//! `#[derive(Event)]`: what it stands on, and what it makes of that and of its keys.
//!
//! `struct OrderPlaced → event_keys.rs → impl Event for OrderPlaced`

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Generics, LitStr, Path, Result, parse_quote};

use crate::arguments::has_key;
use crate::event_keys::{Keys, is_ours};
use crate::spans::{span_at, spanned};
use crate::topic::{self, Grammar};
use crate::{fields, words};

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let mut keys = Keys::default();
    let mut faults = faults(&item);
    for attribute in item.attrs.iter().filter(|attribute| is_ours(attribute)) {
        faults.extend(keys.read(attribute).err());
    }
    let all = faults.into_iter().reduce(|mut all, fault| {
        all.combine(fault);
        all
    });
    all.map_or(Ok(()), Err)?;
    rewrite(keys, &item)
}

/// What stands in for an event whose keys are wrong: whoever emits it or listens to it has no fault of his own, and the
/// compiler has one thing to say.
pub(crate) fn stand_in(item: TokenStream) -> TokenStream {
    let Ok(item) = syn::parse2::<DeriveInput>(item) else { return TokenStream::new() };
    let mut keys = Keys::default();
    let mut is_lost = !faults(&item).is_empty();
    for attribute in item.attrs.iter().filter(|attribute| is_ours(attribute)) {
        // What was read before the fault is kept, and where Convoke is found has to be known.
        is_lost |= keys.read(attribute).is_err() && has_key(attribute, "crate") && keys.root.is_none();
    }
    let keys = Keys { root: keys.root, local: Some(()), ..Keys::default() };
    if is_lost { TokenStream::new() } else { rewrite(keys, &item).unwrap_or_default() }
}

/// Everything that is wrong with the type.
fn faults(item: &DeriveInput) -> Vec<Error> {
    let lifetimes = item.generics.lifetimes().map(|lifetime| {
        Error::new_spanned(
            lifetime,
            "an event owns its data, for it outlives whoever emits it: replace what it borrows, as `&str` by `String`",
        )
    });
    let union = match &item.data {
        Data::Union(union) => Some(Error::new_spanned(
            union.union_token,
            "an event is a struct or an enum: nobody who hears a union knows which field it has",
        )),
        _ => None,
    };
    let misplaced = misplaced(&item.data).into_iter().filter(|attribute| is_ours(attribute)).map(|attribute| {
        Error::new_spanned(attribute, "`#[event(…)]` is about the whole event: move it over the type")
    });
    lifetimes.chain(union).chain(misplaced).collect()
}

/// The attributes of fields and variants: the compiler takes `event` there too, where it would mean nothing.
fn misplaced(data: &Data) -> Vec<&Attribute> {
    match data {
        Data::Struct(data) => of_fields(&data.fields).collect(),
        Data::Enum(data) => {
            let variants = data.variants.iter();
            variants.flat_map(|variant| variant.attrs.iter().chain(of_fields(&variant.fields))).collect()
        }
        Data::Union(_) => Vec::new(),
    }
}

fn of_fields(fields: &Fields) -> impl Iterator<Item = &Attribute> {
    fields.iter().flat_map(|field| &field.attrs)
}

fn rewrite(keys: Keys, item: &DeriveInput) -> Result<TokenStream> {
    let root = keys.root.unwrap_or_else(|| parse_quote!(::convoke));
    let ident = &item.ident;
    let name = match keys.name {
        Some(name) => name,
        None => {
            let name = LitStr::new(&ident.unraw().to_string(), ident.span());
            topic::check(&name, Grammar::Segment)?;
            name
        }
    };
    let topic = keys.topic.unwrap_or_else(|| name.clone());
    let entity = keys.entity.unwrap_or_else(|| LitStr::new(words::without_last(&name.value()), name.span()));
    let version = keys.version.map(|version| quote!(const VERSION: u32 = #version;));
    let example = keys.example.map(|example| {
        quote! {
            fn example() -> ::core::option::Option<Self> {
                ::core::option::Option::Some(#example)
            }
        }
    });
    let flags = [("CONTAINS_PERSONAL_DATA", keys.personal), ("RETAINED", keys.retained), ("LOCAL", keys.local)];
    let flags = flags.into_iter().filter_map(|(flag, given)| given.map(|()| format_ident!("{flag}")));
    let entity_id = keys.entity_id.map(|field| fields::method(&field, &item.data, &root)).transpose()?;
    let generics = bounded(item.generics.clone(), &root, keys.local.is_some());
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let (to_json, write_json, from_json) = json(&root, keys.local.is_some(), span_at(ident.span()));
    let payload = if keys.local.is_some() { quote!(_) } else { quote!(payload) };
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #root::Event for #ident #arguments #bounds {
            const NAME: &'static str = #name;
            const TOPIC: &'static str = #topic;
            const ENTITY: &'static str = #entity;
            #version
            #(const #flags: bool = true;)*
            #entity_id
            #example

            fn to_json(&self) -> ::core::result::Result<#root::__private::Value, #root::__private::JsonError> {
                #to_json
            }

            #write_json

            fn from_json(
                #payload: &#root::__private::Value
            ) -> ::core::result::Result<Self, #root::__private::JsonError> {
                #from_json
            }
        }
    })
}

/// What a generic event needs is asked of itself, not of its parameters: a `PhantomData<T>` needs no more of `T`.
fn bounded(mut generics: Generics, root: &Path, local: bool) -> Generics {
    let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    if parameters.is_empty() {
        return generics;
    }
    let bounds = &mut generics.make_where_clause().predicates;
    for parameter in parameters {
        bounds.push(parse_quote!(#parameter: 'static));
    }
    bounds.push(parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync));
    if !local {
        bounds.push(parse_quote!(Self: #root::__private::Serialize + #root::__private::DeserializeOwned));
    }
    generics
}

/// The body of `to_json`, all of `write_json`, and the body of `from_json`. What the type lacks for them is told where its name
/// stands.
fn json(root: &Path, local: bool, at: Span) -> (TokenStream, TokenStream, TokenStream) {
    if local {
        let none = quote!(#root::__private::no_json::<Self, _>());
        return (none.clone(), TokenStream::new(), none);
    }
    let root = spanned(quote!(#root), at);
    (
        quote_spanned!(at=> #root::__private::json_of::<Self>(self).to_value()),
        quote_spanned! {at=>
            fn write_json(&self, to: &mut ::std::vec::Vec<u8>) -> bool {
                #root::__private::json_of::<Self>(self).write(to)
            }
        },
        quote_spanned!(at=> #root::__private::from_json::<Self>(payload)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of an expansion that must fail.
    fn faults(item: TokenStream) -> Vec<String> {
        let fault = expand(item).expect_err("expanded");
        fault.into_iter().map(|fault| fault.to_string()).collect()
    }

    fn expanded(item: TokenStream) -> String {
        expand(item).unwrap().to_string()
    }

    /// An event with these keys.
    fn tick(keys: TokenStream) -> TokenStream {
        quote!(
            #[event(#keys)]
            struct Tick;
        )
    }

    #[test]
    fn what_is_not_said_is_taken_from_the_name_of_the_type_and_from_the_trait() {
        let item = quote! {
            #[derive(Clone)]
            pub struct OrderPlaced { id: u64 }
        };
        let expected = quote! {
            #[automatically_derived]
            impl ::convoke::Event for OrderPlaced {
                const NAME: &'static str = "OrderPlaced";
                const TOPIC: &'static str = "OrderPlaced";
                const ENTITY: &'static str = "Order";

                fn to_json(&self) -> ::core::result::Result<::convoke::__private::Value, ::convoke::__private::JsonError> {
                    ::convoke::__private::json_of::<Self>(self).to_value()
                }

                fn write_json(&self, to: &mut ::std::vec::Vec<u8>) -> bool {
                    ::convoke::__private::json_of::<Self>(self).write(to)
                }

                fn from_json(
                    payload: &::convoke::__private::Value
                ) -> ::core::result::Result<Self, ::convoke::__private::JsonError> {
                    ::convoke::__private::from_json::<Self>(payload)
                }
            }
        };
        assert_eq!(expanded(item), expected.to_string());
    }

    #[test]
    fn what_is_said_is_taken_in_any_order_and_from_several_attributes() {
        let item = quote! {
            #[event(local, version = 2, crate = "framework::convoke")]
            #[event(entity = "Sale", name = "SaleMade", topic = "sales/made", entity_id = id,)]
            #[event()]
            #[event(retained, contains_personal_data, example = Self::Now { id: 7 })]
            enum OrderPlaced { Now { id: u64 } }
        };
        let expected = quote! {
            #[automatically_derived]
            impl framework::convoke::Event for OrderPlaced {
                const NAME: &'static str = "SaleMade";
                const TOPIC: &'static str = "sales/made";
                const ENTITY: &'static str = "Sale";
                const VERSION: u32 = 2u32;
                const CONTAINS_PERSONAL_DATA: bool = true;
                const RETAINED: bool = true;
                const LOCAL: bool = true;

                fn entity_id(&self) -> ::core::option::Option<::std::string::String> {
                    ::core::option::Option::Some(match self {
                        Self::Now { id: shown, .. } => framework::convoke::__private::show(shown),
                    })
                }

                fn example() -> ::core::option::Option<Self> {
                    ::core::option::Option::Some(Self::Now { id: 7 })
                }

                fn to_json(
                    &self
                ) -> ::core::result::Result<framework::convoke::__private::Value, framework::convoke::__private::JsonError> {
                    framework::convoke::__private::no_json::<Self, _>()
                }

                fn from_json(
                    _: &framework::convoke::__private::Value
                ) -> ::core::result::Result<Self, framework::convoke::__private::JsonError> {
                    framework::convoke::__private::no_json::<Self, _>()
                }
            }
        };
        assert_eq!(expanded(item), expected.to_string());
    }

    #[test]
    fn topic_and_entity_follow_the_name_that_is_given() {
        let expanded = expanded(tick(quote!(name = "ClockStruck")));
        for expected in [
            quote!(
                const TOPIC: &'static str = "ClockStruck";
            ),
            quote!(
                const ENTITY: &'static str = "Clock";
            ),
        ] {
            assert!(expanded.contains(&expected.to_string()), "{expanded}");
        }
    }

    #[test]
    fn a_raw_name_is_written_as_it_is_spoken() {
        let expanded = expanded(quote!(
            struct r#move;
        ));
        let expected = quote!(impl ::convoke::Event for r#move { const NAME: &'static str = "move"; });
        assert!(expanded.contains(expected.to_string().trim_end_matches(" }")), "{expanded}");
    }

    #[test]
    fn a_type_whose_name_is_no_topic_says_so() {
        let long = format_ident!("A{}", "a".repeat(256));
        assert_eq!(faults(quote!(struct #long;)), ["257 bytes, and 256 are the most: shorten it"]);
    }

    #[test]
    fn a_generic_event_asks_of_itself_what_it_needs() {
        let item = quote! {
            struct Stored<T: Clone, const N: usize = 1> where T: Ord { values: [T; N] }
        };
        let expected = quote! {
            impl<T: Clone, const N: usize> ::convoke::Event for Stored<T, N>
            where
                T: Ord,
                T: 'static,
                Self: ::core::marker::Send + ::core::marker::Sync,
                Self: ::convoke::__private::Serialize + ::convoke::__private::DeserializeOwned
        };
        let expanded = expanded(item);
        assert!(expanded.contains(&expected.to_string()), "{expanded}");
    }

    #[test]
    fn a_generic_event_that_is_local_needs_no_serde() {
        let expanded = expanded(quote!(
            #[event(local)]
            struct Stored<T>(T);
        ));
        assert!(!expanded.contains("Serialize"), "{expanded}");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let lifetime = "an event owns its data, for it outlives whoever emits it: replace what it borrows, as `&str` by \
                        `String`";
        let item = quote! {
            #[event(topic = 5)]
            #[event(version = 0)]
            struct Placed<'a, 'b> { id: &'a u64, #[event(entity_id)] note: &'b str }
        };
        let misplaced = "`#[event(…)]` is about the whole event: move it over the type";
        let [topic, version] = ["not a topic: write `topic = \"orders/placed\"`", "no version: the first is 1"];
        assert_eq!(faults(item), [lifetime, lifetime, misplaced, topic, version]);
    }

    #[test]
    fn an_attribute_of_a_variant_or_of_its_field_is_misplaced() {
        let item = quote! {
            enum Order { #[event(topic = "placed")] Placed, Closed { #[event(contains_personal_data)] by: String } }
        };
        assert_eq!(faults(item), ["`#[event(…)]` is about the whole event: move it over the type"; 2]);
    }

    #[test]
    fn beside_a_wrong_key_the_event_stays_one() {
        let stands = |item| stand_in(item).to_string();
        let event = quote!(impl framework::convoke::Event for Tick { const NAME: &'static str = "Tick"; });
        let event = event.to_string();
        let event = event.trim_end_matches(" }");
        assert!(stands(tick(quote!(crate = "framework::convoke", topics = "a"))).contains(event));
        assert!(stands(tick(quote!(topics = "a"))).contains("impl :: convoke :: Event for Tick"));
        assert_eq!(stands(tick(quote!(topics = "a", crate = "framework::convoke"))), "", "where is it found?");
        assert_eq!(
            stands(quote!(
                #[event(topics = "a")]
                struct Placed<'a>(&'a str);
            )),
            "",
            "the type is at fault"
        );
    }

    #[test]
    fn a_union_is_no_event() {
        let expected = "an event is a struct or an enum: nobody who hears a union knows which field it has";
        assert_eq!(faults(quote!(#[event(local, entity_id = id)] union Both { id: u64, total: u64 })), [expected]);
    }
}
