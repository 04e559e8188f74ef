//! `start` and `stop` of a service, in each form that they may have.

use super::*;

#[derive(BaseService)]
#[service(start = open, stop = close)]
struct Plain(Notes<&'static str>);

impl Plain {
    fn open(&mut self) {
        self.0.add("open");
    }

    fn close(&mut self) -> Handled {
        self.0.add("close");
        Err("the till is short".into())
    }
}

#[convoke::test]
async fn hooks_may_be_plain_functions() {
    convoke::testing::expect_failure("Plain");
    let (bus, notes) = (EventBus::default(), Notes::new());
    let given = notes.clone();
    let plain = Plain::supervised(&bus, move |_| Plain(given.clone())).await.unwrap();
    let stopped = at_once(plain.stop()).await;
    assert_eq!(notes.take(), ["open", "close"]);
    assert!(stopped.to_string().contains("the till is short"), "{stopped}");
}

#[convoke::test]
async fn a_plain_start_that_fails_keeps_it_from_starting() {
    #[derive(BaseService)]
    #[service(start = open)]
    struct Closed;

    impl Closed {
        fn open(&mut self) -> Result<(), &'static str> {
            Err("no key")
        }
    }

    let error = at_once(Closed::supervised(&EventBus::default(), |_| Closed).into_future()).await.unwrap_err();
    assert!(error.to_string().contains("no key"), "{error}");
}

#[convoke::test]
async fn the_actor_alone_is_started_by_its_name() {
    let notes = Notes::new();
    let actor = Actor::start(Plain(notes.clone()));
    settled().await;
    assert!(actor.connected());
    assert_eq!(notes.take(), [""; 0], "it is no service");
}
