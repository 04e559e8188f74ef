//! What is around what, and on which handlers.

use super::*;

#[convoke::test]
async fn the_first_that_was_put_stands_outermost_and_those_of_the_bus_outside_of_the_subscriptions() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let named = |name: &'static str| {
        let order = order.clone();
        async move |call: Call, next: Next| -> Handled {
            order.lock().unwrap().push(format!("{name} in"));
            let handled = next.run(call).await;
            order.lock().unwrap().push(format!("{name} out"));
            handled
        }
    };
    let bus = EventBus::builder().with(named("bus 1")).with(named("bus 2")).build();
    let heard = order.clone();
    let listener = move |_: &Ping| heard.lock().unwrap().push("listener".to_owned());
    let _guard = bus.on(listener.with(named("own 1")).with(named("own 2"))).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    assert_eq!(
        *order.lock().unwrap(),
        [
            "bus 1 in",
            "bus 2 in",
            "own 1 in",
            "own 2 in",
            "listener",
            "own 2 out",
            "own 1 out",
            "bus 2 out",
            "bus 1 out",
        ]
    );
}

#[convoke::test]
async fn a_middleware_may_call_next_twice_one_after_the_other_or_at_once() {
    let notes = Notes::new();
    let bus = EventBus::default();
    let again = async |call: Call, next: Next| {
        next.run(call.clone()).await?;
        next.run(call).await
    };
    let _one = bus.on(noting(&notes, |_| Ok(())).with(again)).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    assert_eq!(notes.len(), 2);

    let bus = EventBus::default();
    let slow = async |_: Arc<Ping>| sleep(SECOND).await;
    let _two = bus.on(slow.with(twice_at_once)).unwrap();
    assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
}

#[convoke::test]
async fn a_middleware_may_never_call_next_and_its_answer_is_the_listeners() {
    let notes = Notes::new();
    let bus = EventBus::default();
    let _well = bus.on(noting(&notes, |_| Ok(())).with(async |_: Call, _: Next| Ok(()))).unwrap();
    let refuse = async |_: Call, _: Next| -> Handled { Err(ListenerError::Busy.into()) };
    let _refused = bus.on(noting(&notes, |_| Ok(())).with(refuse)).unwrap();
    let report = at_once(bus.emit(Ping(1))).await;
    assert_eq!((report.len(), error(&report), notes.len()), (2, ListenerError::Busy, 0));
}

#[convoke::test]
async fn a_call_says_which_listener_and_which_event_it_is_about() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let look = async move |call: Call, next: Next| -> Handled {
        let number = call.event::<Ping>().map(|ping| ping.0);
        told.lock().unwrap().push((call.subscription(), call.listener().to_owned(), call.event_name(), number));
        next.run(call).await
    };
    let bus = EventBus::builder().with(look).build();
    let one = bus.on((|_: &Ping| ()).named("twin")).unwrap();
    let other = bus.on((|_: &Ping| ()).named("twin")).unwrap();
    assert!(at_once(bus.emit(Ping(7))).await.is_ok());
    let call = |guard: &Subscription| (guard.id(), "twin".to_owned(), "Ping".to_owned(), Some(7));
    assert_eq!(*seen.lock().unwrap(), [call(&one), call(&other)]);
    assert_ne!(one.id(), other.id());
}

#[convoke::test]
async fn a_panic_of_the_listener_is_an_error_in_the_middleware() {
    let seen = Arc::new(Mutex::new(None));
    let told = seen.clone();
    let look = async move |call: Call, next: Next| -> Handled {
        let handled = next.run(call).await;
        *told.lock().unwrap() = handled.as_ref().err().map(ToString::to_string);
        handled
    };
    let bus = EventBus::builder().with(look).build();
    let _guard = bus.on(|_: &Ping| -> () { panic!("boom") }).unwrap();
    assert_eq!(error(&at_once(bus.emit(Ping(1))).await), ListenerError::Panicked("boom".to_owned()));
    assert_eq!(seen.lock().unwrap().as_deref(), Some("panicked: boom"));
}

// Actors that subscribe from within are no exception.

struct Clerk {
    bus: EventBus,
    heard: Rc<Cell<u64>>,
    subscription: Option<Subscription>,
}

impl actix::Actor for Clerk {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.subscription = self.bus.subscribe::<Filed, Self>(ctx).ok();
    }
}

#[derive(Event)]
#[event(local)]
struct Filed(u64);

impl actix::Handler<Heard<Filed>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, filed: Heard<Filed>, _: &mut Self::Context) -> Handled {
        if filed.0 == 13 {
            return Err("unlucky".into());
        }
        self.heard.set(self.heard.get() + filed.0);
        Ok(())
    }
}

#[convoke::test]
async fn middleware_of_the_bus_stands_around_an_actor_that_subscribes_from_within() {
    use actix::Actor;
    let only_even = async |call: Call, next: Next| match call.event::<Filed>() {
        Some(filed) if filed.0 == 3 => Err("odd".into()),
        _ => next.run(call).await,
    };
    let bus = EventBus::builder().with(only_even).build();
    let heard = Rc::new(Cell::new(0));
    let clerk = Clerk { bus: bus.clone(), heard: heard.clone(), subscription: None }.start();
    convoke::testing::settle().await;

    assert!(bus.emit(Filed(2)).await.is_ok());
    let report = bus.emit(Filed(3)).await;
    assert_eq!(report.to_string(), "Filed: 1 listener, 1 failed: `Clerk` failed: odd");
    let report = bus.emit(Filed(13)).await;
    assert_eq!(report.to_string(), "Filed: 1 listener, 1 failed: `Clerk` failed: unlucky");
    bus.publish(Filed(4)).unwrap();
    bus.publish(Filed(3)).unwrap();
    bus.drain().await;
    assert_eq!(heard.get(), 6);
    assert_eq!(bus.dead_letters().len(), 3);
    let info = &bus.subscriptions()[0];
    assert_eq!((info.done, info.failed, info.waiting), (2, 3, 0));

    bus.clear();
    assert_eq!(bus.emit(Filed(2)).await.len(), 0);
    drop(clerk);
    convoke::testing::settle().await;
}
