//! Dead letters in their places: how many rows that touches, and what a program makes of them that does not know them.

use convoke::transport::{DeadReason, Packet, Source};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{ack, database, ids, keyed, nothing, opened, publish, receive, server};

const BEHIND: usize = 10_000;

async fn one<T>(connection: &mut PgConnection, sql: String) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap().get(0)
}

/// How many rows this transaction has changed.
async fn touched(connection: &mut PgConnection) -> i64 {
    let sql = "SELECT (n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_xact_user_tables \
        WHERE schemaname = 'shop' AND relname = 'convoke_delivery'";
    one(connection, sql.to_owned()).await
}

#[tokio::test]
async fn what_is_parked_behind_a_letter_is_touched_once_however_often_that_is_redriven() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    let mut subscriber = opened(&queue).await;
    let packets: Vec<Packet> = (0..=BEHIND).map(|id| keyed(id, "hot")).collect();
    publish(&queue, &packets).await;
    let head = receive(&mut subscriber, 1).await.remove(0);
    let behind = head.park(DeadReason::Permanent, Vec::new()).await.unwrap();
    assert_eq!(behind, BEHIND as u64);
    // All of them are set aside by who looks for work: once.
    nothing(&mut subscriber).await;
    let parking = queue.parking();
    let letter = parking.dead_letters(2).await.unwrap().remove(0);
    subscriber.close().await.unwrap();

    let mut transaction = db.begin().await.unwrap();
    let connection = &mut *transaction;
    let lane: i64 = one(connection, "SELECT id FROM shop.convoke_lane".to_owned()).await;
    let lend = format!("SELECT count(*) FROM shop.convoke_lend_1({lane}, 100, 1000000, 30000, NULL, NULL)");
    while one::<i64>(connection, "SELECT count(*) FROM shop.convoke_delivery WHERE state = 0".to_owned()).await > 0 {
        assert_eq!(one::<i64>(connection, lend.clone()).await, 0);
    }
    let before = touched(connection).await;
    let mut head = i64::try_from(letter.position).unwrap();
    for _ in 0..50 {
        let park = |id: i64| {
            format!(
                "SELECT shop.convoke_park_1(id, lent, '{{}}', 100) FROM shop.convoke_delivery WHERE id = {id} AND state = 2"
            )
        };
        one::<Vec<i64>>(connection, format!("SELECT shop.convoke_redrive_1({lane}, {head}, {head}, 1)")).await;
        assert_eq!(one::<i64>(connection, lend.clone()).await, 1);
        assert_eq!(one::<i64>(connection, park(head)).await, 100, "it is counted no further");
        assert_eq!(one::<i64>(connection, lend.clone()).await, 0);
        assert!(one::<bool>(connection, format!("SELECT shop.convoke_discard_1({lane}, {head})")).await);
        assert_eq!(one::<i64>(connection, lend.clone()).await, 1);
        head = one(connection, "SELECT id FROM shop.convoke_delivery WHERE state = 2".to_owned()).await;
        one::<i64>(connection, park(head)).await;
    }
    let touched = touched(connection).await - before;
    // Redriven, lent, parked, deleted; the next set free, lent and parked.
    assert_eq!(touched, 50 * 7);
}

#[tokio::test]
async fn a_program_that_does_not_know_letters_in_their_places_leaves_them_and_what_is_behind_them() {
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").await.unwrap();
    let mut subscriber = opened(&queue).await;
    publish(&queue, &[keyed(1, "a"), keyed(2, "a"), keyed(3, "b")]).await;
    let mut lent = receive(&mut subscriber, 2).await;
    ack(vec![lent.pop().unwrap()]).await;
    let mut transaction = db.begin().await.unwrap();
    let loan = sqlx::raw_sql("SELECT id, lent, lane FROM shop.convoke_delivery WHERE state = 2");
    let loan = loan.fetch_one(&mut *transaction).await.unwrap();
    let (id, times, lane): (i64, i32, i64) = (loan.get(0), loan.get(1), loan.get(2));
    transaction.rollback().await.unwrap();
    lent.pop().unwrap().park(DeadReason::Permanent, Vec::new()).await.unwrap();

    let mut transaction = db.begin().await.unwrap();
    for late in [
        format!("SELECT shop.convoke_done_1('{{{id}}}', '{{{times}}}') IS NULL"),
        // It asks for a longer lease, gives it back, or has it come again.
        format!("SELECT shop.convoke_change_1('{{{id}}}', '{{{times}}}', '{{2}}', '{{1}}', '{{0}}') IS NULL"),
        format!("SELECT shop.convoke_change_1('{{{id}}}', '{{{times}}}', '{{0}}', '{{0}}', '{{-1}}') IS NULL"),
        // It looks for work.
        format!("SELECT count(*) = 0 FROM shop.convoke_lend_1({lane}, 100, 1000000, 30000, NULL, NULL)"),
        format!("SELECT NOT is_ready AND next IS NULL FROM shop.convoke_wake_1({lane}, 1000)"),
    ] {
        assert!(one::<bool>(&mut transaction, late.clone()).await, "{late}");
    }
    transaction.commit().await.unwrap();
    nothing(&mut subscriber).await;
    queue.parking().redrive_all().await.unwrap();
    let first = receive(&mut subscriber, 1).await;
    assert_eq!(ids(&first), ["1"]);
    ack(first).await;
    assert_eq!(ids(&receive(&mut subscriber, 1).await), ["2"]);
}
