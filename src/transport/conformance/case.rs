//! A case: what has to hold, and how that is tried.
//!
//! `Case → run(Lab) → Verdict → Outcome`

use crate::transport::{BoxFuture, Delivery, ErrorKind, TransportError};

use super::lab::Lab;

/// What a case found out: a remark, which may be empty, or why not.
pub(super) type Verdict = Result<String, Fault>;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not hold.
    Failed(String),
    /// It cannot be tried: this is missing.
    Missing(String),
}

/// An error where none was to be.
impl From<TransportError> for Fault {
    fn from(error: TransportError) -> Self {
        Self::Failed(format!("{error} ({:?})", error.kind()))
    }
}

/// Makes the fault of a case that does not hold.
pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Failed(why.into()))
}

/// Says that this has to be so.
pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { failed(why()) }
}

/// Says that this has to be had, or the case cannot be tried.
pub(super) fn need(is_there: bool, what: &str) -> Result<(), Fault> {
    if is_there { Ok(()) } else { Err(Fault::Missing(what.to_owned())) }
}

/// Says that this has to be an error of that kind.
pub(super) fn ensure_kind<T>(result: Result<T, TransportError>, kind: ErrorKind, what: &str) -> Result<(), Fault> {
    match result {
        Ok(_) => failed(format!("{what} went well, and should have been {kind:?}")),
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => failed(format!("{what} was {:?} and should have been {kind:?}: {error}", error.kind())),
    }
}

/// Says that this has to be that attempt.
pub(super) fn ensure_eq_attempt(delivery: &Delivery, attempt: u32) -> Result<(), Fault> {
    let came = delivery.attempt();
    ensure(came == attempt, || format!("it came as attempt {came}, and should have been {attempt}"))
}

/// What has to hold of every transport.
#[derive(Clone, Copy)]
pub(super) struct Case {
    /// A sentence that is true if it passes.
    pub(super) name: &'static str,
    /// Whether it kills the server, so that nothing else may run beside it.
    pub(super) kills: bool,
    pub(super) run: for<'a> fn(&'a Lab<'a>) -> BoxFuture<'a, Verdict>,
}

/// Lists functions as cases; their names are those of the functions.
macro_rules! cases {
    ($kills:expr; $($name:ident),+ $(,)?) => {
        &[$($crate::transport::conformance::case::Case {
            name: stringify!($name),
            kills: $kills,
            run: |lab| Box::pin($name(lab)),
        }),+]
    };
}
pub(super) use cases;
