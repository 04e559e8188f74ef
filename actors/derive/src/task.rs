//! `#[derive(Task)]`: what it stands on, and what it makes of that and of its keys.
//!
//! `struct RegisterUser → task_keys.rs → task_fields.rs → impl Task for RegisterUser`

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Error, Fields, LitStr, Path, Result, parse_quote};

use crate::arguments::has_key;
use crate::task_fields::{bounded, id, instance, limit_key, unique_key, unnamed};
use crate::task_keys::{Keys, Time, is_ours};
use crate::times;
use crate::topic::{self, Grammar};

/// What `TaskTerms` has if nothing is said.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60 * 60));

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let mut keys = Keys::default();
    let mut faults = faults(&item);
    for attribute in item.attrs.iter().filter(|attribute| is_ours(attribute)) {
        faults.extend(keys.read(attribute).err());
    }
    faults.extend(waits(&keys).err());
    faults.extend(unnamed(&keys).err());
    let all = faults.into_iter().reduce(|mut all, fault| {
        all.combine(fault);
        all
    });
    all.map_or(Ok(()), Err)?;
    rewrite(keys, &item)
}

/// What stands in for a task whose keys are wrong: whoever enqueues it or does it has no fault of his own, and the compiler has
/// one thing to say.
pub(crate) fn stand_in(item: TokenStream) -> TokenStream {
    let Ok(item) = syn::parse2::<DeriveInput>(item) else { return TokenStream::new() };
    let mut keys = Keys::default();
    let mut is_lost = !faults(&item).is_empty();
    for attribute in item.attrs.iter().filter(|attribute| is_ours(attribute)) {
        // What was read before the fault is kept, and where Convoke is found has to be known.
        is_lost |= keys.read(attribute).is_err() && has_key(attribute, "crate") && keys.root.is_none();
    }
    let keys = Keys { root: keys.root, succeeds: keys.succeeds, fails: keys.fails, ..Keys::default() };
    if is_lost { TokenStream::new() } else { rewrite(keys, &item).unwrap_or_default() }
}

/// Everything that is wrong with the type.
fn faults(item: &DeriveInput) -> Vec<Error> {
    let lifetimes = item.generics.lifetimes().map(|lifetime| {
        Error::new_spanned(
            lifetime,
            "a task owns its data, for it is done elsewhere and later: replace what it borrows, as `&str` by `String`",
        )
    });
    let union = match &item.data {
        Data::Union(union) => Some(Error::new_spanned(
            union.union_token,
            "a task is a struct or an enum: nobody who does a union knows which field it has",
        )),
        _ => None,
    };
    let misplaced = misplaced(&item.data)
        .into_iter()
        .filter(|attribute| is_ours(attribute))
        .map(|attribute| Error::new_spanned(attribute, "`#[task(…)]` is about the whole task: move it over the type"));
    lifetimes.chain(union).chain(misplaced).collect()
}

/// The attributes of fields and variants: the compiler takes `task` there too, where it would mean nothing.
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

/// The first and the longest wait, if one of them is said.
fn waits(keys: &Keys) -> Result<Option<(Duration, Duration)>> {
    let time = |time: &Time| time.time;
    let waits = (keys.first_wait.as_ref().map_or(WAITS.0, time), keys.longest_wait.as_ref().map_or(WAITS.1, time));
    match (&keys.first_wait, &keys.longest_wait) {
        (None, None) => Ok(None),
        _ if waits.0 <= waits.1 => Ok(Some(waits)),
        (Some(first), Some(_)) => Err(Error::new(first.literal.span(), "longer than the longest wait: shorten it")),
        (Some(first), None) => Err(Error::new(
            first.literal.span(),
            format_args!(
                "longer than the longest wait, which is {}: say `longest_wait` as well",
                times::shown(WAITS.1)
            ),
        )),
        (None, Some(longest)) => Err(Error::new(
            longest.literal.span(),
            format_args!("shorter than the first wait, which is {}: say `first_wait` as well", times::shown(WAITS.0)),
        )),
    }
}

fn rewrite(keys: Keys, item: &DeriveInput) -> Result<TokenStream> {
    let root: Path = keys.root.clone().unwrap_or_else(|| parse_quote!(::convoke));
    let ident = &item.ident;
    let name = match &keys.name {
        Some(name) => name.clone(),
        None => {
            let name = LitStr::new(&ident.unraw().to_string(), ident.span());
            topic::check(&name, Grammar::Segment)?;
            name
        }
    };
    let succeeds = keys.succeeds.as_ref().map_or_else(|| quote!(#root::AsReturned), |event| quote!(#event));
    let fails = keys.fails.as_ref().map_or_else(|| quote!(#root::TaskFailed), |event| quote!(#event));
    let terms = terms(&keys, &root)?;
    let id = id(keys.id.as_ref(), keys.instance.as_ref(), &item.data, &root)?;
    let instance = instance(&keys, &item.data, &root)?;
    let unique = match &keys.unique {
        Some(unique) => Some(unique_key(&unique.fields, &item.data, &root)?),
        None => None,
    };
    let limit = keys.per_key.as_ref().map(|key| limit_key(&key.field, &item.data, &root)).transpose()?;
    let generics = bounded(item, &keys, &root);
    let (parameters, arguments, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters #root::Task for #ident #arguments #bounds {
            type Succeeds = #succeeds;
            type Fails = #fails;
            const NAME: &'static str = #name;
            #terms
            #id
            #instance
            #unique
            #limit
        }
    })
}

fn terms(keys: &Keys, root: &Path) -> Result<Option<TokenStream>> {
    let mut said = TokenStream::new();
    if let Some(queue) = &keys.queue {
        said.extend(quote!(.queue(#queue)));
    }
    if let Some(attempts) = keys.attempts {
        said.extend(quote!(.attempts(#attempts)));
    }
    if let Some((first, longest)) = waits(keys)? {
        let (first, longest) = (duration(first), duration(longest));
        said.extend(quote!(.waits(#first, #longest)));
    }
    if let Some(timeout) = &keys.timeout {
        let timeout = duration(timeout.time);
        said.extend(quote!(.timeout(#timeout)));
    }
    if let Some(priority) = keys.priority {
        said.extend(quote!(.priority(#priority)));
    }
    if let Some(expires) = &keys.expires {
        let expires = duration(expires.time);
        said.extend(quote!(.expires(#expires)));
    }
    if let Some(time) = keys.unique.as_ref().and_then(|unique| unique.time) {
        let time = duration(time);
        said.extend(quote!(.unique_for(#time)));
    }
    if keys.unique.as_ref().is_some_and(|unique| unique.while_waiting) {
        said.extend(quote!(.unique_while_waiting()));
    }
    if let Some(most) = keys.per_key.as_ref().and_then(|key| key.at_once) {
        said.extend(quote!(.at_once(#most)));
    }
    if let Some((most, time)) = keys.per_key.as_ref().and_then(|key| key.rate) {
        let time = duration(time);
        said.extend(quote!(.rate(#most, #time)));
    }
    Ok((!said.is_empty()).then(|| quote!(const TERMS: #root::TaskTerms = #root::TaskTerms::new() #said;)))
}

fn duration(time: Duration) -> TokenStream {
    // `times.rs` reads no time that has more.
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
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

    fn has(item: TokenStream, expected: &TokenStream) {
        let expanded = expanded(item);
        assert!(expanded.contains(&expected.to_string()), "{expanded}\nhas no\n{expected}");
    }

    /// A task with these keys.
    fn clean(keys: TokenStream) -> TokenStream {
        quote!(
            #[task(#keys)]
            struct CleanUp {
                user: u64,
            }
        )
    }

    #[test]
    fn what_is_not_said_is_taken_from_the_name_of_the_type_and_from_the_trait() {
        let expected = quote! {
            #[automatically_derived]
            impl ::convoke::Task for CleanUp {
                type Succeeds = ::convoke::AsReturned;
                type Fails = ::convoke::TaskFailed;
                const NAME: &'static str = "CleanUp";
                const ABOUT: bool = false;
            }
        };
        assert_eq!(
            expanded(quote!(
                pub struct CleanUp {
                    user: u64,
                }
            )),
            expected.to_string()
        );
        assert_eq!(expanded(clean(TokenStream::new())), expected.to_string());
    }

    #[test]
    fn what_is_said_is_taken_in_any_order_and_from_several_attributes() {
        let item = quote! {
            #[task(attempts = 5, timeout = "30s", unique(id, tenant), fails = RegistrationFailed, priority = -2)]
            #[task(per_key(tenant, rate = "10/1m", at_once = 1), succeeds = UserRegistered, crate = "framework::convoke")]
            #[task(name = "register", queue = "mail", expires = "1d", first_wait = "250ms", id = user)]
            struct RegisterUser { id: u64, user: u64, tenant: u32 }
        };
        let expected = quote! {
            #[automatically_derived]
            impl framework::convoke::Task for RegisterUser {
                type Succeeds = UserRegistered;
                type Fails = RegistrationFailed;
                const NAME: &'static str = "register";
                const TERMS: framework::convoke::TaskTerms = framework::convoke::TaskTerms::new()
                    .queue("mail")
                    .attempts(5u32)
                    .waits(::core::time::Duration::from_millis(250u64), ::core::time::Duration::from_millis(3600000u64))
                    .timeout(::core::time::Duration::from_millis(30000u64))
                    .priority(-2i8)
                    .expires(::core::time::Duration::from_millis(86400000u64))
                    .at_once(1u32)
                    .rate(10u32, ::core::time::Duration::from_millis(60000u64));

                fn id(&self) -> ::core::option::Option<framework::convoke::__private::Value> {
                    framework::convoke::__tasks::id(&self.user)
                }

                const UNIQUE: bool = true;

                fn unique_key(
                    &self
                ) -> ::core::result::Result<
                    ::core::option::Option<::std::string::String>, framework::convoke::__private::JsonError
                > {
                    framework::convoke::__tasks::together([
                        framework::convoke::__tasks::part(&self.id), framework::convoke::__tasks::part(&self.tenant)
                    ])
                }

                fn limit_key(&self) -> ::core::option::Option<::std::string::String> {
                    ::core::option::Option::Some(framework::convoke::__tasks::key(&self.tenant))
                }
            }
        };
        // Tokens that close one another stand closer together where they were written so.
        let tight = |text: String| text.replace(' ', "");
        assert_eq!(tight(expanded(item)), tight(expected.to_string()));
    }

    #[test]
    fn a_unique_key_holds_as_long_as_it_is_said() {
        let hour = quote!(TaskTerms::new().unique_for(::core::time::Duration::from_millis(3600000u64)););
        has(clean(quote!(unique(for = "1h"))), &hour);
        has(clean(quote!(unique(while = "waiting"))), &quote!(TaskTerms::new().unique_while_waiting();));
        has(clean(quote!(unique)), &quote!({ ::convoke::__tasks::whole(self) }));
        assert!(!expanded(clean(quote!(unique))).contains("TERMS"));
    }

    #[test]
    fn a_task_is_about_its_field_id() {
        has(
            quote!(
                struct Register {
                    user: u64,
                    r#id: u64,
                }
            ),
            &quote!({ ::convoke::__tasks::id(&self.r#id) }),
        );
        let both = quote!(
            enum Work {
                Open { id: u64 },
                Close { id: u64 },
            }
        );
        has(
            both,
            &quote!({
                match self {
                    Self::Open { id: shown, .. } => ::convoke::__tasks::id(shown),
                    Self::Close { id: shown, .. } => ::convoke::__tasks::id(shown),
                }
            }),
        );
        let some = quote!(
            enum Work {
                Open { id: u64 },
                Close(u64),
                Wait,
            }
        );
        has(
            some,
            &quote!({
                match self {
                    Self::Open { id: shown, .. } => ::convoke::__tasks::id(shown),
                    _ => ::core::option::Option::None,
                }
            }),
        );
        for none in [
            quote!(
                enum Work {
                    Close(u64),
                    Wait,
                }
            ),
            quote!(
                struct Work(u64);
            ),
            quote!(
                enum Never {}
            ),
        ] {
            assert!(!expanded(none.clone()).contains("fn id"), "{none}");
        }
    }

    #[test]
    fn a_field_that_is_named_is_in_every_variant() {
        let work = |keys: TokenStream| {
            quote!(
                #[task(#keys)]
                enum Work {
                    Open { id: u64, of: u32 },
                    Close(u64),
                }
            )
        };
        let missing = ["the variant `Close` has no field `id`: it has `0`"];
        assert_eq!(faults(work(quote!(unique(id)))), missing);
        assert_eq!(faults(work(quote!(id = id))), missing);
        assert_eq!(faults(work(quote!(per_key(id, at_once = 1)))), missing);
        has(work(quote!(unique)), &quote!({ ::convoke::__tasks::whole(self) }));
        assert_eq!(faults(clean(quote!(unique(user, tenant)))), ["the task has no field `tenant`: it has `user`"]);
        assert_eq!(faults(clean(quote!(unique(0)))), ["the task has no field `0`: it has `user`"]);
    }

    #[test]
    fn the_first_wait_is_not_longer_than_the_longest() {
        for (keys, expected) in [
            (quote!(first_wait = "2s", longest_wait = "1s"), "longer than the longest wait: shorten it"),
            (quote!(first_wait = "2h"), "longer than the longest wait, which is 1h: say `longest_wait` as well"),
            (quote!(longest_wait = "999ms"), "shorter than the first wait, which is 1s: say `first_wait` as well"),
        ] {
            assert_eq!(faults(clean(keys.clone())), [expected], "{keys}");
        }
        has(
            clean(quote!(longest_wait = "1s")),
            &quote!(.waits(::core::time::Duration::from_millis(1000u64), ::core::time::Duration::from_millis(1000u64))),
        );
    }

    #[test]
    fn a_generic_task_asks_of_itself_what_it_needs_and_of_its_fields_what_is_read() {
        let item = quote! {
            #[task(unique(of, note), per_key(of, at_once = 1))]
            struct Store<T: Clone> where T: Ord { id: Vec<T>, of: T, note: String }
        };
        let expected = quote! {
            impl<T: Clone> ::convoke::Task for Store<T>
            where
                T: Ord,
                T: 'static,
                Self: ::core::marker::Send + ::core::marker::Sync,
                Self: ::convoke::__private::Serialize + ::convoke::__private::DeserializeOwned,
                T: ::convoke::__private::Serialize,
                Vec<T>: ::convoke::__private::Serialize,
                T: ::core::fmt::Display
        };
        has(item, &expected);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let item = quote! {
            #[task(attempts = 0)]
            #[task(timeout = 30)]
            struct Register<'a> { id: &'a u64, #[task(unique)] note: String }
        };
        let expected = [
            "a task owns its data, for it is done elsewhere and later: replace what it borrows, as `&str` by `String`",
            "`#[task(…)]` is about the whole task: move it over the type",
            "none at all: the least is 1",
            "not a time: write `timeout = \"30s\"`",
        ];
        assert_eq!(faults(item), expected);
        let misplaced = quote!(
            enum Work {
                #[task(unique)]
                Open,
                Close {
                    #[task(unique)]
                    of: u64,
                },
            }
        );
        assert_eq!(faults(misplaced), [expected[1]; 2]);
        let union = "a task is a struct or an enum: nobody who does a union knows which field it has";
        assert_eq!(faults(quote!(#[task(unique(id))] union Both { id: u64, of: u32 })), [union]);
    }

    #[test]
    fn beside_a_wrong_key_the_task_stays_one() {
        let stands = |item| stand_in(item).to_string();
        assert!(stands(clean(quote!(retries = 5))).contains("impl :: convoke :: Task for CleanUp"));
        assert!(stands(clean(quote!(unique(tenant)))).contains("impl :: convoke :: Task for CleanUp"));
        let kept = stands(clean(quote!(succeeds = Cleaned, crate = "framework::convoke", retries = 5)));
        assert!(kept.contains("impl framework :: convoke :: Task for CleanUp { type Succeeds = Cleaned ;"), "{kept}");
        assert_eq!(stands(clean(quote!(retries = 5, crate = "framework::convoke"))), "", "where is it found?");
        assert_eq!(
            stands(quote!(
                #[task(retries = 5)]
                struct Register<'a>(&'a str);
            )),
            "",
            "the type is at fault"
        );
    }
}
