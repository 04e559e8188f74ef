//! A function or closure that does a task: by its arguments it says what it needs.
//!
//! `.on(function) → TaskFunction → Does, under the name of the task → Call → Told, or a Fault`

use std::any::TypeId;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::argument::TaskArgument;
use super::call::{Call, TaskCall};
use super::deletion::Deleting;
use super::instance::{Found, wire};
use super::place::TaskPlace;
use super::returned::{Ends, Told};
use crate::tasks::{Fault, Task, TaskError, TaskFailed, TaskTerms};
use crate::{Container, Event, Outgoing};

/// What comes of an attempt.
pub(in crate::tasks) type Done = Result<Told, Fault>;

pub(super) type Attempting = Pin<Box<dyn Future<Output = Done>>>;

/// What does the jobs of one task.
pub(in crate::tasks) trait Does<D: TaskPlace> {
    fn task(&self) -> &'static str;

    fn terms(&self) -> TaskTerms;

    /// Whether there is one of some of its jobs.
    fn is_unique(&self) -> bool {
        false
    }

    /// What it asks for that is not there.
    fn lacks(&self) -> &[&'static str] {
        &[]
    }

    /// Begins an attempt. It has taken all it needs of the call when this returns.
    fn attempt(&self, call: &Call<D>, keeps: bool) -> Attempting;

    /// What it is about, if an attempt needs that or its end deletes it.
    fn found(&self) -> Option<&Found> {
        None
    }

    /// The id by which that is found, as JSON.
    ///
    /// # Errors
    ///
    /// If the payload cannot be read.
    fn instance_id(&self, payload: &str) -> Result<String, Fault> {
        let _ = payload;
        Err(Fault::new("there is no instance"))
    }

    /// What deletes it, if no transaction that ends a job does.
    fn deleting(&self) -> Option<Rc<dyn Does<D>>> {
        None
    }

    /// What a job was about, by its payload.
    fn about(&self, payload: &str) -> Option<Value>;

    /// The event that tells of a failure.
    ///
    /// # Errors
    ///
    /// If it cannot be made of this.
    fn fails(&self, failure: &Value) -> Result<Outgoing, serde_json::Error>;
}

/// A function or closure, sync or async, of an `Arc` of a task and up to 8 [arguments](TaskArgument); a sync one takes a reference
/// as well. What it may return, [`Ends`] says.
///
/// It is implemented for functions and closures; `Kind` only tells the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does no task",
    label = "not a function of a task",
    note = "it is `async fn(task: Arc<T>, …)` of a type with `#[derive(Task)]`; a sync function may take `&T`",
    note = "behind the task it asks, by value, for up to 8 of `Inject<T>`, `EventBus`, `Instance<T>`, `CancelToken`, `Attempt`, `Tx<D>`, \
            `TaskQueue<D>`, `TaskProgress`, `Steps` and `BatchOutcome`, where `D` is the database of these tasks",
    note = "it returns nothing, an event, or a `Result` of either, of an error that is `Send + Sync`; if the task says `succeeds = Event`, a \
            `Result` of a model with `impl From<&Model> for Event`"
)]
pub trait TaskFunction<D: TaskPlace, T, Kind>: 'static {
    /// Looks whether there is what it needs, and makes of it what does the task.
    #[doc(hidden)]
    fn register(self, container: &Container) -> Result<Registered<D>, TaskError>;
}

/// A function that is registered.
#[doc(hidden)]
pub struct Registered<D: TaskPlace>(pub(in crate::tasks) Rc<dyn Does<D>>);

impl<D: TaskPlace> std::fmt::Debug for Registered<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registered").field(&self.0.task()).finish()
    }
}

struct Doing<T, F> {
    attempt: F,
    lacks: Vec<&'static str>,
    found: Option<Rc<Found>>,
    task: PhantomData<T>,
}

impl<D: TaskPlace, T: Task, F: Fn(Arc<T>, &Call<D>, bool) -> Attempting> Does<D> for Doing<T, F> {
    fn task(&self) -> &'static str {
        T::NAME
    }

    fn terms(&self) -> TaskTerms {
        T::TERMS
    }

    fn is_unique(&self) -> bool {
        T::UNIQUE
    }

    fn lacks(&self) -> &[&'static str] {
        &self.lacks
    }

    fn attempt(&self, call: &Call<D>, keeps: bool) -> Attempting {
        match serde_json::from_str(&call.loan.payload) {
            Ok(task) => (self.attempt)(Arc::new(task), call, keeps),
            Err(error) => Box::pin(std::future::ready(Err(unreadable::<T>(&error)))),
        }
    }

    fn found(&self) -> Option<&Found> {
        self.found.as_deref()
    }

    fn instance_id(&self, payload: &str) -> Result<String, Fault> {
        let task: T = serde_json::from_str(payload).map_err(|error| unreadable::<T>(&error))?;
        task.instance_id().map_err(|error| does_not_read("the id of its instance", &error))
    }

    fn deleting(&self) -> Option<Rc<dyn Does<D>>> {
        let deleting = Deleting::of(T::NAME, T::TERMS, self.found.as_ref()?)?;
        Some(Rc::new(deleting))
    }

    fn about(&self, payload: &str) -> Option<Value> {
        serde_json::from_str::<T>(payload).ok()?.id()
    }

    fn fails(&self, failure: &Value) -> Result<Outgoing, serde_json::Error> {
        T::Fails::from_json(failure).map(Outgoing::new)
    }
}

fn unreadable<T: Task>(error: &serde_json::Error) -> Fault {
    does_not_read(&format!("its payload is none of `{}` as this program knows it", T::NAME), error)
}

/// Not what stands there: nobody has said that it may be seen.
pub(super) fn does_not_read(what: &str, error: &serde_json::Error) -> Fault {
    Fault::coded("unreadable", format!("{what}: {}", unquoted(error)))
}

/// Where the fault is, and of what kind.
fn unquoted(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a field is missing, or of another type",
        _ => "it is no JSON",
    };
    format!("{kind}, at column {}", error.column())
}

/// Looks whether all that has to leave can.
fn check<T: Task>(local: Option<&'static str>, checks: &[Result<(), crate::ContainerError>]) -> Result<(), TaskError> {
    if let Some(Err(error)) = checks.iter().find(|check| check.is_err()) {
        return Err(TaskError::Container { task: T::NAME.into(), error: error.clone() });
    }
    if let Some(event) = local.or_else(|| T::Fails::LOCAL.then_some(T::Fails::NAME)) {
        return Err(TaskError::Outbox(crate::OutboxError::Local { event: event.into() }));
    }
    // What a failure would be told by, of an id as a number and as a text.
    let fault = Fault::new("it failed");
    let tried = [Value::from(7), Value::from("7")].map(|id| T::Fails::from_json(&fault.told(id, T::NAME, 7)));
    match tried {
        [Err(error), Err(_)] => {
            Err(TaskError::Fails { task: T::NAME.into(), event: T::Fails::NAME.into(), reason: error.to_string() })
        }
        _ if T::ABOUT || TypeId::of::<T::Fails>() == TypeId::of::<TaskFailed>() => Ok(()),
        _ => has_no_id::<T>(&fault),
    }
}

/// Looks whether the event of a failure does without the id of what the task is about.
fn has_no_id<T: Task>(fault: &Fault) -> Result<(), TaskError> {
    let mut told = fault.told(Value::Null, T::NAME, 7);
    if let Some(told) = told.as_object_mut() {
        told.remove("id");
    }
    T::Fails::from_json(&told).map(drop).map_err(|_| TaskError::Fails {
        task: T::NAME.into(),
        event: T::Fails::NAME.into(),
        reason: "it has a field `id`, and the task does not say what it is about: name that by `#[task(id = …)]`, or call the field of \
                 the event `job`"
            .to_owned(),
    })
}

/// Marks a sync function of `&T`.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByRef;

/// Marks a sync function of `Arc<T>`.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByArc;

/// Marks an async function of `Arc<T>`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Later;

fn registered<D: TaskPlace, T: Task>(
    (found, lacks): (Option<Found>, Vec<Option<&'static str>>),
    attempt: impl Fn(Arc<T>, &Call<D>, bool) -> Attempting + 'static,
) -> Registered<D> {
    let (found, lacks) = (found.map(Rc::new), lacks.into_iter().flatten().collect());
    Registered(Rc::new(Doing { attempt, lacks, found, task: PhantomData }))
}

macro_rules! functions {
    ($($argument:ident)*) => {
        #[allow(non_snake_case, unused_variables, reason = "the arguments are called as their types are")]
        impl<D, T, Out, Kind, F, $($argument),*> TaskFunction<D, T, (ByRef, Kind, Out, $($argument,)*)> for F
        where
            D: TaskPlace,
            T: Task,
            Kind: 'static,
            Out: Ends<T, Kind> + 'static,
            F: Fn(&T, $($argument),*) -> Out + 'static,
            $($argument: TaskArgument<D>,)*
        {
            fn register(self, container: &Container) -> Result<Registered<D>, TaskError> {
                check::<T>(Out::local(), &[$($argument::check(container)),*])?;
                let found = wire::<T>(container, &[$($argument::asks()),*])?;
                let function = Rc::new(self);
                Ok(registered((found, vec![$($argument::lacks()),*]), move |task: Arc<T>, call: &Call<D>, keeps| {
                    let call = TaskCall(call);
                    $(let $argument = match $argument::take(&call) {
                        Ok(argument) => argument,
                        Err(fault) => return Box::pin(std::future::ready(Err(fault))),
                    };)*
                    let function = function.clone();
                    // Not before it is polled: its panic is the attempt's.
                    Box::pin(async move { function(&task, $($argument),*).told(keeps).map(|ended| ended.0) })
                }))
            }
        }

        #[allow(non_snake_case, unused_variables, reason = "the arguments are called as their types are")]
        impl<D, T, Out, Kind, F, $($argument),*> TaskFunction<D, T, (ByArc, Kind, Out, $($argument,)*)> for F
        where
            D: TaskPlace,
            T: Task,
            Kind: 'static,
            Out: Ends<T, Kind> + 'static,
            F: Fn(Arc<T>, $($argument),*) -> Out + 'static,
            $($argument: TaskArgument<D>,)*
        {
            fn register(self, container: &Container) -> Result<Registered<D>, TaskError> {
                check::<T>(Out::local(), &[$($argument::check(container)),*])?;
                let found = wire::<T>(container, &[$($argument::asks()),*])?;
                let function = Rc::new(self);
                Ok(registered((found, vec![$($argument::lacks()),*]), move |task: Arc<T>, call: &Call<D>, keeps| {
                    let call = TaskCall(call);
                    $(let $argument = match $argument::take(&call) {
                        Ok(argument) => argument,
                        Err(fault) => return Box::pin(std::future::ready(Err(fault))),
                    };)*
                    let function = function.clone();
                    Box::pin(async move { function(task, $($argument),*).told(keeps).map(|ended| ended.0) })
                }))
            }
        }

        #[allow(non_snake_case, unused_variables, reason = "the arguments are called as their types are")]
        impl<D, T, Out, Kind, F, $($argument),*> TaskFunction<D, T, (Later, Kind, Out, $($argument,)*)> for F
        where
            D: TaskPlace,
            T: Task,
            Kind: 'static,
            Out: Ends<T, Kind> + 'static,
            F: AsyncFn(Arc<T>, $($argument),*) -> Out + 'static,
            $($argument: TaskArgument<D>,)*
        {
            fn register(self, container: &Container) -> Result<Registered<D>, TaskError> {
                check::<T>(Out::local(), &[$($argument::check(container)),*])?;
                let found = wire::<T>(container, &[$($argument::asks()),*])?;
                let function = Rc::new(self);
                Ok(registered((found, vec![$($argument::lacks()),*]), move |task: Arc<T>, call: &Call<D>, keeps| {
                    let call = TaskCall(call);
                    $(let $argument = match $argument::take(&call) {
                        Ok(argument) => argument,
                        Err(fault) => return Box::pin(std::future::ready(Err(fault))),
                    };)*
                    let function = function.clone();
                    Box::pin(async move { (*function)(task, $($argument),*).await.told(keeps).map(|ended| ended.0) })
                }))
            }
        }
    };
}

functions!();
functions!(A1);
functions!(A1 A2);
functions!(A1 A2 A3);
functions!(A1 A2 A3 A4);
functions!(A1 A2 A3 A4 A5);
functions!(A1 A2 A3 A4 A5 A6);
functions!(A1 A2 A3 A4 A5 A6 A7);
functions!(A1 A2 A3 A4 A5 A6 A7 A8);
