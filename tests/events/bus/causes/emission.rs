//! What is known of an emission.

use super::*;

#[convoke::test]
async fn metadata_says_what_the_event_is_and_by_whom_and_when_it_was_emitted() {
    let bus = EventBus::builder().publisher("OrderService").build();
    let (notes, _guard) = seen::<First>(&bus);
    let started = Metadata::new("now").time;
    sleep(ms(5)).await;
    at_once(bus.emit(First(7))).await.ok().unwrap();
    let metadata = only(&notes);
    assert_eq!((metadata.event.as_str(), metadata.topic.as_str()), ("FirstHeard", "causes/first"));
    assert_eq!((metadata.entity.as_str(), metadata.version), ("First", 3));
    assert_eq!(metadata.entity_id.as_deref(), Some("7"));
    assert_eq!((&*metadata.publisher, metadata.contains_personal_data), ("OrderService", false));
    assert_eq!(metadata.time, started + ms(5));
    assert_eq!((metadata.correlation, metadata.causation), (metadata.id, None), "it is the first of its chain");
    assert!(metadata.authorization.is_empty());
    assert_eq!(metadata.id.get_version_num(), 7);
}

#[convoke::test]
async fn all_who_hear_one_emission_see_the_same_metadata() {
    let bus = EventBus::default();
    let (notes, _guard) = seen::<First>(&bus);
    let [struct_like, json] = [1, 2].map(|_| notes.clone());
    let _json = bus.on_topic("causes/*", move |_: &JsonEvent, metadata: Metadata| json.add(metadata)).unwrap();
    struct Struct(Notes<Metadata>);
    impl Listener<First> for Struct {
        async fn hear(&self, event: Heard<First>) -> Handled {
            sleep(ms(10)).await;
            self.0.add(event.metadata().clone());
            Ok(())
        }
    }
    let _struct = bus.on(Struct(struct_like)).unwrap();
    let mut last = None;
    for publish in [false, true] {
        match publish {
            true => bus.publish(First(1)).unwrap(),
            false => bus.emit(First(1)).await.ok().unwrap(),
        }
        bus.drain().await;
        let seen = notes.take();
        assert!(seen.len() == 3 && seen.iter().all(|metadata| *metadata == seen[0]), "{seen:#?}");
        assert_ne!(last.replace(seen[0].id), Some(seen[0].id));
    }
}

#[convoke::test]
async fn the_time_is_that_of_the_emission_however_long_the_event_waited() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let seen = notes.clone();
    let slow = async move |_: Arc<First>, metadata: Metadata| {
        sleep(ms(100)).await;
        seen.add(metadata.time);
    };
    let _slow = bus.on(slow).unwrap();
    let started = Metadata::new("now").time;
    bus.publish(First(1)).unwrap();
    bus.publish(First(2)).unwrap();
    sleep(ms(10)).await;
    bus.publish(First(3)).unwrap();
    bus.drain().await;
    assert_eq!(notes.take(), [started, started, started + ms(10)]);
}

#[convoke::test]
async fn what_is_emitted_as_json_has_its_topic_as_name() {
    let bus = EventBus::default();
    let (notes, _typed) = seen::<First>(&bus);
    let json = notes.clone();
    let _json = bus.on_topic("causes/*", move |_: &JsonEvent, metadata: Metadata| json.add(metadata)).unwrap();
    at_once(bus.emit_json("causes/first", json!(7)).unwrap()).await.ok().unwrap();
    let [typed, json] = notes.take().try_into().unwrap();
    assert_eq!(typed, json, "it is one emission");
    assert_eq!((json.event.as_str(), json.topic.as_str(), json.version), ("causes/first", "causes/first", 1));
}

#[convoke::test]
async fn an_event_of_few_numbers_is_not_taken_for_the_one_before() {
    let bus = EventBus::default();
    let (notes, _seen) = seen::<Second>(&bus);
    // Nobody sees the metadata of the first, until it has caused the second.
    let later = async |first: Arc<First>, bus: EventBus| {
        sleep(ms(1)).await;
        bus.emit(Second(first.0)).await.ok()
    };
    let _later = bus.on(later).unwrap();
    for number in 0..3 {
        bus.emit(First(number)).await.ok().unwrap();
    }
    let causes: Vec<_> = notes.take().iter().map(|metadata| metadata.causation.unwrap()).collect();
    assert!(causes[0] != causes[1] && causes[1] != causes[2] && causes[0] != causes[2], "{causes:?}");

    let _fails = bus.on(async |_: Arc<First>| {
        sleep(ms(1)).await;
        Err::<(), _>("no")
    });
    let mut ids = Vec::new();
    for number in 0..3 {
        bus.emit(First(number)).await.ok().unwrap_err();
        let [letter] = bus.dead_letters().take_all().try_into().unwrap();
        assert_eq!(letter.metadata.entity_id.as_deref(), Some(number.to_string().as_str()));
        ids.push(letter.metadata.id);
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

/// The first id that a seeded run draws after three emissions to whoever is registered like this.
fn id_after(emit: impl AsyncFn(&EventBus, u64), register: impl Fn(&EventBus) -> Vec<Subscription>) -> Uuid {
    testing::run_seeds("an id after", 1, async || {
        let bus = EventBus::default();
        let _guards = register(&bus);
        for number in 0..3 {
            at_once(emit(&bus, number)).await;
        }
        Metadata::new("probe").id
    })
}

#[test]
fn metadata_that_nobody_can_see_is_not_made() {
    let not_at_all = async |_: &EventBus, _| ();
    let typed = async |bus: &EventBus, number| bus.emit(First(number)).await.ok().unwrap();
    let json = async |bus: &EventBus, number| {
        bus.emit_json("causes/first", json!(number)).unwrap().await.ok().unwrap();
    };
    let deaf = |bus: &EventBus| vec![bus.on(|_: &First| ()).unwrap()];
    let deaf_to_json = |bus: &EventBus| vec![bus.on_topic("causes/*", |_: &JsonEvent| ()).unwrap()];
    let others = |bus: &EventBus| vec![bus.on(|_: &Second, _: Metadata| ()).unwrap()];
    let sees = |bus: &EventBus| vec![bus.on(|_: &First, _: Metadata| ()).unwrap()];
    let nothing = id_after(not_at_all, deaf);
    assert_eq!(nothing, id_after(typed, deaf), "an id was drawn that nobody has seen");
    assert_eq!(nothing, id_after(typed, others), "an id was drawn for an event that nobody hears");
    assert_eq!(nothing, id_after(json, deaf_to_json), "an id was drawn for JSON that nobody has seen");
    assert_eq!(nothing, id_after(typed, deaf_to_json), "an id was drawn for its form as JSON");
    assert_eq!(nothing, id_after(json, deaf), "an id was drawn for its form as a type");
    assert_ne!(nothing, id_after(typed, sees), "or else this test sees nothing");
}
