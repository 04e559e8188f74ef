//! Redrive policies: SQS counts what was received, and a worker what was heard.

use aws_sdk_sqs::types::QueueAttributeName::{QueueArn, RedrivePolicy};

use super::*;

/// Returns the `maxReceiveCount` of a queue.
async fn receives(config: &SdkConfig, queue: &str) -> Value {
    let client = aws_sdk_sqs::Client::new(config);
    let url = client.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
    let there = client.get_queue_attributes().queue_url(url).attribute_names(RedrivePolicy).send().await.unwrap();
    let policy: Value = serde_json::from_str(&there.attributes.unwrap()[&RedrivePolicy]).unwrap();
    policy["maxReceiveCount"].clone()
}

/// Deletes a queue, as somebody else does.
async fn delete(config: &SdkConfig, queue: &str) {
    let client = aws_sdk_sqs::Client::new(config);
    let url = client.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
    client.delete_queue().queue_url(url).send().await.unwrap();
}

#[tokio::test]
async fn a_policy_of_ours_leaves_room_for_the_attempts_and_ten() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).dead_letter_queue("letters").redrive_policy(3).await.unwrap();
    queue.open(1).await.unwrap();
    assert_eq!(receives(&config, "orders").await, 3, "nobody has said anything of attempts");
    queue.attempts(15);
    queue.open(1).await.unwrap();
    assert_eq!(receives(&config, "orders").await, 25);
    // One that made it says it again, and less is no reason to change it.
    let mut again = orders(&config).dead_letter_queue("letters").redrive_policy(25).await.unwrap();
    again.attempts(2);
    again.open(1).await.unwrap();
    assert_eq!(receives(&config, "orders").await, 25);
    delete(&config, "orders").await;
    queue.open(1).await.unwrap();
    assert_eq!(receives(&config, "orders").await, 25);
}

#[tokio::test]
async fn a_policy_of_somebody_elses_that_is_too_low_is_named_and_stays() {
    listen();
    let server = server().await;
    let config = server.config();
    let client = aws_sdk_sqs::Client::new(&config);
    let dead = client.create_queue().queue_name("letters").send().await.unwrap().queue_url.unwrap();
    let arn = client.get_queue_attributes().queue_url(dead).attribute_names(QueueArn).send().await.unwrap();
    let arn = &arn.attributes.unwrap()[&QueueArn];
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 }).to_string();
    let made = client.create_queue().queue_name("too-low").attributes(RedrivePolicy, policy).send().await;
    made.unwrap();
    let mut queue = Sqs::queue("too-low").config(&config).create_if_missing().await.unwrap();
    queue.attempts(15);
    for _ in 0..2 {
        queue.open(1).await.unwrap();
    }
    assert_eq!(receives(&config, "too-low").await, 3);
    assert!(client.get_queue_url().queue_name("too-low-dead").send().await.is_err(), "its policy names another");
    let said = logged_by_us();
    let said: Vec<_> = said.lines().filter(|line| line.contains(": sqs:too-low:")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("received 3 times") && said[0].contains("maxReceiveCount to 25"), "{said:?}");
}

#[tokio::test]
async fn a_queue_that_is_made_has_one_for_its_dead_letters() {
    let server = server().await;
    for fifo in [false, true] {
        let config = server.config();
        let (name, dead) = if fifo { ("orders.fifo", "orders-dead.fifo") } else { ("orders", "orders-dead") };
        Sqs::queue(name).config(&config).create_if_missing().await.unwrap();
        // Another process, that makes nothing.
        let mut queue = Sqs::queue(name).config(&config).wait(WAIT).await.unwrap();
        assert!(Source::abilities(&queue).dead_letters);
        queue.open(1).await.unwrap();
        publish(&queue, &packets(1)).await;
        next(&mut queue).await.dead_letter(DeadReason::Rejected, vec!["no".to_owned()]).await.unwrap();
        let mut letters = queue.dead_letters();
        assert_eq!(Source::name(&letters), format!("sqs:{dead}"));
        assert!(!Source::abilities(&letters).dead_letters, "what dies there stays there");
        let error = letters.dead_letters().open(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
        assert_eq!(Source::abilities(&letters).order, fifo);
        let moved = redrive(&mut letters, &queue, 1).await.unwrap();
        assert_eq!(moved.moved, 1);
        next(&mut queue).await.ack().await.unwrap();
        for name in [name, dead] {
            assert_empty(&config, name).await;
        }
    }
}

#[tokio::test]
async fn a_dead_letter_queue_that_somebody_deletes_is_made_again() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).await.unwrap();
    queue.open(1).await.unwrap();
    publish(&queue, &packets(1)).await;
    delete(&config, "orders-dead").await;
    next(&mut queue).await.dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
    let mut letters = queue.dead_letters();
    letters.open(1).await.unwrap();
    assert_eq!(drain(&mut letters, 1).await, ["body 0"]);
}
