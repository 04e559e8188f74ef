//! How many locks a work takes of a PostgreSQL, which has room for a limited number of all its connections together.

use std::sync::Mutex;

use super::super::room::{Room, by_key, judge, signaled};
use super::Server;

/// A work of so few new keys has a lock for each.
const FEW: usize = 32;

/// Counts the locks of whoever works on these rounds at the moment, by a connection of its own.
fn locks(url: &str, schema: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = ( \
             SELECT l.pid FROM pg_locks AS l WHERE l.locktype = 'advisory' \
                 AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('convoke consumers of {schema} approvals', 0) LIMIT 1)"
    );
    let url = url.to_owned();
    let count = move || {
        actix_rt::System::new().block_on(async {
            let pool = sqlx::PgPool::connect(&url).await.unwrap();
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap()
        })
    };
    std::thread::spawn(count).join().unwrap()
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
