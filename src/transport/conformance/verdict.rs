//! What a case found out, and how it says so.
//!
//! `a case → ensure, need → Verdict → Outcome`

use std::any::Any;

use crate::transport::{Delivery, ErrorKind, TransportError};

/// What a case found out: a remark, which may be empty, or why not.
pub(crate) type Verdict = Result<String, Fault>;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
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
pub(crate) fn failed<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Failed(why.into()))
}

/// Says that this has to be so.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds { Ok(()) } else { failed(why()) }
}

/// Says that this has to be had, or the case cannot be tried.
pub(crate) fn need(is_there: bool, what: &str) -> Result<(), Fault> {
    if is_there { Ok(()) } else { Err(Fault::Missing(what.to_owned())) }
}

/// Says that this has to be an error of that kind.
pub(crate) fn ensure_kind<T>(result: Result<T, TransportError>, kind: ErrorKind, what: &str) -> Result<(), Fault> {
    match result {
        Ok(_) => failed(format!("{what} went well, and should have been {kind:?}")),
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => failed(format!("{what} was {:?} and should have been {kind:?}: {error}", error.kind())),
    }
}

/// Says that this has to be that attempt.
pub(crate) fn ensure_eq_attempt(delivery: &Delivery, attempt: u32) -> Result<(), Fault> {
    let came = delivery.attempt();
    ensure(came == attempt, || format!("it came as attempt {came}, and should have been {attempt}"))
}

/// What a panic says.
pub(crate) fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}
