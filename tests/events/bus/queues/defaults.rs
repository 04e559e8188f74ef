//! What `publish` does when a listener has no room, and nothing was said of it: nothing is lost without a word.

use std::sync::Mutex;

use convoke::Published;
use convoke::testing::expect_failure;

use super::*;
use crate::common::{in_a_process_of_its_own, on, on_a_system};

/// What is in the dead letters: for whom, and why, taken out.
fn for_whom(bus: &EventBus) -> Vec<(u64, String, Reason)> {
    let of = |letter: &Arc<DeadLetter>| {
        let listener = letter.listener.as_deref().unwrap_or_default().to_owned();
        (letter.downcast::<Tick>().unwrap().0, listener, letter.reason.clone())
    };
    bus.dead_letters().take_all().iter().map(of).collect()
}

#[convoke::test]
async fn a_full_listener_refuses_and_the_others_have_the_event() {
    let bus = EventBus::new();
    let (full, wide, json) = (Notes::new(), Notes::new(), Notes::new());
    let narrow = bus.on(note(&full).named("mail").capacity(2)).unwrap();
    let _wide = bus.on(note(&wide)).unwrap();
    let notes = json.clone();
    let _json = bus.on_topic("**", move |event: &JsonEvent| notes.add(event.as_u64().unwrap())).unwrap();
    for tick in 1..=2 {
        assert_eq!(bus.publish(Tick(tick)).unwrap(), Published::default());
    }
    let error = bus.publish(Tick(3)).unwrap_err();
    assert_eq!(error, PublishError::Refused { listeners: vec!["mail".into()], dropped: 0 });
    let text = error.to_string();
    assert!(
        text.contains("mail") && text.contains("others have it") && text.contains("do not publish it again"),
        "{text}"
    );
    assert_eq!((narrow.info().waiting, narrow.info().dropped), (2, 1));
    assert_eq!(narrow.info().overflow, Overflow::Refuse, "it is the default");
    at_once(bus.drain()).await;
    assert_eq!((full.take(), wide.take(), json.take()), (vec![1, 2], vec![1, 2, 3], vec![1, 2, 3]));

    // What it has refused is not lost.
    let letter = bus.dead_letters().list()[0].clone();
    assert_eq!((letter.listener.as_deref(), &letter.reason), (Some("mail"), &Reason::Overflow(Overflow::Refuse)));
    assert_eq!(letter.reason.to_string(), "too many events wait for it, and it refuses more");
    bus.dead_letters().redrive(letter.id).unwrap();
    bus.drain().await;
    assert_eq!((full.take(), wide.take()), (vec![3], vec![]));
}

#[convoke::test]
async fn each_that_refuses_is_named_and_json_and_retained_are_alike() {
    let bus = EventBus::new();
    let notes = Notes::new();
    let _one = bus.on(note(&notes).named("one").capacity(1)).unwrap();
    let _two = bus.on_topic("queues/*", (|_: &JsonEvent| ()).named("two").capacity(1)).unwrap();
    bus.publish_json("queues/tick", json!(1)).unwrap();
    let both = PublishError::Refused { listeners: vec!["one".into(), "two".into()], dropped: 0 };
    assert_eq!(bus.publish_json("queues/tick", json!(2)), Err(both.clone()));
    assert_eq!(bus.publish_retained("queues/tick", json!(3)), Err(both));
    assert_eq!(bus.dead_letters().take_all().len(), 4);
    // It is kept all the same, for all others have it.
    let late = Notes::new();
    let _late = bus.on(note(&late)).unwrap();
    bus.drain().await;
    assert_eq!((notes.take(), late.take()), (vec![1], vec![3]));
}

#[convoke::test]
async fn what_is_dropped_was_asked_for_and_publish_counts_it() {
    let bus = EventBus::new();
    let notes = Notes::new();
    let _oldest = bus.on(note(&notes).named("oldest").capacity(1).overflow(Overflow::DropOldest)).unwrap();
    let _newest = bus.on((|_: &Tick| ()).named("newest").capacity(1).overflow(Overflow::DropNewest)).unwrap();
    assert_eq!(bus.publish(Tick(1)).unwrap().dropped, 0);
    assert_eq!(bus.publish(Tick(2)).unwrap().dropped, 2);
    let full = bus.on((|_: &Tick| ()).named("full").capacity(1)).unwrap();
    assert_eq!(bus.publish(Tick(3)).unwrap().dropped, 2);
    let error = bus.publish(Tick(4)).unwrap_err();
    assert_eq!(error, PublishError::Refused { listeners: vec!["full".into()], dropped: 2 });
    assert_eq!(full.info().dropped, 1);
    assert_eq!(for_whom(&bus).len(), 7);
    bus.drain().await;
    assert_eq!(notes.take(), [4]);
}

#[convoke::test]
async fn one_that_is_refused_is_none_of_the_times_that_a_listener_hears() {
    expect_failure("Tick");
    let bus = EventBus::new();
    let notes = Notes::new();
    let twice = bus.on(note(&notes).times(2).capacity(1)).unwrap();
    bus.publish(Tick(1)).unwrap();
    bus.publish(Tick(2)).unwrap_err();
    bus.drain().await;
    assert!(twice.is_active());
    bus.publish(Tick(3)).unwrap();
    bus.drain().await;
    assert!(!twice.is_active());
    assert_eq!(notes.take(), [1, 3]);
}

#[test]
fn one_on_another_arbiter_refuses_alone_too() {
    on_a_system(async {
        let arbiter = actix_rt::Arbiter::new();
        let bus = EventBus::new();
        let (heard, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Notify::new()));
        let (there, until, count) = (bus.clone(), go.clone(), heard.clone());
        let guards = on(&arbiter, async move || {
            let begun = count.clone();
            let hangs = async move |_: Arc<Tick>| {
                begun.fetch_add(1, Ordering::SeqCst);
                until.notified().await;
            };
            let full = there.on(hangs.named("far").capacity(2)).unwrap();
            let beside =
                there.on((move |_: &Tick| _ = count.fetch_add(100, Ordering::SeqCst)).named("beside")).unwrap();
            let drops = there.on((|_: &Tick| ()).named("drops").capacity(1).overflow(Overflow::DropOldest)).unwrap();
            (full, beside, drops)
        });
        let guards = guards.await;
        bus.publish(Tick(1)).unwrap();
        while heard.load(Ordering::SeqCst) < 101 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let (mut refused, mut taken) = (0, 1);
        for tick in 2..=9 {
            match bus.publish(Tick(tick)) {
                Ok(_) => taken += 1,
                Err(PublishError::Refused { listeners, .. }) => {
                    assert_eq!(listeners, ["far".into()] as [Arc<str>; 1]);
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((taken, refused), (3, 6), "one is under way and two wait");
        while heard.load(Ordering::SeqCst) < 901 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let far: Vec<_> = for_whom(&bus).into_iter().filter(|(_, listener, _)| listener == "far").collect();
        let expected = |tick| (tick, "far".to_owned(), Reason::Overflow(Overflow::Refuse));
        assert_eq!(far, (4..=9).map(expected).collect::<Vec<_>>());
        for _ in 0..3 {
            go.notify_one();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        bus.drain().await;
        assert_eq!(heard.load(Ordering::SeqCst), 903);
        drop(guards);
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[convoke::test]
async fn the_status_of_a_service_drops_the_oldest_whatever_its_listener_says() {
    #[derive(BaseService)]
    struct Till;

    let bus = EventBus::new();
    let states = Rc::new(RefCell::new(Vec::new()));
    let seen = states.clone();
    let note = move |status: &ServiceStatus| seen.borrow_mut().push(status.state);
    let listens = bus.on(note.capacity(1)).unwrap();
    for _ in 0..2 {
        let till = Till::supervised(&bus, |_| Till).await.unwrap();
        till.stop().await;
    }
    bus.drain().await;
    assert_eq!(states.borrow().last(), Some(&ServiceState::Stopped), "the last is what counts");
    let dropped = listens.info().dropped;
    let oldest = Reason::Overflow(Overflow::DropOldest);
    let letters = bus.dead_letters().take_all();
    assert!(letters.iter().all(|letter| letter.reason == oldest), "{letters:?}");
    assert_eq!(dropped, letters.len() as u64);
}

#[convoke::test]
async fn so_many_dead_letters_are_kept_as_is_told_and_those_forgotten_are_counted() {
    let bus = EventBus::builder().dead_letters(2).build();
    assert_eq!((bus.dead_letters().limit(), EventBus::new().dead_letters().limit()), (2, 1_000));
    let _fails = bus.on(|_: &Tick| Err::<(), _>("no")).unwrap();
    for tick in 1..=5 {
        bus.emit(Tick(tick)).await.ok().unwrap_err();
    }
    let letters = bus.dead_letters();
    assert_eq!((letters.len(), letters.total(), letters.forgotten()), (2, 5, 3));
    letters.take_all();
    assert_eq!((letters.len(), letters.total(), letters.forgotten()), (0, 5, 3), "what is taken out is not forgotten");
}

/// What was logged in this process.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(format!("{} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn half_full(listener: &str, waiting: usize, capacity: usize) -> String {
    format!(
        "WARN convoke::bus: `{listener}` does not keep up: {waiting} events wait for it, and {capacity} may: shorten its calls, or \
         raise its `concurrency` or its `capacity`"
    )
}

/// In a process of its own, because a process has one logger.
#[test]
fn the_log_tells_once_of_a_queue_that_is_half_full() {
    in_a_process_of_its_own("events::bus::queues::defaults::the_log_tells_once_of_a_queue_that_is_half_full", || {
        log::set_logger(&Log).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        convoke::testing::run("half full", async || {
            let bus = EventBus::new();
            let _slow = bus.on(slow(&Notes::new(), SECOND).named("slow").capacity(20)).unwrap();
            let _few = bus.on(slow(&Notes::new(), SECOND).named("few").capacity(15)).unwrap();
            let told = || std::mem::take(&mut *LINES.lock().unwrap());
            publish(&bus, 0..9);
            assert_eq!(told(), [""; 0]);
            publish(&bus, [9]);
            // Of less than 16 it would mean nothing.
            assert_eq!(told(), [half_full("slow", 10, 20)]);
            publish(&bus, 10..15);
            assert_eq!(told(), [""; 0], "it has been told");
            bus.drain().await;
            publish(&bus, 0..15);
            assert_eq!(told(), [""; 0], "once is enough for ever");
            bus.drain().await;
            // What is emitted waits for its emitters, and is none of it.
            drop((0..600).map(|tick| bus.emit(Tick(tick))).map(actix_rt::spawn).collect::<Vec<_>>());
            settled().await;
            assert_eq!(told(), [""; 0]);
            bus.drain().await;
        });
    });
}

/// A service that notes what it hears.
#[derive(BaseService)]
#[service(on(Tick))]
struct Clerk(Notes<u64>);

impl actix::Handler<Heard<Tick>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, tick: Heard<Tick>, _: &mut actix::Context<Self>) -> Handled {
        self.0.add(tick.0);
        Ok(())
    }
}

#[convoke::test]
async fn a_service_refuses_for_itself_alone_unless_it_or_its_bus_says_otherwise() {
    for (of_bus, own) in [
        (None, None),
        (Some(Overflow::DropOldest), None),
        (Some(Overflow::DropNewest), Some(Overflow::Refuse)),
        (None, Some(Overflow::DropNewest)),
    ] {
        let bus = of_bus.map_or_else(EventBus::new, |policy| EventBus::builder().overflow(policy).build());
        let (done, beside) = (Notes::new(), Notes::new());
        let notes = done.clone();
        let clerk = Clerk::supervised(&bus, move |_| Clerk(notes.clone())).capacity(2);
        let clerk = if let Some(policy) = own { clerk.overflow(policy) } else { clerk }.await.unwrap();
        let _beside = bus.on(note(&beside)).unwrap();
        let results: Vec<_> = (1..=3).map(|tick| bus.publish(Tick(tick))).collect();
        let policy = own.or(of_bus).unwrap_or_default();
        let last = match policy {
            Overflow::Refuse => Err(PublishError::Refused { listeners: vec!["Clerk".into()], dropped: 0 }),
            _ => Ok(1),
        };
        assert_eq!(results[2].clone().map(|published| published.dropped), last);
        bus.drain().await;
        let (heard, lost) = if policy == Overflow::DropOldest { ([2, 3], 1) } else { ([1, 2], 3) };
        assert_eq!((done.take(), beside.take()), (heard.to_vec(), vec![1, 2, 3]));
        let letter = bus.dead_letters().list()[0].clone();
        assert_eq!((letter.downcast::<Tick>().unwrap().0, &letter.reason), (lost, &Reason::Overflow(policy)));
        bus.dead_letters().redrive(letter.id).unwrap();
        bus.drain().await;
        assert_eq!((done.take(), beside.take()), (vec![lost], vec![]));
        clerk.stop().await;
    }
}
