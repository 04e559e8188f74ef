//! `#[derive(BaseService)]`: what an actor declares, and what is made of that.
//!
//! `#[service(on(…), start = …)] struct → Keys → impl BaseService, impl Actor`

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Ident, LitStr, Meta, Path, Result, Token, Type, parenthesized, token};

use crate::arguments::{flag, has_key, keyed, root, set, value};
use crate::spans::{span_at, spanned};
use crate::topic::{self, Grammar};

const UNKNOWN: &str = "unknown key: use `on(OrderPlaced)`, `topics(\"stock/*\")`, `start = open`, `begin = tick`, \
                       `stop = close`, `needs(Ledger)`, `name = \"billing\"`, `own_actor` or `crate`";

/// What stands in the parentheses of all the `#[service(…)]`.
#[derive(Default)]
struct Keys {
    /// Where Convoke is found; `::convoke` unless told.
    root: Option<Path>,
    name: Option<LitStr>,
    on: Option<Vec<Type>>,
    topics: Option<Vec<LitStr>>,
    needs: Option<Vec<Type>>,
    start: Option<Ident>,
    begin: Option<Ident>,
    stop: Option<Ident>,
    own_actor: Option<()>,
}

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let mut keys = Keys::default();
    let mut faults = misplaced(&item.data);
    for attribute in item.attrs.iter().filter(|attribute| is_ours(attribute)) {
        faults.extend(keys.read(attribute).err());
    }
    if let (Some(()), Some(begin)) = (keys.own_actor, &keys.begin) {
        faults.push(Error::new_spanned(
            begin,
            "`own_actor` has its own `started`: call this there, or leave `own_actor` out",
        ));
    }
    if let Data::Union(union) = &item.data {
        faults.push(Error::new_spanned(union.union_token, "a service is a struct or an enum"));
    }
    match faults.into_iter().reduce(|mut all, fault| {
        all.combine(fault);
        all
    }) {
        Some(faults) => Err(faults),
        None => Ok(implementation(&item, keys)),
    }
}

/// What stands in for a service whose keys are wrong: its handlers and whoever starts it are no fault, and the compiler has
/// one thing to say.
pub(crate) fn stand_in(item: TokenStream) -> TokenStream {
    let Ok(item) = syn::parse2::<DeriveInput>(item) else { return TokenStream::new() };
    let mut keys = Keys::default();
    let mut is_lost = matches!(item.data, Data::Union(_));
    let mut own_actor = None;
    for attribute in item.attrs.iter().filter(|attribute| is_ours(attribute)) {
        // What was read before the fault is kept, and where Convoke is found has to be known.
        is_lost |= keys.read(attribute).is_err() && has_key(attribute, "crate") && keys.root.is_none();
        own_actor = own_actor.or(has_key(attribute, "own_actor").then_some(()));
    }
    let keys = Keys { root: keys.root, own_actor, ..Keys::default() };
    if is_lost { TokenStream::new() } else { implementation(&item, keys) }
}

/// Whether it is `#[service(…)]`.
fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("service")
}

/// What says something of a field or a variant, which only the whole can say.
fn misplaced(data: &Data) -> Vec<Error> {
    let attributes: Vec<_> = match data {
        Data::Struct(data) => data.fields.iter().flat_map(|field| &field.attrs).collect(),
        Data::Enum(data) => data
            .variants
            .iter()
            .flat_map(|variant| variant.attrs.iter().chain(variant.fields.iter().flat_map(|field| &field.attrs)))
            .collect(),
        Data::Union(_) => Vec::new(),
    };
    let ours = attributes.into_iter().filter(|attribute| is_ours(attribute));
    ours.map(|ours| Error::new_spanned(ours, "`#[service(…)]` is about the whole service: move it over the type"))
        .collect()
}

impl Keys {
    fn read(&mut self, attribute: &Attribute) -> Result<()> {
        match &attribute.meta {
            Meta::List(list) => {
                keyed(&list.tokens, UNKNOWN)?;
                attribute.parse_nested_meta(|argument| self.take(&argument))
            }
            _ => Err(Error::new_spanned(attribute, "no keys: write `#[service(on(OrderPlaced))]`, or remove it")),
        }
    }

    fn take(&mut self, argument: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(key) = argument.path.get_ident() else { return Err(argument.error(UNKNOWN)) };
        let hook = |key: &str| format!("not a function of the service: write `{key} = {}`", example(key));
        match key.to_string().as_str() {
            "on" => {
                let events = list(argument, "not a list of events: write `on(OrderPlaced, OrderClosed)`")?;
                set(&mut self.on, argument, events)
            }
            "topics" => {
                let topics: Vec<LitStr> = list(argument, "not a list of patterns: write `topics(\"stock/*\")`")?;
                topics.iter().try_for_each(|pattern| topic::check(pattern, Grammar::Pattern))?;
                set(&mut self.topics, argument, topics)
            }
            "needs" => {
                let needs = list(argument, "not a list of services: write `needs(Ledger)`")?;
                set(&mut self.needs, argument, needs)
            }
            "start" => set(&mut self.start, argument, value(argument, &hook("start"))?),
            "begin" => set(&mut self.begin, argument, value(argument, &hook("begin"))?),
            "stop" => set(&mut self.stop, argument, value(argument, &hook("stop"))?),
            "name" => {
                let name: LitStr = value(argument, "not a name: write `name = \"billing\"`")?;
                if name.value().trim().is_empty() {
                    return Err(Error::new_spanned(name, "empty: write a name, or leave it out for that of the type"));
                }
                set(&mut self.name, argument, name)
            }
            "own_actor" => flag(argument).and_then(|()| set(&mut self.own_actor, argument, ())),
            "crate" => set(&mut self.root, argument, root(argument)?),
            _ => Err(argument.error(UNKNOWN)),
        }
    }
}

fn example(key: &str) -> &'static str {
    match key {
        "start" => "open",
        "begin" => "tick",
        _ => "close",
    }
}

/// Reads `key(one, another)`.
fn list<T: syn::parse::Parse>(argument: &ParseNestedMeta<'_>, expected: &str) -> Result<Vec<T>> {
    if !argument.input.peek(token::Paren) {
        return Err(argument.error(expected));
    }
    let inside;
    parenthesized!(inside in argument.input);
    let items = Punctuated::<T, Token![,]>::parse_terminated(&inside);
    let items = items.map_err(|error| Error::new(error.span(), expected))?;
    if items.is_empty() {
        return Err(argument.error("none: name one, or leave this out"));
    }
    Ok(items.into_iter().collect())
}

fn implementation(item: &DeriveInput, keys: Keys) -> TokenStream {
    let root = keys.root.unwrap_or_else(|| syn::parse_quote!(::convoke));
    let ident = &item.ident;
    let (parameters, arguments, bounds) = item.generics.split_for_impl();
    let name = keys.name.unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
    let needs = keys
        .needs
        .map(|needs| quote!(const NEEDS: &'static [&'static str] = &[#(<#needs as #root::BaseService>::NAME),*];));
    // What it declares does nothing in an actor that nobody keeps.
    let declares = keys.on.is_some() || keys.topics.is_some() || keys.start.is_some() || keys.stop.is_some();
    let start = keys.start.map(|hook| start(&root, &hook));
    let stop = keys.stop.map(|hook| stop(&root, &hook));
    let subscribe = subscribe(&root, &keys.on.unwrap_or_default(), keys.topics.as_deref().unwrap_or_default());
    let actor = keys.own_actor.is_none().then(|| {
        let kept = declares.then(|| quote!(#root::__private::kept(<Self as #root::BaseService>::NAME);));
        let begin = keys.begin.map(|hook| {
            // An `async fn` would be a future that nobody awaits.
            let at = span_at(hook.span());
            let here = spanned(quote!(#root), at);
            quote_spanned!(at=> #here::__private::begun(Self::#hook(self, ctx)))
        });
        let ctx = if begin.is_some() { quote!(ctx) } else { quote!(_) };
        let started = (kept.is_some() || begin.is_some())
            .then(|| quote!(fn started(&mut self, #ctx: &mut Self::Context) { #kept #begin }));
        quote! {
            #[automatically_derived]
            impl #parameters #root::__private::actix::Actor for #ident #arguments #bounds {
                type Context = #root::__private::actix::Context<Self>;

                #started
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #parameters #root::BaseService for #ident #arguments #bounds {
            const NAME: &'static str = #name;
            #needs
            #subscribe
            #start
            #stop
        }

        #actor
    }
}

fn start(root: &Path, hook: &Ident) -> TokenStream {
    let at = span_at(hook.span());
    let here = spanned(quote!(#root), at);
    let call = quote_spanned!(at=> #here::__private::handled(#here::__private::awaited(Self::#hook(self)).await));
    quote! {
        async fn start(&mut self) -> #root::Handled {
            #call
        }
    }
}

fn stop(root: &Path, hook: &Ident) -> TokenStream {
    let at = span_at(hook.span());
    let here = spanned(quote!(#root), at);
    let call = quote_spanned!(at=> #here::__private::stopping(self, Self::#hook));
    quote! {
        fn stop(
            &mut self,
            _: &mut #root::__private::actix::Context<Self>
        ) -> #root::__private::actix::ResponseFuture<#root::Handled> {
            #call
        }
    }
}

/// What is not handled is told where it is declared.
fn subscribe(root: &Path, on: &[Type], topics: &[LitStr]) -> Option<TokenStream> {
    let types = on.iter().map(|event| {
        let at = span_at(event.span());
        let here = spanned(quote!(#root), at);
        quote_spanned! {at=>
            #here::__private::handles::<Self, #event>();
            subscriptions.on::<#event>()?;
        }
    });
    let json = topics.first().map(|first| {
        let at: Span = span_at(first.span());
        let here = spanned(quote!(#root), at);
        quote_spanned! {at=>
            #here::__private::handles::<Self, #here::JsonEvent>();
            subscriptions.topics([#(#topics),*])?;
        }
    });
    if on.is_empty() && topics.is_empty() {
        return None;
    }
    Some(quote! {
        fn subscribe(
            subscriptions: &mut #root::Subscriptions<'_, Self>
        ) -> ::core::result::Result<(), #root::ListenError> {
            #(#types)*
            #json
            ::core::result::Result::Ok(())
        }
    })
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

    /// A service with these keys.
    fn billing(keys: TokenStream) -> TokenStream {
        quote!(
            #[service(#keys)]
            struct Billing;
        )
    }

    #[test]
    fn a_service_that_declares_nothing_is_an_actor_with_a_name() {
        let expected = quote! {
            #[automatically_derived]
            impl ::convoke::BaseService for Billing {
                const NAME: &'static str = "Billing";
            }

            #[automatically_derived]
            impl ::convoke::__private::actix::Actor for Billing {
                type Context = ::convoke::__private::actix::Context<Self>;
            }
        };
        assert_eq!(
            expanded(quote!(
                struct Billing;
            )),
            expected.to_string()
        );
    }

    #[test]
    fn what_is_declared_is_made() {
        let item = quote! {
            #[derive(Debug)]
            #[service(on(OrderPlaced, shop::OrderClosed), topics("stock/*", "**/late"), start = open_ledger)]
            #[service(begin = tick, stop = close_ledger, needs(Ledger), name = "billing", crate = "framework::convoke")]
            struct Billing<T: Clone> where T: Ord { of: T }
        };
        let expected = quote! {
            #[automatically_derived]
            impl<T: Clone> framework::convoke::BaseService for Billing<T> where T: Ord {
                const NAME: &'static str = "billing";
                const NEEDS: &'static [&'static str] = &[<Ledger as framework::convoke::BaseService>::NAME];
                fn subscribe(
                    subscriptions: &mut framework::convoke::Subscriptions<'_, Self>
                ) -> ::core::result::Result<(), framework::convoke::ListenError> {
                    framework::convoke::__private::handles::<Self, OrderPlaced>();
                    subscriptions.on::<OrderPlaced>()?;
                    framework::convoke::__private::handles::<Self, shop::OrderClosed>();
                    subscriptions.on::<shop::OrderClosed>()?;
                    framework::convoke::__private::handles::<Self, framework::convoke::JsonEvent>();
                    subscriptions.topics(["stock/*", "**/late"])?;
                    ::core::result::Result::Ok(())
                }
                async fn start(&mut self) -> framework::convoke::Handled {
                    framework::convoke::__private::handled(framework::convoke::__private::awaited(Self::open_ledger(self)).await)
                }
                fn stop(
                    &mut self,
                    _: &mut framework::convoke::__private::actix::Context<Self>
                ) -> framework::convoke::__private::actix::ResponseFuture<framework::convoke::Handled> {
                    framework::convoke::__private::stopping(self, Self::close_ledger)
                }
            }

            #[automatically_derived]
            impl<T: Clone> framework::convoke::__private::actix::Actor for Billing<T> where T: Ord {
                type Context = framework::convoke::__private::actix::Context<Self>;

                fn started(&mut self, ctx: &mut Self::Context) {
                    framework::convoke::__private::kept(<Self as framework::convoke::BaseService>::NAME);
                    framework::convoke::__private::begun(Self::tick(self, ctx))
                }
            }
        };
        assert_eq!(expanded(item), expected.to_string());
    }

    #[test]
    fn beside_a_wrong_key_the_service_stays_one() {
        let stands = |keys| stand_in(billing(keys)).to_string();
        assert!(stands(quote!(topic("a"))).contains("BaseService for Billing"));
        assert!(stands(quote!(topic("a"))).contains("Actor for Billing"));
        assert!(!stands(quote!(topic("a"), own_actor)).contains("Actor"));
        assert!(stands(quote!(on(crate::OrderPlaced), topic("a"))).contains("BaseService for Billing"));
        assert_eq!(stands(quote!(topic("a"), crate = "framework::convoke")), "", "where is it found?");
    }

    #[test]
    fn who_has_an_actor_of_its_own_gets_none() {
        assert!(!expanded(billing(quote!(own_actor))).contains("Actor"));
    }

    #[test]
    fn a_wrong_key_says_what_to_write() {
        let on = "not a list of events: write `on(OrderPlaced, OrderClosed)`";
        let topics = "not a list of patterns: write `topics(\"stock/*\")`";
        let none = "none: name one, or leave this out";
        for (keys, expected) in [
            (quote!(event = OrderPlaced), UNKNOWN),
            (quote!("orders"), UNKNOWN),
            (quote!(service::on(OrderPlaced)), UNKNOWN),
            (quote!(on), on),
            (quote!(on = OrderPlaced), on),
            (quote!(on("orders/placed")), on),
            (quote!(on()), none),
            (quote!(topics = "stock/*"), topics),
            (quote!(topics(stock)), topics),
            (quote!(topics("stock//low")), "an empty segment: write one slash between segments, and none at the ends"),
            (quote!(needs = Ledger), "not a list of services: write `needs(Ledger)`"),
            (quote!(start), "not a function of the service: write `start = open`"),
            (quote!(start = "open"), "not a function of the service: write `start = open`"),
            (quote!(begin = 5), "not a function of the service: write `begin = tick`"),
            (quote!(stop(close)), "not a function of the service: write `stop = close`"),
            (quote!(name = 5), "not a name: write `name = \"billing\"`"),
            (quote!(name = " "), "empty: write a name, or leave it out for that of the type"),
            (quote!(own_actor = true), "takes no value: write the word alone, or leave it out"),
            (quote!(crate = 5), "not a path: write `crate = \"path::to::convoke\"`"),
            (quote!(on(A), on(B)), "given twice: remove one of the two"),
            (quote!(start = a, start = b), "given twice: remove one of the two"),
            (
                quote!(own_actor, begin = tick),
                "`own_actor` has its own `started`: call this there, or leave `own_actor` out",
            ),
        ] {
            assert_eq!(faults(billing(keys.clone())), [expected], "{keys}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let item = quote! {
            #[service]
            #[service(start = 1)]
            struct Billing { #[service(on(OrderPlaced))] ledger: u64 }
        };
        let expected = [
            "`#[service(…)]` is about the whole service: move it over the type",
            "no keys: write `#[service(on(OrderPlaced))]`, or remove it",
            "not a function of the service: write `start = open`",
        ];
        assert_eq!(faults(item), expected);
        let misplaced = faults(quote!(
            enum Billing {
                #[service(own_actor)]
                Open {
                    #[service(own_actor)]
                    of: u64,
                },
            }
        ));
        assert_eq!(misplaced, [expected[0]; 2]);
        assert_eq!(faults(quote!(union Billing { of: u64 })), ["a service is a struct or an enum"]);
    }
}
