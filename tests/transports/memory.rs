//! The queue in this process, with all that it can, and with as little as any server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, Outcome, Scale, Server, Suite, Wants};
use convoke::transport::{Abilities, BoxFuture, Memory, MemoryQueue, Publisher, TransportError};

use super::conform;

/// It can always be had.
type Had = Result<InMemory, std::convert::Infallible>;

/// All queues that were made are one server.
struct InMemory {
    name: &'static str,
    /// What they can do, unless it is everything.
    abilities: Option<Abilities>,
    queues: Mutex<Vec<MemoryQueue>>,
}

impl InMemory {
    fn new() -> Self {
        Self { name: "memory", abilities: None, queues: Mutex::default() }
    }

    /// Without leases, order, delays, priorities, groups, dead letters, and forgetful.
    fn bare() -> Self {
        let mut abilities = Abilities::default();
        abilities.max_bytes = 256 * 1024;
        abilities.max_attributes = 10;
        Self { name: "memory-bare", abilities: Some(abilities), queues: Mutex::default() }
    }

    fn all(&self, each: impl Fn(&MemoryQueue)) {
        self.queues.lock().unwrap().iter().for_each(each);
    }
}

impl Fixture for InMemory {
    fn name(&self) -> &str {
        self.name
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            let queue = Memory::queue(&wants.name);
            let queue = match self.abilities {
                Some(abilities) => queue.with_abilities(abilities),
                None => {
                    let mut abilities = Publisher::abilities(&queue);
                    abilities.durable = true;
                    queue.with_abilities(abilities).lease(wants.lease).deduplicate(Duration::from_secs(60))
                }
            };
            if wants.fan_out {
                let _ = convoke::transport::conformance::GROUPS.map(|group| queue.group(group));
            }
            let (groups, dead) = (queue.clone(), queue.dead_letters());
            self.queues.lock().unwrap().push(queue.clone());
            Ok(Channel {
                publisher: Arc::new(queue),
                subscribe: Box::new(move |group| Box::new(groups.group(group))),
                dead: Some(Box::new(move || Box::new(dead.clone()))),
            })
        })
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

impl Server for InMemory {
    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.all(MemoryQueue::kill) })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // A while, in which others notice.
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.all(|queue| queue.set_reachable(true));
        })
    }
}

#[test]
fn conforms() {
    conform("memory", async || Had::Ok(InMemory::new()));
}

#[test]
fn conforms_with_few_abilities() {
    conform("memory-bare", async || Had::Ok(InMemory::bare()));
}

#[convoke::test]
async fn conforms_on_the_full_scale_in_virtual_time() {
    let table = Suite::new().scale(Scale::Full).run(&InMemory::new()).await;
    table.assert_passed();
    // With every ability, what cannot be tried is only what an ability makes impossible.
    let not_tried: Vec<_> =
        table.rows().filter(|row| matches!(row.outcome, Outcome::NotApplicable { .. })).map(|row| &*row.case).collect();
    let unlimited = [
        "what_is_deleted_in_hand_is_not_said_to_come_again",
        "what_is_too_large_is_refused_and_the_rest_goes",
        "too_many_attributes_are_refused_and_the_rest_goes",
        "what_it_cannot_do_it_refuses",
        "a_server_that_forgets_is_noticed_each_time",
    ];
    assert_eq!(not_tried, unlimited);
}
