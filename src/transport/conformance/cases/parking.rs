//! What is dead stays in its place, if it is told to, and what follows it with the same key is parked behind it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    Case, Channel, Fault, GROUPS, Lab, PATIENCE, Subscriber, Verdict, cases, ensure, ensure_eq, ensure_eq_attempt,
    ensure_kind, failed, join_error, keyed, name, need, packet,
};
use crate::codec::{Codec, Wire};
use crate::transport::{
    DEAD_LETTER, DeadReason, Delivery, ErrorKind, LetterInPlace, Packet, Parking, ParkingFigures, Source,
};
use crate::{Envelope, EventBus, JsonEvent, MemoryInbox, Metadata, Permanent, Retry, Worker};

pub(super) const CASES: &[Case] = cases!(false;
    what_follows_a_dead_letter_in_its_place_is_parked,
    a_redriven_letter_comes_before_what_was_parked_behind_it,
    a_discarded_letter_lets_the_next_of_its_key_come,
    what_comes_while_a_letter_is_redriven_comes_behind_it,
    what_is_parked_outlasts_its_subscribers,
    who_comes_late_parks_nothing_and_changes_nothing_that_is_parked,
    what_is_parked_in_one_group_is_nothing_to_another,
    what_has_no_key_is_dead_as_ever,
    many_behind_one_letter_come_in_their_order,
    workers_park_what_follows_a_dead_letter_of_its_key,
);

/// How long nothing comes that is parked.
const A_WHILE: Duration = Duration::from_secs(1);

async fn parks(lab: &Lab<'_>) -> Result<(Channel, Parking), Fault> {
    parks_for(lab, Duration::from_secs(30)).await
}

async fn parks_for(lab: &Lab<'_>, lease: Duration) -> Result<(Channel, Parking), Fault> {
    let want = |wants: &mut super::super::Wants| (wants.order, wants.lease) = (true, lease);
    let channel = lab.channel_with(want).await?;
    need(channel.lends().park, "parking")?;
    match (channel.subscribe)("").parking() {
        Some(parking) => Ok((channel, parking)),
        None => failed("it says that it parks, and its source has no `parking`"),
    }
}

fn of_key(key: &str, numbers: std::ops::RangeInclusive<u32>) -> Vec<Packet> {
    numbers.map(|number| keyed(&format!("{key}{number}"), key)).collect()
}

async fn parked(delivery: Delivery, behind: u64) -> Result<(), Fault> {
    let there = delivery.park(DeadReason::Permanent, vec!["no such book: \"ü\"".to_owned()]).await?;
    ensure_eq(&there, &behind, "how many are behind what was parked")
}

async fn the_letter(parking: &Parking) -> Result<LetterInPlace, Fault> {
    let mut letters = parking.dead_letters(10).await?;
    match (letters.pop(), letters.len()) {
        (Some(letter), 0) => Ok(letter),
        (_, others) => failed(format!("there was to be one letter, and there are {others} others")),
    }
}

async fn figures(parking: &Parking, letters: u64, parked: u64) -> Result<(), Fault> {
    ensure_eq(&parking.figures().await?, &ParkingFigures::new(letters, parked), "the figures")
}

/// These come and are acknowledged, one after the other.
async fn come(subscriber: &mut Subscriber, wanted: &[&str]) -> Result<(), Fault> {
    for wanted in wanted {
        let delivery = subscriber.expect(wanted).await?;
        ensure_eq_attempt(&delivery, 1)?;
        ensure(delivery.packet().attributes.get(DEAD_LETTER).is_none(), || "it has a record".to_owned())?;
        delivery.ack().await?;
    }
    Ok(())
}

async fn what_follows_a_dead_letter_in_its_place_is_parked(lab: &Lab<'_>) -> Verdict {
    let (channel, parking) = parks(lab).await?;
    let (mut one, mut other) = (channel.subscriber().await?, channel.subscriber().await?);
    figures(&parking, 0, 0).await?;
    let mut first = keyed("a1", "a");
    first.attributes.insert("number", 7_u64);
    first.topic = "orders/placed".to_owned();
    channel.send(&[first.clone(), keyed("a2", "a"), keyed("a3", "a")]).await?;
    let source = one.source.name().to_owned();
    for attempt in 1..=2 {
        let delivery = one.expect("a1").await?;
        ensure_eq_attempt(&delivery, attempt)?;
        match attempt {
            1 => delivery.retry_after(Duration::ZERO).await?,
            _ => parked(delivery, 2).await?,
        }
    }
    let letter = the_letter(&parking).await?;
    ensure_eq(&letter.packet, &first, "the packet of the letter")?;
    ensure_eq(&letter.parked, &2, "how many are parked")?;
    let record = &letter.record;
    ensure_eq(&(record.reason, record.attempts), &(DeadReason::Permanent, 2), "the record")?;
    ensure_eq(&record.errors, &vec!["no such book: \"ü\"".to_owned()], "the errors of the record")?;
    ensure_eq(&record.source, &source, "the source of the record")?;
    // Other keys go on, and what is new of this one is parked too.
    channel.send(&[keyed("b1", "b"), keyed("a4", "a"), packet("free")]).await?;
    for _ in 0..2 {
        let delivery = other.next().await?;
        let came = name(delivery.packet());
        ensure(["b1", "free"].contains(&&*came), || format!("{came} came, which is parked"))?;
        delivery.ack().await?;
    }
    one.expect_nothing(A_WHILE).await?;
    other.expect_nothing(A_WHILE).await?;
    figures(&parking, 1, 3).await?;
    let backlog = one.backlog().await?;
    ensure(backlog.is_none_or(|waits| waits == 3), || format!("{backlog:?} wait, and without the letter it is 3"))?;
    Ok(String::new())
}

async fn a_redriven_letter_comes_before_what_was_parked_behind_it(lab: &Lab<'_>) -> Verdict {
    let (channel, parking) = parks(lab).await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&of_key("a", 1..=3)).await?;
    for attempt in 0..3 {
        let delivery = subscriber.expect("a1").await?;
        ensure_eq_attempt(&delivery, 1)?;
        parked(delivery, 2).await?;
        let position = the_letter(&parking).await?.position;
        ensure(!parking.redrive(position + 1).await?, || "what is no letter was redriven".to_owned())?;
        match attempt {
            0 => ensure(parking.redrive(position).await?, || "it was not redriven".to_owned())?,
            _ => ensure_eq(&parking.redrive_all().await?, &1, "letters that were redriven")?,
        }
        ensure(!parking.redrive(position).await?, || "it was redriven twice".to_owned())?;
        figures(&parking, 0, 0).await?;
    }
    come(&mut subscriber, &["a1", "a2", "a3"]).await?;
    ensure_eq(&parking.redrive_all().await?, &0, "letters that were redriven")?;
    subscriber.expect_nothing(A_WHILE).await?;
    Ok(String::new())
}

async fn a_discarded_letter_lets_the_next_of_its_key_come(lab: &Lab<'_>) -> Verdict {
    let (channel, parking) = parks(lab).await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&of_key("a", 1..=4)).await?;
    parked(subscriber.expect("a1").await?, 3).await?;
    let position = the_letter(&parking).await?.position;
    ensure(!parking.discard(position + 1).await?, || "what is no letter was discarded".to_owned())?;
    ensure(parking.discard(position).await?, || "it was not discarded".to_owned())?;
    ensure(!parking.discard(position).await?, || "it was discarded twice".to_owned())?;
    // The next one may die too.
    parked(subscriber.expect("a2").await?, 2).await?;
    let next = the_letter(&parking).await?.position;
    ensure(next > position, || format!("{next} is not behind {position}"))?;
    ensure_eq(&parking.dead_letters_after(next, 10).await?.len(), &0, "letters behind the last")?;
    ensure(parking.discard(next).await?, || "it was not discarded".to_owned())?;
    come(&mut subscriber, &["a3", "a4"]).await?;
    subscriber.expect_nothing(A_WHILE).await?;
    figures(&parking, 0, 0).await?;
    Ok(String::new())
}

/// Letters of many keys are redriven while more of each is published.
async fn what_comes_while_a_letter_is_redriven_comes_behind_it(lab: &Lab<'_>) -> Verdict {
    const KEYS: usize = 20;
    let (channel, parking) = parks(lab).await?;
    let mut subscriber = channel.subscriber().await?;
    let each = |number: usize| (0..KEYS).map(move |key| keyed(&format!("{key}-{number}"), &format!("key-{key}")));
    channel.send(&each(0).collect::<Vec<_>>()).await?;
    for _ in 0..KEYS {
        parked(subscriber.next().await?, 0).await?;
    }
    ensure_eq(&parking.figures().await?.dead, &(KEYS as u64), "letters")?;
    let publish = async {
        for number in 1..=5 {
            channel.send(&each(number).collect::<Vec<_>>()).await?;
        }
        Ok::<_, Fault>(())
    };
    let redrive = async { Ok::<_, Fault>(parking.redrive_all().await?) };
    let (_, redriven) = tokio::try_join!(publish, redrive)?;
    ensure_eq(&redriven, &(KEYS as u64), "letters that were redriven")?;
    let mut next = [0; KEYS];
    for _ in 0..KEYS * 6 {
        let delivery = subscriber.next().await?;
        let came = name(delivery.packet());
        let parsed = came.split_once('-').and_then(|(key, number)| Some((key.parse().ok()?, number.parse().ok()?)));
        let Some((key, number)) = parsed.filter(|(key, _): &(usize, usize)| *key < KEYS) else {
            return failed(format!("{came} came, which nobody has sent"));
        };
        ensure_eq(&number, &next[key], "which of its key comes")?;
        next[key] += 1;
        delivery.ack().await?;
    }
    subscriber.expect_nothing(A_WHILE).await?;
    Ok(String::new())
}

async fn what_is_parked_outlasts_its_subscribers(lab: &Lab<'_>) -> Verdict {
    let lease = Duration::from_secs(2);
    let (channel, parking) = parks_for(lab, lease).await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&of_key("a", 1..=2)).await?;
    parked(subscriber.expect("a1").await?, 1).await?;
    subscriber.close().await?;
    drop(subscriber);
    let mut another = channel.subscriber().await?;
    another.expect_nothing(lease + A_WHILE).await?;
    ensure_eq(&the_letter(&parking).await?.parked, &1, "how many are parked")?;
    ensure_eq(&parking.redrive_all().await?, &1, "letters that were redriven")?;
    come(&mut another, &["a1", "a2"]).await?;
    Ok(String::new())
}

async fn who_comes_late_parks_nothing_and_changes_nothing_that_is_parked(lab: &Lab<'_>) -> Verdict {
    let lease = Duration::from_secs(2);
    let (channel, parking) = parks_for(lab, lease).await?;
    let (mut one, mut other) = (channel.subscriber().await?, channel.subscriber().await?);
    channel.send(&of_key("a", 1..=2)).await?;
    let mut late = Vec::new();
    for attempt in 1..=3 {
        let delivery = if attempt % 2 == 1 { one.expect("a1").await? } else { other.expect("a1").await? };
        ensure_eq_attempt(&delivery, attempt)?;
        late.push(delivery);
        if attempt < 3 {
            sleep(lease + Duration::from_millis(100)).await;
        }
    }
    let (Some(lent), Some(mut second), Some(first)) = (late.pop(), late.pop(), late.pop()) else {
        return failed("three were lent");
    };
    ensure_kind(first.park(DeadReason::Permanent, Vec::new()).await, ErrorKind::Lost, "a park that comes late")?;
    figures(&parking, 0, 0).await?;
    parked(lent, 1).await?;
    ensure_kind(second.extend(lease).await, ErrorKind::Lost, "a lease of what is parked")?;
    ensure_kind(second.ack().await, ErrorKind::Lost, "an acknowledgement of what is parked")?;
    other.expect_nothing(lease + A_WHILE).await?;
    figures(&parking, 1, 1).await?;
    ensure_eq(&the_letter(&parking).await?.record.attempts, &3, "the attempts of the record")?;
    parking.redrive_all().await?;
    other.close().await?;
    come(&mut one, &["a1", "a2"]).await?;
    Ok(String::new())
}

async fn what_is_parked_in_one_group_is_nothing_to_another(lab: &Lab<'_>) -> Verdict {
    // Who has groups may have none without a name, and so is asked without any first.
    parks(lab).await?;
    let channel = lab.channel_with(|wants| (wants.order, wants.fan_out) = (true, true)).await?;
    need(channel.sends().fan_out || channel.lends().fan_out, "fan-out")?;
    let parking = |group: &str| (channel.subscribe)(group).parking().ok_or(Fault::Missing("parking".to_owned()));
    let (of_one, of_other) = (parking(GROUPS[0])?, parking(GROUPS[1])?);
    let (mut one, mut other) = (channel.of_group(GROUPS[0]).await?, channel.of_group(GROUPS[1]).await?);
    channel.send(&of_key("a", 1..=2)).await?;
    parked(one.expect("a1").await?, 1).await?;
    figures(&of_one, 1, 1).await?;
    figures(&of_other, 0, 0).await?;
    come(&mut other, &["a1", "a2"]).await?;
    ensure_eq(&of_other.redrive_all().await?, &0, "letters of another group")?;
    ensure(!of_other.discard(the_letter(&of_one).await?.position).await?, || "another's was discarded".to_owned())?;
    of_one.redrive_all().await?;
    come(&mut one, &["a1", "a2"]).await?;
    other.expect_nothing(A_WHILE).await?;
    Ok(String::new())
}

async fn what_has_no_key_is_dead_as_ever(lab: &Lab<'_>) -> Verdict {
    let (channel, parking) = parks(lab).await?;
    let mut undertaker = channel.undertaker().await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("free"), packet("next")]).await?;
    parked(subscriber.expect("free").await?, 0).await?;
    come(&mut subscriber, &["next"]).await?;
    undertaker.expect("free").await?.ack().await?;
    figures(&parking, 0, 0).await?;
    Ok(String::new())
}

async fn many_behind_one_letter_come_in_their_order(lab: &Lab<'_>) -> Verdict {
    let count = u32::try_from(lab.count(10_000)).unwrap_or(u32::MAX);
    let (channel, parking) = parks(lab).await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&of_key("hot", 1..=count)).await?;
    parked(subscriber.expect("hot1").await?, u64::from(count) - 1).await?;
    // Between many that are parked others come.
    channel.send(&of_key("cold", 1..=10)).await?;
    for number in 1..=10 {
        subscriber.expect(&format!("cold{number}")).await?.ack().await?;
    }
    figures(&parking, 1, u64::from(count) - 1).await?;
    parking.redrive_all().await?;
    parked(subscriber.expect("hot1").await?, u64::from(count) - 1).await?;
    parking.discard(the_letter(&parking).await?.position).await?;
    for number in 2..=count {
        subscriber.expect(&format!("hot{number}")).await?.ack().await?;
    }
    Ok(String::new())
}

const TOPIC: &str = "conformance/parking";

fn order(customer: &str, number: u64) -> Packet {
    let mut metadata = Metadata::new("ConformanceOrder");
    metadata.topic = TOPIC.into();
    let envelope = Envelope::new(metadata, json!({ "customer": customer, "number": number }));
    Packet { key: Some(customer.to_owned()), ..Wire.write(&envelope) }
}

/// What workers have heard, and whether the book is there by now that an order needs.
#[derive(Default)]
struct Shop {
    heard: Mutex<Vec<(String, u64)>>,
    has_book: AtomicBool,
    is_over: AtomicBool,
    in_place: AtomicU64,
}

impl Shop {
    fn of(&self, customer: &str) -> Vec<u64> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|(who, _)| who == customer).map(|(_, number)| *number).collect()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), Fault> {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            if Instant::now() > end {
                let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                return failed(format!("{what} has not come in {PATIENCE:?}: {heard:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn clerk(source: Box<dyn Source>, shop: Arc<Shop>, inbox: MemoryInbox) -> JoinHandle<Result<(), Fault>> {
    actix::spawn(async move {
        let fault = |error: &dyn std::fmt::Display| Fault::Failed(error.to_string());
        let (bus, hears) = (EventBus::default(), shop.clone());
        let listens = async move |event: Arc<JsonEvent>| {
            let (customer, number) = (event["customer"].as_str().unwrap_or_default(), event["number"].as_u64());
            let order = (customer.to_owned(), number.unwrap_or_default());
            let fails = order == ("ann".to_owned(), 1) && !hears.has_book.load(Ordering::Relaxed);
            hears.heard.lock().unwrap_or_else(PoisonError::into_inner).push(order);
            if fails { Err(Permanent::new(std::io::Error::other("no such book"))) } else { Ok(()) }
        };
        let _listens = bus.on_topic(TOPIC, listens).map_err(|error| fault(&error))?;
        let worker = Worker::new(source, &bus)
            .ordered_by(|envelope| envelope.payload["customer"].as_str().map(str::to_owned))
            .park()
            .deduplicate(inbox)
            .retry(Retry::never());
        let worker = worker.start().await.map_err(|error| fault(&error))?;
        while !shop.is_over.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(20)).await;
        }
        let report = worker.drain().await.map_err(|error| fault(&error))?;
        shop.in_place.fetch_add(report.in_place, Ordering::Relaxed);
        ensure_eq(&report.dead, &report.in_place, "the dead of the report, and those in their places")
    })
}

/// Two workers, one after the other started, and an inbox.
async fn workers_park_what_follows_a_dead_letter_of_its_key(lab: &Lab<'_>) -> Verdict {
    let (channel, parking) = parks(lab).await?;
    let (shop, inbox) = (Arc::<Shop>::default(), MemoryInbox::new(PATIENCE * 10));
    let mut packets: Vec<_> = (1..=3).map(|number| order("ann", number)).collect();
    packets.extend((1..=3).map(|number| order("bob", number)));
    // A copy of one that will be parked is done only once, by a worker that knows its event.
    packets.push(Packet { id: "copy".to_owned(), ..packets[1].clone() });
    channel.send(&packets).await?;
    let hire = || clerk((channel.subscribe)(""), shop.clone(), inbox.clone());
    let mut clerks = vec![hire()];
    let worked = work(&channel, &parking, &shop, || clerks.push(hire())).await;
    // However that ended.
    shop.is_over.store(true, Ordering::Relaxed);
    for clerk in clerks {
        match timeout(PATIENCE, clerk).await {
            Ok(Ok(ended)) => ended?,
            Ok(Err(error)) => return failed(join_error(error)),
            Err(_) => return failed("a worker has not ended"),
        }
    }
    worked?;
    ensure_eq(&shop.in_place.load(Ordering::Relaxed), &1, "letters in their places, by the reports")?;
    Ok(String::new())
}

async fn work(channel: &Channel, parking: &Parking, shop: &Shop, hire: impl FnOnce()) -> Result<(), Fault> {
    shop.until("all of bob", |shop| shop.of("bob").len() == 3).await?;
    hire();
    channel.send(&[order("bob", 4), order("ann", 4)]).await?;
    shop.until("the new one of bob", |shop| shop.of("bob").len() == 4).await?;
    sleep(A_WHILE).await;
    ensure_eq(&shop.of("ann"), &vec![1], "what was heard of ann")?;
    let letter = the_letter(parking).await?;
    ensure_eq(&(letter.parked, letter.record.reason), &(4, DeadReason::Permanent), "the letter")?;
    ensure(letter.record.errors.iter().any(|error| error.contains("no such book")), || {
        format!("its errors are {:?}", letter.record.errors)
    })?;
    shop.has_book.store(true, Ordering::Relaxed);
    ensure(parking.redrive(letter.position).await?, || "it was not redriven".to_owned())?;
    shop.until("all of ann", |shop| shop.of("ann").len() == 5).await?;
    sleep(A_WHILE).await;
    ensure_eq(&shop.of("ann"), &vec![1, 1, 2, 3, 4], "what was heard of ann")?;
    figures(parking, 0, 0).await
}
