//! The servers that are looked at.

use std::fmt;
use std::sync::Arc;

use super::names::names;
use super::watched::Watched;
use crate::shown::Shown;

/// Who asks the servers: one for all who look, on whatever thread.
#[derive(Clone, Default)]
pub(crate) struct Sight {
    servers: Arc<[Arc<Watched>]>,
}

impl Sight {
    /// The sight of everything that is shown: the same for each worker of actix-web.
    pub(crate) fn of(shown: &Shown) -> Self {
        let new = || {
            let addresses = shown.addresses();
            let servers = names(addresses).into_iter().zip(addresses);
            Self { servers: servers.map(|(name, address)| Watched::new(name, address.clone())).collect() }
        };
        Self::clone(&shown.keep(new))
    }

    /// All of them, in the order in which they were told of.
    pub(crate) fn servers(&self) -> &[Arc<Watched>] {
        &self.servers
    }

    /// The one of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Watched>> {
        self.servers.iter().find(|server| server.name() == name)
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.servers.iter().map(|server| server.name())).finish()
    }
}
