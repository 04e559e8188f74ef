//! Which locks a work takes of a PostgreSQL: how many, of which it has room for a limited number of all its connections together, and that
//! who adds a consumer waits for those who may close a round without it.

use std::sync::Mutex;

use super::super::room::{Room, by_key, closing, judge, signaled};
use super::Server;
use crate::durable::store::RoundDatabase as _;
use crate::transport::Postgres;

/// A work of so few new keys has a lock for each.
const FEW: usize = 32;

/// The lock that all have who work, in `pg_locks` as `l`.
fn everybody(schema: &str) -> String {
    format!(
        "l.locktype = 'advisory' \
             AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('convoke consumers of {schema} approvals', 0)"
    )
}

/// Asks for a number by a connection of its own, for a thread that is within a work.
fn asked(url: &str, sql: String) -> i64 {
    let url = url.to_owned();
    let ask = move || {
        actix_rt::System::new().block_on(async {
            let pool = sqlx::PgPool::connect(&url).await.unwrap();
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap()
        })
    };
    std::thread::spawn(ask).join().unwrap()
}

/// Counts the locks of whoever works on these rounds at the moment.
fn locks(url: &str, schema: &str) -> i64 {
    let everybody = everybody(schema);
    let sql = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = ( \
             SELECT l.pid FROM pg_locks AS l WHERE {everybody} LIMIT 1)"
    );
    asked(url, sql)
}

/// How many wait for it.
fn waiting(url: &str, schema: &str) -> i64 {
    asked(url, format!("SELECT count(*) FROM pg_locks AS l WHERE {} AND NOT l.granted", everybody(schema)))
}

#[actix_rt::test]
async fn a_work_takes_few_locks_however_many_keys_are_new() {
    let Some(server) = Server::find() else { return };
    let room = Room::of(&server).await;
    for (count, most) in [(1, 3), (FEW, FEW + 2), (FEW + 1, 2), (512, 2)] {
        let keys: Vec<_> = (0..count).map(|key| by_key(&format!("{count} {key}"))).collect();
        let counted = Mutex::new(None);
        let count = judge(|_, case| {
            let counts = || locks(server.url(), room.database.schema());
            counted.lock().unwrap().get_or_insert_with(counts);
            Some(signaled(case, room.rules))
        });
        room.rounds.work(&keys, &count).await.unwrap();
        let counted = usize::try_from(counted.into_inner().unwrap().unwrap()).unwrap();
        assert!(counted >= 2 && counted <= most, "{counted} locks, and {most} at most");
    }
}

/// Otherwise a round could be closed for those who were there before, behind the back of one that has been told that it is there now.
#[actix_rt::test]
async fn a_consumer_is_there_once_those_have_ended_who_close_rounds() {
    let Some(server) = Server::find() else { return };
    let room = Room::of(&server).await;
    room.signal("a").await;
    let (url, schema) = (server.url().to_owned(), room.database.schema().to_owned());
    let adding = Mutex::new(None);
    let closes = judge(|_, case| {
        adding.lock().unwrap().get_or_insert_with(|| {
            let (their_url, their_schema) = (url.clone(), schema.clone());
            let adds = std::thread::spawn(move || {
                actix_rt::System::new().block_on(async {
                    let database = Postgres::connect(their_url).schema(their_schema).await.unwrap();
                    database.open_rounds("approvals".into()).await.unwrap().add_consumer("audit").await.unwrap();
                });
            });
            while waiting(&url, &schema) == 0 {
                assert!(!adds.is_finished(), "it has not waited for a work that is under way");
            }
            adds
        });
        Some(closing(case, true))
    });
    room.rounds.work(&[by_key("a")], &closes).await.unwrap();
    adding.into_inner().unwrap().unwrap().join().unwrap();
    assert_eq!(room.rounds.consumers().await.unwrap(), [std::sync::Arc::<str>::from("audit")]);
}
