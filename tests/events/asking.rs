//! Questions: an event that is answered, by the first or by all, or by nobody.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::{AskError, ListenerError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "prices/asked")]
struct PriceAsked {
    item: u64,
}

const fn ask(item: u64) -> PriceAsked {
    PriceAsked { item }
}

#[derive(Debug, PartialEq, Eq)]
struct Quote(u64);

/// An answerer that takes so long.
fn slow(takes: u64, price: u64) -> impl AsyncFn(Arc<PriceAsked>) -> Answer<Quote> + 'static {
    async move |asked| {
        sleep(ms(takes)).await;
        Answer(Quote(asked.item * price))
    }
}

#[convoke::test]
async fn a_question_is_answered_by_a_function_of_any_form() {
    let bus = EventBus::builder().provide(3_u64).build();
    let by_ref = bus.answer(|asked: &PriceAsked, price: Inject<u64>| Answer(Quote(asked.item * *price))).unwrap();
    assert_eq!(at_once(bus.request::<Quote>(ask(7)).into_future()).await.unwrap(), Quote(21));
    drop(by_ref);
    let by_arc = bus.answer(|asked: Arc<PriceAsked>| -> Result<Quote, String> { Ok(Quote(asked.item)) }).unwrap();
    assert_eq!(bus.request::<Quote>(ask(7)).await.unwrap(), Quote(7));
    drop(by_arc);
    let _later = bus.answer(slow(10, 2)).unwrap();
    assert_eq!(after(ms(10), bus.request::<Quote>(ask(7)).into_future()).await.unwrap(), Quote(14));
}

#[convoke::test]
async fn the_first_answer_wins_and_the_others_go_on() {
    let bus = EventBus::default();
    let ended = Notes::new();
    let notes = ended.clone();
    let slowest = async move |_: Arc<PriceAsked>| {
        sleep(ms(30)).await;
        notes.add(());
        Answer(Quote(1))
    };
    let _slowest = bus.answer(slowest).unwrap();
    let _fails = bus.answer(|_: &PriceAsked| Err::<Quote, _>("sold out")).unwrap();
    let _quick = bus.answer(slow(10, 3)).unwrap();
    assert_eq!(after(ms(10), bus.request::<Quote>(ask(7)).into_future()).await.unwrap(), Quote(21));
    assert!(ended.take().is_empty());
    after(ms(20), bus.drain()).await;
    assert_eq!(ended.take().len(), 1);
    let letters: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.reason.to_string()).collect();
    assert_eq!(letters, ["failed: sold out"], "who fails is a dead letter, though there was an answer");
}

#[convoke::test]
async fn all_answers_are_waited_for_until_the_deadline() {
    expect_failure("PriceAsked");
    let bus = EventBus::default();
    let guards = [bus.answer(slow(20, 3)), bus.answer(slow(10, 2)), bus.answer(|_: &PriceAsked| Answer(Quote(0)))];
    let all = after(ms(20), bus.request_all::<Quote>(ask(7)).into_future()).await.unwrap();
    assert_eq!(all, [Quote(0), Quote(14), Quote(21)], "in the order in which they came");
    let some = after(ms(15), bus.request_all::<Quote>(ask(7)).within(ms(15)).into_future()).await.unwrap();
    assert_eq!(some, [Quote(0), Quote(14)]);
    let _fails = bus.answer(|_: &PriceAsked| Err::<Quote, _>("sold out")).unwrap();
    assert_eq!(bus.request_all::<Quote>(ask(1)).await.unwrap().len(), 3, "a failure is no answer, and hinders none");
    drop(guards);
}

#[convoke::test]
async fn a_question_that_nobody_answers_says_which_and_what_was_asked_for() {
    let bus = EventBus::default();
    let _other = bus.answer(|_: &PriceAsked| Answer(7_u64)).unwrap();
    let _listens = bus.on(|_: &PriceAsked| ()).unwrap();
    let error = at_once(bus.request::<Quote>(ask(7)).into_future()).await.unwrap_err();
    let AskError::NoAnswerer { event, answer } = &error else { panic!("{error}") };
    assert_eq!((event.as_str(), *answer), ("PriceAsked", std::any::type_name::<Quote>()));
    let name = std::any::type_name::<Quote>();
    assert_eq!(
        error.to_string(),
        format!("nobody answers PriceAsked with `{name}`: register one with `bus.answer(…)`")
    );
    assert!(matches!(bus.request_all::<Quote>(ask(7)).await, Err(AskError::NoAnswerer { .. })));
    assert_eq!(bus.request::<u64>(ask(7)).await.unwrap(), 7);
}

#[convoke::test]
async fn when_all_have_failed_the_report_says_how() {
    let bus = EventBus::default();
    let guards = [
        bus.answer(|_: &PriceAsked| Err::<Quote, _>("sold out")),
        bus.answer(|_: &PriceAsked| -> Answer<Quote> { panic!("no idea") }),
        bus.answer(async |_: Arc<PriceAsked>| -> Result<Quote, String> {
            sleep(ms(10)).await;
            Err("too late".to_owned())
        }),
    ];
    for all in [false, true] {
        let error = after(ms(10), async {
            match all {
                false => bus.request::<Quote>(ask(7)).await.map(|_| ()).unwrap_err(),
                true => bus.request_all::<Quote>(ask(7)).await.map(|_| ()).unwrap_err(),
            }
        });
        let error = error.await;
        let AskError::Failed(report) = &error else { panic!("{error}") };
        let errors: Vec<_> = report.failed().map(|(_, error)| error.clone()).collect();
        assert_eq!(
            errors,
            [
                ListenerError::Failed("sold out".to_owned()),
                ListenerError::Panicked("no idea".to_owned()),
                ListenerError::Failed("too late".to_owned()),
            ]
        );
        assert_eq!(error.to_string(), format!("nobody has answered: {report}"));
        assert!(std::error::Error::source(&error).is_some());
    }
    drop(guards);
}

#[convoke::test]
async fn a_question_is_given_up_at_its_deadline() {
    expect_failure("PriceAsked");
    let bus = EventBus::builder().listener_timeout(3600 * SECOND).build();
    let hangs = async |_: Arc<PriceAsked>| -> Answer<Quote> { pending().await };
    let hangs = bus.answer(hangs).unwrap();
    let error = after(ms(15), bus.request::<Quote>(ask(7)).within(ms(15)).into_future()).await.unwrap_err();
    assert!(matches!(error, AskError::TimedOut(limit) if limit == ms(15)));
    assert_eq!(error.to_string(), "nobody has answered within 15ms: ask with a longer `within`");
    let error = after(30 * SECOND, bus.request_all::<Quote>(ask(7)).into_future()).await.unwrap_err();
    assert!(matches!(error, AskError::TimedOut(limit) if limit == 30 * SECOND), "30 s unless it is told");
    drop(hangs);
    sleep(3600 * SECOND).await;
}

#[convoke::test]
async fn an_answerer_hears_questions_alone() {
    let bus = EventBus::default();
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let answerer = bus.answer(move |_: &PriceAsked| {
        count.set(count.get() + 1);
        Answer(Quote(1))
    });
    let answerer = answerer.unwrap();
    let heard = Notes::new();
    let notes = heard.clone();
    let _log = bus.on_topic("**", move |event: &JsonEvent| notes.add(event.topic().to_owned())).unwrap();
    assert_eq!(at_once(bus.emit(ask(1))).await.len(), 1);
    bus.publish(ask(2)).unwrap();
    at_once(bus.emit_json("prices/asked", json!({ "item": 3 })).unwrap()).await.ok().unwrap();
    settled().await;
    assert_eq!((asked.get(), heard.take().len()), (0, 3));
    bus.request::<Quote>(ask(4)).await.unwrap();
    assert_eq!((asked.get(), heard.take().len()), (1, 0), "and nobody else hears the question");
    assert_eq!(answerer.info().hears, "PriceAsked");
}

#[convoke::test]
async fn nobody_is_asked_before_it_is_awaited_and_who_is_asked_goes_on_if_it_is_dropped() {
    let bus = EventBus::default();
    let answered = Notes::new();
    let notes = answered.clone();
    let answerer = async move |asked: Arc<PriceAsked>| {
        sleep(ms(10)).await;
        notes.add(asked.item);
        Answer(Quote(0))
    };
    let _answerer = bus.answer(answerer).unwrap();
    drop(bus.request::<Quote>(ask(1)));
    drop(bus.request_all::<Quote>(ask(1)));
    let question = bus.request::<Quote>(ask(2));
    assert!(tokio::time::timeout(ms(5), question.into_future()).await.is_err());
    after(ms(5), bus.drain()).await;
    assert_eq!(answered.take(), [2]);
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn a_listener_may_ask_and_an_answerer_may_ask_in_turn() {
    #[derive(Event, Serialize, Deserialize)]
    struct TaxAsked {
        amount: u64,
    }

    let bus = EventBus::default();
    let causes = Notes::new();
    let notes = causes.clone();
    let tax = move |asked: &TaxAsked, metadata: Metadata| {
        notes.add(metadata.causation.is_some());
        Answer(asked.amount / 10)
    };
    let _tax = bus.answer(tax).unwrap();
    let price = async |asked: Arc<PriceAsked>, bus: EventBus| -> Result<Quote, AskError> {
        let amount = asked.item * 100;
        Ok(Quote(amount + bus.request::<u64>(TaxAsked { amount }).await?))
    };
    let _price = bus.answer(price).unwrap();
    assert_eq!(at_once(bus.request::<Quote>(ask(2)).into_future()).await.unwrap(), Quote(220));
    assert_eq!(causes.take(), [true]);
}

#[convoke::test]
async fn an_answerer_that_asks_its_own_question_for_ever_is_stopped() {
    expect_failure("PriceAsked");
    let bus = EventBus::builder().max_depth(4).build();
    let depth = Notes::new();
    let notes = depth.clone();
    let endless = async move |asked: Arc<PriceAsked>, bus: EventBus| -> Result<Quote, AskError> {
        notes.add(asked.item);
        bus.request::<Quote>(ask(asked.item + 1)).await
    };
    let _endless = bus.answer(endless).unwrap();
    let error = at_once(bus.request::<Quote>(ask(0)).into_future()).await.unwrap_err();
    assert_eq!(depth.take(), [0, 1, 2, 3]);
    assert!(error.to_string().contains("events have caused each other 4 deep"), "{error}");
}

#[convoke::test]
async fn what_is_answered_need_be_neither_copied_nor_shared() {
    /// Neither `Clone` nor `Sync`.
    struct Once(Cell<u64>);

    let bus = EventBus::default();
    let _answerer = bus.answer(|asked: &PriceAsked| Answer(Once(Cell::new(asked.item)))).unwrap();
    assert_eq!(bus.request::<Once>(ask(7)).await.unwrap().0.get(), 7);
    assert_eq!(format!("{:?}", Answer(7)), "Answer(7)");
}
