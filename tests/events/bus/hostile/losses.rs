//! What may not vanish.

use super::*;

#[convoke::test]
async fn who_waits_for_room_is_told_when_the_listener_ends() {
    for end in 0..3 {
        let bus = EventBus::default();
        let hangs = async |_: Arc<Tick>| sleep(SECOND).await;
        let hangs = bus.on(hangs.named("hangs").capacity(1)).unwrap();
        bus.publish(Tick(1)).unwrap();
        settled().await;
        bus.publish(Tick(2)).unwrap();
        let waiting = actix_rt::spawn(bus.publish_wait(Tick(3)));
        settled().await;
        match end {
            0 => drop(hangs),
            1 => hangs.unsubscribe().await,
            _ => {
                assert_eq!(bus.clear(), 1);
                drop(hangs);
            }
        }
        assert_eq!(at_once(waiting).await.unwrap(), Ok(()), "nobody is left who has no room");
        sleep(SECOND).await;
    }
}

#[convoke::test]
async fn what_a_publish_refused_is_not_retained() {
    let bus = EventBus::default();
    let refuses = async |_: Arc<JsonEvent>| sleep(SECOND).await;
    let refuses = bus.on_topic("hostile/kept", refuses.capacity(1).overflow(Overflow::Refuse)).unwrap();
    bus.publish_retained("hostile/kept", json!(1)).unwrap();
    settled().await;
    bus.publish_retained("hostile/kept", json!(2)).unwrap();
    let refused = bus.publish_retained("hostile/kept", json!(3));
    assert!(matches!(refused, Err(PublishError::Full { .. })), "{refused:?}");
    let heard = Notes::new();
    let notes = heard.clone();
    let late = bus.on_topic("hostile/kept", move |event: &JsonEvent| notes.add(event.payload().clone())).unwrap();
    settled().await;
    assert_eq!(heard.take(), [json!(2)], "nobody hears what was refused");
    drop((refuses, late));
    sleep(SECOND).await;
}

#[convoke::test]
async fn a_letter_is_not_given_to_a_namesake_who_hears_something_else() {
    #[derive(Event, Serialize, Deserialize)]
    struct Other;

    let bus = EventBus::default();
    let first = bus.on((|_: &Tick| Err::<(), _>("no")).named("mail")).unwrap();
    let heard = Notes::new();
    let notes = heard.clone();
    let _json = bus.on_topic("elsewhere", (move |event: &JsonEvent| notes.add(event.topic().to_owned())).named("mail"));
    let _other = bus.on((|_: &Other| ()).named("mail")).unwrap();
    bus.publish(Tick(1)).unwrap();
    settled().await;
    drop(first);
    let letters = bus.dead_letters();
    assert!(letters.redrive(1).is_err(), "nobody of this name hears `Tick`");
    settled().await;
    assert!(heard.take().is_empty(), "it was told what does not travel on its topics");
    assert_eq!(letters.len(), 1, "it has vanished");

    let notes = heard.clone();
    let _again = bus.on((move |tick: &Tick| notes.add(tick.0.to_string())).named("mail")).unwrap();
    letters.redrive(1).unwrap();
    settled().await;
    assert_eq!(heard.take(), ["1"]);
    assert!(letters.is_empty());
}

#[convoke::test]
async fn an_answerer_is_not_told_what_is_retained_on_the_topic_of_its_question() {
    let bus = EventBus::default();
    bus.publish_retained("hostile/tick", json!(7)).unwrap();
    let answerer = bus.answer(|tick: &Tick| Answer(tick.0)).unwrap();
    settled().await;
    assert_eq!((answerer.info().failed, bus.dead_letters().len()), (0, 0), "{:?}", bus.dead_letters().list());
    assert_eq!(bus.request::<u64>(Tick(3)).await.unwrap(), 3);
}

#[convoke::test]
async fn a_listener_to_a_local_event_is_not_told_what_is_retained_as_json_on_its_topic() {
    #[derive(Event)]
    #[event(local, topic = "hostile/local")]
    struct Local;

    let bus = EventBus::default();
    bus.publish_retained("hostile/local", json!(7)).unwrap();
    let local = bus.on(|_: &Local| ()).unwrap();
    settled().await;
    assert_eq!((local.info().failed, bus.dead_letters().len()), (0, 0), "{:?}", bus.dead_letters().list());
}

#[convoke::test]
async fn a_reason_is_told_for_each_event_that_was_dropped() {
    let bus = EventBus::default();
    let hangs = async |_: Arc<Tick>| sleep(SECOND).await;
    let hangs = bus.on(hangs.named("hangs").capacity(2)).unwrap();
    (0..4).for_each(|tick| bus.publish(Tick(tick)).unwrap());
    settled().await;
    drop(hangs);
    let reasons: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.reason.clone()).collect();
    assert_eq!(
        reasons,
        [Reason::Overflow(Overflow::DropOldest), Reason::Overflow(Overflow::DropOldest), Reason::Ended],
        "the first two before anybody had a turn, the fourth when the third was under way"
    );
    sleep(SECOND).await;
}
