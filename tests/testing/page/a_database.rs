use convoke::transport::Memory;

#[convoke::test]
async fn a_mark_commits_with_the_work() -> Result<(), Box<dyn std::error::Error>> {
    let db = Memory::database();
    db.migrate().await?; // does nothing here
    let queue = db.queue("orders").await?; // the same queue for each handle of this database
    let inbox = db.inbox("billing").await?;
    let mut tx = db.begin().await?;
    inbox.mark_in(&mut tx, "7").await?;
    drop(tx); // rolled back
    assert!(!inbox.seen("7").await? && queue.waiting() == 0);
    Ok(())
}
