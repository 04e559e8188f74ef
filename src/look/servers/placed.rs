//! Dead letters that have numbers: those in a queue of their own, and those that stay in their places.
//!
//! `Placed → page: Buried (12, 13, …), then Parking (p7, p9, …) → Letter`

use crate::look::{Letter, LetterId, Pile};
use crate::transport::{BoxFuture, Packet, Parking, TransportError};

/// What stands before the number of one in its place.
const IN_PLACE: char = 'p';

/// The letters in a queue of dead letters, each with a number that no other one ever gets.
pub(super) trait Buried: Send + Sync + 'static {
    /// Up to `most` behind this number, by their numbers.
    fn page(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<(u64, Packet)>, TransportError>>;

    fn redrive(&self, number: u64) -> BoxFuture<'_, Result<bool, TransportError>>;

    fn discard(&self, number: u64) -> BoxFuture<'_, Result<bool, TransportError>>;

    /// Those that stay in their places; `None` if the queue is not there.
    fn parking(&self) -> BoxFuture<'_, Result<Option<Parking>, TransportError>>;
}

/// Where a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Buried(u64),
    InPlace(u64),
}

impl Place {
    /// `None` for an id that no letter here has.
    fn of(id: &LetterId) -> Option<Self> {
        // Else `+1` would be `1` under another name.
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match id.as_str().strip_prefix(IN_PLACE) {
            Some(text) => number(text).map(Self::InPlace),
            None => number(id.as_str()).map(Self::Buried),
        }
    }
}

/// The dead letters of one queue.
pub(super) struct Placed<B>(pub(super) B);

impl<B: Buried> Placed<B> {
    async fn page(&self, after: Option<&LetterId>, most: usize) -> Result<Vec<Letter>, TransportError> {
        let after = match after.map(Place::of) {
            None => Place::Buried(0),
            Some(Some(place)) => place,
            Some(None) => return Ok(Vec::new()),
        };
        let mut letters = Vec::new();
        let mut behind = 0;
        match after {
            Place::Buried(after) => {
                let page = self.0.page(after, most).await?;
                letters.extend(page.into_iter().map(|(number, packet)| Letter::of(LetterId::new(number), packet)));
            }
            Place::InPlace(after) => behind = after,
        }
        if letters.len() < most
            && let Some(parking) = self.0.parking().await?
        {
            let rest = parking.dead_letters_after(behind, most - letters.len()).await?;
            letters.extend(
                rest.into_iter().map(|letter| {
                    Letter::in_place(LetterId::new(format_args!("{IN_PLACE}{}", letter.position)), letter)
                }),
            );
        }
        Ok(letters)
    }

    async fn get(&self, id: &LetterId) -> Result<Option<Letter>, TransportError> {
        // Of the place before it.
        let page = match Place::of(id) {
            None | Some(Place::Buried(0) | Place::InPlace(0)) => return Ok(None),
            Some(Place::Buried(number)) => {
                let page = self.0.page(number - 1, 1).await?;
                page.into_iter().map(|(number, packet)| Letter::of(LetterId::new(number), packet)).next()
            }
            Some(Place::InPlace(number)) => {
                let Some(parking) = self.0.parking().await? else { return Ok(None) };
                let page = parking.dead_letters_after(number - 1, 1).await?.into_iter().next();
                page.map(|it| Letter::in_place(LetterId::new(format_args!("{IN_PLACE}{}", it.position)), it))
            }
        };
        Ok(page.filter(|letter| letter.id == *id))
    }
}

impl<B: Buried> Pile for Placed<B> {
    fn page<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Letter>, TransportError>> {
        Box::pin(self.page(after, most))
    }

    fn get<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<Option<Letter>, TransportError>> {
        Box::pin(self.get(id))
    }

    fn redrive<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            match Place::of(id) {
                None => Ok(false),
                Some(Place::Buried(number)) => self.0.redrive(number).await,
                Some(Place::InPlace(number)) => match self.0.parking().await? {
                    Some(parking) => parking.redrive(number).await,
                    None => Ok(false),
                },
            }
        })
    }

    fn discard<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            match Place::of(id) {
                None => Ok(false),
                Some(Place::Buried(number)) => self.0.discard(number).await,
                Some(Place::InPlace(number)) => match self.0.parking().await? {
                    Some(parking) => parking.discard(number).await,
                    None => Ok(false),
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_where_a_letter_is_and_each_letter_has_one() {
        let place = |text: &str| Place::of(&text.parse().unwrap());
        assert_eq!(place("12"), Some(Place::Buried(12)));
        assert_eq!(place("p7"), Some(Place::InPlace(7)));
        for none in ["p", "pp1", "x", "1-2", "-1", "99999999999999999999999", "p-1", "P7"] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
