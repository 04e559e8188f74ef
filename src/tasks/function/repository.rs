//! Where what a task is about is found, and how it is deleted.
//!
//! `Repository::new(find).deletes(delete) → the bus provides it → TaskInstance, of a task → Found: what loads an Instance, and deletes it`

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::tasks::{Fault, IntoFault};
use crate::{Container, ContainerError};

/// Finds instances of `T` by their ids, and deletes them: what the function of a task asks for as an
/// [`Instance<T>`](crate::Instance) comes from here. The bus [provides](crate::events::EventBusBuilder::provide) it, as other values.
///
/// It is made of functions. One that asks for a connection gets one of the database that has the jobs, and what it deletes is
/// deleted by the transaction that ends the job. One that asks for none brings its own, of whatever database that is.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # mod shop {
/// use convoke::prelude::*;
/// use convoke::transport::SqliteDatabase;
/// use convoke::{Instance, Repository};
/// use serde::{Deserialize, Serialize};
/// use sqlx::SqliteConnection;
/// use std::sync::Arc;
///
/// #[derive(Task, Serialize, Deserialize)]
/// #[task(instance(id: User), delete_on_failure)]
/// struct RegisterUser {
///     id: i64,
/// }
///
/// struct User {
///     name: String,
/// }
///
/// async fn find(id: i64, on: &mut SqliteConnection) -> sqlx::Result<Option<User>> {
///     let row = sqlx::query_scalar("SELECT name FROM users WHERE id = ?1").bind(id).fetch_optional(on).await?;
///     Ok(row.map(|name| User { name }))
/// }
///
/// async fn delete(id: i64, on: &mut SqliteConnection) -> sqlx::Result<()> {
///     sqlx::query("DELETE FROM users WHERE id = ?1").bind(id).execute(on).await.map(drop)
/// }
///
/// async fn register(_: Arc<RegisterUser>, user: Instance<User>) {
///     println!("{} is registered", user.name);
/// }
///
/// fn bus() -> EventBus {
///     EventBus::builder().provide(Repository::new(find).deletes(delete)).build()
/// }
/// # }
/// ```
///
/// | a function | where |
/// |---|---|
/// | `async fn find(id: Id, on: &mut C) -> Result<Option<T>, E>` | in the database that has the jobs; `C` is `SqliteConnection`, `PgConnection` or [`MemoryConnection`](crate::transport::MemoryConnection) |
/// | `async fn find(id: Id) -> Result<Option<T>, E>` | anywhere |
/// | `async fn delete(id: Id, on: &mut C) -> Result<(), E>`, `async fn delete(id: Id) -> Result<(), E>` | where `find` finds it. To delete what is not there is no error |
///
/// `Id` is the type of the field that the task names. What does not fit is an error of [`Tasks::on`](crate::Tasks::on).
pub struct Repository<T> {
    find: Arc<dyn Finds<T>>,
    place: Place,
    delete: Option<(Arc<dyn Deletes>, Place)>,
}

impl<T: 'static> Repository<T> {
    /// Creates a repository of what this function finds: `None` if there is no such instance.
    pub fn new<Kind>(find: impl FindFunction<T, Kind>) -> Self {
        let (find, place) = find.finds().0;
        Self { find, place, delete: None }
    }

    /// Sets what deletes an instance, for tasks that say `delete_on_success` or `delete_on_failure`.
    pub fn deletes<Kind>(mut self, delete: impl DeleteFunction<Kind>) -> Self {
        self.delete = Some(delete.deletes().0);
        self
    }

    pub(super) async fn find(&self, id: &str, on: &mut dyn Any) -> Result<T, Fault> {
        self.find.find(id, on).await?.ok_or_else(|| {
            // Not its id: that stands in the event, and nobody has said that a log may have it.
            let text =
                format!("there is no `{}` of the id that the job has: it was deleted, or never there", short::<T>());
            Fault::coded("not_found", text).origin(short::<T>()).permanent()
        })
    }

    pub(super) fn needs_connection(&self) -> bool {
        self.place.connection.is_some()
    }
}

impl<T> Clone for Repository<T> {
    fn clone(&self) -> Self {
        Self { find: self.find.clone(), place: self.place, delete: self.delete.clone() }
    }
}

impl<T> fmt::Debug for Repository<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository<{}>", short::<T>())
    }
}

/// By what it finds, and on which connection; without one, on its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: Named,
    pub(super) connection: Option<Named>,
}

/// A type, and how it is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) id: TypeId,
    name: &'static str,
}

impl Named {
    pub(super) fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }

    pub(super) fn is<T: 'static>(self) -> bool {
        self.id == TypeId::of::<T>()
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", shortened(self.name))
    }
}

fn short<T>() -> String {
    shortened(type_name::<T>())
}

/// Without the paths: `Option<User>` of `core::option::Option<shop::User>`.
fn shortened(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    for part in name.split_inclusive(|sign: char| !(sign.is_alphanumeric() || "_:{}".contains(sign))) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// What finds, whatever its function asks for.
pub(super) trait Finds<T>: Send + Sync {
    fn find<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<Option<T>, Fault>>;
}

/// What deletes.
pub(super) trait Deletes: Send + Sync {
    fn delete<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<(), Fault>>;
}

/// A function that finds an instance of `T`. It is implemented for functions and closures; `Kind` only tells the compiler which of
/// them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` finds no instance",
    label = "not a function that finds an instance",
    note = "it is `async fn(id: Id, on: &mut C) -> Result<Option<T>, E>`, or without the connection, of an error that is `Send + Sync`"
)]
pub trait FindFunction<T, Kind> {
    #[doc(hidden)]
    fn finds(self) -> Finder<T>;
}

/// A function that deletes an instance. It is implemented for functions and closures; `Kind` only tells the compiler which of
/// them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` deletes no instance",
    label = "not a function that deletes an instance",
    note = "it is `async fn(id: Id, on: &mut C) -> Result<(), E>`, or without the connection, of an error that is `Send + Sync`"
)]
pub trait DeleteFunction<Kind> {
    #[doc(hidden)]
    fn deletes(self) -> Deleter;
}

/// What finds.
#[doc(hidden)]
pub struct Finder<T>((Arc<dyn Finds<T>>, Place));

/// What deletes.
#[doc(hidden)]
pub struct Deleter((Arc<dyn Deletes>, Place));

impl<T> fmt::Debug for Finder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Deleter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deleter").finish_non_exhaustive()
    }
}

/// Marks a function that asks for a connection.
#[doc(hidden)]
#[derive(Debug)]
pub struct On;

/// Marks one that brings its own.
#[doc(hidden)]
#[derive(Debug)]
pub struct Alone;

/// A function, and of what it is one.
struct Function<F, Kind>(F, PhantomData<fn() -> Kind>);

impl<T, Id, C, X, F> FindFunction<T, (On, Id, C, X)> for F
where
    T: 'static,
    Id: DeserializeOwned + 'static,
    C: 'static,
    X: IntoFault + 'static,
    F: AsyncFn(Id, &mut C) -> Result<Option<T>, X> + Send + Sync + 'static,
{
    fn finds(self) -> Finder<T> {
        let place = Place { id: Named::of::<Id>(), connection: Some(Named::of::<C>()) };
        Finder((Arc::new(Function::<F, (On, Id, C, X)>(self, PhantomData)), place))
    }
}

impl<T, Id, X, F> FindFunction<T, (Alone, Id, X)> for F
where
    T: 'static,
    Id: DeserializeOwned + 'static,
    X: IntoFault + 'static,
    F: AsyncFn(Id) -> Result<Option<T>, X> + Send + Sync + 'static,
{
    fn finds(self) -> Finder<T> {
        let place = Place { id: Named::of::<Id>(), connection: None };
        Finder((Arc::new(Function::<F, (Alone, Id, X)>(self, PhantomData)), place))
    }
}

impl<Id, C, X, F> DeleteFunction<(On, Id, C, X)> for F
where
    Id: DeserializeOwned + 'static,
    C: 'static,
    X: IntoFault + 'static,
    F: AsyncFn(Id, &mut C) -> Result<(), X> + Send + Sync + 'static,
{
    fn deletes(self) -> Deleter {
        let place = Place { id: Named::of::<Id>(), connection: Some(Named::of::<C>()) };
        Deleter((Arc::new(Function::<F, (On, Id, C, X)>(self, PhantomData)), place))
    }
}

impl<Id, X, F> DeleteFunction<(Alone, Id, X)> for F
where
    Id: DeserializeOwned + 'static,
    X: IntoFault + 'static,
    F: AsyncFn(Id) -> Result<(), X> + Send + Sync + 'static,
{
    fn deletes(self) -> Deleter {
        let place = Place { id: Named::of::<Id>(), connection: None };
        Deleter((Arc::new(Function::<F, (Alone, Id, X)>(self, PhantomData)), place))
    }
}

impl<T, Id, C, X, F> Finds<T> for Function<F, (On, Id, C, X)>
where
    Id: DeserializeOwned,
    C: 'static,
    X: IntoFault,
    F: AsyncFn(Id, &mut C) -> Result<Option<T>, X> + Send + Sync,
{
    fn find<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<Option<T>, Fault>> {
        Box::pin(async move { (self.0)(read(id)?, connection(on)?).await.map_err(IntoFault::into_fault) })
    }
}

impl<T, Id, X, F> Finds<T> for Function<F, (Alone, Id, X)>
where
    Id: DeserializeOwned,
    X: IntoFault,
    F: AsyncFn(Id) -> Result<Option<T>, X> + Send + Sync,
{
    fn find<'a>(&'a self, id: &'a str, _: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<Option<T>, Fault>> {
        Box::pin(async move { (self.0)(read(id)?).await.map_err(IntoFault::into_fault) })
    }
}

impl<Id, C, X, F> Deletes for Function<F, (On, Id, C, X)>
where
    Id: DeserializeOwned,
    C: 'static,
    X: IntoFault,
    F: AsyncFn(Id, &mut C) -> Result<(), X> + Send + Sync,
{
    fn delete<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { (self.0)(read(id)?, connection(on)?).await.map_err(IntoFault::into_fault) })
    }
}

impl<Id, X, F> Deletes for Function<F, (Alone, Id, X)>
where
    Id: DeserializeOwned,
    X: IntoFault,
    F: AsyncFn(Id) -> Result<(), X> + Send + Sync,
{
    fn delete<'a>(&'a self, id: &'a str, _: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { (self.0)(read(id)?).await.map_err(IntoFault::into_fault) })
    }
}

fn read<Id: DeserializeOwned>(id: &str) -> Result<Id, Fault> {
    serde_json::from_str(id).map_err(|_| {
        let text = format!("the id of the job cannot be read as a `{}`", short::<Id>());
        Fault::coded("unreadable", text).permanent()
    })
}

/// That it is of this type was looked at when the function was registered.
fn connection<C: 'static>(on: &mut dyn Any) -> Result<&mut C, Fault> {
    on.downcast_mut().ok_or_else(|| Fault::new(format!("there is no `{}`", short::<C>())))
}

/// What was found, and where.
pub(super) struct Loaded<T> {
    pub(super) value: T,
    pub(super) repository: Repository<T>,
    pub(super) id: String,
}

/// A repository, whatever it is of.
pub(super) trait AnyRepository {
    fn place(&self) -> Place;

    fn deleting(&self) -> Option<Place>;

    /// Finds it: a [`Loaded`].
    fn load<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<Box<dyn Any>, Fault>>;

    fn delete<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<(), Fault>>;
}

impl<T: 'static> AnyRepository for Repository<T> {
    fn place(&self) -> Place {
        self.place
    }

    fn deleting(&self) -> Option<Place> {
        self.delete.as_ref().map(|(_, place)| *place)
    }

    fn load<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<Box<dyn Any>, Fault>> {
        Box::pin(async move {
            let value = self.find(id, on).await?;
            Ok(Box::new(Loaded { value, repository: self.clone(), id: id.to_owned() }) as Box<dyn Any>)
        })
    }

    fn delete<'a>(&'a self, id: &'a str, on: &'a mut dyn Any) -> LocalBoxFuture<'a, Result<(), Fault>> {
        match &self.delete {
            Some((delete, _)) => delete.delete(id, on),
            None => Box::pin(std::future::ready(Err(Fault::new(format!("{self:?} deletes nothing"))))),
        }
    }
}

/// How the repository of a type is had of what the bus provides.
pub(super) type Look = fn(&Container) -> Result<std::rc::Rc<dyn AnyRepository>, ContainerError>;

pub(super) fn look<T: 'static>(container: &Container) -> Result<std::rc::Rc<dyn AnyRepository>, ContainerError> {
    let repository = container.get::<Repository<T>>()?;
    Ok(std::rc::Rc::new(Repository::clone(&repository)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_without_its_paths() {
        assert_eq!(shortened("core::option::Option<shop::users::User>"), "Option<User>");
        assert_eq!(shortened("(alloc::string::String, u32)"), "(String, u32)");
        assert_eq!(shortened("&'static [u8; 4]"), "&'static [u8; 4]");
        assert_eq!(shortened("i64"), "i64");
        assert_eq!(shortened("shop::main::{{closure}}::User"), "User");
    }
}
