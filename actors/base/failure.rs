//! What user code returns when it could not do its part: an error of any kind.

use std::error::Error as StdError;
use std::fmt;

use crate::runtime;

/// How many bytes of a failure's text are kept: it stands in reports, logs and dead letters, and failures that quote each
/// other have no end.
const LONGEST_TEXT: usize = 2000;

/// An error of any kind, which consumers return. The operator `?` converts every std error into it.
pub struct Failure(Box<dyn StdError + Send + Sync>);

/// The result of a consumer of your own.
pub type Handled = Result<(), Failure>;

impl Failure {
    /// Creates a failure from a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }

    /// Returns the wrapped error.
    pub fn into_inner(self) -> Box<dyn StdError + Send + Sync> {
        self.0
    }

    /// The error with its sources, joined by colons: those that it does not quote itself, and not without end.
    pub(crate) fn chain(&self) -> String {
        let told = runtime::catch(|| self.chain_of_texts());
        told.unwrap_or_else(|panic| format!("an error that panics when it is shown: {panic}"))
    }

    fn chain_of_texts(&self) -> String {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source
            && text.len() < LONGEST_TEXT
        {
            let why = error.to_string();
            if !text.ends_with(&why) {
                text.push_str(": ");
                text.push_str(&why);
            }
            source = error.source();
        }
        if text.len() > LONGEST_TEXT {
            let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Converts a failure for `?` in a `main` or a test that returns `Box<dyn Error>`. For a box that is `Send + Sync`,
/// call [`into_inner`](Failure::into_inner): std's conversions leave room for only one of the two.
impl From<Failure> for Box<dyn StdError> {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The return type of a consumer's closure: nothing, or a `Result`.
pub trait IntoHandled {
    /// Converts the value into a result.
    fn into_handled(self) -> Handled;
}

impl IntoHandled for () {
    fn into_handled(self) -> Handled {
        Ok(())
    }
}

impl<E: Into<Failure>> IntoHandled for Result<(), E> {
    fn into_handled(self) -> Handled {
        self.map_err(Into::into)
    }
}
