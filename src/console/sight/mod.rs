//! Who asks the servers.

use crate::shown::Shown;

/// Who asks the servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight;

impl Sight {
    /// The sight of everything that is shown; called once for each worker of actix-web.
    pub(crate) fn of(_shown: &Shown) -> Self {
        Self
    }
}
