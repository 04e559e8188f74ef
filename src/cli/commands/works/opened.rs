//! A database that was opened.

use convoke::look::Works;

use crate::error::Result;
use crate::places::Place;
use crate::running::Patience;

/// A database, what it is called in an error, and how long it may take.
pub(super) struct Opened {
    pub(super) works: Works,
    /// The address without a password.
    pub(super) who: String,
    pub(super) patience: Patience,
}

/// Opens a database, which has to be there.
///
/// # Errors
///
/// If it is not there, does not answer, knows nobody of this name, or keeps nothing but queues.
pub(super) async fn open(place: &Place, patience: Patience) -> Result<Opened> {
    let who = place.to_string();
    let works = patience.of(&who, Works::at(place.address())).await?;
    Ok(Opened { works, who, patience })
}
