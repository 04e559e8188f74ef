//! What is wrong, as a person has to know it.

use std::time::Duration;

use crate::frame::{Age, Figure, link, shown};
use crate::sight::{RoundsStand, Sampled, TasksStand, Watched};

/// What has waited for longer is worth a look.
const LONG: Duration = Duration::from_secs(60);

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// 2 is what somebody has to do something about, 1 what may become that.
    pub(super) gravity: u8,
    pub(super) text: String,
    pub(super) link: String,
}

/// As in `1 dead letter`, `12 dead letters`.
fn many(figure: Figure, what: &str) -> String {
    match figure {
        Figure { number: Some(1), is_least: false } => format!("1 {what}"),
        figure => format!("{figure} {what}s"),
    }
}

/// What is wrong with queues.
pub(super) fn of_queues(base: &str, server: &Watched, sampled: &Sampled) -> Vec<Wrong> {
    let mut all = Vec::new();
    let counted = |number| Figure::counted(number, server.counts_to());
    for queue in &sampled.queues {
        let name = shown(&queue.name);
        let letters = link(&format!("{base}/dead/{}", server.name()), &[("queue", &queue.name)]);
        let dead = counted(queue.dead);
        if dead.is_some() {
            let text = format!("{} in {name}", many(dead, "dead letter"));
            all.push(Wrong { gravity: 2, text, link: letters.clone() });
        }
        let parked = counted(queue.parked);
        if parked.is_some() {
            let text = format!("{} behind dead letters of their keys in {name}", many(parked, "parked packet"));
            all.push(Wrong { gravity: 1, text, link: letters });
        }
        if let Some(oldest) = queue.oldest.filter(|oldest| *oldest >= LONG) {
            let text = format!("what is next in {name} has been ready for {}", Age(Some(oldest)));
            all.push(Wrong { gravity: 1, text, link: format!("{base}/queues") });
        }
    }
    all
}

/// What is wrong with tasks.
pub(super) fn of_tasks(base: &str, server: &Watched, stand: &TasksStand) -> Vec<Wrong> {
    let mut all = Vec::new();
    let place = format!("{base}/tasks/{}", server.name());
    let failed = Figure::counted(Some(stand.figures.failed), 100_000);
    if failed.is_some() {
        let text = format!("{} failed for good", many(failed, "job"));
        all.push(Wrong { gravity: 2, text, link: link(&place, &[("state", "failed")]) });
    }
    for jobs in &stand.unclaimed {
        let (task, queue) = (shown(&jobs.task), shown(&jobs.queue));
        let text = format!("nobody seems to do {task} in the queue {queue}: due for {}", Age(Some(jobs.waited)));
        all.push(Wrong { gravity: 2, text, link: link(&format!("{place}/job"), &[("id", &jobs.first.to_string())]) });
    }
    all
}

/// What is wrong with durable rounds.
pub(super) fn of_rounds(base: &str, server: &Watched, stand: &RoundsStand) -> Vec<Wrong> {
    let mut all = Vec::new();
    for broker in &stand.brokers {
        let name = shown(&broker.name);
        let place = link(&format!("{base}/durable/{}", server.name()), &[("broker", &broker.name)]);
        let aside = Figure::counted(Some(broker.figures.aside), 100_000);
        if aside.is_some() {
            let text = format!("{} of {name} that cannot be decided", many(aside, "round"));
            all.push(Wrong { gravity: 2, text, link: place.clone() });
        }
        if let Some(overdue) = broker.figures.overdue.filter(|overdue| *overdue >= LONG) {
            let text =
                format!("a round of {name} is past its deadline by {}, and nobody closes it", Age(Some(overdue)));
            all.push(Wrong { gravity: 2, text, link: place });
        }
    }
    all
}
