//! Letters redriven or deleted, one after the other in the order of their places, and how far that came.
//!
//! ```text
//! ids, or page after page ─▶ redrive | discard ─▶ counted ─▶ the next, as fast as it may be
//!                                                   └─ asked to stop: the one that has begun is done, and the rest stays
//! ```

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use convoke::look::{Letter, LetterId, Letters};
use convoke::transport::{ErrorKind, TransportError};
use tokio::time::{Instant, sleep_until};

use super::chosen::{Chosen, Which};
use crate::commands::queues::Connected;
use crate::error::{Error, Result, shown};
use crate::running::Stop;
use crate::terminal::Progress;
use crate::writing::Count;

/// How many letters are asked for at a time.
const PAGE: usize = 200;

/// What is done to a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Redrive,
    Discard,
}

impl Deed {
    /// What was done.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Redrive => "redriven",
            Self::Discard => "deleted",
        }
    }

    /// The word between that and the queue.
    pub(super) fn way(self) -> &'static str {
        match self {
            Self::Redrive => "to",
            Self::Discard => "from",
        }
    }

    async fn to(self, letters: &Letters, id: &LetterId) -> std::result::Result<bool, TransportError> {
        match self {
            Self::Redrive => letters.redrive(id).await,
            Self::Discard => letters.discard(id).await,
        }
    }
}

/// What was not done, and why.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// There are no such letters, or somebody else has them.
    pub(super) missing: Vec<LetterId>,
    /// They were dead again, or for the first time, before this was done; or are behind such a one of their key.
    pub(super) died_since: u64,
}

/// Now, in milliseconds since 1970.
fn millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// One pass over letters.
pub(super) struct Sweep<'a> {
    pub(super) deed: Deed,
    pub(super) at: &'a Connected,
    pub(super) letters: &'a Letters,
    /// How many a second; as fast as it goes if nobody says.
    pub(super) rate: Option<u32>,
    pub(super) stop: &'a Stop,
    pub(super) count: &'a Count,
    pub(super) progress: &'a Progress,
}

impl Sweep<'_> {
    /// Does it to all that were chosen.
    ///
    /// # Errors
    ///
    /// That somebody has ended it, or what has, with how many were done until then.
    pub(super) async fn over(&self, chosen: &Chosen) -> Result<Left> {
        let mut left = Left::default();
        let done = match chosen {
            Chosen::These(ids) => self.these(ids, &mut left).await,
            Chosen::Which(which) => self.which(which, &mut left).await,
        };
        let (count, verb) = (self.count.get(), self.deed.done());
        done.map(|()| left).map_err(|error| error.after(&format!("{} {verb}", many(count))))
    }

    async fn these(&self, ids: &[LetterId], left: &mut Left) -> Result<()> {
        let begun = Instant::now();
        for id in ids {
            if !self.one(id, begun).await? {
                left.missing.push(id.clone());
            }
        }
        Ok(())
    }

    /// A letter that dies while this goes on is behind all others, and would be met again and again. One that has died in the future
    /// was written by a machine whose clock is ahead: it is taken, and once. Of a key of which one stays, all behind it stay.
    async fn which(&self, which: &Which, left: &mut Left) -> Result<()> {
        let began = millis();
        let (begun, mut after) = (Instant::now(), None);
        let (mut ahead, mut held) = (HashSet::new(), HashSet::new());
        loop {
            let page = self.at.patience.of(&self.at.who, self.letters.page(after.as_ref(), PAGE));
            let page: Vec<Letter> = self.stop.or(page).await.map_err(to_go_on)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            for letter in page.iter().filter(|letter| which.is_of(letter)) {
                let died = letter.record.as_ref().map_or(0, |record| record.time);
                let key = letter.packet.key.as_ref();
                let is_new = died > began && (died <= millis() || !ahead.insert(letter.packet.id.clone()));
                if is_new || key.is_some_and(|key| held.contains(key)) {
                    left.died_since += 1;
                    held.extend(key.cloned());
                } else {
                    // One that is gone meanwhile was done by somebody else.
                    self.one(&letter.id, begun).await?;
                }
            }
        }
    }

    /// Does it to one, when its turn has come. Returns whether there is such a letter.
    async fn one(&self, id: &LetterId, begun: Instant) -> Result<bool> {
        if let Some(rate) = self.rate {
            let due = begun + Duration::from_secs_f64(self.count.get() as f64 / f64::from(rate));
            let waited = self.stop.or(async {
                sleep_until(due).await;
                Ok(())
            });
            waited.await.map_err(to_go_on)?;
        }
        if self.stop.is_asked() {
            return Err(to_go_on(Error::interrupted("it was interrupted")));
        }
        // What has begun is not dropped: whether it was done would be known to nobody.
        let mut is_refused = false;
        let deed = async {
            let done = self.deed.to(self.letters, id).await;
            is_refused = done.as_ref().is_err_and(is_refusal);
            done
        };
        let done = self.at.patience.of(&self.at.who, deed).await;
        let done = done.map_err(|error| match is_refused {
            true => to_go_on(error),
            false => error.hint(format!("letter {} may be in either place", shown(&id.to_string()))),
        })?;
        if done {
            self.count.add(1);
            self.progress.is_at(self.count.get());
        }
        Ok(done)
    }
}

/// Whether a letter is where it was. Of a server that has not answered, or not in time, nobody knows.
fn is_refusal(error: &TransportError) -> bool {
    error.kind() != ErrorKind::Unreachable || error.to_string().contains("nothing was written")
}

fn to_go_on(error: Error) -> Error {
    error.hint("the rest is as it was: the same command goes on with it")
}

/// `no letter`, `1 letter`, `12 letters`.
pub(super) fn many(count: u64) -> String {
    match count {
        0 => "no letter".to_owned(),
        1 => "1 letter".to_owned(),
        count => format!("{} letters", crate::view::figure(Some(count))),
    }
}
