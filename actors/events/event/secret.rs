//! What nobody is shown.

use std::fmt;
use std::sync::Arc;

/// What stands where personal data would.
pub(crate) const HIDDEN: &str = "(hidden: personal data)";

/// The same, for who shows a field.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Text that no `Debug` of this library shows. The default is no text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<Arc<str>>);

impl Secret {
    /// Returns the text, or an empty string if there is no text. Keep the returned text out of logs.
    pub fn expose(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(none)" } else { "Secret(hidden)" })
    }
}
