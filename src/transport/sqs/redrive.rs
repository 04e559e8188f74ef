//! The redrive policy of a queue: after how many receipts SQS itself moves a message to the dead letters, heard or not.
//!
//! `GetQueueAttributes → Redrive → enough for the attempts of a worker? → SetQueueAttributes, or a warning`

use std::sync::atomic::Ordering;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::queue::Queue;
use crate::transport::aws::failure;
use crate::transport::{ErrorKind, TransportError, UNHEARD_ATTEMPTS};

/// The most receipts that SQS allows.
pub(super) const MAX_RECEIVES: u32 = 1_000;

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    target: String,
    receives: u32,
}

impl Redrive {
    /// Makes one that moves to the queue of this ARN.
    pub(super) fn new(target: String, receives: u32) -> Self {
        Self { target, receives }
    }

    /// Reads one. AWS writes the number as one, and others as a text.
    pub(crate) fn read(policy: &str) -> Option<Self> {
        let policy: Value = serde_json::from_str(policy).ok()?;
        let target = policy.get("deadLetterTargetArn")?.as_str()?.to_owned();
        let receives = policy.get("maxReceiveCount")?;
        let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok())?;
        Some(Self { target, receives: receives.try_into().unwrap_or(u32::MAX) })
    }

    /// After how many receipts it moves a message.
    pub(crate) fn receives(&self) -> u32 {
        self.receives
    }

    pub(super) fn written(&self) -> String {
        json!({ "deadLetterTargetArn": self.target, "maxReceiveCount": self.receives }).to_string()
    }

    /// Returns account and name of the queue to which it moves.
    pub(super) fn target(&self) -> Option<(&str, &str)> {
        let mut arn = self.target.split(':').skip(4);
        Some((arn.next()?, arn.next()?))
    }

    /// Returns it with as many receipts as the attempts of a worker take, or more.
    fn for_attempts(&self, attempts: u32) -> Self {
        let receives = attempts.saturating_add(UNHEARD_ATTEMPTS).min(MAX_RECEIVES);
        Self { receives: self.receives.max(receives), ..self.clone() }
    }
}

impl Queue {
    /// Sees to it that SQS does not take out what a worker would still hear: what a process that died had fetched ahead counts
    /// as received. A policy that we have set is set anew; of any other the log tells what to set.
    pub(super) async fn allow_attempts(&self, there: Redrive, attempts: u32) -> Result<(), TransportError> {
        let wanted = there.for_attempts(attempts);
        if wanted == there {
            return Ok(());
        }
        let (name, is, needs) = (&self.name, there.receives, wanted.receives);
        let is_ours = self.redrive.as_ref() == Some(&there);
        if !(is_ours && self.set_redrive(&wanted).await?) {
            if !self.warned.swap(true, Ordering::Relaxed) {
                log::warn!(
                    target: "convoke::transport",
                    "{name}: its redrive policy takes out what was received {is} times, heard or not, and a delivery may be \
                     heard {attempts} times: set its maxReceiveCount to {needs} or more"
                );
            }
            return Ok(());
        }
        log::info!(
            target: "convoke::transport",
            "{name}: set the maxReceiveCount of its redrive policy from {is} to {needs}, for {attempts} attempts"
        );
        Ok(())
    }

    /// Sets it; `false` if we may not.
    async fn set_redrive(&self, wanted: &Redrive) -> Result<bool, TransportError> {
        let change = self.clients.ask(|clients| {
            let change = clients.plain.set_queue_attributes().queue_url(&self.url);
            change.attributes(QueueAttributeName::RedrivePolicy, wanted.written()).send()
        });
        match change.await.map_err(|error| failure(&self.name, "set the redrive policy", &error)) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Denied) => {
                log::debug!(target: "convoke::transport", "{error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_leaves_room_for_the_attempts() {
        let text = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:7:orders-dead","maxReceiveCount":3}"#;
        let policy = Redrive::read(text).unwrap();
        assert_eq!(policy.target(), Some(("7", "orders-dead")));
        assert_eq!(Redrive::read(&policy.written()), Some(policy.clone()));
        assert_eq!(Redrive::read(&text.replace(":3", r#":"3""#)), Some(policy.clone()));
        assert_eq!(policy.for_attempts(15).receives, 25);
        assert_eq!(policy.for_attempts(u32::MAX).receives, MAX_RECEIVES);
        let generous = Redrive { receives: 100, ..policy };
        assert_eq!(generous.for_attempts(15), generous);
        for strange in ["", "[]", "{}", r#"{"deadLetterTargetArn":1}"#] {
            assert_eq!(Redrive::read(strange), None);
        }
    }
}
