//! How an error is shown by `Debug`.

/// Has `Debug` of an error say what its `Display` does: `main` prints an error by `Debug`, and so does `unwrap`.
#[doc(hidden)]
#[macro_export]
macro_rules! debug_is_display {
    ($($error:ident),*) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )*};
}
pub(crate) use debug_is_display;
