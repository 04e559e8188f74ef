//! A queue of SQS.

use std::collections::HashMap;
use std::time::Duration;

use super::finding::Finding;
use crate::look::Address;
use crate::transport::sqs::Redrive;
use crate::transport::{Sqs, TransportError};

/// The attributes of a queue, by the names of AWS.
type Attributes = HashMap<String, String>;

/// A redrive policy moves a message that was received fewer times than this while others still try it.
const FEW_RECEIVES: u32 = 3;

pub(super) async fn look(address: &Address, longest_handler: Option<Duration>) -> Result<Vec<Finding>, TransportError> {
    let Some(name) = address.name() else {
        return Ok(vec![Finding::known("queue", "no queue is named: put it behind the URL, as in sqs:#orders")]);
    };
    let queue: Sqs = Sqs::queue(name).at(address).await?;
    let dead = queue.dead_letters().settings().await.ok();
    Ok(judge(&queue.settings().await?, dead.as_ref(), longest_handler))
}

fn judge(queue: &Attributes, dead: Option<&Attributes>, longest_handler: Option<Duration>) -> Vec<Finding> {
    let number = |attributes: &Attributes, name: &str| attributes.get(name)?.parse::<u64>().ok();
    let mut findings = vec![Finding::right("queue", "the queue is there, and this user may ask about it")];
    match queue.get("RedrivePolicy").and_then(|policy| Redrive::read(policy)) {
        None => {
            let says =
                "it has no redrive policy: a message that kills whoever receives it comes again until it is too old";
            findings.push(Finding::risk(
                "redrive",
                says,
                "name a queue for dead letters: `.dead_letter_queue(…).redrive_policy(10)`",
            ));
        }
        Some(policy) if policy.receives() < FEW_RECEIVES => {
            let says =
                format!("its redrive policy takes a message away after {} receipts, heard or not", policy.receives());
            findings.push(Finding::risk(
                "redrive",
                says,
                "raise maxReceiveCount above the attempts of the worker and 10 more",
            ));
        }
        Some(policy) => {
            let says = format!("after {} receipts a message is a dead letter", policy.receives());
            findings.push(Finding::right("redrive", says));
        }
    }
    if let Some(visible) = number(queue, "VisibilityTimeout") {
        let most = longest_handler.unwrap_or_default().as_secs_f64();
        findings.push(match longest_handler {
            None => Finding::known("lease", format!("a message is lent for {visible} s; a worker of Convoke extends that while it works")),
            Some(_) => Finding::held(
                most < visible as f64,
                "lease",
                format!("a message is lent for {visible} s, longer than the slowest handler takes"),
                format!("a message is lent for {visible} s, and a handler takes {most} s: who does not extend it does it twice"),
                "raise the visibility timeout, or let a worker of Convoke extend it",
            ),
        });
    }
    let day = 24 * 60 * 60;
    if let Some(kept) = number(queue, "MessageRetentionPeriod") {
        findings.push(Finding::held(
            kept >= day,
            "retention",
            format!("what nobody takes is kept for {} days", kept / day),
            format!("what nobody takes is deleted after {kept} s"),
            "raise MessageRetentionPeriod above the longest time that workers may be away",
        ));
        // The age of a message counts from when it was published, not from when it died.
        if let Some(dead) = dead.and_then(|dead| number(dead, "MessageRetentionPeriod"))
            && dead <= kept
        {
            let says = "dead letters are kept no longer than messages, and their age counts from the publishing: some are deleted as they arrive";
            findings.push(Finding::risk(
                "retention",
                says,
                "raise MessageRetentionPeriod of the queue of dead letters to 14 days",
            ));
        }
    }
    let encrypted =
        queue.contains_key("KmsMasterKeyId") || queue.get("SqsManagedSseEnabled").is_some_and(|is| is == "true");
    if !encrypted {
        findings.push(Finding::known("encryption", "what is kept is not encrypted by the server"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Gravity;

    fn queue(changes: &[(&str, &str)]) -> Attributes {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:1:orders-dead","maxReceiveCount":"20"}"#;
        let usual = [
            ("RedrivePolicy", policy),
            ("VisibilityTimeout", "60"),
            ("MessageRetentionPeriod", "345600"),
            ("SqsManagedSseEnabled", "true"),
        ];
        usual.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn worst(queue: &Attributes, kept: &str, longest: u64) -> (&'static str, Gravity) {
        let dead = HashMap::from([("MessageRetentionPeriod".to_owned(), kept.to_owned())]);
        let findings = judge(queue, Some(&dead), Some(Duration::from_secs(longest)));
        findings.iter().max_by_key(|finding| finding.gravity()).map(|worst| (worst.about(), worst.gravity())).unwrap()
    }

    #[test]
    fn each_fact_has_its_finding() {
        use Gravity::{Known, Right, Risk};

        let longest_kept = "1209600";
        assert_eq!(worst(&queue(&[]), longest_kept, 10).1, Right);
        assert_eq!(worst(&queue(&[("RedrivePolicy", "")]), longest_kept, 10), ("redrive", Risk));
        let one = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:1:orders-dead","maxReceiveCount":1}"#;
        assert_eq!(worst(&queue(&[("RedrivePolicy", one)]), longest_kept, 10), ("redrive", Risk));
        assert_eq!(worst(&queue(&[]), longest_kept, 60), ("lease", Risk));
        assert_eq!(worst(&queue(&[("MessageRetentionPeriod", "3600")]), longest_kept, 10), ("retention", Risk));
        assert_eq!(worst(&queue(&[]), "345600", 10), ("retention", Risk));
        assert_eq!(worst(&queue(&[("SqsManagedSseEnabled", "false")]), longest_kept, 10), ("encryption", Known));
    }
}
