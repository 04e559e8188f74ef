//! The queue beside a list that does the same in the plainest way: after any steps both lend the same.

use std::time::Duration;

use convoke::transport::{DeadReason, Delivery, Packet, Publisher, Source, Sqlite};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::transports::servers::sqlite::Folder;

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<(Option<u8>, u8)>),
    Receive(usize),
    Settle(usize, End),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Ack,
    Again,
    Later,
    Release,
    Dead,
    Extend,
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (proptest::option::of(0_u8..3), 0_u8..3);
    let end = prop_oneof![
        3 => Just(End::Ack),
        1 => Just(End::Again),
        1 => Just(End::Later),
        1 => Just(End::Release),
        1 => Just(End::Dead),
        1 => Just(End::Extend),
    ];
    prop_oneof![
        2 => vec(packet, 1..25).prop_map(Step::Publish),
        3 => (1_usize..6).prop_map(Step::Receive),
        5 => (0_usize..20, end).prop_map(|(which, end)| Step::Settle(which, end)),
    ]
}

#[derive(Clone, Debug)]
struct Entry {
    id: String,
    key: Option<u8>,
    priority: u8,
    attempts: u32,
    ready: bool,
}

/// In the order in which they were published.
#[derive(Default)]
struct Model(Vec<Entry>);

impl Model {
    fn lend(&mut self, most: usize) -> Vec<(String, u32)> {
        let first_of_key = |at: usize| {
            let key = self.0[at].key;
            key.is_none() || !self.0[..at].iter().any(|earlier| earlier.key == key)
        };
        let mut ready: Vec<_> = (0..self.0.len()).filter(|at| self.0[*at].ready && first_of_key(*at)).collect();
        ready.sort_by_key(|at| (255 - self.0[*at].priority, *at));
        let lend = |at: usize| {
            let entry = &mut self.0[at];
            entry.ready = false;
            entry.attempts += 1;
            (entry.id.clone(), entry.attempts)
        };
        ready.into_iter().take(most).map(lend).collect()
    }

    fn settle(&mut self, id: &str, end: End) {
        let at = self.0.iter().position(|entry| entry.id == id).unwrap();
        match end {
            End::Ack | End::Dead => drop(self.0.remove(at)),
            End::Again => self.0[at].ready = true,
            End::Release => {
                self.0[at].ready = true;
                self.0[at].attempts -= 1;
            }
            End::Later | End::Extend => {}
        }
    }
}

async fn play(steps: Vec<Step>) {
    let folder = Folder::new().unwrap();
    let hour = Duration::from_secs(3600);
    let open = Sqlite::queue("orders").at(folder.file("orders.db")).lease(hour).wait(Duration::ZERO);
    let mut queue = open.await.unwrap();
    queue.open(1000).await.unwrap();
    let (mut model, mut lent, mut dead, mut published) = (Model::default(), Vec::<Delivery>::new(), 0, 0);
    for step in steps {
        match step {
            Step::Publish(all) => {
                let mut packets = Vec::new();
                for (key, priority) in all {
                    published += 1;
                    let mut packet = Packet::new(published.to_string(), "");
                    (packet.key, packet.priority) = (key.map(|key| key.to_string()), priority);
                    model.0.push(Entry { id: packet.id.clone(), key, priority, attempts: 0, ready: true });
                    packets.push(packet);
                }
                assert!(queue.publish(&packets).await.into_iter().all(|taken| taken.is_ok()));
            }
            Step::Receive(most) => {
                let came = queue.receive(most).await.unwrap();
                let seen: Vec<_> = came.iter().map(|came| (came.packet().id.clone(), came.attempt())).collect();
                assert_eq!(seen, model.lend(most));
                lent.extend(came);
            }
            Step::Settle(which, end) if !lent.is_empty() => {
                let mut delivery = lent.remove(which % lent.len());
                model.settle(&delivery.packet().id, end);
                match end {
                    End::Ack => delivery.ack().await.unwrap(),
                    End::Again => delivery.retry_after(Duration::ZERO).await.unwrap(),
                    End::Later => delivery.retry_after(hour).await.unwrap(),
                    End::Release => delivery.release().await.unwrap(),
                    End::Dead => {
                        dead += 1;
                        delivery.dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap();
                    }
                    End::Extend => {
                        delivery.extend(hour).await.unwrap();
                        lent.push(delivery);
                    }
                }
            }
            Step::Settle(..) => {}
        }
        let waiting = model.0.len() - lent.len();
        assert_eq!(queue.backlog().await.unwrap(), Some(waiting.try_into().unwrap()));
    }
    let mut letters = queue.dead_letters();
    letters.open(1000).await.unwrap();
    assert_eq!(letters.backlog().await.unwrap(), Some(dead));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_steps_lend_what_a_plain_list_would(steps in vec(step(), 1..60)) {
        actix_rt::System::new().block_on(play(steps));
    }
}
