//! `#[convoke::test]`: what it is told, what it stands on, and what it makes of that.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, Error, ItemFn, LitInt, LitStr, Path, Result, Token, parse_quote};

/// What stands in the parentheses.
#[derive(Default)]
struct Arguments {
    /// Where Convoke is found; `::convoke` unless told.
    root: Option<Path>,
    /// On how many seeds the test is run; without it, once.
    seeds: Option<u64>,
    /// Whether what fails needs nobody to look at it.
    allow_failures: bool,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut given = Arguments::default();
    syn::meta::parser(|argument| given.take(&argument)).parse2(arguments)?;
    let function = syn::parse2(item.clone())
        .map_err(|_| Error::new_spanned(item, "`#[convoke::test]` stands on a function: `async fn name() { .. }`"))?;
    check(&function)?;
    Ok(rewrite(given, function))
}

impl Arguments {
    fn take(&mut self, argument: &ParseNestedMeta<'_>) -> Result<()> {
        if argument.path.is_ident("crate") {
            once(self.root.is_some(), argument)?;
            self.root = Some(root(argument)?);
        } else if argument.path.is_ident("seeds") {
            once(self.seeds.is_some(), argument)?;
            self.seeds = Some(seeds(argument)?);
        } else if argument.path.is_ident("allow_failures") {
            once(self.allow_failures, argument)?;
            if !(argument.input.is_empty() || argument.input.peek(Token![,])) {
                return Err(argument.error("takes no value: write `allow_failures` alone, or leave it out"));
            }
            self.allow_failures = true;
        } else {
            return Err(argument
                .error("unknown argument: use `seeds = 1000`, `allow_failures` or `crate = \"path::to::convoke\"`"));
        }
        Ok(())
    }
}

fn once(again: bool, argument: &ParseNestedMeta<'_>) -> Result<()> {
    if again { Err(argument.error("given twice: remove one of the two")) } else { Ok(()) }
}

fn root(argument: &ParseNestedMeta<'_>) -> Result<Path> {
    let text = argument.value().and_then(|value| value.parse::<LitStr>());
    text.and_then(|text| text.parse_with(Path::parse_mod_style))
        .map_err(|error| Error::new(error.span(), "not a path: write `crate = \"path::to::convoke\"`"))
}

fn seeds(argument: &ParseNestedMeta<'_>) -> Result<u64> {
    let number = argument.value().and_then(|value| value.parse::<LitInt>());
    let number = number.and_then(|number| Ok((number.base10_parse()?, number)));
    match number {
        Ok((0, number)) => Err(Error::new_spanned(number, "no seed, no run: `seeds` is 1 or more")),
        Ok((seeds, _)) => Ok(seeds),
        Err(error) => Err(Error::new(error.span(), "not a number of seeds: write `seeds = 1000`")),
    }
}

/// Everything that is wrong with the function, at once.
fn check(function: &ItemFn) -> Result<()> {
    let ItemFn { attrs, sig, .. } = function;
    let second = attrs.iter().find(|attribute| is_test(attribute));
    let faults = [
        sig.asyncness.is_none().then(|| Error::new_spanned(sig.fn_token, "add `async`, or use the plain `#[test]`")),
        (!sig.inputs.is_empty())
            .then(|| Error::new_spanned(&sig.inputs, "remove the parameters: nothing calls a test with any")),
        (!sig.generics.params.is_empty())
            .then(|| Error::new_spanned(&sig.generics, "remove the generics: nothing chooses them for a test")),
        second.map(|second| Error::new_spanned(second, "remove this: `#[convoke::test]` makes a test by itself")),
    ];
    let all = faults.into_iter().flatten().reduce(|mut all, fault| {
        all.combine(fault);
        all
    });
    all.map_or(Ok(()), Err)
}

/// `#[test]` in any of its spellings, and the tests of other frameworks.
fn is_test(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

/// The body stays in an `async fn` of the same name and return type, so that the compiler speaks of what was written.
fn rewrite(given: Arguments, mut function: ItemFn) -> TokenStream {
    let root = given.root.unwrap_or_else(|| parse_quote!(::convoke));
    let name = &function.sig.ident;
    let (written, body) = (&function.sig, &function.block);
    let path = quote!(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)));
    let test = match given.allow_failures {
        false => quote!(#name),
        true => quote!(|| {
            #root::testing::allow_failures();
            #name()
        }),
    };
    let run = match given.seeds {
        None => quote!(#root::testing::run_test(#path, #test)),
        Some(seeds) => quote!(#root::testing::run_test_under_seeds(#path, #seeds, #test)),
    };
    function.block = parse_quote!({
        #written #body
        #run
    });
    function.sig.asyncness = None;
    quote! {
        #[::core::prelude::v1::test]
        #function
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

    fn expanded(arguments: TokenStream, item: TokenStream) -> String {
        expand(arguments, item).unwrap().to_string()
    }

    fn works() -> TokenStream {
        quote!(
            async fn works() {}
        )
    }

    #[test]
    fn the_body_runs_under_the_path_of_the_test() {
        let item = quote! {
            async fn works() { step().await }
        };
        let expected = quote! {
            #[::core::prelude::v1::test]
            fn works() {
                async fn works() { step().await }
                ::convoke::testing::run_test(
                    ::core::concat!(::core::module_path!(), "::", ::core::stringify!(works)),
                    works
                )
            }
        };
        assert_eq!(expanded(quote!(), item), expected.to_string());
    }

    #[test]
    fn attributes_visibility_and_return_type_are_kept() {
        let item = quote! {
            /// Says why.
            #[cfg(unix)]
            #[should_panic = "late"]
            pub(crate) async fn works() -> io::Result<()> {
                #![allow(unused)]
                Ok(())
            }
        };
        let expected = quote! {
            #[::core::prelude::v1::test]
            /// Says why.
            #[cfg(unix)]
            #[should_panic = "late"]
            pub(crate) fn works() -> io::Result<()> {
                #![allow(unused)]
                async fn works() -> io::Result<()> { Ok(()) }
                ::convoke::testing::run_test(
                    ::core::concat!(::core::module_path!(), "::", ::core::stringify!(works)),
                    works
                )
            }
        };
        assert_eq!(expanded(quote!(), item), expected.to_string());
    }

    #[test]
    fn seeds_are_handed_on() {
        let expanded = expanded(quote!(seeds = 20_000), works());
        assert!(
            expanded.contains(":: convoke :: testing :: run_test_under_seeds (") && expanded.contains(", 20000u64 ,"),
            "{expanded}"
        );
    }

    #[test]
    fn failures_are_allowed_before_the_test_begins() {
        let expanded = expanded(quote!(seeds = 7, allow_failures), works());
        assert!(expanded.contains("{ :: convoke :: testing :: allow_failures () ; works () }"), "{expanded}");
    }

    #[test]
    fn a_re_export_is_found() {
        for (root, expected) in [
            ("crate", "crate :: testing :: run_test ("),
            ("::framework::convoke", ":: framework :: convoke :: testing :: run_test ("),
        ] {
            let expanded = expanded(quote!(crate = #root,), works());
            assert!(expanded.contains(expected), "{expanded}");
        }
    }

    #[test]
    fn a_function_that_cannot_be_a_test_says_what_to_do() {
        let item = quote! {
            #[tokio::test]
            fn works<T: Default>(a: T, b: u32) {}
        };
        assert_eq!(
            faults(quote!(), item),
            [
                "add `async`, or use the plain `#[test]`",
                "remove the parameters: nothing calls a test with any",
                "remove the generics: nothing chooses them for a test",
                "remove this: `#[convoke::test]` makes a test by itself",
            ]
        );
    }

    #[test]
    fn something_else_than_a_function_says_where_it_belongs() {
        let expected = ["`#[convoke::test]` stands on a function: `async fn name() { .. }`"];
        assert_eq!(
            faults(
                quote!(),
                quote!(
                    struct Works;
                )
            ),
            expected
        );
    }

    #[test]
    fn a_wrong_argument_says_what_to_write() {
        let unknown = "unknown argument: use `seeds = 1000`, `allow_failures` or `crate = \"path::to::convoke\"`";
        let alone = "takes no value: write `allow_failures` alone, or leave it out";
        let number = "not a number of seeds: write `seeds = 1000`";
        let path = "not a path: write `crate = \"path::to::convoke\"`";
        for (arguments, expected) in [
            (quote!(seed = 7), unknown),
            (quote!(start_paused = true), unknown),
            (quote!(seeds = 0), "no seed, no run: `seeds` is 1 or more"),
            (quote!(seeds = "many"), number),
            (quote!(seeds = -1), number),
            (quote!(seeds), number),
            (quote!(seeds = 99999999999999999999), number),
            (quote!(allow_failures = true), alone),
            (quote!(allow_failures, allow_failures), "given twice: remove one of the two"),
            (quote!(seeds = 1, seeds = 2), "given twice: remove one of the two"),
            (quote!(crate = convoke), path),
            (quote!(crate = "not a path"), path),
            (quote!(crate("convoke")), path),
        ] {
            assert_eq!(faults(arguments, works()), [expected]);
        }
    }
}
