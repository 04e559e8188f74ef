//! Where it would never end.

use convoke::testing::expect_failure;

use super::*;

#[convoke::test]
async fn an_endless_cycle_of_emissions_is_stopped_and_shows_its_chain() {
    let bus = EventBus::builder().max_depth(5).build();
    let (depth, reports) = (Notes::new(), Notes::new());
    let (notes, told) = (depth.clone(), reports.clone());
    let ping = async move |first: Arc<First>, bus: EventBus| {
        notes.add(first.0);
        let report = bus.emit(Second(first.0 + 1)).await;
        told.add(report.to_string());
        report.ok()
    };
    let notes = depth.clone();
    let pong = async move |second: Arc<Second>, bus: EventBus| {
        notes.add(second.0);
        bus.emit(First(second.0 + 1)).await.ok()
    };
    let _ping = bus.on(ping.named("ping")).unwrap();
    let _pong = bus.on(pong.named("pong")).unwrap();
    let report = at_once(bus.emit(First(0))).await;
    assert_eq!(depth.take(), [0, 1, 2, 3, 4], "five deep, and no deeper");
    assert_eq!(report.len(), 1, "it was called; what it called is its own affair");
    let innermost = &reports.take()[0];
    let text = "Second: events have caused each other 5 deep, the most there may be: FirstHeard → Second → FirstHeard \
                → Second → FirstHeard → Second; break the cycle, or raise `max_depth`";
    assert_eq!(innermost, text);
    let error = report.failed().next().unwrap().1.to_string();
    assert!(error.starts_with("failed: ") && error.ends_with("`max_depth`"), "{error}");
    // The one that was stopped, and each listener that has made an error of it.
    let letters = bus.dead_letters().list();
    let TooDeep { limit, chain } = match &letters[0].reason {
        Reason::TooDeep(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!((*limit, chain.len(), letters[0].listener.as_deref()), (5, 6, None));
    assert_eq!(letters.len(), 6);
}

#[convoke::test]
async fn the_report_of_what_was_stopped_says_so() {
    expect_failure("Second");
    let bus = EventBus::builder().max_depth(1).build();
    let reports = Notes::new();
    let told = reports.clone();
    let nested = async move |_: Arc<First>, bus: EventBus| told.add(bus.emit(Second(1)).await);
    let _nested = bus.on(nested).unwrap();
    let (seconds, _seconds) = seen::<Second>(&bus);
    assert!(at_once(bus.emit(First(1))).await.is_ok());
    let [report]: [Report; 1] = reports.take().try_into().unwrap();
    assert!(!report.is_ok() && report.is_empty());
    assert_eq!(report.too_deep().unwrap().chain, ["FirstHeard", "Second"]);
    assert!(report.ok().is_err());
    assert!(seconds.take().is_empty());
    assert_eq!(bus.unheard(), 0);
}

#[convoke::test]
async fn an_endless_cycle_of_publications_is_stopped_as_well() {
    let bus = EventBus::default();
    let (depth, errors) = (Notes::new(), Notes::new());
    let (notes, told) = (depth.clone(), errors.clone());
    let again = move |first: &First, bus: EventBus| {
        notes.add(first.0);
        if let Err(error) = bus.publish(First(first.0 + 1)) {
            told.add(error);
        }
    };
    let _again = bus.on(again).unwrap();
    bus.publish(First(0)).unwrap();
    at_once(bus.drain()).await;
    assert_eq!(depth.take(), (0..64).collect::<Vec<_>>(), "64 unless it is told");
    let [error]: [PublishError; 1] = errors.take().try_into().unwrap();
    let PublishError::TooDeep(too_deep) = &error else { panic!("{error}") };
    assert_eq!((too_deep.limit, too_deep.chain.len()), (64, 8), "its end is enough to see the cycle");
    assert!(
        error.to_string().starts_with("events have caused each other 64 deep, the most there may be: … → FirstHeard")
    );
    let [letter] = bus.dead_letters().take_all().try_into().unwrap();
    assert_eq!(letter.downcast::<First>().unwrap().0, 64);
    assert_eq!(letter.reason, Reason::TooDeep(too_deep.clone()));
}

#[convoke::test]
async fn json_dead_letters_and_waiting_for_room_are_stopped_as_well() {
    for how in 0..3 {
        let bus = EventBus::builder().max_depth(7).build();
        let count = Notes::new();
        let notes = count.clone();
        let again = async move |event: Arc<JsonEvent>, bus: EventBus| {
            notes.add(event.as_u64().unwrap());
            assert!(notes.len() < 1_000, "it goes on for ever");
            let next = event.as_u64().unwrap() + 1;
            match how {
                0 => drop(bus.publish_json("causes/first", json!(next))),
                1 => drop(bus.publish_wait(First(next)).await),
                _ => drop(bus.emit_json("causes/first", json!(next)).unwrap().await),
            }
        };
        let _again = bus.on_topic("causes/*", again).unwrap();
        bus.publish(First(0)).unwrap();
        at_once(bus.drain()).await;
        assert_eq!(count.take(), (0..7).collect::<Vec<_>>(), "{how}");
        assert_eq!(bus.dead_letters().len(), 1);
    }
}

#[convoke::test]
async fn an_actor_that_emits_its_own_event_for_ever_is_stopped() {
    expect_failure("FirstHeard");
    struct Endless {
        bus: EventBus,
        heard: Notes<u64>,
    }

    impl Actor for Endless {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Context<Self>) {
            self.bus.subscribe::<First, Self>(ctx).unwrap().forever();
        }
    }

    impl Handler<Heard<First>> for Endless {
        type Result = ResponseFuture<Handled>;

        fn handle(&mut self, first: Heard<First>, ctx: &mut Context<Self>) -> Self::Result {
            self.heard.add(first.0);
            if self.heard.len() > 1_000 {
                ctx.stop();
            }
            let bus = self.bus.clone();
            Box::pin(async move {
                sleep(ms(1)).await;
                bus.publish(First(first.0 + 1)).inspect_err(|_| {
                    bus.clear();
                })?;
                Ok(())
            })
        }
    }

    let bus = EventBus::builder().max_depth(9).build();
    let heard = Notes::new();
    Endless { bus: bus.clone(), heard: heard.clone() }.start();
    settled().await;
    bus.publish(First(0)).unwrap();
    bus.drain().await;
    assert_eq!(heard.take(), (0..9).collect::<Vec<_>>());
}
