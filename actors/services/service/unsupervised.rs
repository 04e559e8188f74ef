//! What stands in the way of a service that is started as a plain actor, which would subscribe to nothing and be kept alive by
//! nobody.

use std::convert::Infallible;

use super::service::BaseService;

/// Makes `Billing { … }.start()` an error: actix has a method of that name, and the compiler now finds two.
///
/// The error names this trait. To start the actor alone, write `Actor::start(billing)`.
pub trait WriteSupervisedInstead: BaseService {
    #[doc(hidden)]
    fn start(self) -> Infallible
    where
        Self: StartsWithoutSupervisor;
}

impl<A: BaseService> WriteSupervisedInstead for A {
    fn start(self) -> Infallible
    where
        Self: StartsWithoutSupervisor,
    {
        self.never()
    }
}

/// Makes it an error too where the method of actix is not in scope. No type implements this trait.
#[diagnostic::on_unimplemented(
    message = "a service is not started by `start`: it would hear no event, and nobody would restart it",
    label = "write `{Self}::supervised(&bus, |_| …).await?`",
    note = "`actix::Actor::start(…)` starts the actor alone"
)]
pub trait StartsWithoutSupervisor {
    #[doc(hidden)]
    fn never(self) -> Infallible;
}
