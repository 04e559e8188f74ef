//! The policy of a queue, as far as topics have to be let in.
//!
//! `Sns::subscribe → allow(topic) → GetQueueAttributes → one statement more → SetQueueAttributes`

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::sqs::Sqs;
use crate::transport::aws::failure;
use crate::transport::{ErrorKind, TransportError};

impl Sqs {
    /// Lets a topic send to this queue. What else the policy says stays.
    pub(in crate::transport) async fn allow(&self, topic: &str) -> Result<(), TransportError> {
        let queue = &self.queue;
        let arn = self.arn().await?;
        let mut there = queue.attributes(&[QueueAttributeName::Policy]).await?;
        let Some(policy) = with(there.remove(&QueueAttributeName::Policy), topic, &arn)
            .map_err(|text| TransportError::new(ErrorKind::Protocol, queue.name.clone(), text))?
        else {
            return Ok(());
        };
        let change = queue.clients.ask(|clients| {
            let change = clients.plain.set_queue_attributes().queue_url(&queue.url);
            change.attributes(QueueAttributeName::Policy, policy).send()
        });
        change.await.map_err(|error| failure(&queue.name, "let the topic send to the queue", &error))?;
        Ok(())
    }
}

/// Returns the policy with a statement for the topic, or `None` if it is there.
fn with(policy: Option<String>, topic: &str, queue: &str) -> Result<Option<String>, &'static str> {
    const STRANGE: &str = "the policy of the queue makes no sense: mend it";
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "Service": "sns.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
    });
    let mut policy: Value = match policy.filter(|policy| !policy.is_empty()) {
        Some(policy) => serde_json::from_str(&policy).map_err(|_| STRANGE)?,
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
    };
    let statements = policy.as_object_mut().ok_or(STRANGE)?.entry("Statement").or_insert_with(|| json!([]));
    // A policy of one statement need not have a list.
    if statements.is_object() {
        *statements = json!([statements.take()]);
    }
    let statements = statements.as_array_mut().ok_or(STRANGE)?;
    if statements.contains(&statement) {
        return Ok(None);
    }
    statements.push(statement);
    Ok(Some(policy.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_let_in_once_and_all_else_stays() {
        let first = with(None, "arn:t", "arn:q").unwrap().unwrap();
        assert_eq!(with(Some(first.clone()), "arn:t", "arn:q"), Ok(None));
        let second = with(Some(first), "arn:other", "arn:q").unwrap().unwrap();
        let read: Value = serde_json::from_str(&second).unwrap();
        assert_eq!(read["Statement"].as_array().unwrap().len(), 2);

        let own = r#"{"Version":"2012-10-17","Id":"mine","Statement":{"Sid":"a"}}"#.to_owned();
        let read: Value = serde_json::from_str(&with(Some(own), "arn:t", "arn:q").unwrap().unwrap()).unwrap();
        assert_eq!((&read["Id"], &read["Statement"][0]["Sid"]), (&json!("mine"), &json!("a")));
        assert!(with(Some("[]".to_owned()), "arn:t", "arn:q").is_err());
    }
}
