//! Records as they are read: a page at a time, each looked at before anybody sees it.
//!
//! `Read → Reading → bounds → records.rs: page → is each there, and what was written? → Recorded`

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use super::read::Read;
use super::recorded::Recorded;
use crate::store::{LAST_POSITION, Page, Position, Row, Span, StoreError, matches_any};

/// How many records one page has at most, and of how many bytes beyond the first.
const PAGE: usize = 1000;
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// How many positions are looked through at a time for topics that are rare.
const WIDEST: u64 = 64 * 1024;

/// How long who follows waits before it looks by itself: rings of other processes may be lost.
const POLL: Duration = Duration::from_secs(1);

/// Records that are being read. Created by [`Read::start`].
pub struct Reading {
    read: Read,
    /// What is left of it.
    rest: Option<Rest>,
    ready: VecDeque<Recorded>,
    /// What comes behind that.
    failed: Option<StoreError>,
    ended: bool,
    given: u64,
    bell: Option<watch::Receiver<()>>,
}

/// From which record to which there is more to read.
#[derive(Clone, Copy, Debug)]
struct Rest {
    first: u64,
    last: u64,
    /// How many positions the next page is of, where topics are rare.
    width: u64,
    /// Of an entity, the last record that was seen forward, or the next one that has to be seen backward; none before the first.
    entity: Option<u64>,
    /// Up to here all topics are read, to see which record it is that is missing.
    all_until: Option<u64>,
}

impl Rest {
    fn is_empty(self) -> bool {
        self.first > self.last
    }
}

impl Reading {
    pub(super) fn new(read: Read) -> Self {
        Self { read, rest: None, ready: VecDeque::new(), failed: None, ended: false, given: 0, bell: None }
    }

    /// Returns the next record; `None` behind the last one. If the future is dropped before it is ready, nothing is lost.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Elsewhere`] and [`StoreError::Ahead`] for a position that is none of this store.
    /// - [`StoreError::Gone`] and [`StoreError::Damaged`] for a record that is not there, or not what was written. What was
    ///   returned before is right.
    /// - [`StoreError::Topic`] for a pattern that is not valid, [`StoreError::NoPattern`] for an empty list of them, and
    ///   [`StoreError::Transport`]: after one that [is temporary](StoreError::is_temporary) you may go on, and get the record that comes next.
    ///
    /// After any other error there is no further record.
    pub async fn next(&mut self) -> Result<Option<Recorded>, StoreError> {
        loop {
            if self.given >= self.read.limit {
                return Ok(None);
            }
            if let Some(record) = self.ready.pop_front() {
                self.given += 1;
                return Ok(Some(record));
            }
            if let Some(failed) = self.failed.take() {
                self.ended = true;
                return Err(failed);
            }
            if self.ended {
                return Ok(None);
            }
            if let Err(error) = self.load().await {
                self.ended = !error.is_temporary();
                return Err(error);
            }
        }
    }

    /// Returns the records as a stream, which ends behind the first error.
    pub fn stream(self) -> impl Stream<Item = Result<Recorded, StoreError>> + Send {
        unfold(Some(self), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(record) => Some((Ok(record?), Some(reading))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Reads the next page, or waits for one.
    async fn load(&mut self) -> Result<(), StoreError> {
        let rest = match self.rest {
            Some(rest) if !rest.is_empty() => rest,
            Some(rest) => match self.goes_on() {
                true => self.wait(rest).await?,
                false => {
                    self.ended = true;
                    return Ok(());
                }
            },
            None => match self.begin_with_page().await? {
                true => return Ok(()),
                false => self.begin().await?,
            },
        };
        self.rest = Some(rest);
        if rest.is_empty() {
            return Ok(());
        }
        let span = self.span(rest);
        let page = self.read.records.page(&span).await?;
        self.take(rest, &span, page);
        Ok(())
    }

    fn goes_on(&self) -> bool {
        let Read { follow, backward, until, before, .. } = &self.read;
        *follow && !backward && until.is_none() && before.is_none()
    }

    /// Reads the first page of an entity by one question, where the database can do that. Returns whether it has: what is not
    /// there may be behind the end of the store, which has to be known then.
    async fn begin_with_page(&mut self) -> Result<bool, StoreError> {
        let read = &self.read;
        let is_whole = read.until.is_none() && read.since.is_none() && read.before.is_none() && !read.follow;
        if read.entity.is_none() || !is_whole || read.patterns.is_err() {
            return Ok(false);
        }
        let first = read.after.number_in(read.lens.tag, &read.name)? + 1;
        let mut rest = Rest { first, last: LAST_POSITION, width: PAGE as u64, entity: None, all_until: None };
        let span = self.span(rest);
        let page = read.records.first_page(&span).await?;
        let Some(page) = page.filter(|page| !page.rows.is_empty()) else { return Ok(false) };
        let is_enough = page.is_last || read.backward || !self.is_choosy() && page.rows.len() as u64 >= read.limit;
        if !is_enough {
            rest.last = read.records.head().await?;
        }
        self.take(rest, &span, page);
        Ok(true)
    }

    async fn begin(&mut self) -> Result<Rest, StoreError> {
        if let Err(error) = &self.read.patterns {
            return Err(error.clone());
        }
        if self.goes_on() {
            // Before it looks where the end is: what is appended behind that rings.
            self.bell = Some(self.read.records.bell());
        }
        let head = self.read.records.head().await?;
        let (first, last) = self.read.bounds(head).await?;
        Ok(Rest { first, last, width: PAGE as u64, entity: None, all_until: None })
    }

    /// Waits until there is more.
    async fn wait(&mut self, rest: Rest) -> Result<Rest, StoreError> {
        loop {
            let head = self.read.records.head().await?;
            if head >= rest.first {
                return Ok(Rest { last: head, ..rest });
            }
            if head + 1 < rest.first {
                let tag = self.read.lens.tag;
                let (position, last) = (Position::new(tag, rest.first - 1), Position::new(tag, head));
                return Err(StoreError::Ahead { position, last });
            }
            let poll = tokio::time::sleep(POLL.mul_f64(0.75 + 0.5 * jitter()));
            match &mut self.bell {
                Some(bell) => tokio::select! {
                    () = poll => {}
                    rung = bell.changed() => if rung.is_err() { self.bell = None },
                },
                None => poll.await,
            }
        }
    }

    fn patterns(&self) -> &[crate::Pattern] {
        self.read.patterns.as_deref().unwrap_or_default()
    }

    /// Whether only some topics are wanted.
    fn is_choosy(&self) -> bool {
        !self.patterns().iter().any(|pattern| pattern.as_str() == "**") && !self.patterns().is_empty()
    }

    fn span(&self, rest: Rest) -> Span {
        let by_topic = self.is_choosy() && self.read.entity.is_none() && rest.all_until.is_none();
        let (mut first, mut last) = (rest.first, rest.last);
        if let Some(end) = rest.all_until {
            if self.read.backward { first = end } else { last = end }
        } else if by_topic {
            match self.read.backward {
                false => last = last.min(first + rest.width - 1),
                true => first = first.max(last.saturating_sub(rest.width - 1)),
            }
        }
        let left = usize::try_from(self.read.limit - self.given).unwrap_or(usize::MAX);
        Span {
            first,
            last,
            backward: self.read.backward,
            // Of an entity all are read, for each says which one was before it.
            patterns: if by_topic { self.patterns().to_vec() } else { Vec::new() },
            entity: self.read.entity.clone(),
            most: if self.is_choosy() { PAGE } else { left.min(PAGE) },
            bytes: PAGE_BYTES,
        }
    }

    /// Takes what was read, up to the first record that is not as it was written.
    fn take(&mut self, mut rest: Rest, span: &Span, page: Page) {
        let tag = self.read.lens.tag;
        let backward = self.read.backward;
        if page.counted.is_some_and(|there| there != span.last - span.first + 1) {
            // One is missing. Which one is seen when all of them are read.
            rest.all_until = Some(if backward { span.first } else { span.last });
            self.rest = Some(rest);
            return;
        }
        let everything = span.entity.is_none() && span.patterns.is_empty();
        let found = page.rows.len();
        for row in page.rows {
            let next = if backward { rest.last } else { rest.first };
            let gone = match (everything, &span.entity) {
                (true, _) => (row.position != next).then_some(next),
                (false, Some(_)) => missing_before(&row, rest, backward),
                (false, None) => None,
            };
            if let Some(gone) = gone {
                self.failed = Some(StoreError::Gone { position: Position::new(tag, gone) });
                return;
            }
            // An index that is damaged may lead to another one.
            let is_other = span.entity.is_some() && row.entity != span.entity;
            if is_other || !row.is_whole(tag) {
                self.failed = Some(StoreError::Damaged { position: Position::new(tag, row.position) });
                return;
            }
            match backward {
                false => rest.first = row.position + 1,
                true => rest.last = row.position.saturating_sub(1),
            }
            rest.entity = Some(if backward { row.before } else { row.position });
            if matches_any(self.patterns(), &row.topic) {
                self.ready.push_back(Recorded::new(row, self.read.lens.clone()));
            }
        }
        if page.is_last {
            let next = if backward { rest.last } else { rest.first };
            let gone = match everything {
                true => (span.first..=span.last).contains(&next).then_some(next),
                false => rest.entity.filter(|before| backward && (span.first..=span.last).contains(before)),
            };
            if let Some(gone) = gone {
                self.failed = Some(StoreError::Gone { position: Position::new(tag, gone) });
                return;
            }
            rest.all_until = None;
            match backward {
                false => rest.first = span.last + 1,
                true => rest.last = span.first - 1,
            }
            rest.width = if found * 4 < PAGE { (rest.width * 2).min(WIDEST) } else { PAGE as u64 };
        }
        self.rest = Some(rest);
    }
}

/// Of a record of an entity, which one should have been between it and the one that was read before it.
fn missing_before(row: &Row, rest: Rest, backward: bool) -> Option<u64> {
    match (backward, rest.entity) {
        (false, Some(last)) => (row.before != last).then_some(row.before.max(last)),
        // The first that is read: what is before it was not asked for.
        (false, None) => (row.before >= rest.first).then_some(row.before),
        (true, Some(before)) => (row.position != before).then_some(before),
        (true, None) => None,
    }
}

fn jitter() -> f64 {
    (crate::__private::random() >> 11) as f64 / (1_u64 << 53) as f64
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("read", &self.read).field("rest", &self.rest).finish_non_exhaustive()
    }
}
