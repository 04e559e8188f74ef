//! Subscriptions that are there already.

use super::*;

#[tokio::test]
async fn to_subscribe_again_does_not_make_it_raw() {
    let server = server().await;
    let config = server.config();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let queue = orders(&config).await.unwrap();
    let client = aws_sdk_sns::Client::new(&config);
    let raw = async |subscription: &convoke::transport::Subscription| {
        let there = client.get_subscription_attributes().subscription_arn(subscription.arn()).send().await.unwrap();
        there.attributes.unwrap()["RawMessageDelivery"].clone()
    };
    let subscription = topic.subscribe(&queue).raw(false).await.unwrap();
    assert_eq!(raw(&subscription).await, "false");
    assert_eq!(topic.subscribe(&queue).filter("eventName", ["OrderPlaced"]).await.unwrap(), subscription);
    assert_eq!(raw(&subscription).await, "false", "another reader of the queue knows only this");
    topic.subscribe(&queue).raw(true).await.unwrap();
    assert_eq!(raw(&subscription).await, "true");
}
