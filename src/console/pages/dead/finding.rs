//! A page of letters: those that are asked for, found page after page and never counted.
//!
//! `Letters::page, behind the last one → Which::is_of → Found: up to a hundred, and where to go on`

use std::time::Duration;

use convoke::look::{Letter, LetterId, Letters};
use convoke::transport::TransportError;
use tokio::time::{Instant, timeout};

use crate::sight::{Unanswered, Which};

/// As many letters are on a page.
pub(super) const PAGE: usize = 100;

/// As many are read at once where others are passed over.
const STRIDE: usize = 500;

/// For so long letters are passed over for one page; and for so long a single answer is waited for.
const BUDGET: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_millis(900);

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) letters: Vec<Letter>,
    /// Behind which letter the next page begins, if there may be more.
    pub(super) next: Option<LetterId>,
    /// How many were looked at, if some were passed over.
    pub(super) looked: usize,
}

/// Finds the next letters that are asked for, behind this one.
pub(super) async fn find(letters: &Letters, which: &Which, after: Option<LetterId>) -> Result<Found, Unanswered> {
    let begun = Instant::now();
    if which.is_any() {
        let mut page = page(letters, after.as_ref(), PAGE + 1, begun).await?;
        let has_more = page.len() > PAGE;
        page.truncate(PAGE);
        let next = page.last().filter(|_| has_more).map(|letter| letter.id.clone());
        return Ok(Found { looked: page.len(), letters: page, next });
    }
    let mut found = Found { letters: Vec::new(), next: after, looked: 0 };
    loop {
        let some = match page(letters, found.next.as_ref(), STRIDE, begun).await {
            // What was found until then is something, and the next page goes on.
            Err(Unanswered::Late) if found.looked > 0 => return Ok(found),
            some => some?,
        };
        if some.is_empty() {
            return Ok(Found { next: None, ..found });
        }
        for letter in some {
            found.looked += 1;
            found.next = Some(letter.id.clone());
            if which.is_of(&letter) {
                found.letters.push(letter);
            }
            if found.letters.len() == PAGE {
                return Ok(found);
            }
        }
        if begun.elapsed() >= BUDGET {
            return Ok(found);
        }
    }
}

async fn page(
    letters: &Letters,
    after: Option<&LetterId>,
    most: usize,
    begun: Instant,
) -> Result<Vec<Letter>, Unanswered> {
    let left = LONGEST.saturating_sub(begun.elapsed());
    let answer: Result<Result<_, TransportError>, _> = timeout(left, letters.page(after, most)).await;
    answer.map_err(|_| Unanswered::Late)?.map_err(Unanswered::Said)
}
