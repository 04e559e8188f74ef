//! A client whose connections are given up together once one of them has fallen silent: a NAT that has forgotten one has
//! forgotten its neighbors too, and each that waits in the pool would cost a deadline of its own.
//!
//! `ask → the client of this generation → a request → no answer in time → the next generation, with other connections`

use std::sync::{PoisonError, RwLock};

#[cfg(feature = "sns")]
use aws_sdk_sns::error::SdkError;
#[cfg(not(feature = "sns"))]
use aws_sdk_sqs::error::SdkError;

/// Of how many generations there are connections: after the last comes the first again, whose connections are closed by then.
const GENERATIONS: u16 = 64;

/// What has a client made, and made again.
pub(in crate::transport) struct Fresh<C> {
    make: Box<dyn Fn(u16) -> C + Send + Sync>,
    now: RwLock<(u16, C)>,
}

impl<C: Clone> Fresh<C> {
    /// Makes the client of each generation by this, which has to give each connections of its own.
    pub(in crate::transport) fn new(make: impl Fn(u16) -> C + Send + Sync + 'static) -> Self {
        let first = make(0);
        Self { make: Box::new(make), now: RwLock::new((0, first)) }
    }

    /// Asks for something; when no answer comes in time, what is asked for next goes over other connections.
    pub(in crate::transport) async fn ask<F, T, E, R>(&self, request: impl FnOnce(C) -> F) -> Result<T, SdkError<E, R>>
    where
        F: Future<Output = Result<T, SdkError<E, R>>>,
    {
        let (generation, client) = self.now.read().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = request(client).await;
        if let Err(SdkError::TimeoutError(_)) = &answer {
            self.renew(generation);
        }
        answer
    }

    /// Begins the next generation, unless somebody has.
    fn renew(&self, seen: u16) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.0 == seen {
            let next = (seen + 1) % GENERATIONS;
            *now = (next, (self.make)(next));
        }
    }
}
