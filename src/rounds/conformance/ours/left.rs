//! What is left in a database of the signals of rounds that are over, which nobody sees by a store: nothing.

use super::super::fixture::Fixture;
use super::super::room::Room;

/// Two rounds, of which the first one is over, with two signals of the three.
async fn one_of_two_is_over<F: Fixture>(room: &Room<'_, F>) {
    for key in ["a", "a", "b"] {
        room.signal(key).await;
    }
    room.close("a", true).await;
}

#[cfg(feature = "sqlite")]
#[actix_rt::test]
async fn no_signal_of_a_round_that_is_over_is_left_in_a_file() {
    let file = super::File::new();
    let room = Room::of(&file).await;
    one_of_two_is_over(&room).await;
    let count = sqlx::query_scalar("SELECT count(*) FROM convoke_round_row").fetch_one(room.database.pool());
    let left: i64 = count.await.unwrap();
    assert_eq!(left, 1);
}

#[cfg(feature = "postgres")]
#[actix_rt::test]
async fn no_signal_of_a_round_that_is_over_is_left_in_a_postgres() {
    let Some(server) = super::Server::find() else { return };
    let room = Room::of(&server).await;
    one_of_two_is_over(&room).await;
    let sql = format!("SELECT count(*) FROM {}.convoke_round_row", room.database.schema());
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(room.database.pool());
    let left: i64 = count.await.unwrap();
    assert_eq!(left, 1);
}
