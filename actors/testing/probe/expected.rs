//! What a probe may be told to expect: a value that the message is equal to, or a condition.

use std::fmt;

/// What a message has to be: a value that it is equal to, or a condition that is true of it.
///
/// It is implemented for both; `Kind` only tells the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be expected of a probe of `{M}`",
    label = "neither a message nor a condition",
    note = "expect values of the message, which needs `PartialEq` and `Debug`, or conditions: `|message: &{M}| …`"
)]
pub trait Expected<M, Kind> {
    /// Whether this message is it.
    #[doc(hidden)]
    fn is_met(&self, message: &M) -> bool;

    /// What a failure calls it.
    #[doc(hidden)]
    fn describe(&self) -> String;
}

/// Marks a value.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByValue;

/// Marks a condition.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByCondition;

impl<M: PartialEq + fmt::Debug> Expected<M, ByValue> for M {
    fn is_met(&self, message: &M) -> bool {
        self == message
    }

    fn describe(&self) -> String {
        crate::testing::shortened(&format!("{self:?}"))
    }
}

impl<M, F: Fn(&M) -> bool> Expected<M, ByCondition> for F {
    fn is_met(&self, message: &M) -> bool {
        self(message)
    }

    fn describe(&self) -> String {
        "what its condition says".to_owned()
    }
}
