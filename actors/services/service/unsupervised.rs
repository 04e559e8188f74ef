//! What stands in the way of a service that is started as a plain actor, which would subscribe to nothing and be kept alive by
//! nobody.

use std::convert::Infallible;

use super::service::BaseService;

/// Makes `Billing { … }.start()` an error: actix has a method of that name, and the compiler now finds two.
///
/// It says the name of this trait. Whoever means the actor alone writes `Actor::start(billing)`.
pub trait WriteSupervisedInstead: BaseService {
    #[doc(hidden)]
    fn start(self) -> Infallible;
}

impl<A: BaseService> WriteSupervisedInstead for A {
    fn start(self) -> Infallible {
        loop {
            std::thread::park();
        }
    }
}
