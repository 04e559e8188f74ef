//! Who looks at what is emitted, and hears nothing.

use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::{Emitted, EventBus, Hears};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed", contains_personal_data)]
struct Placed {
    id: u64,
}

#[derive(Event)]
#[event(local)]
struct Local;

type Notes = Arc<Mutex<Vec<Emitted>>>;

fn watch(bus: &EventBus) -> (Notes, convoke::Watching) {
    let notes = Notes::default();
    let seen = notes.clone();
    (notes, bus.watch(move |event| seen.lock().unwrap().push(event.clone())))
}

fn names(notes: &Notes) -> Vec<String> {
    notes.lock().unwrap().iter().map(|event| event.name().to_string()).collect()
}

#[convoke::test]
async fn all_that_is_emitted_is_seen_until_the_guard_is_dropped() {
    let bus = EventBus::default();
    bus.publish(Placed { id: 1 }).unwrap();
    assert_eq!(bus.watchers(), 0);
    let (notes, watching) = watch(&bus);
    assert_eq!(bus.watchers(), 1);
    bus.publish(Placed { id: 2 }).unwrap();
    assert!(bus.emit(Local).await.is_ok());
    bus.publish_json("a/b", json!({ "x": 1 })).unwrap();
    bus.publish_retained("a/kept", json!(1)).unwrap();
    drop(watching);
    bus.publish(Placed { id: 3 }).unwrap();
    assert_eq!(
        (names(&notes), bus.watchers()),
        (vec!["Placed".into(), "Local".into(), "a/b".into(), "a/kept".into()], 0)
    );
    let notes = notes.lock().unwrap();
    assert_eq!((notes[0].payload(), notes[1].payload()), (Some(json!({ "id": 2 })), None));
    assert_eq!((notes[0].contains_personal_data(), notes[2].contains_personal_data()), (true, false));
    assert_eq!((&*notes[0].topic(), notes[0].is_foreign(), notes[0].is_question()), ("orders/placed", false, false));
    assert_eq!(format!("{:?}", notes[0]), "Emitted { name: \"Placed\", topic: \"orders/placed\", .. }");
}

#[convoke::test]
async fn a_watcher_is_no_listener_and_its_panic_harms_nobody() {
    let bus = EventBus::default();
    let _listens = bus.on(|_: &Placed| ()).unwrap();
    let before = bus.subscriptions();
    let _panics = bus.watch(|_| panic!("as told"));
    let (notes, _watching) = watch(&bus);
    let report = bus.emit(Placed { id: 1 }).await;
    assert_eq!((report.is_ok(), report.len()), (true, 1));
    bus.publish_json("nobody/hears", json!(1)).unwrap();
    assert_eq!((bus.unheard(), bus.subscriptions().len(), names(&notes).len()), (1, before.len(), 2));
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn what_a_listener_emits_says_because_of_what() {
    let bus = EventBus::default();
    let next = bus.clone();
    let _chain = bus.on(move |_: &Placed| next.publish_json("orders/billed", json!(1)).map(|_| ())).unwrap();
    let (notes, _watching) = watch(&bus);
    assert!(bus.emit(Placed { id: 1 }).await.is_ok());
    let causes: Vec<_> =
        notes.lock().unwrap().iter().map(|event| event.cause().map(|cause| cause.name().to_string())).collect();
    assert_eq!(causes, [None, Some("Placed".to_owned())]);
}

#[test]
fn what_another_thread_emits_is_seen_on_that_thread() {
    actix::System::new().block_on(async {
        let bus = EventBus::default();
        // The other thread knows its route before somebody watches.
        let other = bus.clone();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            other.publish(Placed { id: 1 }).unwrap();
            ready.send(()).unwrap();
            gone.recv().unwrap();
            other.publish(Placed { id: 2 }).unwrap();
            std::thread::current().id()
        });
        is_ready.recv().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = seen.clone();
        let _watching =
            bus.watch(move |event| notes.lock().unwrap().push((std::thread::current().id(), event.payload())));
        go.send(()).unwrap();
        let id = thread.join().unwrap();
        assert_eq!(*seen.lock().unwrap(), [(id, Some(json!({ "id": 2 })))]);
    });
}

#[convoke::test]
async fn a_registration_says_what_it_hears_to_a_program() {
    let bus = EventBus::default();
    let _typed = bus.on(|_: &Placed| ()).unwrap();
    let _local = bus.on(|_: &Local| ()).unwrap();
    let _topics = bus.on_topic(["a/*", "b/**"], |_: &JsonEvent| ()).unwrap();
    let hears: Vec<_> = bus.subscriptions().into_iter().map(|info| info.of).collect();
    let typed = Hears::Event { name: "Placed", topic: "orders/placed", local: false, personal: true };
    assert_eq!(hears[0], typed);
    assert!(matches!(hears[1], Hears::Event { name: "Local", local: true, personal: false, .. }));
    assert_eq!(hears[2], Hears::Topics(vec!["a/*".into(), "b/**".into()]));
}
