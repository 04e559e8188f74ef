//! Their names.

use super::*;

/// Registers a closure in a generic function.
fn generic<T: Default + 'static>(bus: &EventBus) -> Subscription {
    bus.on(|_: &UserRegistered| drop(T::default())).unwrap()
}

fn generic_function<T: Default>(_: &UserRegistered) {
    drop(T::default());
}

#[convoke::test]
async fn a_listener_is_named_by_its_function_its_type_the_place_of_a_closure_or_as_told() {
    let bus = EventBus::default();
    let line = line!() + 1;
    let closure = bus.on(|_: &UserRegistered| ()).unwrap();
    let place = |line: u32| format!("tests/events/listener/listeners/names.rs:{line}");
    assert_eq!(closure.listener(), place(line));
    let later = bus.on(async |_: Arc<UserRegistered>| ()).unwrap();
    assert_eq!(later.listener(), place(line + 3));
    let topic = bus.on_topic("**", |_: &JsonEvent| ()).unwrap();
    assert_eq!(topic.listener(), place(line + 5));
    let answer = bus.answer(|_: &UserRegistered| Answer(1)).unwrap();
    assert_eq!(answer.listener(), place(line + 7));
    let options = bus.on((|_: &UserRegistered| ()).priority(1)).unwrap();
    assert_eq!(options.listener(), place(line + 9));
    assert!(
        generic::<String>(&bus).listener().starts_with("tests/events/listener/listeners/names.rs:"),
        "a place says which closure it is"
    );
    assert!(Audit::closure(&bus).listener().starts_with("tests/events/listener/listeners/mod.rs:"));
    assert_eq!(bus.on(Audit::method).unwrap().listener(), "method");
    assert_eq!(bus.on(generic_function::<Vec<String>>).unwrap().listener(), "generic_function");
    assert_eq!(bus.on((|_: &UserRegistered| ()).named("told")).unwrap().listener(), "told");
    assert_eq!(bus.on(by_arc_free.named(String::from("told"))).unwrap().listener(), "told");
    let addr = Clerk::start_with(&bus, |_, _| Box::pin(fut::ready(Ok(()))));
    let recipient = bus.on(addr.clone().recipient::<Heard<UserRegistered>>()).unwrap();
    assert_ne!(recipient.listener(), "Recipient", "which of all?");
    addr.do_send(Stop);
    settled().await;
}

fn by_arc_free(_: Arc<UserRegistered>) {}
