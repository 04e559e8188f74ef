//! A server that was reached.

use convoke::look::Server;

use crate::error::Result;
use crate::places::Place;
use crate::running::Patience;

/// A server, what it is called in an error, and how long it may take.
pub(super) struct Connected {
    pub(super) server: Server,
    /// The address without a password.
    pub(super) who: String,
    pub(super) patience: Patience,
}

/// Reaches a server.
///
/// # Errors
///
/// If it is not there, does not answer, or knows nobody of this name.
pub(super) async fn reach(place: &Place, patience: Patience) -> Result<Connected> {
    let who = place.to_string();
    let server = patience.of(&who, Server::connect(place.address())).await?;
    Ok(Connected { server, who, patience })
}
