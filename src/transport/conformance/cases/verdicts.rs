//! Workers over the transport whose verdicts cannot be stored at once, or were found before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::{Case, Fault, Lab, PATIENCE, Verdict, cases, ensure, ensure_eq, failed, join_error, need};
use crate::codec::{Codec, Wire};
use crate::transport::{
    Abilities, BoxFuture, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Memory, MemoryQueue, Packet, Parking,
    Publisher, Pulse, Receipt, Settlement, Source, TransportError,
};
use crate::{Envelope, EventBus, Inbox, JsonEvent, MemoryInbox, Metadata, Permanent, Retry, Worker, WorkerReport};

pub(super) const CASES: &[Case] = cases!(false;
    a_letter_that_nobody_takes_is_kept_and_its_event_is_heard_once,
    a_letter_that_the_server_refuses_is_kept_and_its_event_is_heard_once,
    what_was_done_is_not_dead_at_its_last_attempt,
    a_letter_that_was_redriven_in_its_place_is_heard_by_whoever_could_not_park_it,
    a_letter_that_was_moved_back_is_heard_by_whoever_could_not_bury_it,
);

const TOPIC: &str = "conformance/verdicts";

/// How long a delivery is lent, where that can be said: what waits for its grave outlasts it.
const LEASE: Duration = Duration::from_secs(3);

/// How often a letter is not taken: the waits between are longer than a lease.
const REFUSALS: usize = 4;

/// How often each is tried.
const ATTEMPTS: u32 = 2;

fn event() -> Envelope {
    let mut metadata = Metadata::new("ConformanceVerdict");
    metadata.topic = TOPIC.into();
    Envelope::new(metadata, json!({}))
}

/// Letters go elsewhere: there they are not taken at first.
async fn a_letter_that_nobody_takes_is_kept_and_its_event_is_heard_once(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.lease = LEASE).await?;
    channel.send(&[Wire.write(&event())]).await?;
    let grave = Grave { queue: Memory::queue("dead"), refusals: AtomicUsize::new(REFUSALS) };
    let (letters, heard) = (grave.queue.clone(), Arc::<AtomicUsize>::default());
    let buried = letters.clone();
    let source = (channel.subscribe)("");
    let job = Job { grave: Some(grave), ..Job::new(source, &heard) };
    let report = report(work(job, move |report| report.dead > 0 || buried.waiting() > 1)).await?;
    let letters = letters.packets();
    ensure_eq(&letters.len(), &1, "letters")?;
    ensure_record(DeadLetterRecord::of(&letters[0]))?;
    ensure_eq(&heard.load(Ordering::Relaxed), &1, "how often it was heard, of an error for good")?;
    ensure_eq(&(report.dead, report.kept), &(1, 1), "dead letters of the report, and verdicts that were kept")?;
    channel.subscriber().await?.expect_nothing(LEASE + Duration::from_secs(1)).await?;
    Ok(String::new())
}

/// Letters go to the server's own queue for them: it refuses, and lends the delivery again.
async fn a_letter_that_the_server_refuses_is_kept_and_its_event_is_heard_once(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.lease = LEASE).await?;
    need(channel.lends().dead_letters, "dead letters")?;
    let mut undertaker = channel.undertaker().await?;
    channel.send(&[Wire.write(&event())]).await?;
    let heard = Arc::<AtomicUsize>::default();
    let source = Refusing { source: (channel.subscribe)(""), mood: Mood::refusing(REFUSALS) };
    let report = report(work(Job::new(Box::new(source), &heard), |report| report.dead > 0)).await?;
    let letter = undertaker.next().await?;
    ensure_record(DeadLetterRecord::of(letter.packet()))?;
    letter.ack().await?;
    ensure_eq(&heard.load(Ordering::Relaxed), &1, "how often it was heard, of an error for good")?;
    ensure_eq(&(report.dead, report.kept), &(1, 1), "dead letters of the report, and verdicts that were kept")?;
    channel.subscriber().await?.expect_nothing(LEASE + Duration::from_secs(1)).await?;
    Ok(format!("refused {REFUSALS} times"))
}

fn ensure_record(record: Option<DeadLetterRecord>) -> Result<(), Fault> {
    let Some(record) = record else { return failed("the letter has no record") };
    ensure_eq(&(record.reason, record.attempts), &(DeadReason::Permanent, 1), "the record")?;
    let error = record.errors.first().cloned().unwrap_or_default();
    ensure(error.contains("no such customer"), || format!("the error of the record is {error:?}"))
}

/// Done and marked by processes that were gone before they could say so, as often as it may be tried.
async fn what_was_done_is_not_dead_at_its_last_attempt(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let (event, inbox) = (event(), MemoryInbox::new(PATIENCE * 10));
    channel.send(&[Wire.write(&event)]).await?;
    inbox.mark(&event.metadata.id.to_string()).await?;
    let mut subscriber = channel.subscriber().await?;
    for _ in 0..=ATTEMPTS {
        subscriber.next().await?.retry_after(Duration::ZERO).await?;
    }
    subscriber.close().await?;
    let heard = Arc::<AtomicUsize>::default();
    let source = (channel.subscribe)("");
    let job = Job { inbox: Some(inbox), ..Job::new(source, &heard) };
    let report = report(work(job, |report| report.duplicates + report.dead > 0)).await?;
    ensure_eq(&(report.duplicates, report.dead), &(1, 0), "what was done before, and what is dead")?;
    ensure_eq(&heard.load(Ordering::Relaxed), &0, "how often it was heard")?;
    Ok(String::new())
}

/// One worker cannot park what it has judged. Another one parks it, and somebody redrives it and tries it: nobody has judged that.
async fn a_letter_that_was_redriven_in_its_place_is_heard_by_whoever_could_not_park_it(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.order = true).await?;
    need(channel.lends().park, "parking")?;
    let Some(parking) = (channel.subscribe)("").parking() else {
        return failed("it says that it parks, and its source has no `parking`");
    };
    channel.send(&[Packet { key: Some("7".to_owned()), ..Wire.write(&event()) }]).await?;
    let (heard, mood) = (Arc::<AtomicUsize>::default(), Mood::leaving());
    let source = Box::new(Refusing { source: (channel.subscribe)(""), mood: mood.clone() });
    let work = work(Job { parks: true, ..Job::new(source, &heard) }, |report| report.dead > 0);
    mood.left().await?;
    let mut other = channel.subscriber().await?;
    other.next().await?.park(DeadReason::Permanent, Vec::new()).await?;
    for _ in 0..2 {
        // However often: each time it is judged anew.
        ensure_eq(&parking.redrive_all().await?, &1, "letters that were redriven")?;
        let delivery = other.next().await?;
        ensure_eq(&delivery.attempt(), &1, "the attempt of what was redriven")?;
        delivery.park(DeadReason::Permanent, Vec::new()).await?;
    }
    ensure_eq(&parking.redrive_all().await?, &1, "letters that were redriven")?;
    other.next().await?.retry_after(Duration::ZERO).await?;
    other.close().await?;
    mood.is_away.store(false, Ordering::Relaxed);
    let report = report(work).await?;
    ensure_eq(&heard.load(Ordering::Relaxed), &2, "how often it was heard, once before it was redriven")?;
    ensure_eq(&(report.dead, report.in_place), &(1, 1), "dead letters of the report, and those in their places")?;
    ensure_eq(&parking.figures().await?.dead, &1, "letters in their places")?;
    Ok(String::new())
}

/// The same of a letter that is moved to a queue of letters, and back.
async fn a_letter_that_was_moved_back_is_heard_by_whoever_could_not_bury_it(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    need(channel.lends().dead_letters, "dead letters")?;
    let mut undertaker = channel.undertaker().await?;
    channel.send(&[Wire.write(&event())]).await?;
    let mut other = channel.subscriber().await?;
    let delivery = other.next().await?;
    let is_placed = delivery.place().is_some();
    delivery.release().await?;
    other.close().await?;
    need(is_placed, "places")?;
    let (heard, mood) = (Arc::<AtomicUsize>::default(), Mood::leaving());
    let source = Box::new(Refusing { source: (channel.subscribe)(""), mood: mood.clone() });
    let work = work(Job::new(source, &heard), |report| report.dead > 0);
    mood.left().await?;
    let mut other = channel.subscriber().await?;
    other.next().await?.dead_letter(DeadReason::Permanent, Vec::new()).await?;
    let letter = undertaker.next().await?;
    channel.send(&[DeadLetterRecord::revive(letter.packet().clone())]).await?;
    letter.ack().await?;
    other.next().await?.retry_after(Duration::ZERO).await?;
    other.close().await?;
    mood.is_away.store(false, Ordering::Relaxed);
    report(work).await?;
    ensure_eq(&heard.load(Ordering::Relaxed), &2, "how often it was heard, once before it was redriven")?;
    Ok(String::new())
}

struct Job {
    source: Box<dyn Source>,
    heard: Arc<AtomicUsize>,
    inbox: Option<MemoryInbox>,
    /// Where letters go, if not to the source's own queue for them.
    grave: Option<Grave>,
    parks: bool,
}

impl Job {
    fn new(source: Box<dyn Source>, heard: &Arc<AtomicUsize>) -> Self {
        Self { source, heard: heard.clone(), inbox: None, grave: None, parks: false }
    }
}

type Work = JoinHandle<Result<WorkerReport, Fault>>;

/// Has a worker work until its report says so. Its listener fails for good.
fn work(job: Job, until: impl Fn(&WorkerReport) -> bool + 'static) -> Work {
    actix::spawn(async move {
        let fault = |error: &dyn std::fmt::Display| Fault::Failed(error.to_string());
        let bus = EventBus::default();
        let heard = job.heard;
        let listens = move |_: &JsonEvent| {
            heard.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Permanent::new("no such customer"))
        };
        let _listens = bus.on_topic(TOPIC, listens).map_err(|error| fault(&error))?;
        let has_letters = job.source.abilities().dead_letters;
        let mut worker = Worker::new(job.source, &bus).retry(Retry::exponential(Duration::ZERO).attempts(ATTEMPTS));
        worker = match job.inbox {
            Some(inbox) => worker.deduplicate(inbox),
            None => worker,
        };
        worker = match job.grave {
            Some(grave) => worker.dead_letter(grave),
            None if has_letters => worker,
            None => worker.dead_letter(Memory::queue("dead")),
        };
        if job.parks {
            worker = worker.ordered_by(|_| Some("7".to_owned())).park();
        }
        let worker = worker.start().await.map_err(|error| fault(&error))?;
        let end = Instant::now() + PATIENCE;
        while !until(&worker.report()) {
            if Instant::now() > end {
                return failed(format!("it has not come to its end in {PATIENCE:?}: {}", worker.report()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        worker.drain().await.map_err(|error| fault(&error))
    })
}

async fn report(work: Work) -> Result<WorkerReport, Fault> {
    work.await.unwrap_or_else(|error| failed(join_error(error)))
}

/// A queue for letters that does not take the first of them.
struct Grave {
    queue: MemoryQueue,
    refusals: AtomicUsize,
}

impl Publisher for Grave {
    fn name(&self) -> &str {
        Publisher::name(&self.queue)
    }

    fn abilities(&self) -> Abilities {
        Publisher::abilities(&self.queue)
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        if refuses(&self.refusals) {
            let refused = packets.iter().map(|_| Err(refusal(Publisher::name(self)))).collect();
            return Box::pin(async { refused });
        }
        self.queue.publish(packets)
    }
}

fn refuses(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn refusal(at: &str) -> TransportError {
    TransportError::new(ErrorKind::Unreachable, at, "it is being played that no letter is taken")
}

/// How a source refuses letters.
struct Mood {
    refusals: AtomicUsize,
    /// From a refusal on it lends nothing.
    leaves: bool,
    is_away: AtomicBool,
}

impl Mood {
    fn refusing(letters: usize) -> Arc<Self> {
        Arc::new(Self { refusals: AtomicUsize::new(letters), leaves: false, is_away: AtomicBool::new(false) })
    }

    /// It refuses one, and lends nothing more until it is told to.
    fn leaving() -> Arc<Self> {
        Arc::new(Self { refusals: AtomicUsize::new(1), leaves: true, is_away: AtomicBool::new(false) })
    }

    /// Waits until it lends nothing any more.
    async fn left(&self) -> Result<(), Fault> {
        let end = Instant::now() + PATIENCE;
        while !self.is_away.load(Ordering::Relaxed) {
            if Instant::now() > end {
                return failed(format!("no letter was refused in {PATIENCE:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// A source that does not take the first letters, and lends their deliveries again.
struct Refusing {
    source: Box<dyn Source>,
    mood: Arc<Mood>,
}

impl Source for Refusing {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn abilities(&self) -> Abilities {
        self.source.abilities()
    }

    fn attempts(&mut self, most: u32) {
        self.source.attempts(most);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            if self.mood.is_away.load(Ordering::Relaxed) {
                self.source.stop_lending().await?;
                sleep(Duration::from_millis(20)).await;
                return Ok(Vec::new());
            }
            let lent = self.source.receive(most).await?;
            if self.mood.is_away.load(Ordering::Relaxed) {
                for lent in lent {
                    lent.release().await?;
                }
                return Ok(Vec::new());
            }
            Ok(lent.into_iter().map(|lent| Reluctant::over(lent, &self.mood)).collect())
        })
    }

    fn parking(&self) -> Option<Parking> {
        self.source.parking()
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source.stop_lending()
    }

    fn pulse(&self) -> Option<Pulse> {
        self.source.pulse()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.source.close()
    }
}

struct Reluctant {
    lent: Delivery,
    mood: Arc<Mood>,
}

impl Reluctant {
    fn over(lent: Delivery, mood: &Arc<Mood>) -> Delivery {
        let (source, packet) = (lent.source().to_owned(), lent.packet().clone());
        let (attempt, lease, is_marked, place) = (lent.attempt(), lent.lease(), lent.is_marked(), lent.place());
        let receipt = Self { lent, mood: mood.clone() };
        let delivery = Delivery::new(source, packet, attempt, receipt).with_mark(is_marked);
        let delivery = place.into_iter().fold(delivery, |delivery, (at, redriven)| delivery.with_place(at, redriven));
        match lease {
            Some(lease) => delivery.with_lease(lease),
            None => delivery,
        }
    }

    /// Takes a letter, or lends its delivery again.
    async fn taken(self) -> Result<Delivery, TransportError> {
        if !refuses(&self.mood.refusals) {
            return Ok(self.lent);
        }
        let refused = refusal(self.lent.source());
        self.mood.is_away.store(self.mood.leaves, Ordering::Relaxed);
        self.lent.release().await?;
        Err(refused)
    }
}

impl Receipt for Reluctant {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            match how {
                Settlement::DeadLetter(_) => self.taken().await?.settle(how).await,
                how => self.lent.settle(how).await,
            }
        })
    }

    fn park(self: Box<Self>, record: DeadLetterRecord, _: Packet) -> BoxFuture<'static, Result<u64, TransportError>> {
        Box::pin(async move { self.taken().await?.park_with(record).await })
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.lent.extend(by))
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.lent.mark())
    }
}
