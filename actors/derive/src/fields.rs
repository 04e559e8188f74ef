//! Fields that are named over a type, as by `entity_id = field`: what reads one, and what is said when there is no such field.
//!
//! `event.rs → method → fn entity_id(&self)`; `task_fields.rs → read → fn id, unique_key, limit_key`

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, Error, Field, Fields, Index, Member, Path, Result, Type};

use crate::spans::{span_at, spanned};

/// Makes the method. An enum needs the field in every variant.
pub(crate) fn method(field: &Member, data: &Data, root: &Path) -> Result<TokenStream> {
    let shown = shown(field, data, root)?;
    Ok(quote! {
        fn entity_id(&self) -> ::core::option::Option<::std::string::String> {
            ::core::option::Option::Some(#shown)
        }
    })
}

/// The field with its `Display`. That it has none is told where the field is named.
fn shown(field: &Member, data: &Data, root: &Path) -> Result<TokenStream> {
    read(field, data, "the event", &quote!(#root::__private::show))
}

/// The field, handed to a function: a reference to it. An enum needs it in every variant. What it lacks for the function is told
/// where the field is named.
pub(crate) fn read(field: &Member, data: &Data, owner: &str, by: &TokenStream) -> Result<TokenStream> {
    let at = span_at(field.span());
    let by = spanned(by.clone(), at);
    match data {
        Data::Struct(data) => {
            expect(field, &data.fields, owner)?;
            Ok(quote_spanned!(at=> #by(&self.#field)))
        }
        Data::Enum(data) if data.variants.is_empty() => {
            Err(Error::new_spanned(field, "no variant, no field: remove this"))
        }
        Data::Enum(data) => {
            let mut arms = TokenStream::new();
            for variant in &data.variants {
                let ident = &variant.ident;
                expect(field, &variant.fields, &format!("the variant `{ident}`"))?;
                arms.extend(quote_spanned! {at=>
                    Self::#ident { #field: shown, .. } => #by(shown),
                });
            }
            Ok(quote!(match self { #arms }))
        }
        // An error of its own.
        Data::Union(_) => Ok(TokenStream::new()),
    }
}

/// The types of this field, of each variant that has it.
pub(crate) fn types<'a>(field: &Member, data: &'a Data) -> Vec<&'a Type> {
    let all: Vec<&Fields> = match data {
        Data::Struct(data) => vec![&data.fields],
        Data::Enum(data) => data.variants.iter().map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    let all = all.into_iter().flat_map(|fields| fields.iter().enumerate());
    all.filter(|(place, one)| member((*place, *one)) == *field).map(|(_, one)| &one.ty).collect()
}

fn expect(field: &Member, fields: &Fields, owner: &str) -> Result<()> {
    let members: Vec<_> = fields.iter().enumerate().map(member).collect();
    if members.contains(field) {
        return Ok(());
    }
    let there: Vec<_> = members.iter().map(|member| format!("`{}`", text(member))).collect();
    let there = if there.is_empty() { "it has none".into() } else { format!("it has {}", there.join(", ")) };
    Err(Error::new_spanned(field, format_args!("{owner} has no field `{}`: {there}", text(field))))
}

fn member((place, field): (usize, &Field)) -> Member {
    field.ident.clone().map_or_else(|| Index::from(place).into(), Member::Named)
}

fn text(member: &Member) -> String {
    match member {
        Member::Named(name) => name.to_string(),
        Member::Unnamed(place) => place.index.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_quote};

    use super::*;

    fn made(field: Member, item: DeriveInput) -> Result<String> {
        shown(&field, &item.data, &parse_quote!(::convoke)).map(|shown| shown.to_string())
    }

    #[test]
    fn a_field_is_shown_with_its_display() {
        let item = parse_quote!(
            struct Placed {
                id: u64,
            }
        );
        let expected = quote!(::convoke::__private::show(&self.id)).to_string();
        assert_eq!(made(parse_quote!(id), item).unwrap(), expected);
        let item = parse_quote!(
            struct Placed(u8, u64);
        );
        let expected = quote!(::convoke::__private::show(&self.1)).to_string();
        assert_eq!(made(parse_quote!(1), item).unwrap(), expected);
    }

    #[test]
    fn an_enum_shows_the_field_of_the_variant_it_is() {
        let item = parse_quote!(
            enum Order {
                Placed { id: u64, total: u32 },
                Closed { id: u32 },
            }
        );
        let expected = quote!(match self {
            Self::Placed { id: shown, .. } => ::convoke::__private::show(shown),
            Self::Closed { id: shown, .. } => ::convoke::__private::show(shown),
        });
        assert_eq!(made(parse_quote!(id), item).unwrap(), expected.to_string());
    }

    #[test]
    fn a_field_that_is_not_there_is_told_with_those_that_are() {
        let placed: DeriveInput = parse_quote!(
            struct Placed {
                id: u64,
                r#type: String,
            }
        );
        let order: DeriveInput = parse_quote!(
            enum Order {
                Placed(u64, u32),
                Closed(u64),
            }
        );
        let tick: DeriveInput = parse_quote!(
            struct Tick;
        );
        let never: DeriveInput = parse_quote!(
            enum Never {}
        );
        for (field, item, expected) in [
            (parse_quote!(order_id), placed.clone(), "the event has no field `order_id`: it has `id`, `r#type`"),
            (parse_quote!(0), placed, "the event has no field `0`: it has `id`, `r#type`"),
            (parse_quote!(1), order, "the variant `Closed` has no field `1`: it has `0`"),
            (parse_quote!(id), tick, "the event has no field `id`: it has none"),
            (parse_quote!(id), never, "no variant, no field: remove this"),
        ] {
            assert_eq!(made(field, item).unwrap_err().to_string(), expected);
        }
    }
}
