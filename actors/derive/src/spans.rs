//! Where the compiler tells what is wrong with what a macro made.
//!
//! `the user's name → span_at → an error at that name`

use proc_macro2::{Span, TokenStream, TokenTree};

/// For code whose errors are told at `place`, but which no lint takes for the user's own.
pub(crate) fn span_at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// The same tokens, with this span: a path that begins elsewhere would stretch an error from there.
pub(crate) fn spanned(path: TokenStream, span: Span) -> TokenStream {
    let set = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    path.into_iter().map(set).collect()
}
