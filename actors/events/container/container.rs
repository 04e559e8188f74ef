//! The container: what an application provides, and listeners get as `Inject<T>`.
//!
//! `container_builder.rs → Container::get → a constructor, which gets what it needs → Inject<T> → a listener`

use std::any::{TypeId, type_name};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::container_builder::{ContainerBuilder, Make, Provided, Recipe};
use super::container_error::{ContainerError, named_alike};
use super::inject::Inject;
use super::source::Source;
use super::step::Step;
use crate::base::Failure;
use crate::runtime::{drop_quietly, panic_text};

/// The values that an application provides to listeners, by type.
///
/// It is cheap to clone, and every thread can read it.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::Container;
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
/// Singletons are built one at a time, each on the thread that needs it first. Other threads that need a singleton
/// which is not built yet wait. So a constructor must not wait for another thread that reads this container. A value
/// that is built is read without a lock.
///
/// A value that keeps a clone of the container keeps itself alive. Keep what you got from the container instead.
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

    /// Creates a builder that provides nothing yet.
    pub fn builder() -> ContainerBuilder {
        ContainerBuilder::default()
    }

    /// Returns the value of type `T`.
    ///
    /// A singleton that is not built yet is built first. A [`factory`](ContainerBuilder::factory) makes a new value.
    ///
    /// # Errors
    ///
    /// Returns [`ContainerError::Missing`] if the type, or one that it needs, is not provided,
    /// [`ContainerError::Cycle`] if the type needs itself, and [`ContainerError::Failed`] if the constructor of the
    /// type, or of one that it needs, returns an error or panics. Returns [`ContainerError::Twice`] or
    /// [`ContainerError::NothingToReplace`], for every type, if the builder has such a fault.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Inject<T>, ContainerError> {
        let value = match self.recipe::<T>()? {
            Recipe::Value(value) => value.clone(),
            Recipe::Once { value, make } => match value.get() {
                Some(value) => value.clone(),
                None => self.build_once(value, make)?,
            },
            Recipe::Each(make) => self.construct(make, false)?,
        };
        Ok(Inject::from(value))
    }

    /// What to keep of this type, to take one for each call: a singleton is looked up, and built, now.
    pub(crate) fn source<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Source<T>, ContainerError> {
        match self.recipe::<T>()? {
            Recipe::Each(_) => Ok(Source::Each(self.clone())),
            Recipe::Value(_) | Recipe::Once { .. } => self.get().map(Source::Ready),
        }
    }

    /// Builds all singletons that are not built yet, in the order in which they were provided, but after the ones that
    /// they need. Factories are not called.
    ///
    /// # Errors
    ///
    /// Returns the first fault of the builder, or the first error of a singleton, as [`get`](Self::get) does.
    pub fn check(&self) -> Result<(), ContainerError> {
        match &self.inner.provided.fault {
            Some(fault) => Err(fault.clone()),
            None => self.inner.provided.in_order().try_for_each(|entry| (entry.check)(self)),
        }
    }

    /// What tells it from another while a constructor of it runs.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
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
        let _turn =
            (!Step::has_turn(self.address())).then(|| self.inner.turn.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(value) = value.get() {
            return Ok(value.clone());
        }
        let built = self.construct(make, true)?;
        Ok(value.get_or_init(|| built).clone())
    }

    fn construct<T: ?Sized + 'static>(&self, make: &Make<T>, has_turn: bool) -> Result<Arc<T>, ContainerError> {
        let step = Step::enter::<T>(self.address(), has_turn)?;
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
