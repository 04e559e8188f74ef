//! Whoever takes a server or a file under virtual time is told that, and not of a pool, a deadline or a network.

use convoke::transport::{ErrorKind, RabbitMq, Redis, Sqlite, Sqs, TransportError};

use crate::transports::servers::sqlite::Folder;

const SAID: &str = "under virtual time nobody waits for what is outside this process: test it in real time, with \
    `#[actix::test]` instead of `#[convoke::test]`, or over `Memory`";

fn says_so(error: &TransportError) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().ends_with(SAID), "{error}");
}

#[convoke::test]
async fn a_file_of_sqlite_says_that_its_clock_stands_still() {
    let folder = Folder::new().unwrap();
    says_so(&Sqlite::queue("orders").at(folder.file("queues.db")).await.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn so_it_does_under_a_clock_that_tokio_has_paused() {
    let folder = Folder::new().unwrap();
    says_so(&Sqlite::queue("orders").at(folder.file("queues.db")).await.unwrap_err());
}

#[actix::test]
async fn in_real_time_nothing_of_it_is_said() {
    let folder = Folder::new().unwrap();
    Sqlite::queue("orders").at(folder.file("queues.db")).await.unwrap();
}

#[convoke::test]
async fn a_server_is_not_even_tried() {
    says_so(&Redis::stream("orders").at("redis://127.0.0.1:1").await.unwrap_err());
    says_so(&RabbitMq::queue("orders").at("amqp://127.0.0.1:1").await.unwrap_err());
    says_so(&Sqs::queue("orders").endpoint("http://127.0.0.1:1").region("eu-central-1").await.unwrap_err());
}
