//! The container: what an application provides, and listeners get as `Inject<T>`.
//!
//! `container_builder.rs → Container::get → a constructor, which gets what it needs → Inject<T> → listener.rs`

use std::any::{TypeId, type_name};
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::container_builder::{ContainerBuilder, Make, Provided, Recipe};
use super::container_error::{ContainerError, named_alike, short_name};
use crate::base::Failure;
use crate::runtime::{drop_quietly, panic_text};

/// A value from a [`Container`], shared with everybody else who gets it: what a listener asks for.
///
/// A unit test that calls a listener by hand makes one itself:
///
/// ```
/// use convoke_actors::Inject;
/// use std::sync::Arc;
///
/// trait Mail { fn send(&self, text: &str) -> usize; }
/// struct FakeMail;
/// impl Mail for FakeMail { fn send(&self, text: &str) -> usize { text.len() } }
///
/// fn send_receipt(id: u64, mail: Inject<dyn Mail>) -> usize {
///     mail.send(&format!("thank you for order {id}"))
/// }
///
/// let mail: Arc<dyn Mail> = Arc::new(FakeMail);
/// assert_eq!(send_receipt(7, mail.into()), 21);
/// assert_eq!(Inject::new(FakeMail).send("hi"), 2);
/// ```
pub struct Inject<T: ?Sized>(Arc<T>);

impl<T> Inject<T> {
    /// Makes one from a value, without a container. For `Inject<dyn Trait>` there is `From<Arc<dyn Trait>>`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Inject<T> {
    /// Returns the `Arc` inside.
    pub fn into_arc(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> From<Arc<T>> for Inject<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T: ?Sized> Deref for Inject<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Inject<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Inject<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Shows the type alone: a value may hold a password, and need not be `Debug`.
impl<T: ?Sized> fmt::Debug for Inject<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inject<{}>", short_name(type_name::<T>()))
    }
}

/// What an application provides, by type. It is cheap to clone, and every thread may ask it.
///
/// ```
/// use convoke_actors::Container;
/// use std::sync::Arc;
///
/// # struct Config { from: String }
/// # struct Smtp;
/// # impl Smtp { fn new() -> Self { Self } }
/// # impl Mail for Smtp { fn send(&self, _: &str) {} }
/// # struct Receipts { from: String }
/// # impl Receipts { fn new(from: &str) -> Self { Self { from: from.to_owned() } } }
/// # trait Audit: Send + Sync {}
/// # struct FileAudit;
/// # impl FileAudit { fn open(_: &str) -> std::io::Result<Self> { Ok(Self) } }
/// # impl Audit for FileAudit {}
/// # struct RequestId;
/// # impl RequestId { fn new() -> Self { Self } }
/// # struct FakeMail;
/// # impl Mail for FakeMail { fn send(&self, _: &str) {} }
/// trait Mail: Send + Sync {
///     fn send(&self, text: &str);
/// }
///
/// let app = Container::builder()
///     .provide(Config { from: "shop@example.org".into() })            // for `Inject<Config>`
///     .provide_as::<dyn Mail>(Arc::new(Smtp::new()))                  // for `Inject<dyn Mail>`
///     .provide_with(|container| {                                     // built once, when first needed, from others
///         let config = container.get::<Config>()?;
///         Ok(Receipts::new(&config.from))
///     })
///     .provide_as_with::<dyn Audit>(|_| Ok(Arc::new(FileAudit::open("audit.log")?)))
///     .factory(|_| Ok(RequestId::new()));                             // a new one for each `get`
///
/// // A test takes the same, with a fake in the place of the mail server.
/// let container = app.replace_as::<dyn Mail>(Arc::new(FakeMail)).try_build()?;
///
/// assert_eq!(container.get::<Receipts>()?.from, "shop@example.org");
/// let error = container.get::<FakeMail>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "no `FakeMail` is provided: add `.provide(…)` or `.provide_with(…)` to the builder",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One singleton is built at a time, on the thread that needs it first; others who need one that is not built yet wait.
/// So a constructor must not wait for another thread that asks this container. What is built is read without a lock.
///
/// A value that keeps a clone of the container keeps itself alive: keep what you got from it instead.
#[derive(Clone, Default)]
pub struct Container {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    provided: Provided,
    /// Whose turn it is to build singletons. One lock for all of them: with one for each, two threads could each hold
    /// what the other needs.
    turn: Mutex<()>,
}

impl Container {
    pub(crate) fn new(provided: Provided) -> Self {
        Self { inner: Arc::new(Inner { provided, turn: Mutex::new(()) }) }
    }

    /// Starts a builder that provides nothing yet.
    pub fn builder() -> ContainerBuilder {
        ContainerBuilder::default()
    }

    /// Returns the value of this type, building it if it is not built yet or is a new one for each `get`.
    ///
    /// # Errors
    ///
    /// `Missing` if the type, or one that it needs, is not provided; `Cycle` if it needs itself; `Failed` if its
    /// constructor, or one of what it needs, returns an error or panics. `Twice` and `NothingToReplace` if the builder
    /// has such a fault, whatever is asked for.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Inject<T>, ContainerError> {
        let value = match self.recipe::<T>()? {
            Recipe::Value(value) => value.clone(),
            Recipe::Once { value, make } => match value.get() {
                Some(value) => value.clone(),
                None => self.build_once(value, make)?,
            },
            Recipe::Each(make) => self.construct(make, false)?,
        };
        Ok(Inject(value))
    }

    /// What to keep of this type, to take one for each call: a singleton is looked up, and built, now.
    pub(crate) fn source<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Source<T>, ContainerError> {
        match self.recipe::<T>()? {
            Recipe::Each(_) => Ok(Source::Each(self.clone())),
            Recipe::Value(_) | Recipe::Once { .. } => self.get().map(Source::Ready),
        }
    }

    /// Builds all singletons that are not built yet, in the order given but after what they need. Factories are not
    /// called.
    ///
    /// # Errors
    ///
    /// The first fault of the builder, or the first error of a singleton, as [`get`](Self::get) returns it.
    pub fn check(&self) -> Result<(), ContainerError> {
        match &self.inner.provided.fault {
            Some(fault) => Err(fault.clone()),
            None => self.inner.provided.in_order().try_for_each(|entry| (entry.check)(self)),
        }
    }

    fn recipe<T: ?Sized + Send + Sync + 'static>(&self) -> Result<&Recipe<T>, ContainerError> {
        let provided = &self.inner.provided;
        if let Some(fault) = &provided.fault {
            return Err(fault.clone());
        }
        let Some(entry) = provided.entries.get(&TypeId::of::<T>()) else {
            return Err(self.missing(type_name::<T>()));
        };
        match entry.recipe.downcast_ref() {
            Some(recipe) => Ok(recipe),
            None => unreachable!("an entry is kept under the type of its recipe"),
        }
    }

    fn missing(&self, type_name: &'static str) -> ContainerError {
        let names = self.inner.provided.in_order().map(|entry| entry.type_name);
        let similar = names.filter(|name| named_alike(name, type_name)).collect();
        ContainerError::Missing { type_name, similar, needed_by: Step::names() }
    }

    fn build_once<T: ?Sized + Send + Sync + 'static>(
        &self,
        value: &OnceLock<Arc<T>>,
        make: &Make<T>,
    ) -> Result<Arc<T>, ContainerError> {
        // A constructor that gets another singleton has the turn already.
        let _turn = (!Step::has_turn(self)).then(|| self.inner.turn.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(value) = value.get() {
            return Ok(value.clone());
        }
        let built = self.construct(make, true)?;
        Ok(value.get_or_init(|| built).clone())
    }

    fn construct<T: ?Sized + 'static>(&self, make: &Make<T>, has_turn: bool) -> Result<Arc<T>, ContainerError> {
        let step = Step::enter::<T>(self, has_turn)?;
        let failed =
            |reason| ContainerError::Failed { type_name: type_name::<T>(), reason, needed_by: step.needed_by() };
        // The error is the user's as well: its text, and its end, may panic.
        let made = catch_unwind(AssertUnwindSafe(|| {
            make(self).map_err(|failure| match failure.into_inner().downcast::<ContainerError>() {
                // What it got from here is what went wrong, and says already who needed it.
                Ok(error) => *error,
                Err(error) => failed(Failure::from(error).chain()),
            })
        }));
        made.unwrap_or_else(|panic| {
            let reason = format!("its constructor panicked: {}", panic_text(&*panic));
            drop_quietly(panic);
            Err(failed(reason))
        })
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Container").field(&self.inner.provided).finish()
    }
}

/// What a listener keeps of a type it asks for.
#[doc(hidden)]
pub enum Source<T: ?Sized> {
    Ready(Inject<T>),
    Each(Container),
}

impl<T: ?Sized + Send + Sync + 'static> Source<T> {
    /// Takes one for a call; only a factory can fail.
    #[inline]
    pub(crate) fn take(&self) -> Result<Inject<T>, ContainerError> {
        match self {
            Self::Ready(value) => Ok(value.clone()),
            Self::Each(container) => container.get(),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source<{}>", short_name(type_name::<T>()))
    }
}

/// A constructor that runs on this thread, until this is dropped.
struct Step(());

/// What is known of it.
struct Running {
    container: usize,
    id: TypeId,
    type_name: &'static str,
    has_turn: bool,
}

thread_local! {
    /// The constructors that run on this thread, the outermost first. A constructor reaches the container by whatever
    /// way it likes, so its thread tells who asks, and not the container it was given.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

impl Step {
    fn enter<T: ?Sized + 'static>(container: &Container, has_turn: bool) -> Result<Self, ContainerError> {
        let (container, id, type_name) = (address(container), TypeId::of::<T>(), type_name::<T>());
        RUNNING.with_borrow_mut(|running| {
            if let Some(place) = running.iter().position(|other| other.container == container && other.id == id) {
                let mut chain: Vec<_> = running.iter().skip(place).map(|other| other.type_name).collect();
                chain.push(type_name);
                return Err(ContainerError::Cycle { chain });
            }
            running.push(Running { container, id, type_name, has_turn });
            Ok(Self(()))
        })
    }

    fn has_turn(container: &Container) -> bool {
        let container = address(container);
        RUNNING.with_borrow(|running| running.iter().any(|other| other.has_turn && other.container == container))
    }

    /// Who needs what this one builds.
    fn needed_by(&self) -> Vec<&'static str> {
        let mut names = Self::names();
        names.pop();
        names
    }

    /// Who needs what is asked for now.
    fn names() -> Vec<&'static str> {
        RUNNING.with_borrow(|running| running.iter().map(|other| other.type_name).collect())
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
    }
}

/// What tells one container from another while a constructor of it runs.
fn address(container: &Container) -> usize {
    Arc::as_ptr(&container.inner).addr()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use super::*;

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

    const MAILER: &str = "convoke_actors::container::tests::Mailer";
    const RECEIPTS: &str = "convoke_actors::container::tests::Receipts";
    const SHOP: &str = "convoke_actors::container::tests::Shop";

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
             needs it; there is `alloc::sync::Arc<convoke_actors::container::tests::Mailer>`"
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
}
