//! `#[listener]`: what it is told, what it stands on, and what it makes of that.
//!
//! `async fn send_receipt → Arguments → the same, and an entry for EventBus::discover`

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Error, FnArg, ItemFn, LitInt, LitStr, Path, Result, Token, Type, parenthesized, parse_quote, token};

use crate::arguments::{flag, keyed, root, set, value};
use crate::spans::{span_at, spanned};
use crate::topic::{self, Grammar};

const UNKNOWN: &str = "unknown argument: use `name = \"receipts\"`, `priority = 3`, `once`, `topics(\"orders/*\")` or \
                       `crate = \"path::to::convoke\"`";

/// What stands in the parentheses.
#[derive(Default)]
struct Arguments {
    /// Where Convoke is found; `::convoke` unless told.
    root: Option<Path>,
    /// How reports name it; the function's name unless told.
    name: Option<LitStr>,
    priority: Option<i32>,
    once: Option<()>,
    /// The patterns it listens to; without them, to events of its type.
    topics: Option<Vec<LitStr>>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    keyed(&arguments, UNKNOWN)?;
    let mut given = Arguments::default();
    syn::parse::Parser::parse2(syn::meta::parser(|argument| given.take(&argument)), arguments)?;
    let function = syn::parse2(item.clone()).map_err(|_| {
        Error::new_spanned(item, "`#[listener]` stands on a function: `async fn name(event: Arc<OrderPlaced>) { .. }`")
    })?;
    check(&function)?;
    Ok(rewrite(given, &function))
}

impl Arguments {
    fn take(&mut self, argument: &ParseNestedMeta<'_>) -> Result<()> {
        match argument.path.get_ident().map(ToString::to_string).as_deref() {
            Some("name") => set(&mut self.name, argument, name(argument)?),
            Some("priority") => set(&mut self.priority, argument, priority(argument)?),
            Some("once") => flag(argument).and_then(|()| set(&mut self.once, argument, ())),
            Some("topics") => set(&mut self.topics, argument, topics(argument)?),
            Some("crate") => set(&mut self.root, argument, root(argument)?),
            _ => Err(argument.error(UNKNOWN)),
        }
    }
}

fn name(argument: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let name: LitStr = value(argument, "not a name: write `name = \"receipts\"`")?;
    if name.value().trim().is_empty() {
        return Err(Error::new_spanned(name, "empty: write a name, or leave it out for that of the function"));
    }
    Ok(name)
}

fn priority(argument: &ParseNestedMeta<'_>) -> Result<i32> {
    const EXPECTED: &str = "not a priority: write a whole number, `priority = 3`";
    let number: LitInt = value(argument, EXPECTED)?;
    number.base10_parse().map_err(|_| Error::new_spanned(number, EXPECTED))
}

fn topics(argument: &ParseNestedMeta<'_>) -> Result<Vec<LitStr>> {
    const EXPECTED: &str = "not a list of patterns: write `topics(\"orders/*\")`";
    if !argument.input.peek(token::Paren) {
        return Err(argument.error(EXPECTED));
    }
    let inside;
    parenthesized!(inside in argument.input);
    let patterns = Punctuated::<LitStr, Token![,]>::parse_terminated(&inside);
    let patterns = patterns.map_err(|error| Error::new(error.span(), EXPECTED))?;
    if patterns.is_empty() {
        return Err(argument.error("no pattern: name one, or leave `topics` out"));
    }
    patterns.iter().try_for_each(|pattern| topic::check(pattern, Grammar::Pattern))?;
    Ok(patterns.into_iter().collect())
}

/// Everything that is wrong with the function, at once.
fn check(function: &ItemFn) -> Result<()> {
    let sig = &function.sig;
    let receiver = sig.receiver();
    let types = || {
        sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => Some(&*parameter.ty),
            FnArg::Receiver(_) => None,
        })
    };
    let takes_any = types().find(|ty| matches!(ty, Type::ImplTrait(_)));
    let borrows = types().find(|ty| sig.asyncness.is_some() && matches!(ty, Type::Reference(_)));
    let faults = [
        receiver.map(|receiver| {
            Error::new_spanned(
                receiver,
                "a method cannot be discovered, for nobody has its `self`: make it a function, and what it needs an \
                 `Inject<T>`",
            )
        }),
        sig.inputs
            .is_empty()
            .then(|| Error::new_spanned(&sig.ident, "add what it listens to: `event: Arc<OrderPlaced>`")),
        (!sig.generics.params.is_empty())
            .then(|| Error::new_spanned(&sig.generics, "remove the generics: nothing chooses them for a listener")),
        takes_any.map(|any| Error::new_spanned(any, "name the type: nothing chooses one for a listener")),
        borrows.map(|ty| {
            Error::new_spanned(ty, "an async listener keeps its event while it waits: write `Arc<…>` instead of `&…`")
        }),
        sig.constness.map(|word| Error::new_spanned(word, "remove `const`: a listener is called when an event comes")),
        sig.unsafety.map(|word| Error::new_spanned(word, "remove `unsafe`: the bus calls a listener as it is")),
    ];
    let all = faults.into_iter().flatten().reduce(|mut all, fault| {
        all.combine(fault);
        all
    });
    all.map_or(Ok(()), Err)
}

/// The function stays as it is. Beside it stands an entry, under the same conditions.
fn rewrite(given: Arguments, function: &ItemFn) -> TokenStream {
    let root = given.root.unwrap_or_else(|| parse_quote!(::convoke));
    let ident = &function.sig.ident;
    let name = given.name.unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
    let conditions = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let priority = given.priority.map(|priority| quote!(.priority(#priority)));
    let once = given.once.map(|()| quote!(.once()));
    // By the path of the trait, and at the function: what is no listener is told there, in the words of the trait.
    let at = span_at(ident.span());
    let path = spanned(quote!(#root::Listen::named), at);
    let listener = quote_spanned!(at=> #path(#ident, #name) #priority #once);
    let register = match given.topics {
        None => quote_spanned!(at=> bus.on(#listener)),
        Some(patterns) => quote_spanned!(at=> bus.on_topic([#(#patterns),*], #listener)),
    };
    quote! {
        #function

        #(#conditions)*
        #root::__private::discover! {
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#ident)),
            |bus| #register
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of an expansion that must fail.
    fn faults(arguments: TokenStream, item: TokenStream) -> Vec<String> {
        let fault = expand(arguments, item).expect_err("expanded");
        fault.into_iter().map(|fault| fault.to_string()).collect()
    }

    fn expanded(arguments: TokenStream) -> String {
        expand(arguments, receipt()).unwrap().to_string()
    }

    fn receipt() -> TokenStream {
        quote!(
            async fn receipt(order: Arc<OrderPlaced>) {}
        )
    }

    #[test]
    fn the_function_stays_and_has_an_entry_beside_it() {
        let item = quote! {
            /// Says thanks.
            #[cfg(unix)]
            #[must_use]
            pub(crate) async fn receipt(order: Arc<OrderPlaced>, mailer: Inject<Mailer>) -> io::Result<()> {
                mailer.thank(order.id).await
            }
        };
        let expected = quote! {
            /// Says thanks.
            #[cfg(unix)]
            #[must_use]
            pub(crate) async fn receipt(order: Arc<OrderPlaced>, mailer: Inject<Mailer>) -> io::Result<()> {
                mailer.thank(order.id).await
            }

            #[cfg(unix)]
            ::convoke::__private::discover! {
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(receipt)),
                |bus| bus.on(::convoke::Listen::named(receipt, "receipt"))
            }
        };
        assert_eq!(expand(quote!(), item).unwrap().to_string(), expected.to_string());
    }

    #[test]
    fn arguments_are_handed_on() {
        for (arguments, expected) in [
            (quote!(name = "receipts"), quote!(bus.on(::convoke::Listen::named(receipt, "receipts")))),
            (quote!(priority = 3), quote!(bus.on(::convoke::Listen::named(receipt, "receipt").priority(3i32)))),
            (
                quote!(priority = -3, once),
                quote!(bus.on(::convoke::Listen::named(receipt, "receipt").priority(-3i32).once())),
            ),
            (
                quote!(topics("orders/*"),),
                quote!(bus.on_topic(["orders/*"], ::convoke::Listen::named(receipt, "receipt"))),
            ),
            (
                quote!(topics("orders/*", "**/late",), once, name = "late"),
                quote!(bus.on_topic(["orders/*", "**/late"], ::convoke::Listen::named(receipt, "late").once())),
            ),
        ] {
            let expanded = expanded(arguments);
            assert!(expanded.contains(&expected.to_string()), "{expanded}");
        }
    }

    #[test]
    fn a_re_export_is_found() {
        for (root, expected) in [("crate", quote!(crate)), ("::framework::convoke", quote!(::framework::convoke))] {
            let expanded = expanded(quote!(crate = #root));
            for expected in
                [quote!(#expected::__private::discover!), quote!(#expected::Listen::named(receipt, "receipt"))]
            {
                assert!(expanded.contains(&expected.to_string()), "{expanded}");
            }
        }
    }

    #[test]
    fn a_raw_name_is_shown_as_it_is_spoken() {
        let item = quote!(
            fn r#move(order: Arc<OrderPlaced>) {}
        );
        let expanded = expand(quote!(), item).unwrap().to_string();
        assert!(expanded.contains(&quote!(bus.on(::convoke::Listen::named(r#move, "move"))).to_string()), "{expanded}");
    }

    #[test]
    fn a_function_that_cannot_be_discovered_says_what_to_do() {
        let arguments = "add what it listens to: `event: Arc<OrderPlaced>`";
        let generics = "remove the generics: nothing chooses them for a listener";
        let method = "a method cannot be discovered, for nobody has its `self`: make it a function, and what it needs \
                      an `Inject<T>`";
        for (item, expected) in [
            (
                quote!(
                    fn works() {}
                ),
                vec![arguments],
            ),
            (
                quote!(
                    async fn works(&self, order: Arc<OrderPlaced>) {}
                ),
                vec![method],
            ),
            (
                quote!(
                    fn works(self: Arc<Self>) {}
                ),
                vec![method],
            ),
            (
                quote!(
                    fn works<E: Event>(event: Arc<E>) {}
                ),
                vec![generics],
            ),
            (
                quote!(
                    fn works<'a>(event: &'a OrderPlaced) {}
                ),
                vec![generics],
            ),
            (
                quote!(
                    fn works(event: impl Event) {}
                ),
                vec!["name the type: nothing chooses one for a listener"],
            ),
            (
                quote!(
                    const unsafe fn works<const N: usize>() {}
                ),
                vec![
                    arguments,
                    generics,
                    "remove `const`: a listener is called when an event comes",
                    "remove `unsafe`: the bus calls a listener as it is",
                ],
            ),
        ] {
            assert_eq!(faults(quote!(), item), expected);
        }
    }

    #[test]
    fn something_else_than_a_function_says_where_it_belongs() {
        let expected = ["`#[listener]` stands on a function: `async fn name(event: Arc<OrderPlaced>) { .. }`"];
        for item in [
            quote!(
                struct Works;
            ),
            quote!(
                const WORKS: fn() = works;
            ),
            quote!(impl Works {}),
        ] {
            assert_eq!(faults(quote!(), item), expected);
        }
    }

    #[test]
    fn a_wrong_argument_says_what_to_write() {
        let priority = "not a priority: write a whole number, `priority = 3`";
        let topics = "not a list of patterns: write `topics(\"orders/*\")`";
        let twice = "given twice: remove one of the two";
        for (arguments, expected) in [
            (quote!(topic = "orders/*"), UNKNOWN),
            (quote!("orders/*"), UNKNOWN),
            (quote!(name = receipts), "not a name: write `name = \"receipts\"`"),
            (quote!(name = " "), "empty: write a name, or leave it out for that of the function"),
            (quote!(name), "not a name: write `name = \"receipts\"`"),
            (quote!(priority = "high"), priority),
            (quote!(priority = 1.5), priority),
            (quote!(priority = 99999999999), priority),
            (quote!(once = true), "takes no value: write the word alone, or leave it out"),
            (quote!(topics = "orders/*"), topics),
            (quote!(topics(orders)), topics),
            (quote!(topics()), "no pattern: name one, or leave `topics` out"),
            (quote!(topics("orders/pla*")), "the segment `pla*`: let `*` or `**` stand alone between slashes"),
            (quote!(once, once), twice),
            (quote!(topics("a"), topics("b")), twice),
            (quote!(crate = convoke), "not a path: write `crate = \"path::to::convoke\"`"),
        ] {
            assert_eq!(faults(arguments.clone(), receipt()), [expected], "{arguments}");
        }
    }
}
