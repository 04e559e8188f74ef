//! What a broker bears with: parties that veto, and parties that take longer than they said.

use std::time::Duration;

use super::broker::Broker;
use crate::base::Payload;
use crate::rounds::round::OnVeto;

/// # Rules for vetoes and heartbeats, which you set before the broker starts
impl<P: Payload> Broker<P> {
    /// Sets what happens to a round when an emitter vetoes it. The default is [`OnVeto::Cancel`].
    ///
    /// A veto that is tolerated is an answer: its emitter owes the round nothing any more and is not missing, the round
    /// goes on, and the outcome names the emitter and its reason in [`Outcome::vetoes`](crate::Outcome::vetoes). The
    /// future of the veto resolves to the outcome. It is no signal:
    ///
    /// - [`Release::all`](crate::Release::all) is released when all the others have kept their promise, but not if nobody
    ///   has: that is [`Cause::OutOfReach`](crate::Cause::OutOfReach). Every other release has to do without the emitter
    ///   that vetoed. A round that cannot be released any more is cancelled at once with that cause, as after a loss.
    ///   Under [`LateJoin::ThisRound`](crate::LateJoin::ThisRound) it waits for somebody else to join, unless nobody could
    ///   bring what is lacking: a name that is both required and expected.
    /// - A veto stands. A signal that its emitter emits afterwards is refused with
    ///   [`EmitError::Vetoed`](crate::EmitError::Vetoed), or waits for the next round under
    ///   [`RepeatEmit::NextRound`](crate::RepeatEmit::NextRound). A second veto changes nothing, and neither does it if
    ///   the emitter leaves, is lost, or comes back.
    /// - A veto takes back the signal of its emitter, if it has emitted before. If that was the only signal, the round
    ///   is about nothing any more, and is cancelled.
    /// - An [expected](Self::expects) name is one promise. The veto of one member with that name is the veto of the name:
    ///   it counts once, it takes back the signal of another member, and nobody with that name owes anything any more.
    ///
    /// The veto that is not tolerated cancels the round with [`Cause::Vetoed`](crate::Cause::Vetoed), and `vetoes` lists
    /// those before it.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use std::time::Duration;
    ///
    /// # actix::System::new().block_on(async {
    /// let broker = Broker::new(Duration::from_secs(1)).on_veto(OnVeto::Tolerate(1)).start();
    /// let near = Emitter::join(&broker, "near").await?;
    /// let far = Emitter::join(&broker, "far").await?;
    ///
    /// near.do_emit(17)?;
    /// let outcome = far.veto("sold out").await?;
    /// assert_eq!(outcome.payloads(), [17]);
    /// assert_eq!(outcome.vetoes()[0].to_string(), "far: sold out");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn on_veto(self, on_veto: OnVeto) -> Self {
        self.rule(|rules| rules.on_veto = on_veto)
    }

    /// Sets how far beyond its first deadline an emitter can be carried by [heartbeats](crate::Pledge::heartbeat). The
    /// default is as far as the timeout of the round, beyond which they carry nobody: so no round is open longer for
    /// them. With zero, heartbeats change nothing.
    pub fn max_heartbeat(self, limit: Duration) -> Self {
        self.rule(|rules| rules.max_heartbeat = limit)
    }
}
