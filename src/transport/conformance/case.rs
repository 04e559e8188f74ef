//! A case: what has to hold, and how that is tried.
//!
//! `Case → run(Lab) → Verdict → Outcome`

use super::lab::Lab;
use super::verdict::Verdict;
use crate::transport::BoxFuture;

/// What has to hold of every transport.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// A sentence that is true if it passes.
    pub(crate) name: &'static str,
    /// Whether it kills the server, so that nothing else may run beside it.
    pub(crate) kills: bool,
    pub(crate) run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Verdict>,
}

/// Lists functions as cases; their names are those of the functions.
macro_rules! cases {
    ($kills:expr; $($name:ident),+ $(,)?) => {
        &[$($crate::transport::conformance::Case {
            name: stringify!($name),
            kills: $kills,
            run: |lab| Box::pin($name(lab)),
        }),+]
    };
}
pub(crate) use cases;
