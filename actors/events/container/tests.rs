use std::any::type_name;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;

use super::*;
use crate::base::Failure;

trait Audit: Send + Sync {
    fn book(&self) -> &str;
}

#[derive(Debug)]
struct Book(String);

impl Audit for Book {
    fn book(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Default)]
struct Mailer;
#[derive(Debug, Default)]
struct Receipts;
#[derive(Debug, Default)]
struct Shop;

const MAILER: &str = "convoke_actors::events::container::tests::Mailer";
const RECEIPTS: &str = "convoke_actors::events::container::tests::Receipts";
const SHOP: &str = "convoke_actors::events::container::tests::Shop";

fn cycle<const N: usize>(chain: [&'static str; N]) -> ContainerError {
    ContainerError::Cycle { chain: chain.to_vec() }
}

fn failed(type_name: &'static str, reason: &str, needed_by: &[&'static str]) -> ContainerError {
    ContainerError::Failed { type_name, reason: reason.to_owned(), needed_by: needed_by.to_vec() }
}

/// A constructor that needs another value.
fn needing<Need: Send + Sync + 'static, Made: Default>(container: &Container) -> Result<Made, Failure> {
    container.get::<Need>()?;
    Ok(Made::default())
}

/// A constructor that says when it runs.
fn logged<Made, F>(
    log: &Arc<Mutex<Vec<&'static str>>>,
    make: F,
) -> impl Fn(&Container) -> Result<Made, Failure> + use<Made, F>
where
    F: Fn(&Container) -> Result<Made, Failure>,
{
    let log = log.clone();
    move |container| {
        let made = make(container)?;
        log.lock().unwrap().push(type_name::<Made>());
        Ok(made)
    }
}

#[test]
fn a_value_is_the_same_on_every_thread_and_from_every_clone() {
    let container = Container::builder().provide(Mailer).build();
    let here = container.get::<Mailer>().unwrap().into_arc();
    let clone = container.clone();
    let there = thread::spawn(move || clone.get::<Mailer>().unwrap().into_arc()).join().unwrap();
    assert!(Arc::ptr_eq(&here, &there));
}

#[test]
fn a_trait_is_got_under_the_trait_alone() {
    let container = Container::builder()
        .provide("ledger".to_owned())
        .provide_as_with::<dyn Audit>(|container| Ok(Arc::new(Book(container.get::<String>()?.to_uppercase()))))
        .build();
    let audit = container.get::<dyn Audit>().unwrap();
    assert_eq!(audit.book(), "LEDGER");
    assert!(Arc::ptr_eq(&audit.into_arc(), &container.get::<dyn Audit>().unwrap().into_arc()));
    assert!(matches!(container.get::<Book>(), Err(ContainerError::Missing { .. })));
}

#[test]
fn an_injected_value_is_made_by_hand_and_shows_its_type_alone() {
    let book = Inject::new(Book("a".to_owned()));
    assert_eq!(book.clone().book(), "a");
    assert_eq!(format!("{book:?}"), "Inject<Book>");
    assert_eq!(format!("{:>3}", Inject::new(7)), "  7");
    let audit = Inject::from(book.into_arc() as Arc<dyn Audit>);
    assert_eq!(format!("{audit:?} of {}", audit.book()), "Inject<dyn Audit> of a");
}

#[test]
fn a_factory_makes_a_new_value_for_each_get_and_is_not_called_by_check() {
    let next = AtomicUsize::new(0);
    let container = Container::builder().factory(move |_| Ok(next.fetch_add(1, Ordering::SeqCst))).build();
    container.check().unwrap();
    assert_eq!([(); 3].map(|()| *container.get::<usize>().unwrap()), [0, 1, 2]);
}

#[test]
fn a_factory_gets_singletons_and_a_singleton_gets_from_factories() {
    let container = Container::builder()
        .provide_with(|container| Ok(u64::from(*container.get::<u32>()?) + 1))
        .factory(|container| Ok(u32::from(*container.get::<u16>()?) + 1))
        .provide_with(|_| Ok(1_u16))
        .build();
    assert_eq!(*container.get::<u64>().unwrap(), 3);
    assert_eq!(*container.get::<u32>().unwrap(), 2);
}

#[test]
fn a_source_is_a_singleton_looked_up_once_or_a_factory_asked_each_time() {
    let (log, next) = (Arc::default(), AtomicUsize::new(0));
    let container = Container::builder()
        .provide_with(logged(&log, |_| Ok(Mailer)))
        .factory(move |_| Ok(next.fetch_add(1, Ordering::SeqCst)))
        .build();
    let mailer = container.source::<Mailer>().unwrap();
    assert_eq!(*log.lock().unwrap(), [MAILER]);
    assert!(Arc::ptr_eq(&mailer.take().unwrap().into_arc(), &container.get::<Mailer>().unwrap().into_arc()));
    let ids = container.source::<usize>().unwrap();
    assert_eq!([(); 3].map(|()| *ids.take().unwrap()), [0, 1, 2]);
    assert_eq!(container.source::<Shop>().unwrap_err(), container.get::<Shop>().unwrap_err());
    let twice = Container::builder().factory(|_| Ok(Shop)).provide(Shop).build();
    assert_eq!(twice.source::<Shop>().unwrap_err(), twice.check().unwrap_err());
}

#[test]
fn nothing_is_built_before_it_is_needed_nor_twice() {
    let log = Arc::default();
    let container = Container::builder().provide_with(logged(&log, |_| Ok(Mailer))).build();
    assert!(log.lock().unwrap().is_empty());
    container.get::<Mailer>().unwrap();
    container.get::<Mailer>().unwrap();
    assert_eq!(*log.lock().unwrap(), [MAILER]);
}

#[test]
fn try_build_builds_in_the_order_given_but_after_what_is_needed() {
    let log = Arc::default();
    let builder = Container::builder()
        .provide_with(logged(&log, needing::<Mailer, Shop>))
        .provide_with(logged(&log, |_| Ok(Receipts)))
        .provide_with(logged(&log, |_| Ok(Mailer)));
    builder.try_build().unwrap();
    assert_eq!(*log.lock().unwrap(), [MAILER, SHOP, RECEIPTS]);
}

#[test]
fn try_build_returns_the_first_error() {
    let builder = Container::builder()
        .provide_with(|_| Ok(Receipts))
        .provide_with(|_| -> Result<Mailer, _> { Err(Failure::new("no mail")) })
        .provide_with(|_| -> Result<Shop, _> { Err(Failure::new("no shop")) });
    assert_eq!(builder.try_build().unwrap_err(), failed(MAILER, "no mail", &[]));
}

/// Eight threads ask at once for a shop, which needs two others.
fn race(ask: impl Fn(&Container) -> Arc<Shop> + Sync) {
    let log = Arc::default();
    let container = Container::builder()
        .provide_with(logged(&log, |container| {
            container.get::<Receipts>()?;
            needing::<Mailer, Shop>(container)
        }))
        .provide_with(logged(&log, needing::<Mailer, Receipts>))
        .provide_with(logged(&log, |_| {
            // Lets the others come in between.
            thread::yield_now();
            Ok(Mailer)
        }))
        .factory(|container| Ok(container.get::<Shop>()?.into_arc()))
        .build();
    let start = Barrier::new(8);
    let shops = thread::scope(|scope| {
        let ask = || {
            start.wait();
            ask(&container)
        };
        [(); 8].map(|()| scope.spawn(ask)).map(|thread| thread.join().unwrap())
    });
    assert!(shops.iter().all(|shop| Arc::ptr_eq(shop, &shops[0])));
    assert_eq!(*log.lock().unwrap(), [MAILER, RECEIPTS, SHOP]);
}

#[test]
fn threads_that_race_for_a_singleton_build_it_and_what_it_needs_once() {
    race(|container| container.get::<Shop>().unwrap().into_arc());
}

#[test]
fn threads_that_race_through_a_factory_build_what_it_needs_once() {
    race(|container| container.get::<Arc<Shop>>().unwrap().into_arc().as_ref().clone());
}

#[test]
fn a_thread_that_comes_while_a_singleton_is_built_gets_the_same_one() {
    let building = Arc::new(Barrier::new(2));
    let inside = building.clone();
    let container = Container::builder()
        // A second run would wait for ever.
        .provide_with(move |_| {
            inside.wait();
            Ok(Mailer)
        })
        .build();
    let elsewhere = container.clone();
    let first = thread::spawn(move || elsewhere.get::<Mailer>().unwrap().into_arc());
    building.wait();
    let second = container.get::<Mailer>().unwrap().into_arc();
    assert!(Arc::ptr_eq(&first.join().unwrap(), &second));
}

#[test]
fn a_type_that_is_not_provided_is_told_with_those_that_need_it() {
    let container = Container::builder()
        .provide_with(needing::<Receipts, Shop>)
        .provide_with(needing::<Mailer, Receipts>)
        .provide(Arc::new(Mailer))
        .build();
    let similar = vec![type_name::<Arc<Mailer>>()];
    let missing = |needed_by| ContainerError::Missing { type_name: MAILER, similar: similar.clone(), needed_by };
    assert_eq!(container.get::<Mailer>().unwrap_err(), missing(vec![]));
    let error = container.get::<Shop>().unwrap_err();
    assert_eq!(error, missing(vec![SHOP, RECEIPTS]));
    assert_eq!(
        error.to_string(),
        "no `Mailer` is provided: add `.provide(…)` or `.provide_with(…)` to the builder; `Shop` needs `Receipts` \
         needs it; there is `alloc::sync::Arc<convoke_actors::events::container::tests::Mailer>`"
    );
}

#[test]
fn a_cycle_of_one_is_an_error() {
    let error = Container::builder().provide_with(needing::<Shop, Shop>).try_build().unwrap_err();
    assert_eq!(error, cycle([SHOP, SHOP]));
    assert_eq!(error.to_string(), "`Shop` needs `Shop`: move what they share into a type of its own");
}

#[test]
fn a_cycle_of_two_is_shown_without_the_way_that_led_to_it() {
    let container = Container::builder()
        .provide_with(needing::<Receipts, Shop>)
        .provide_with(needing::<Mailer, Receipts>)
        .provide_with(needing::<Receipts, Mailer>)
        .build();
    assert_eq!(container.get::<Shop>().unwrap_err(), cycle([RECEIPTS, MAILER, RECEIPTS]));
}

#[test]
fn a_cycle_of_three_is_an_error_each_time_and_for_each_of_them() {
    let container = Container::builder()
        .provide_with(needing::<Receipts, Shop>)
        .provide_with(needing::<Mailer, Receipts>)
        .provide_with(needing::<Shop, Mailer>)
        .build();
    for _ in 0..2 {
        assert_eq!(container.get::<Shop>().unwrap_err(), cycle([SHOP, RECEIPTS, MAILER, SHOP]));
        assert_eq!(container.get::<Mailer>().unwrap_err(), cycle([MAILER, SHOP, RECEIPTS, MAILER]));
    }
}

#[test]
fn a_cycle_through_factories_is_an_error_as_well() {
    let container = Container::builder()
        .factory(needing::<Shop, Mailer>)
        .provide_with(needing::<Mailer, Shop>)
        .factory(needing::<Receipts, Receipts>)
        .build();
    assert_eq!(container.get::<Mailer>().unwrap_err(), cycle([MAILER, SHOP, MAILER]));
    assert_eq!(container.get::<Shop>().unwrap_err(), cycle([SHOP, MAILER, SHOP]));
    assert_eq!(container.get::<Receipts>().unwrap_err(), cycle([RECEIPTS, RECEIPTS]));
}

#[test]
fn a_cycle_across_two_threads_is_an_error_for_both() {
    let building = Arc::new(Barrier::new(2));
    let (inside, met) = (building.clone(), AtomicBool::new(false));
    let container = Container::builder()
        .provide_with(move |container| {
            // The other thread asks for the mailer once the shop is being built.
            if !met.swap(true, Ordering::SeqCst) {
                inside.wait();
            }
            needing::<Mailer, Shop>(container)
        })
        .provide_with(needing::<Shop, Mailer>)
        .build();
    let elsewhere = container.clone();
    let first = thread::spawn(move || elsewhere.get::<Shop>().unwrap_err());
    building.wait();
    assert_eq!(container.get::<Mailer>().unwrap_err(), cycle([MAILER, SHOP, MAILER]));
    assert_eq!(first.join().unwrap(), cycle([SHOP, MAILER, SHOP]));
}

#[test]
fn a_constructor_may_reach_the_container_by_a_way_of_its_own() {
    let whole = Arc::new(OnceLock::<Container>::new());
    let reached = whole.clone();
    let container = Container::builder()
        .provide_with(move |_| needing::<Receipts, Shop>(reached.get().unwrap()))
        .provide_with(|_| Ok(Receipts))
        .build();
    whole.set(container.clone()).unwrap();
    container.get::<Shop>().unwrap();
}

#[test]
fn the_same_type_in_another_container_is_no_cycle() {
    let other = Container::builder().provide_with(|_| Ok(Mailer)).build();
    Container::builder().provide_with(move |_| needing::<Mailer, Mailer>(&other)).try_build().unwrap();
}

#[test]
fn a_constructor_that_fails_is_told_with_its_reason_and_runs_again_at_the_next_get() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let container = Container::builder()
        .provide_with(move |_| match is_broken.load(Ordering::SeqCst) {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "no such file"))?,
            false => Ok(Mailer),
        })
        .provide_with(needing::<Mailer, Receipts>)
        .build();
    let error = container.get::<Receipts>().unwrap_err();
    assert_eq!(error, failed(MAILER, "no such file", &[RECEIPTS]));
    assert_eq!(error.to_string(), "`Mailer` could not be built: no such file; `Receipts` needs it");
    broken.store(false, Ordering::SeqCst);
    container.get::<Receipts>().unwrap();
}

#[test]
fn a_constructor_that_panics_is_told_with_its_message_and_holds_up_nobody() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let container = Container::builder()
        .provide_with(move |_| {
            assert!(!is_broken.load(Ordering::SeqCst), "the post is on strike");
            Ok(Mailer)
        })
        .provide_with(needing::<Mailer, Receipts>)
        .build();
    let error = container.get::<Receipts>().unwrap_err();
    assert_eq!(error, failed(MAILER, "its constructor panicked: the post is on strike", &[RECEIPTS]));
    broken.store(false, Ordering::SeqCst);
    let elsewhere = container.clone();
    thread::spawn(move || elsewhere.get::<Receipts>().unwrap()).join().unwrap();
    container.get::<Receipts>().unwrap();
}

#[test]
fn an_error_that_panics_when_it_is_shown_is_told_as_one() {
    #[derive(Debug)]
    struct Speechless;
    impl fmt::Display for Speechless {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words")
        }
    }
    impl std::error::Error for Speechless {}

    let error = Container::builder().provide_with(|_| -> Result<Shop, _> { Err(Speechless)? }).try_build();
    assert_eq!(error.unwrap_err(), failed(SHOP, "an error that panics when it is shown: no words", &[]));
}

#[test]
fn a_constructor_may_do_without_what_is_missing() {
    let container = Container::builder().provide_with(|container| Ok(container.get::<Mailer>().is_ok())).build();
    assert!(!*container.get::<bool>().unwrap());
}
