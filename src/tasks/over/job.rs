//! A job as a packet: its payload is the body, and what else there is to know stands in attributes.
//!
//! `NewJob → Packet → a server → Packet → QueuedJob`

use std::time::{Duration, UNIX_EPOCH};

use crate::tasks::NewJob;
use crate::transport::{Attribute, Packet};

const TASK: &str = "convoke-task";
const JOB: &str = "convoke-job";
const DUE: &str = "convoke-due";
const CAUSE: &str = "convoke-cause";

/// How many bytes a body may have: as many as are enqueued at most.
const MOST_BYTES: usize = 1 << 20;

/// A job that was lent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct QueuedJob {
    pub(super) task: String,
    pub(super) number: i64,
    /// Since when it was due, by the clock of who has enqueued it; nothing if it does not expire.
    pub(super) waited: Duration,
    pub(super) cause: Option<String>,
    pub(super) payload: String,
}

/// A number that no other job has.
pub(super) fn number() -> i64 {
    // By 63 bits: it is never negative, and 0 is no job.
    i64::try_from(crate::__private::random() >> 1).unwrap_or(i64::MAX).max(1)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = crate::__private::wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a job that is due after this delay.
pub(super) fn write(job: NewJob, number: i64, delay: Duration) -> Packet {
    let mut packet = Packet::new(number.to_string(), job.payload);
    if let Some(cause) = job.cause {
        packet.attributes.insert_constant(CAUSE, cause);
    }
    if job.expires.is_some() {
        let due = now().saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        packet.attributes.insert_constant(DUE, due);
    }
    packet.attributes.insert_constant(JOB, packet.id.as_str());
    packet.topic = format!("tasks/{}", job.task);
    packet.attributes.insert_constant(TASK, &*job.task);
    packet.delay = delay;
    packet
}

/// The task of a packet, if it is a job.
pub(super) fn task(packet: &Packet) -> Option<&str> {
    packet.attributes.text(TASK)
}

/// Reads a job.
///
/// # Errors
///
/// What it lacks to be one, without what stands there.
pub(super) fn read(packet: &Packet) -> Result<QueuedJob, String> {
    let task = task(packet).ok_or_else(|| format!("it is no job: it has no attribute `{TASK}`"))?;
    let number = packet.attributes.get(JOB).map(Attribute::text).and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| format!("it is no job: its attribute `{JOB}` is no number"))?;
    if packet.body.len() > MOST_BYTES {
        return Err(format!("it has {} bytes, and a job has {MOST_BYTES} at most", packet.body.len()));
    }
    let payload = std::str::from_utf8(&packet.body).map_err(|_| "it is no job: it is no text".to_owned())?;
    let due: Option<u64> = packet.attributes.get(DUE).map(Attribute::text).and_then(|due| due.parse().ok());
    Ok(QueuedJob {
        task: task.to_owned(),
        number,
        waited: due.map(|due| Duration::from_millis(now().saturating_sub(due))).unwrap_or_default(),
        cause: packet.attributes.text(CAUSE).map(str::to_owned),
        payload: payload.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Due;

    fn job() -> NewJob {
        NewJob {
            task: "Register".into(),
            queue: "default".into(),
            payload: r#"{"id":7}"#.to_owned(),
            attempts: 3,
            due: Due::After(Duration::ZERO),
            head_start: Duration::ZERO,
            expires: Some(Duration::from_secs(60)),
            unique: None,
            key: None,
            cause: Some("{}".to_owned()),
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_what_is_no_job_says_why() {
        let packet = write(job(), 41, Duration::ZERO);
        let read_back = read(&packet).unwrap();
        assert!(read_back.waited < Duration::from_secs(60));
        let expected = QueuedJob {
            task: "Register".into(),
            number: 41,
            waited: read_back.waited,
            cause: Some("{}".into()),
            payload: r#"{"id":7}"#.into(),
        };
        assert_eq!(read_back, expected);
        assert_eq!(read(&write(job(), 41, Duration::from_secs(900))).unwrap().waited, Duration::ZERO);
        let without = |change: fn(&mut Packet)| {
            let mut packet = packet.clone();
            change(&mut packet);
            read(&packet).unwrap_err()
        };
        assert!(without(|packet| drop(packet.attributes.remove(TASK))).contains(TASK));
        assert!(without(|packet| drop(packet.attributes.insert(JOB, "x"))).contains(JOB));
        assert!(without(|packet| packet.body = vec![0xff]).contains("no text"));
        assert!(without(|packet| packet.body = vec![b' '; MOST_BYTES + 1]).contains("1048577 bytes"));
    }

    #[test]
    fn a_number_is_one_that_others_do_not_have() {
        let numbers: std::collections::HashSet<_> = (0..10_000).map(|_| number()).collect();
        assert!(numbers.len() == 10_000 && numbers.iter().all(|number| *number > 0));
    }
}
