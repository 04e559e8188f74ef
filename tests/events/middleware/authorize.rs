//! `Authorize`.

use super::*;

#[derive(Debug)]
struct NotKnown(String);

impl std::fmt::Display for NotKnown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nobody knows `{}`", self.0)
    }
}

impl std::error::Error for NotKnown {}

fn token(call: &Call) -> &str {
    call.metadata().authorization.expose()
}

#[convoke::test]
async fn a_check_lets_through_what_it_allows_and_nothing_else() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(Authorize::new(|call: &Call| token(call) == "Bearer 1234")).build();
    let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
    assert!(at_once(bus.with_authorization("Bearer 1234").emit(Ping(1))).await.is_ok());
    assert_eq!(notes.len(), 1);
    for bus in [bus.clone(), bus.with_authorization("Bearer 12345")] {
        let report = at_once(bus.emit(Ping(2))).await;
        let refused = "failed: `mail` may not hear of this Ping: its authorization does not allow it";
        assert_eq!((text(&report).as_str(), notes.len()), (refused, 1));
    }
}

#[convoke::test]
async fn the_error_of_a_check_is_the_reason_without_the_token_that_it_quotes() {
    let scheme_and_token = |call: &Call| Err::<(), _>(NotKnown(token(call).to_owned()));
    let token_alone = |call: &Call| Err::<(), _>(NotKnown(token(call).replace("Bearer ", "")));
    let without = |_: &Call| Err::<(), _>("closed on Sundays");
    for (check, reason) in [
        (Authorize::new(scheme_and_token), "nobody knows `(hidden)`"),
        (Authorize::new(token_alone), "nobody knows `(hidden)`"),
        (Authorize::new(without), "closed on Sundays"),
    ] {
        let bus = EventBus::builder().with(check).build().with_authorization("Bearer hunter2");
        let _mail = bus.on((|_: &Ping| ()).named("mail")).unwrap();
        let report = at_once(bus.emit(Ping(1))).await;
        assert_eq!(text(&report), format!("failed: `mail` may not hear of this Ping: {reason}"));
    }
}

#[convoke::test]
async fn a_check_may_be_async() {
    let notes = Notes::new();
    let check = async |call: &Call| {
        sleep(SECOND).await;
        if token(call) == "Bearer 1234" { Ok(()) } else { Err("not on the list") }
    };
    let bus = EventBus::builder().with(Authorize::new_async(check)).build();
    let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
    assert!(after(SECOND, bus.with_authorization("Bearer 1234").emit(Ping(1))).await.is_ok());
    let report = after(SECOND, bus.emit(Ping(2))).await;
    assert_eq!(text(&report), "failed: `mail` may not hear of this Ping: not on the list");
    assert_eq!(notes.take(), [SECOND]);
}

#[convoke::test]
async fn a_check_that_panics_lets_nothing_through() {
    let notes = Notes::new();
    let now = Authorize::new(|_: &Call| -> bool { panic!("no list") });
    let later = Authorize::new_async(async |_: &Call| -> bool { panic!("no list") });
    for check in [now, later] {
        let bus = EventBus::builder().with(check).build();
        let _mail = bus.on(noting(&notes, |_| Ok(()))).unwrap();
        assert_eq!(error(&at_once(bus.emit(Ping(1))).await), ListenerError::Panicked("no list".to_owned()));
    }
    assert_eq!(notes.len(), 0);
}
