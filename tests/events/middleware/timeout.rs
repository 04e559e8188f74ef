//! `Timeout`.

use super::*;

#[convoke::test]
async fn a_run_ends_after_exactly_its_limit_and_is_dropped_where_it_waits() {
    let dropped = Rc::new(Cell::new(0));
    let guard = dropped.clone();
    let hung = async move |_: Arc<Ping>| {
        let _guard = OnDrop(guard.clone());
        std::future::pending::<()>().await;
    };
    let bus = EventBus::default();
    let _hung = bus.on(hung.with(Timeout::new(ms(250)))).unwrap();
    let report = after(ms(250), bus.emit(Ping(1))).await;
    assert_eq!(error(&report), ListenerError::TimedOut(ms(250)));
    assert_eq!(dropped.get(), 1);
}

#[convoke::test]
async fn what_is_done_in_time_is_not_touched() {
    let slow = async |_: Arc<Ping>| sleep(ms(249)).await;
    let bus = EventBus::builder().with(Timeout::new(ms(250))).build();
    let _slow = bus.on(slow).unwrap();
    assert!(after(ms(249), bus.emit(Ping(1))).await.is_ok());
}

#[convoke::test]
async fn what_is_ready_at_once_ends_well_even_if_the_limit_is_zero() {
    let bus = EventBus::builder().with(Timeout::new(Duration::ZERO)).build();
    let _ready = bus.on(async |_: Arc<Ping>| ()).unwrap();
    assert!(at_once(bus.emit(Ping(1))).await.is_ok());
    let _slow = bus.on(async |_: Arc<Ping>| sleep(SECOND).await).unwrap();
    assert_eq!(error(&bus.emit(Ping(1)).await), ListenerError::TimedOut(Duration::ZERO));
}

#[convoke::test]
async fn a_limit_without_end_is_none() {
    let bus = EventBus::builder().with(Timeout::new(Duration::MAX)).build();
    let _slow = bus.on(async |_: Arc<Ping>| sleep(SECOND).await).unwrap();
    assert!(after(SECOND, bus.emit(Ping(1))).await.is_ok());
}

#[convoke::test]
async fn inside_of_a_retry_it_limits_each_attempt_and_outside_of_it_all_of_them() {
    let hung = || async |_: Arc<Ping>| std::future::pending::<()>().await;
    let bus = EventBus::default();
    let each = hung().with(RetryInPlace::fixed(SECOND)).with(Timeout::new(2 * SECOND));
    let _each = bus.on(each).unwrap();
    let report = after(8 * SECOND, bus.emit(Ping(1))).await;
    assert_eq!(text(&report), "failed: was not done after 2s (after 3 attempts)");

    let bus = EventBus::default();
    let all = hung().with(Timeout::new(4 * SECOND)).with(RetryInPlace::fixed(SECOND)).with(Timeout::new(2 * SECOND));
    let _all = bus.on(all).unwrap();
    let report = after(4 * SECOND, bus.emit(Ping(1))).await;
    assert_eq!(error(&report), ListenerError::TimedOut(4 * SECOND));
}

#[convoke::test]
async fn the_listeners_own_timeout_comes_first_if_it_is_shorter() {
    let hung = async |_: Arc<Ping>| std::future::pending::<()>().await;
    let bus = EventBus::default();
    let _hung = bus.on(hung.timeout(SECOND).with(Timeout::new(2 * SECOND))).unwrap();
    let report = after(SECOND, bus.emit(Ping(1))).await;
    assert_eq!(error(&report), ListenerError::TimedOut(SECOND));
}
