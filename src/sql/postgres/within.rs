//! Whether a connection of the application is in a transaction, as the server knows it: sqlx counts its own calls, and sees no
//! text such as `ROLLBACK`.

use sqlx::PgConnection;

/// What our own `begin` sends: its transactions are known without being asked, until they end.
pub(super) const BEGIN_WITHIN: &str = "BEGIN; SET LOCAL convoke.within = '1'";

/// Holds only in a transaction that was begun: it has written something before, or is one of ours. A statement that is a
/// transaction by itself has no number before it writes, and no setting. To look costs no round trip. It has to be looked at
/// before anything is written.
pub(crate) const WITHIN: &str =
    "(txid_current_if_assigned() IS NOT NULL OR coalesce(current_setting('convoke.within', true), '') = '1')";

/// Asks the server, where [`WITHIN`] does not hold: the transaction may have written nothing yet.
///
/// # Errors
///
/// Those of the server, as in a transaction that has failed.
pub(crate) async fn is_within(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Only a transaction that was begun has savepoints.
    match sqlx::raw_sql("SAVEPOINT convoke_within; RELEASE SAVEPOINT convoke_within").execute(connection).await {
        Ok(_) => Ok(true),
        Err(error) if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("25P01") => Ok(false),
        Err(error) => Err(error),
    }
}
