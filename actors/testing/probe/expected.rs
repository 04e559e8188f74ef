//! What a probe may be told to expect: a value that the message is equal to, or a condition.

use std::fmt;

/// The message that a probe expects: a value that the message has to equal, or a condition that has to be true of it.
///
/// The trait is implemented for both. The parameter `Kind` only tells the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be expected of a probe of `{M}`",
    label = "neither a message nor a condition",
    note = "expect values of the message, which needs `PartialEq` and `Debug`, or conditions: `|message: &{M}| …`"
)]
pub trait Expected<M, Kind> {
    /// Returns whether this message is the expected one.
    #[doc(hidden)]
    fn is_met(&self, message: &M) -> bool;

    /// Returns the text with which a failure describes what was expected.
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
