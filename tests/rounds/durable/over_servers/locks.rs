//! Several processes that open many rounds at once over a PostgreSQL with room for few locks.

use convoke::RoundDatabase;
use convoke::rounds::round_store::{Case, Enrolled, Judge, Next, Opening, Place, Row, Ruling, Stage};
use convoke::transport::Postgres;
use futures_util::future::join_all;

use crate::transports::servers::postgres::PostgresServer;

const PROCESSES: usize = 6;

/// As many as a process writes in one transaction.
const KEYS: usize = 512;

/// Opens each round by a signal, for an hour.
struct Opens(i64);

impl Judge for Opens {
    fn judge(&self, _: usize, case: &Case<'_>) -> Option<Ruling> {
        let (at, end) = (case.now, case.now + 3_600_000_000);
        let (name, token) = ("legal".into(), convoke::Uuid::now_v7());
        Some(Ruling {
            opens: Some(Opening { rules: self.0, stage: Stage::Open, at }),
            adds: vec![Row { number: 1, kind: 1, name, at, token, terms: None, body: b"1".to_vec() }],
            next: Next::Waits { look_at: end, due_at: end },
            ..Ruling::default()
        })
    }
}

#[actix_rt::test]
async fn many_new_rounds_of_several_processes_fit_into_the_locks_of_a_server() {
    // Room for 300 locks, and some more.
    let settings = ["max_locks_per_transaction=10", "max_connections=30"];
    let server = PostgresServer::own(&settings).await.unwrap_or_else(|missing| panic!("{missing}"));
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let db = Postgres::connect(server.url()).connections(2).await.unwrap();
        db.migrate().await.unwrap();
        processes.push(db.open_rounds("approvals".into()).await.unwrap());
    }
    let Enrolled::As(rules) = processes[0].enroll("{}", true).await.unwrap() else { panic!("they replace others") };
    for turn in 0..3 {
        let places = |process: usize| -> Vec<Place> {
            (0..KEYS).map(|key| Place::Key(format!("{turn} {process} {key}"))).collect()
        };
        let places: Vec<_> = (0..PROCESSES).map(places).collect();
        let opens = Opens(rules);
        let works = processes.iter().zip(&places).map(|(rounds, places)| rounds.work(places, &opens));
        for worked in join_all(works).await {
            worked.unwrap();
        }
        let open = processes[turn].figures(100_000).await.unwrap().open;
        assert_eq!(usize::try_from(open).unwrap(), (turn + 1) * PROCESSES * KEYS);
    }
}
