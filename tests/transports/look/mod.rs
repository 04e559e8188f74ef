//! `convoke::look`: one suite over each server, and what is said of a server that is away or a database of another version. In real
//! time, but waiting for no clock.
//!
//! `Place (an address of a server) → over! → figures, letters, redriving, tailing, naming`

/// What a suite is tried on: a server, and what it tells.
mod place;
/// How full queues are, and that looking makes nothing.
mod figures;
/// Dead letters: read, deleted, paged.
mod letters;
/// What goes back, in its order, however often it is interrupted.
mod redriving;
/// What is heard by somebody who takes nothing.
mod tailing;
/// Names that nobody should have, passwords that nobody should see, servers that are away.
mod naming;
/// Databases of another version.
mod versions;
/// What is found of a server whose settings are right, and of one whose are not.
mod checkup;
/// The command `convoke`, as users run it.
mod command;
/// A hundred thousand letters.
mod many;

use std::time::Duration;

use convoke::look::{Letter, LetterId, Letters, Server};
use convoke::transport::{AnyQueue, DeadReason, Delivery, Packet, Publisher, Source};
use tokio::time::{Instant, sleep};

use place::Place;

/// Whoever waits for longer has failed.
const LONG: Duration = Duration::from_secs(120);

/// One test for each function and server. A server that cannot be had is named, and a failure under CI.
macro_rules! over {
    ($($server:ident)*: $cases:tt) => { $( over! { @ $server $cases } )* };
    (@ $server:ident {$($module:ident::$name:ident),* $(,)?}) => {
        mod $server { $(
            #[actix_rt::test]
            async fn $name() {
                if let Some(place) = super::place::had(stringify!($server), super::Place::$server().await) {
                    super::$module::$name(&place).await;
                }
            }
        )* }
    };
}

over! { memory sqlite postgres redis rabbitmq sqs: {
    figures::what_waits_is_lent_and_dead_is_counted_as_far_as_the_server_tells,
    figures::looking_makes_nothing,
    figures::a_group_has_figures_of_its_own,
    letters::a_letter_says_why_it_died_and_is_done_when_it_is_redriven,
    letters::letters_are_read_page_by_page_and_each_once,
    letters::what_is_discarded_is_gone,
    letters::a_letter_without_a_record_has_none,
    letters::a_queue_of_dead_letters_is_not_taken_for_another,
    redriving::letters_of_one_key_come_back_in_their_order,
    redriving::what_is_parked_comes_behind_its_letter,
    redriving::a_redrive_that_is_interrupted_loses_nothing,
    redriving::two_who_redrive_at_once_share_the_letters,
    redriving::pages_go_on_behind_what_is_redriven,
    tailing::what_comes_is_heard_and_nothing_is_taken,
    naming::hostile_names_are_errors_and_do_nothing,
    naming::an_address_that_is_shown_has_no_secret,
    naming::a_queue_is_opened_by_its_address_and_not_made_by_looking,
    naming::who_publishes_to_what_is_there_need_not_know_who_receives,
} }

/// Opens a queue, and has it made: in a database and on Redis it is there once somebody has been there.
async fn open(place: &Place, name: &str) -> AnyQueue {
    let queue = AnyQueue::at(&place.address(name)).await.unwrap();
    let mut once = queue.clone();
    once.open(1).await.unwrap();
    once.close().await.unwrap();
    queue
}

async fn look(place: &Place, name: &str) -> Server {
    Server::connect(&place.address(name)).await.unwrap()
}

fn packet(id: usize) -> Packet {
    Packet::new(format!("p{id}"), format!("{{\"number\":{id}}}"))
}

fn keyed(id: usize, key: &str) -> Packet {
    let mut packet = packet(id);
    packet.key = Some(key.to_owned());
    packet
}

async fn publish(queue: &AnyQueue, packets: &[Packet]) {
    for taken in queue.publish(packets).await {
        taken.unwrap();
    }
}

/// Receives so many, and no more than come in time.
async fn receive(queue: &mut AnyQueue, count: usize) -> Vec<Delivery> {
    let (end, mut all) = (Instant::now() + LONG, Vec::new());
    while all.len() < count && Instant::now() < end {
        all.extend(queue.receive(count - all.len()).await.unwrap());
    }
    all
}

/// The bodies of all that is there, each acknowledged, until nothing more has come for a while.
async fn drain(queue: &mut AnyQueue) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let some = queue.receive(10).await.unwrap();
        if some.is_empty() {
            return bodies;
        }
        for delivery in some {
            bodies.push(String::from_utf8(delivery.packet().body.clone()).unwrap());
            delivery.ack().await.unwrap();
        }
    }
}

/// Has so many packets die, in the order in which they are published.
async fn kill(queue: &AnyQueue, packets: &[Packet]) {
    let mut worker = queue.clone();
    worker.open(1).await.unwrap();
    for packet in packets {
        publish(queue, std::slice::from_ref(packet)).await;
        for delivery in receive(&mut worker, 1).await {
            delivery.dead_letter(DeadReason::Permanent, vec!["no such book".to_owned()]).await.unwrap();
        }
    }
    worker.close().await.unwrap();
}

/// Waits until something is so: a server may tell a moment later.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !is_so().await {
        assert!(Instant::now() < end, "{what}: not within {LONG:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// All letters, by pages of this size.
async fn pages(letters: &Letters, most: usize) -> Vec<Letter> {
    let (mut all, mut after): (Vec<Letter>, Option<LetterId>) = (Vec::new(), None);
    loop {
        let page = letters.page(after.as_ref(), most).await.unwrap();
        assert!(page.len() <= most);
        let Some(last) = page.last() else { return all };
        after = Some(last.id.clone());
        all.extend(page);
    }
}

fn body(letter: &Letter) -> String {
    String::from_utf8(letter.packet.body.clone()).unwrap()
}

fn bodies(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter().map(|id| format!("{{\"number\":{id}}}")).collect()
}
