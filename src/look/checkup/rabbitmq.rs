//! A RabbitMQ, as far as AMQP tells of it.

use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;

use super::finding::Finding;
use crate::look::Address;
use crate::transport::TransportError;
use crate::transport::rabbitmq::{RabbitMqServer, declare};

/// How long a name may be, in bytes.
const LONGEST: usize = 255;

/// What the server says of itself.
struct Standing {
    release: Option<(u32, u32)>,
    /// It takes nothing from those who publish.
    blocked: bool,
    /// Whether the queue that was named is there, and the one of its dead letters.
    queue: bool,
    dead: bool,
}

/// From here on, the server takes back what was not settled for so long, and says nothing of it.
const TAKES_BACK: (u32, u32) = (4, 3);
/// The `consumer_timeout` of a server that was not told another one.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);

pub(super) async fn look(
    address: &Address,
    patience: Duration,
    longest_handler: Option<Duration>,
) -> Result<Vec<Finding>, TransportError> {
    let server = RabbitMqServer::at(address.url())?;
    let at: Arc<str> = address.to_string().into();
    let line = server.publishing();
    // The first that connects, so that who is refused hears why.
    let blocked = line.lane(&at, patience).await?.is_blocked();
    // A name that is too long is that of no queue.
    let find = async |name: String| match name.len() <= LONGEST {
        true => Ok(declare::find(&at, line, &ShortString::from(name), patience).await?.is_some()),
        false => Ok::<_, TransportError>(false),
    };
    let (mut queue, mut dead) = (false, false);
    if let Some(name) = address.name() {
        queue = find(name.to_owned()).await?;
        dead = find(format!("{name}-dead")).await?;
    }
    let standing = Standing { release: server.release(patience).await, blocked, queue, dead };
    Ok(judge(&standing, address.name(), longest_handler))
}

fn judge(standing: &Standing, queue: Option<&str>, longest_handler: Option<Duration>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match standing.release {
        Some((major, minor)) => Finding::right(
            "server",
            format!("RabbitMQ {major}.{minor} answers, and takes the user and the virtual host"),
        ),
        None => Finding::known("server", "it answers, and does not tell its release"),
    });
    findings
        .push(Finding::right("confirms", "what is published is confirmed: a transport of Convoke never goes without"));
    if standing.blocked {
        let says = "it takes nothing from those who publish: its memory or its disk is full";
        findings.push(Finding::broken("alarm", says, "free memory or disk on the server"));
    }
    let most = longest_handler.unwrap_or_default();
    if most >= CONSUMER_TIMEOUT {
        let says = format!(
            "a handler takes {most:?}, and a delivery is taken back after 30 min unless consumer_timeout says otherwise"
        );
        findings.push(Finding::risk(
            "lease",
            says,
            "set consumer_timeout of the server or x-consumer-timeout of the queue above it",
        ));
    } else if standing.release.is_none_or(|release| release >= TAKES_BACK) {
        let says = "a delivery that is not settled within consumer_timeout, 30 min by default, is taken back in silence from 4.3 on";
        findings.push(Finding::known("lease", says));
    }
    match (queue, standing.queue) {
        (None, _) => {
            findings.push(Finding::known(
                "queue",
                "no queue is named: put it behind the URL, as in amqp://localhost#orders",
            ));
        }
        (Some(name), false) => {
            let says = format!("there is no queue {name} that is durable");
            findings.push(Finding::broken(
                "queue",
                says,
                "make it by `create_if_missing()`, or name one that is there",
            ));
        }
        (Some(name), true) => {
            findings.push(Finding::right("queue", format!("the queue {name} is there")));
            findings.push(Finding::held(
                standing.dead,
                "dead letters",
                format!("the queue {name}-dead takes its dead letters"),
                format!(
                    "there is no queue {name}-dead: unless another one is named, what fails for good has nowhere to go"
                ),
                "make it by `create_if_missing()`, or name it by `dead_letter_queue`",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Gravity;

    fn standing() -> Standing {
        Standing { release: Some((4, 1)), blocked: false, queue: true, dead: true }
    }

    fn worst(standing: &Standing, longest: Option<u64>) -> (&'static str, Gravity) {
        let findings = judge(standing, Some("orders"), longest.map(Duration::from_secs));
        findings.iter().max_by_key(|finding| finding.gravity()).map(|worst| (worst.about(), worst.gravity())).unwrap()
    }

    #[test]
    fn each_fact_has_its_finding() {
        use Gravity::{Broken, Known, Right, Risk};

        assert_eq!(worst(&standing(), None).1, Right);
        assert_eq!(worst(&Standing { release: Some((4, 3)), ..standing() }, None), ("lease", Known));
        assert_eq!(worst(&standing(), Some(3_600)), ("lease", Risk));
        assert_eq!(worst(&Standing { blocked: true, ..standing() }, None), ("alarm", Broken));
        assert_eq!(worst(&Standing { queue: false, ..standing() }, None), ("queue", Broken));
        assert_eq!(worst(&Standing { dead: false, ..standing() }, None), ("dead letters", Risk));
        assert_eq!(judge(&standing(), None, None).last().map(Finding::about), Some("queue"));
    }
}
