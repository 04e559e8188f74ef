//! The memory of a published event, and of one that is emitted to actors, is used again for a later one, and nobody can tell.

use std::cell::Cell;
use std::collections::HashSet;

use actix::prelude::{Actor, Context, Handler};
use uuid::Uuid;

use super::*;

/// An event that owns nothing, as most do.
#[derive(Event, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "reused/count")]
struct Count(u64);

#[convoke::test]
async fn what_a_listener_keeps_or_is_at_work_on_is_not_overwritten_by_a_later_event() {
    let bus = EventBus::new();
    let (kept, worked) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let keep = kept.clone();
    // Every third is kept, so that those between them are free.
    let _keeps = bus
        .on(move |count: Arc<Count>| {
            if count.0.is_multiple_of(3) {
                keep.borrow_mut().push(count);
            }
        })
        .unwrap();
    let work = worked.clone();
    let works = async move |count: Arc<Count>| {
        let begun = count.0;
        sleep(ms(count.0 % 7)).await;
        work.borrow_mut().push((begun, count.0));
    };
    let _works = bus.on(works.concurrency(8)).unwrap();
    let heard = Rc::new(Cell::new(0));
    let sum = heard.clone();
    let _sums = bus.on(move |count: &Count| sum.set(sum.get() + count.0)).unwrap();
    for count in 0..1_000 {
        bus.publish(Count(count)).unwrap();
        match count % 100 {
            0..20 => bus.drain().await,
            20..60 => tokio::task::yield_now().await,
            _ => {}
        }
        // One that is emitted in between takes its memory from elsewhere.
        if count.is_multiple_of(50) {
            assert!(bus.emit(Count(0)).await.is_ok());
        }
    }
    bus.drain().await;
    let mut kept: Vec<_> = kept.take().iter().map(|count| count.0).filter(|count| *count > 0).collect();
    kept.dedup();
    assert_eq!(kept, (3..1_000).step_by(3).collect::<Vec<_>>());
    assert!(worked.borrow().iter().all(|(begun, ended)| begun == ended), "an event changed while it was handled");
    assert_eq!(worked.borrow().len(), 1_000 + 20);
    assert_eq!(heard.get(), (0..1_000).sum::<u64>());
}

#[convoke::test]
async fn a_dead_letter_keeps_its_event_though_others_follow() {
    let bus = EventBus::new();
    let fails = (|count: &Count| if count.0 == 7 { Err("not this one") } else { Ok(()) }).named("fails");
    let _fails = bus.on(fails).unwrap();
    for count in 0..200 {
        bus.publish(Count(count)).unwrap();
        bus.drain().await;
    }
    let letters = bus.dead_letters().take_all();
    assert_eq!(letters.iter().map(|letter| letter.downcast::<Count>()).collect::<Vec<_>>(), [Some(Arc::new(Count(7)))]);
}

/// An actor that keeps some of the events that it hears, and writes down the id of each.
struct Keeper {
    _counts: Subscription,
    ids: Rc<RefCell<Vec<Uuid>>>,
    kept: Rc<RefCell<Vec<Heard<Count>>>>,
}

impl Actor for Keeper {
    type Context = Context<Self>;
}

impl Handler<Heard<Count>> for Keeper {
    type Result = Handled;

    fn handle(&mut self, count: Heard<Count>, _: &mut Context<Self>) -> Handled {
        self.ids.borrow_mut().push(count.metadata().id);
        if count.0.is_multiple_of(3) {
            self.kept.borrow_mut().push(count);
        }
        Ok(())
    }
}

#[convoke::test]
async fn what_an_actor_keeps_of_an_emission_is_not_overwritten_by_a_later_one() {
    let bus = EventBus::new();
    let (ids, kept) = (Rc::default(), Rc::<RefCell<Vec<Heard<Count>>>>::default());
    let _keeper = Keeper::create(|ctx| Keeper {
        _counts: bus.subscribe::<Count, Keeper>(ctx).unwrap(),
        ids: Rc::clone(&ids),
        kept: kept.clone(),
    });
    let heard = Rc::new(Cell::new(0));
    let sum = heard.clone();
    let _sums = bus.on(move |count: &Count| sum.set(sum.get() + count.0)).unwrap();
    for count in 0..300 {
        match count % 4 {
            // Several are under way.
            0 => {
                let more = bus.emit(Count(1_000));
                let (one, other) = tokio::join!(bus.emit(Count(count)), more);
                assert!(one.is_ok() && other.is_ok());
            }
            1 => _ = bus.publish(Count(count)).unwrap(),
            _ => assert!(bus.emit(Count(count)).await.is_ok()),
        }
    }
    bus.drain().await;
    assert_eq!(ids.borrow().len(), 375);
    assert_eq!(ids.borrow().iter().collect::<HashSet<_>>().len(), 375, "two events had one id");
    assert_eq!(kept.borrow().iter().map(|count| count.0).collect::<Vec<_>>(), (0..300).step_by(3).collect::<Vec<_>>());
    let of_kept = kept.borrow().iter().map(|count| count.metadata().id).collect::<HashSet<_>>();
    assert!(of_kept.iter().all(|id| ids.borrow().contains(id)), "an event has got the id of another");
    assert_eq!(heard.get(), (0..300).sum::<u64>() + 75 * 1_000);
}
