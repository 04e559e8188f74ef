//! What the arguments of our macros have in common: each is given once, and what is wrong is said where it stands.
//!
//! `#[event(topic = "orders/placed", retained)] → text, flag, … → event.rs, listener.rs`

use proc_macro2::{TokenStream, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::{Attribute, Error, LitStr, Meta, Path, Result, Token, token};

/// Tells whoever writes a value without its key, as in `#[event("orders/placed")]`, of the keys there are.
pub(crate) fn keyed(arguments: &TokenStream, unknown: &str) -> Result<()> {
    match arguments.clone().into_iter().next() {
        Some(TokenTree::Literal(literal)) => Err(Error::new(literal.span(), unknown)),
        _ => Ok(()),
    }
}

/// Whether this key stands among the arguments, right or wrong: alone, or before a value.
pub(crate) fn has_key(attribute: &Attribute, key: &str) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let mut tokens = list.tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
        if matches!(token, TokenTree::Ident(word) if word == key) && !is_path {
            return true;
        }
    }
    false
}

/// Keeps `value` as what the argument says, unless it was said before.
pub(crate) fn set<T>(place: &mut Option<T>, argument: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(argument.error("given twice: remove one of the two")),
    }
}

/// Reads `key = value`; `expected` says what to write instead.
pub(crate) fn value<T: Parse>(argument: &ParseNestedMeta<'_>, expected: &str) -> Result<T> {
    if argument.input.is_empty() || argument.input.peek(Token![,]) {
        return Err(argument.error(expected));
    }
    let value = argument.value().and_then(|value| value.parse());
    value.map_err(|error| Error::new(error.span(), expected))
}

/// Reads a key that stands alone.
pub(crate) fn flag(argument: &ParseNestedMeta<'_>) -> Result<()> {
    if argument.input.peek(Token![=]) || argument.input.peek(token::Paren) {
        return Err(argument.error("takes no value: write the word alone, or leave it out"));
    }
    Ok(())
}

/// Reads `crate = "path::to::convoke"`.
pub(crate) fn root(argument: &ParseNestedMeta<'_>) -> Result<Path> {
    const EXPECTED: &str = "not a path: write `crate = \"path::to::convoke\"`";
    let text: LitStr = value(argument, EXPECTED)?;
    text.parse_with(Path::parse_mod_style).map_err(|error| Error::new(error.span(), EXPECTED))
}
