//! Which events were done.

use super::*;

#[convoke::test]
async fn an_inbox_in_memory_forgets_in_time() {
    let inbox = MemoryInbox::new(SECOND).most(2);
    assert!(!inbox.seen("1").await.unwrap());
    assert!(inbox.mark("1").await.unwrap());
    assert!(!inbox.mark("1").await.unwrap());
    tokio::time::sleep(999 * MS).await;
    assert!(inbox.clone().seen("1").await.unwrap());
    assert!(inbox.mark("2").await.unwrap());
    tokio::time::sleep(MS).await;
    assert!(!inbox.seen("1").await.unwrap() && inbox.seen("2").await.unwrap());
    assert!(inbox.mark("1").await.unwrap() && inbox.mark("3").await.unwrap());
    assert_eq!(inbox.len(), 2);
    assert!(!inbox.seen("2").await.unwrap() && inbox.seen("1").await.unwrap() && inbox.seen("3").await.unwrap());
}

#[actix_rt::test]
async fn an_inbox_in_a_file_shares_the_transaction_of_the_work() {
    let folder = folder();
    let queue = queue(&folder).await;
    let inbox = SqliteInbox::new(queue.pool()).await.unwrap();
    sqlx::query("CREATE TABLE stock (item INTEGER)").execute(queue.pool()).await.unwrap();
    let work = async |commit: bool| {
        let mut transaction = queue.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
        let new = inbox.mark_in(&mut transaction, "7").await.unwrap();
        if new {
            sqlx::query("INSERT INTO stock VALUES (1)").execute(&mut *transaction).await.unwrap();
        }
        if commit {
            transaction.commit().await.unwrap()
        } else {
            transaction.rollback().await.unwrap()
        }
        new
    };
    assert!(work(false).await);
    assert!(!inbox.seen("7").await.unwrap());
    assert!(work(true).await);
    assert!(!work(true).await);
    assert_eq!(count(&queue, "stock").await, 1);
    assert!(inbox.seen("7").await.unwrap() && !inbox.mark("7").await.unwrap());
    // Another of the same file, by its own name.
    let other = SqliteInbox::at(folder.file("orders.db")).named("other").window(MS).await.unwrap();
    assert!(!other.seen("7").await.unwrap());
    for number in 0..100 {
        assert!(other.mark(&number.to_string()).await.unwrap());
    }
    tokio::time::sleep(20 * MS).await;
    assert!(!other.seen("99").await.unwrap());
    for _ in 0..20 {
        tokio::time::sleep(5 * MS).await;
        assert!(other.mark("again").await.unwrap());
    }
    assert_eq!(count(&queue, "convoke_inbox").await, 2);
}
