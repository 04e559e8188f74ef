//! A seed: every choice of a seeded run, and the fingerprint of the choices that were made.

use std::cell::Cell;

use fastrand::Rng;
use uuid::Uuid;

thread_local! {
    /// Laid down by a test before its executor starts, which takes it.
    static LAID: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The source of every choice in a seeded run.
pub(crate) struct Seed {
    rng: Rng,
    fingerprint: u64,
    choices: u64,
}

impl Seed {
    /// Makes the next executor of this thread a seeded one.
    #[cfg(feature = "testing")]
    pub(crate) fn lay(seed: Option<u64>) {
        LAID.set(seed);
    }

    pub(crate) fn take() -> Option<Self> {
        let seed = LAID.take()?;
        // FNV-1a, offset basis of 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/
        Some(Self { rng: Rng::with_seed(seed), fingerprint: 0xcbf2_9ce4_8422_2325, choices: 0 })
    }

    pub(crate) fn choose(&mut self, bound: usize) -> usize {
        if bound < 2 {
            return 0;
        }
        let chosen = self.rng.usize(..bound);
        self.record(chosen as u64);
        chosen
    }

    pub(crate) fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.rng.u64(..), self.rng.u64(..))
    }

    /// Adds to the fingerprint what was done, so that equal fingerprints mean equal runs.
    pub(crate) fn record(&mut self, what: u64) {
        self.choices += 1;
        // FNV-1a, prime of 64 bits.
        self.fingerprint = (self.fingerprint ^ what).wrapping_mul(0x0100_0000_01b3);
    }

    #[cfg(feature = "testing")]
    pub(crate) fn trace(&self) -> (u64, u64) {
        (self.fingerprint, self.choices)
    }
}
