//! What an application provides: its values, and how the others are built.
//!
//! `an application's main, a test → ContainerBuilder → Container`

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use super::container::Container;
use super::container_error::ContainerError;
use crate::base::Failure;

/// What makes a value from others.
pub(crate) type Make<T> = Box<dyn Fn(&Container) -> Result<Arc<T>, Failure> + Send + Sync>;

/// How a value is had.
pub(crate) enum Recipe<T: ?Sized> {
    Value(Arc<T>),
    Once { value: OnceLock<Arc<T>>, make: Make<T> },
    Each(Make<T>),
}

/// What is provided for one type.
pub(crate) struct Entry {
    pub(crate) type_name: &'static str,
    at: &'static Location<'static>,
    /// A `Recipe<T>` of the type it is kept under.
    pub(crate) recipe: Box<dyn Any + Send + Sync>,
    /// Builds the singleton, if it is one.
    pub(crate) check: fn(&Container) -> Result<(), ContainerError>,
}

/// What is provided.
#[derive(Default)]
pub(crate) struct Provided {
    pub(crate) entries: HashMap<TypeId, Entry>,
    /// The types in the order they were given.
    order: Vec<TypeId>,
    /// The first fault of whoever provided.
    pub(crate) fault: Option<ContainerError>,
}

impl Provided {
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().filter_map(|id| self.entries.get(id))
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.in_order().map(|entry| entry.type_name)).finish()
    }
}

/// Builds a [`Container`] from the values that an application provides. [`Container::builder`] creates one.
///
/// | | a value | built once, when first needed | a new one for each `get` |
/// |---|---|---|---|
/// | for `Inject<T>` | `provide` | `provide_with` | `factory` |
/// | for `Inject<dyn Trait>` | `provide_as` | `provide_as_with` | `factory_as` |
///
/// Each type is provided once. In a test, take the application's builder and replace a value with
/// [`replace`](Self::replace) or [`replace_as`](Self::replace_as). You can also call [`without`](Self::without), and
/// then any of the six methods. To replace a type that is not provided is an error, because a fake under the wrong type
/// would leave the real value in use.
///
/// The builder keeps its first fault: [`try_build`](Self::try_build) returns the fault, and after
/// [`build`](Self::build) every `get` returns it.
#[derive(Default)]
#[must_use = "a builder provides nothing before `build` or `try_build`"]
pub struct ContainerBuilder {
    provided: Provided,
}

impl ContainerBuilder {
    /// Provides a value for `Inject<T>`.
    #[track_caller]
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.insert(Recipe::Value(Arc::new(value)))
    }

    /// Provides a value for `Inject<dyn Trait>`, or a value that is in an `Arc` already.
    #[track_caller]
    pub fn provide_as<T: ?Sized + Send + Sync + 'static>(self, value: Arc<T>) -> Self {
        self.insert(Recipe::Value(value))
    }

    /// Provides a value that is built once, when it is first needed. The closure gets the values that it needs from the
    /// container.
    ///
    /// The value is built once, however many threads ask for it. An error or a panic of the closure is not kept: the
    /// next `get` runs the closure again. If a value takes an `.await` to make, make it before, and pass it to
    /// [`provide`](Self::provide).
    #[track_caller]
    pub fn provide_with<T: Send + Sync + 'static>(
        self,
        make: impl Fn(&Container) -> Result<T, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.provide_as_with(move |container| make(container).map(Arc::new))
    }

    /// Provides a value for `Inject<dyn Trait>` that is built once, when it is first needed, as
    /// [`provide_with`](Self::provide_with) does.
    #[track_caller]
    pub fn provide_as_with<T: ?Sized + Send + Sync + 'static>(
        self,
        make: impl Fn(&Container) -> Result<Arc<T>, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.insert(Recipe::Once { value: OnceLock::new(), make: Box::new(make) })
    }

    /// Provides a new value for each `get` of `T`.
    #[track_caller]
    pub fn factory<T: Send + Sync + 'static>(
        self,
        make: impl Fn(&Container) -> Result<T, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.factory_as(move |container| make(container).map(Arc::new))
    }

    /// Provides a new value for each `get` of `dyn Trait`.
    #[track_caller]
    pub fn factory_as<T: ?Sized + Send + Sync + 'static>(
        self,
        make: impl Fn(&Container) -> Result<Arc<T>, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.insert(Recipe::<T>::Each(Box::new(make)))
    }

    /// Replaces the value that is provided for `T`.
    #[track_caller]
    pub fn replace<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.without::<T>().provide(value)
    }

    /// Replaces the value that is provided for `dyn Trait`.
    #[track_caller]
    pub fn replace_as<T: ?Sized + Send + Sync + 'static>(self, value: Arc<T>) -> Self {
        self.without::<T>().provide_as(value)
    }

    /// Removes what is provided for `T`.
    #[track_caller]
    pub fn without<T: ?Sized + 'static>(mut self) -> Self {
        let id = TypeId::of::<T>();
        if self.provided.entries.remove(&id).is_some() {
            self.provided.order.retain(|other| *other != id);
        } else {
            let at = Location::caller();
            self.fault(ContainerError::NothingToReplace { type_name: type_name::<T>(), at });
        }
        self
    }

    /// Builds the container. If the builder has a fault, every `get` of the container returns it.
    pub fn build(self) -> Container {
        Container::new(self.provided)
    }

    /// Builds the container and all its singletons, in the order in which they were provided, but after the ones that
    /// they need.
    ///
    /// # Errors
    ///
    /// Returns the first fault of the builder, or the first error of a singleton; see [`Container::check`].
    pub fn try_build(self) -> Result<Container, ContainerError> {
        let container = self.build();
        container.check()?;
        Ok(container)
    }

    #[track_caller]
    fn insert<T: ?Sized + Send + Sync + 'static>(mut self, recipe: Recipe<T>) -> Self {
        let (id, at) = (TypeId::of::<T>(), Location::caller());
        if let Some(Entry { type_name, at: first, .. }) = self.provided.entries.get(&id) {
            let twice = ContainerError::Twice { type_name, first, second: at };
            self.fault(twice);
            return self;
        }
        let check: fn(&Container) -> _ = match recipe {
            Recipe::Once { .. } => |container| container.get::<T>().map(drop),
            Recipe::Value(_) | Recipe::Each(_) => |_| Ok(()),
        };
        self.provided.entries.insert(id, Entry { type_name: type_name::<T>(), at, recipe: Box::new(recipe), check });
        self.provided.order.push(id);
        self
    }

    fn fault(&mut self, fault: ContainerError) {
        self.provided.fault.get_or_insert(fault);
    }
}

impl fmt::Debug for ContainerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContainerBuilder").field(&self.provided).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Mail: Send + Sync {
        fn from(&self) -> String;
    }

    struct Smtp(&'static str);

    impl Mail for Smtp {
        fn from(&self) -> String {
            self.0.to_owned()
        }
    }

    struct Receipts(String);

    /// As an application would have it.
    fn app() -> ContainerBuilder {
        Container::builder().provide(7_u32).provide_as::<dyn Mail>(Arc::new(Smtp("shop"))).provide_with(|container| {
            Ok(Receipts(format!("{} {}", container.get::<dyn Mail>()?.from(), container.get::<u32>()?)))
        })
    }

    fn line(location: &Location<'_>) -> u32 {
        assert_eq!(location.file(), file!());
        location.line()
    }

    #[test]
    fn a_replacement_is_what_everybody_gets() {
        let container = app().replace_as::<dyn Mail>(Arc::new(Smtp("fake"))).replace(8_u32).try_build().unwrap();
        assert_eq!(container.get::<dyn Mail>().unwrap().from(), "fake");
        assert_eq!(container.get::<Receipts>().unwrap().0, "fake 8");
    }

    #[test]
    fn a_value_can_replace_a_constructor_or_a_factory_and_be_replaced_again() {
        let app = app().factory(|_| Ok('a')).replace('b').replace(Receipts(String::new()));
        let container = app.replace(Receipts("fake".to_owned())).try_build().unwrap();
        assert_eq!(container.get::<Receipts>().unwrap().0, "fake");
        assert_eq!(*container.get::<char>().unwrap(), 'b');
    }

    #[test]
    fn what_is_taken_out_can_be_provided_in_any_way() {
        let container = app().without::<dyn Mail>().factory_as::<dyn Mail>(|_| Ok(Arc::new(Smtp("new")))).build();
        assert_eq!(container.get::<Receipts>().unwrap().0, "new 7");
        let container = app().without::<dyn Mail>().build();
        assert!(matches!(container.get::<Receipts>(), Err(ContainerError::Missing { .. })));
    }

    #[test]
    fn a_type_provided_twice_is_an_error_that_names_both_lines() {
        let first = Container::builder().provide(1_u8);
        let at = line!() - 1;
        let error = first.provide_with(|_| Ok(2_u8)).try_build().unwrap_err();
        let ContainerError::Twice { type_name: "u8", first, second } = error else { panic!("{error:?}") };
        assert_eq!((line(first), line(second)), (at, at + 2));
    }

    #[test]
    fn every_way_to_provide_tells_the_line_of_its_caller() {
        let mut builder = Container::builder();
        let at = line!() + 2;
        builder = builder
            .provide(1_u8)
            .provide_as::<str>("one".into())
            .provide_with(|_| Ok(1_u16))
            .provide_as_with::<[u8]>(|_| Ok([1].into()))
            .factory(|_| Ok(1_u32))
            .factory_as::<[u16]>(|_| Ok([1].into()));
        let lines: Vec<_> = builder.provided.in_order().map(|entry| line(entry.at)).collect();
        assert_eq!(lines, (at..at + 6).collect::<Vec<_>>());
    }

    #[test]
    fn to_replace_or_take_out_what_is_not_there_is_an_error_that_names_the_line() {
        for (at, builder) in [
            (line!(), app().replace(Smtp("of the wrong type"))),
            (line!(), app().replace_as(Arc::new(Smtp("of the wrong type")))),
            (line!(), app().without::<Smtp>()),
        ] {
            let error = builder.try_build().unwrap_err();
            let ContainerError::NothingToReplace { type_name: name, at: found } = error else { panic!("{error:?}") };
            assert_eq!((name, line(found)), (type_name::<Smtp>(), at));
        }
    }

    #[test]
    fn the_first_fault_of_a_builder_is_the_answer_to_every_get() {
        let container = app().replace('a').provide(8_u32).build();
        let error = container.get::<dyn Mail>().unwrap_err();
        assert!(matches!(error, ContainerError::NothingToReplace { type_name: "char", .. }));
        assert_eq!(container.get::<u32>().unwrap_err(), error);
        assert_eq!(container.get::<String>().unwrap_err(), error);
        assert_eq!(container.check().unwrap_err(), error);
    }

    #[test]
    fn a_builder_and_its_container_show_types_in_order_and_no_values() {
        let builder = Container::builder().provide("secret".to_owned()).provide(1_u8).provide('x');
        let builder = builder.replace("secret".to_owned());
        assert_eq!(format!("{builder:?}"), r#"ContainerBuilder(["u8", "char", "alloc::string::String"])"#);
        assert_eq!(format!("{:?}", builder.build()), r#"Container(["u8", "char", "alloc::string::String"])"#);
    }
}
