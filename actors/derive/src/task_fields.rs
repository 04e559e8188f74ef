//! What a task reads of its fields: what it is about, what there is one of, and of which only some run.
//!
//! `task_keys.rs → fields.rs → fn id, unique_key, limit_key → task.rs`

use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, Generics, Ident, Member, Path, Result, parse_quote};

use crate::fields;
use crate::spans::span_at;
use crate::task_keys::Keys;

const OWNER: &str = "the task";

/// What it is about: the field that is named, or each field `id` there is.
pub(crate) fn id(named: Option<&Member>, data: &Data, root: &Path) -> Result<Option<TokenStream>> {
    let by = quote!(#root::__tasks::id);
    let id = match (named, data) {
        (Some(field), _) => Some(fields::read(field, data, OWNER, &by)?),
        (None, Data::Struct(data)) => own_id(&data.fields).map(|field| {
            let at = span_at(field.span());
            quote_spanned!(at=> #by(&self.#field))
        }),
        (None, Data::Enum(data)) => {
            let with = data.variants.iter().filter_map(|variant| Some((&variant.ident, own_id(&variant.fields)?)));
            let arms: Vec<_> = with
                .map(|(variant, field)| {
                    let at = span_at(field.span());
                    quote_spanned!(at=> Self::#variant { #field: shown, .. } => #by(shown),)
                })
                .collect();
            let others = (arms.len() < data.variants.len()).then(|| quote!(_ => ::core::option::Option::None,));
            (!arms.is_empty()).then(|| quote!(match self { #(#arms)* #others }))
        }
        // An error of its own.
        (None, Data::Union(_)) => None,
    };
    Ok(id.map(|id| {
        quote! {
            fn id(&self) -> ::core::option::Option<#root::__private::Value> {
                #id
            }
        }
    }))
}

fn own_id(fields: &Fields) -> Option<&Ident> {
    fields.iter().filter_map(|field| field.ident.as_ref()).find(|ident| ident.unraw() == "id")
}

pub(crate) fn unique_key(of: &[Member], data: &Data, root: &Path) -> Result<TokenStream> {
    let key = if of.is_empty() {
        quote!(#root::__tasks::whole(self))
    } else {
        let by = quote!(#root::__tasks::part);
        let parts: Vec<_> = of.iter().map(|field| fields::read(field, data, OWNER, &by)).collect::<Result<_>>()?;
        quote!(#root::__tasks::together([#(#parts),*]))
    };
    Ok(quote! {
        const UNIQUE: bool = true;

        fn unique_key(
            &self
        ) -> ::core::result::Result<::core::option::Option<::std::string::String>, #root::__private::JsonError> {
            #key
        }
    })
}

pub(crate) fn limit_key(field: &Member, data: &Data, root: &Path) -> Result<TokenStream> {
    let key = fields::read(field, data, OWNER, &quote!(#root::__tasks::key))?;
    Ok(quote! {
        fn limit_key(&self) -> ::core::option::Option<::std::string::String> {
            ::core::option::Option::Some(#key)
        }
    })
}

/// What a generic task needs is asked of itself, not of its parameters; and what is read of it, of the fields.
pub(crate) fn bounded(item: &DeriveInput, keys: &Keys, root: &Path) -> Generics {
    let mut generics = item.generics.clone();
    let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    if parameters.is_empty() {
        return generics;
    }
    let is_generic = |field: &&syn::Type| names_one(quote!(#field), &parameters);
    let id = keys.id.clone().unwrap_or_else(|| parse_quote!(id));
    let json = keys.unique.iter().flat_map(|unique| &unique.fields).chain([&id]);
    let json: Vec<_> = json.flat_map(|field| fields::types(field, &item.data)).filter(is_generic).collect();
    let shown = keys.per_key.iter().flat_map(|key| fields::types(&key.field, &item.data)).filter(is_generic);
    let bounds = &mut generics.make_where_clause().predicates;
    for parameter in &parameters {
        bounds.push(parse_quote!(#parameter: 'static));
    }
    bounds.push(parse_quote!(Self: ::core::marker::Send + ::core::marker::Sync));
    bounds.push(parse_quote!(Self: #root::__private::Serialize + #root::__private::DeserializeOwned));
    for field in json {
        bounds.push(parse_quote!(#field: #root::__private::Serialize));
    }
    for field in shown {
        bounds.push(parse_quote!(#field: ::core::fmt::Display));
    }
    generics
}

/// Whether one of these is named among the tokens.
fn names_one(tokens: TokenStream, parameters: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => parameters.contains(&word),
        TokenTree::Group(group) => names_one(group.stream(), parameters),
        _ => false,
    })
}
