//! What an answerer returns.

use crate::base::Failure;
use crate::events::listener::Returned;
use crate::events::verdict::ListenerError;

/// The return value of an answerer that cannot fail. An answerer that can fail returns a `Result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<R>(pub R);

impl<R> Returned for Answer<R> {}

/// The return type of an answerer: [`Answer<R>`](Answer), or a `Result<R, E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer",
    label = "not an answer",
    note = "an answerer returns `Answer(value)`, or a `Result` of the value"
)]
pub trait IntoAnswer {
    /// The type of the answer.
    type Answer: Send + 'static;

    /// Converts the return value into a `Result`.
    #[doc(hidden)]
    fn into_answer(self) -> Result<Self::Answer, ListenerError>;
}

impl<R: Send + 'static> IntoAnswer for Answer<R> {
    type Answer = R;

    fn into_answer(self) -> Result<R, ListenerError> {
        Ok(self.0)
    }
}

impl<R: Send + 'static, X: Into<Failure>> IntoAnswer for Result<R, X> {
    type Answer = R;

    fn into_answer(self) -> Result<R, ListenerError> {
        self.map_err(|error| ListenerError::from(error.into()))
    }
}
