//! What stands in the way of a service that is started as a plain actor, which would subscribe to nothing and be kept alive by
//! nobody.

use std::convert::Infallible;

use super::service::BaseService;

/// Makes `Billing { … }.start()` an error: actix has a method of that name, and the compiler now finds two.
///
/// It shows the line below. Whoever means the actor alone writes `Actor::start(billing)`.
pub trait Unsupervised: BaseService {
    #[doc(hidden)]
    fn start(self) -> Infallible;
}

impl<A: BaseService> Unsupervised for A {
    #[rustfmt::skip]
    fn start(self) -> Infallible { // a service is started by `Billing::supervised(&bus, |bus| Billing { bus }).await?`: as a plain actor it hears no event, and nobody builds it anew
        loop {
            std::thread::park();
        }
    }
}
