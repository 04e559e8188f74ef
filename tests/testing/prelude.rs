//! A test, and no helper: `convoke::prelude` beside `actix::prelude`. No word of ours is one of actix, and none hides one of std.

use actix::prelude::*;
use convoke::prelude::*;

use crate::common::SECOND;

/// An actor that needs words of both.
#[derive(Default)]
struct Both {
    membership: Option<Membership<u32>>,
    heard: usize,
}

impl Actor for Both {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        Running::Stop
    }
}

impl Supervised for Both {}

#[derive(Message)]
#[rtype(result = "Result<usize, std::fmt::Error>")]
struct Heard(Membership<u32>);

impl Handler<Heard> for Both {
    type Result = Result<usize, std::fmt::Error>;

    fn handle(&mut self, Heard(membership): Heard, _: &mut Self::Context) -> Self::Result {
        self.membership.replace(membership);
        Ok(self.heard)
    }
}

impl Handler<Summons<u32>> for Both {
    type Result = ();

    fn handle(&mut self, Summons { pledge }: Summons<u32>, _: &mut Self::Context) {
        pledge.keep(2);
    }
}

impl Handler<Resolved<u32>> for Both {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, _: Resolved<u32>, _: &mut Self::Context) -> Self::Result {
        self.heard += 1;
        Box::pin(async { Ok(()) })
    }
}

// `#[test]` is still std's.
#[test]
fn an_actor_may_be_written_with_both_preludes() {
    System::new().block_on(async {
        let broker = Broker::new(SECOND).start();
        let both = Supervisor::start(|_| Both::default());
        let membership = broker.add_emitter("both", both.clone().recipient()).await.unwrap();
        let guard = broker.add_consumer("both", both.clone().recipient::<Resolved<u32>>()).await.unwrap();
        let one: EmitterHandle<u32> = Emitter::join(&broker, "one").await.unwrap();
        let outcome: Outcome<u32> = one.emit(1).await.unwrap();
        assert!(outcome.consumed().await.is_ok());
        assert_eq!(both.send(Heard(membership)).await.unwrap(), Ok(1));
        drop(guard);
    });
}
