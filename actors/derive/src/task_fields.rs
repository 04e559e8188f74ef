//! What a task reads of its fields: what it is about, what there is one of, and of which only some run.
//!
//! `task_keys.rs → fields.rs → fn id, instance, instance_id, unique_key, limit_key → task.rs`

use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Generics, Ident, Member, Path, Result, parse_quote};

use crate::fields;
use crate::spans::span_at;
use crate::task_keys::{Instance, Keys};

const OWNER: &str = "the task";

/// What it is about: the field that is named, or each field `id` there is, or else the one of its instance.
pub(crate) fn id(named: Option<&Member>, instance: Option<&Instance>, data: &Data, root: &Path) -> Result<TokenStream> {
    let by = quote!(#root::__tasks::id);
    let instance = instance.filter(|_| !has_id(data)).map(|instance| &instance.field);
    let named = named.or(instance);
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
    Ok(match id {
        Some(id) => quote! {
            fn id(&self) -> ::core::option::Option<#root::__private::Value> {
                #id
            }
        },
        None => quote!(
            const ABOUT: bool = false;
        ),
    })
}

fn has_id(data: &Data) -> bool {
    match data {
        Data::Struct(data) => own_id(&data.fields).is_some(),
        Data::Enum(data) => data.variants.iter().any(|variant| own_id(&variant.fields).is_some()),
        Data::Union(_) => false,
    }
}

fn own_id(fields: &Fields) -> Option<&Ident> {
    fields.iter().filter_map(|field| field.ident.as_ref()).find(|ident| ident.unraw() == "id")
}

/// What is deleted has to be named.
pub(crate) fn unnamed(keys: &Keys) -> Result<()> {
    match keys.delete_on_success.as_ref().or(keys.delete_on_failure.as_ref()).filter(|_| keys.instance.is_none()) {
        Some(key) => Err(Error::new_spanned(
            key,
            "what is deleted? name it as well: `instance(user: User)`, its field and its type",
        )),
        None => Ok(()),
    }
}

/// Of what type its instance is, and its id.
pub(crate) fn instance(keys: &Keys, data: &Data, root: &Path) -> Result<Option<TokenStream>> {
    let Some(Instance { field, model }) = &keys.instance else { return Ok(None) };
    let id = fields::read(field, data, OWNER, &quote!(::core::convert::identity))?;
    // Variants that have another are told so by the compiler, where they are read.
    let Some(ty) = fields::types(field, data).first().copied() else { return Ok(None) };
    let success = keys.delete_on_success.as_ref().map(|_| quote!(.delete_on_success()));
    let failure = keys.delete_on_failure.as_ref().map(|_| quote!(.delete_on_failure()));
    Ok(Some(quote! {
        fn instance() -> ::core::option::Option<#root::TaskInstance> {
            ::core::option::Option::Some(#root::TaskInstance::of::<#model, #ty>() #success #failure)
        }

        fn instance_id(&self) -> ::core::result::Result<::std::string::String, #root::__private::JsonError> {
            let id: &#ty = #id;
            #root::__tasks::part(id)
        }
    }))
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
    let instance = keys.instance.as_ref().map(|instance| &instance.field);
    let json = keys.unique.iter().flat_map(|unique| &unique.fields).chain([&id]).chain(instance);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::expand;

    fn expanded(item: TokenStream) -> String {
        expand(item).unwrap().to_string()
    }

    /// The error of an expansion that must fail.
    fn fault(item: TokenStream) -> String {
        expand(item).expect_err("expanded").to_string()
    }

    #[test]
    fn an_instance_is_found_by_its_field_and_deleted_when_it_is_said() {
        let task = expanded(quote! {
            #[task(instance(user: shop::User), delete_on_failure)]
            struct RegisterUser { id: u32, user: i64 }
        });
        let expected = quote! {
            fn instance() -> ::core::option::Option<::convoke::TaskInstance> {
                ::core::option::Option::Some(::convoke::TaskInstance::of::<shop::User, i64>().delete_on_failure())
            }

            fn instance_id(&self) -> ::core::result::Result<::std::string::String, ::convoke::__private::JsonError> {
                let id: &i64 = ::core::convert::identity(&self.user);
                ::convoke::__tasks::part(id)
            }
        };
        let tight = |text: String| text.replace(' ', "");
        let task = tight(task);
        assert!(task.contains(&tight(expected.to_string())), "{task}");
        assert!(task.contains("__tasks::id(&self.id)"), "its own field says what it is about: {task}");
        let both = expanded(quote! {
            #[task(delete_on_success, instance(0: User), delete_on_failure)]
            struct RegisterUser(i64);
        });
        assert!(tight(both).contains("::of::<User,i64>().delete_on_success().delete_on_failure()"));
    }

    #[test]
    fn a_task_without_a_field_id_is_about_its_instance() {
        let task = expanded(quote! {
            #[task(instance(user: User))]
            struct RegisterUser { user: i64 }
        });
        assert!(task.replace(' ', "").contains("__tasks::id(&self.user)"), "{task}");
    }

    #[test]
    fn an_instance_has_a_field_in_every_variant() {
        let of = |keys: TokenStream| {
            quote! {
                #[task(#keys)]
                enum Work { Open { user: i64 }, Close }
            }
        };
        assert_eq!(fault(of(quote!(instance(user: User)))), "the variant `Close` has no field `user`: it has none");
        let what = "what is deleted? name it as well: `instance(user: User)`, its field and its type";
        assert_eq!(fault(of(quote!(delete_on_success))), what);
        assert_eq!(fault(of(quote!(delete_on_failure, attempts = 5))), what);
    }
}
