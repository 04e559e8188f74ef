//! What a task is about, as its function gets it.
//!
//! `#[task(instance(id: User))] → TaskInstance → wire: is there a repository, and does it fit? → Found → loaded before each attempt → Instance`

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::repository::{AnyRepository, Loaded, Named, Repository};
use super::task_instance::TaskInstance;
use super::tx::Tx;
use crate::Container;
use crate::tasks::{Fault, State, Task, TaskDatabase, TaskError};

/// What a task is about, as an argument of its function: `#[task(instance(id: User))]` names the field that has its id, and its
/// [`Repository`] finds it, before each attempt.
///
/// If it is not there, the attempt fails with the code `not_found`, and is not tried again: enqueue the job
/// [within](crate::Enqueue::within) the transaction that inserts the row. If it cannot be looked up, as when the database is away, the
/// attempt fails and is tried again as the task says.
///
/// It is found on a connection that is in no transaction, so that nothing is locked while the function runs. To know in the
/// transaction that ends the job how it is, [`reload`](Self::reload) it there.
///
/// In a unit test that calls a function by hand, create the argument yourself:
///
/// ```
/// use convoke::Instance;
///
/// # struct RegisterUser;
/// struct User {
///     name: String,
/// }
///
/// fn greet(_: &RegisterUser, user: Instance<User>) -> String {
///     format!("welcome, {}", user.name)
/// }
///
/// assert_eq!(greet(&RegisterUser, Instance::new(User { name: "Ada".into() })), "welcome, Ada");
/// ```
pub struct Instance<T> {
    value: T,
    from: Option<(Repository<T>, String)>,
}

impl<T> From<Loaded<T>> for Instance<T> {
    fn from(Loaded { value, repository, id }: Loaded<T>) -> Self {
        Self { value, from: Some((repository, id)) }
    }
}

impl<T> Instance<T> {
    /// Creates an instance from a value, without a repository.
    pub fn new(value: T) -> Self {
        Self { value, from: None }
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: 'static> Instance<T> {
    /// Finds it anew, in the transaction that ends the job, which begins if it has not: so it is as what else is written in that
    /// transaction finds it. On PostgreSQL the row can still be changed by others, unless the repository locks it, as by
    /// `SELECT … FOR UPDATE`; on SQLite nobody else writes until the function returns. What brings a connection of its own is
    /// found on that.
    ///
    /// # Errors
    ///
    /// - The code `not_found`, which is permanent, if it is not there any more.
    /// - Those of its repository, and of [`Tx::begin`].
    /// - If it was created [by hand](Self::new).
    pub async fn reload<D: TaskDatabase>(&mut self, tx: &mut Tx<D>) -> Result<(), Fault> {
        let Some((repository, id)) = &self.from else {
            return Err(Fault::new("it was created by hand, and has no repository"));
        };
        self.value = match repository.needs_connection() {
            true => repository.find(id, tx.begin().await?).await?,
            false => repository.find(id, &mut ()).await?,
        };
        Ok(())
    }
}

impl<T> Deref for Instance<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Instance<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// Shows the value, as that shows itself.
impl<T: fmt::Debug> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instance").field(&self.value).finish()
    }
}

/// Which instance a function asks for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Asked(Named);

impl Asked {
    pub(super) fn of<T: 'static>() -> Self {
        Self(Named::of::<T>())
    }
}

/// The instance of a task whose repository was found.
pub(in crate::tasks) struct Found {
    instance: TaskInstance,
    repository: Rc<dyn AnyRepository>,
    is_asked_for: bool,
}

/// Looks whether there is the instance that a function asks for, and that the task deletes.
pub(super) fn wire<T: Task>(container: &Container, asked: &[Option<Asked>]) -> Result<Option<Found>, TaskError> {
    let wrong = |reason: String| Err(TaskError::Instance { task: T::NAME.into(), reason });
    let mut asked = asked.iter().flatten();
    let asks = asked.next();
    if asked.next().is_some() {
        return wrong("it asks for its instance twice: ask once".to_owned());
    }
    let Some(instance) = T::instance() else {
        return match asks {
            Some(asks) => wrong(format!(
                "it asks for an instance of {}, and the task does not say which: add `instance(field: …)` to `#[task(…)]`",
                asks.0
            )),
            None => Ok(None),
        };
    };
    let model = instance.model;
    if let Some(asks) = asks.filter(|asks| asks.0 != model) {
        return wrong(format!("it asks for an instance of {}, and the task is about a {model}: ask for that", asks.0));
    }
    let deletes = instance.on_success || instance.on_failure;
    if asks.is_none() && !deletes {
        return Ok(None);
    }
    let look = (instance.look)(container);
    let repository = look.map_err(|error| TaskError::Container { task: T::NAME.into(), error })?;
    let place = repository.place();
    if place.id != instance.id {
        return wrong(format!(
            "the repository finds a {model} by its {}, and the task has a {} of it: have both take the same type",
            place.id, instance.id
        ));
    }
    match repository.deleting() {
        None if deletes => {
            return wrong(format!(
                "the task deletes its {model}, and the repository does not: add `.deletes(…)` to it"
            ));
        }
        Some(deleting) if deleting.id != place.id => {
            return wrong(format!(
                "the repository finds a {model} by its {}, and deletes it by a {}: have both take the same type",
                place.id, deleting.id
            ));
        }
        Some(deleting) if deleting.connection != place.connection => {
            return wrong(format!(
                "the repository finds a {model} {}, and deletes it {}: have both take the same",
                Via(place.connection),
                Via(deleting.connection)
            ));
        }
        _ => {}
    }
    Ok(Some(Found { instance, repository, is_asked_for: asks.is_some() }))
}

struct Via(Option<Named>);

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(connection) => write!(f, "on a {connection}"),
            None => f.write_str("on a connection of its own"),
        }
    }
}

impl Found {
    /// Whether it is loaded before an attempt.
    pub(in crate::tasks) fn is_asked_for(&self) -> bool {
        self.is_asked_for
    }

    /// Whether it is found and deleted on a connection that it is given.
    pub(in crate::tasks) fn needs_connection(&self) -> bool {
        self.repository.place().connection.is_some()
    }

    /// Looks whether it works on connections of this type.
    ///
    /// # Errors
    ///
    /// [`TaskError::Instance`].
    pub(in crate::tasks) fn check<C: 'static>(&self, task: &str) -> Result<(), TaskError> {
        match self.repository.place().connection {
            Some(connection) if !connection.is::<C>() => {
                let (model, jobs) = (self.instance.model, Named::of::<C>());
                let reason = format!(
                    "the repository finds a {model} on a {connection}, and the jobs are in the database of a {jobs}: have it bring \
                     a connection of its own"
                );
                Err(TaskError::Instance { task: task.to_owned(), reason })
            }
            _ => Ok(()),
        }
    }

    /// Whether it is deleted with the end of a job in this state.
    pub(in crate::tasks) fn is_deleted(&self, state: State) -> bool {
        match state {
            State::Done => self.instance.on_success,
            State::Failed | State::Cancelled => self.instance.on_failure,
            State::Waiting | State::Running => false,
        }
    }

    /// Whether there is what deletes it.
    pub(in crate::tasks) fn can_delete(&self) -> bool {
        self.repository.deleting().is_some()
    }

    pub(in crate::tasks) async fn load(&self, id: &str, on: &mut dyn Any) -> Result<Box<dyn Any>, Fault> {
        self.repository.load(id, on).await
    }

    pub(in crate::tasks) async fn delete(&self, id: &str, on: &mut dyn Any) -> Result<(), Fault> {
        self.repository.delete(id, on).await
    }

    /// What it is, for a text.
    pub(in crate::tasks) fn model(&self) -> impl fmt::Display + use<> {
        self.instance.model
    }
}
