//! What a database in memory has of jobs. It knows no lock.
//!
//! `insert → waiting → lend → running → settle → over, gone`

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::tasks::{
    Due, Ending, Held, How, Limit, Loan, Loans, NewJob, Noted, Row, Section, Spot, State, TaskFigures, Unclaimed,
    Wanted,
};

/// A task and a key of it.
type TaskKey = (String, String);

#[derive(Debug)]
pub(super) struct Table {
    /// All times are in µs since then.
    start: Instant,
    jobs: BTreeMap<i64, Kept>,
    /// Those that are not over, so that what is over costs nothing.
    open: BTreeMap<i64, ()>,
    last: i64,
    unique: HashMap<String, i64>,
    /// Of transactions that have not committed: the job of a unique key.
    pub(super) pending: HashMap<String, i64>,
    /// When a key last had its turn, counted.
    turns: HashMap<TaskKey, u64>,
    turn: u64,
    /// From when on a key may begin the next, by its rate.
    rates: HashMap<TaskKey, i64>,
    schedules: HashMap<String, i64>,
}

#[derive(Debug)]
struct Kept {
    job: NewJob,
    state: State,
    is_cancelled: bool,
    /// It only rises, for it says who has the job.
    attempt: u32,
    /// How many attempts do not count.
    spared: u32,
    due: i64,
    /// Until when it is lent; of one that is over, until when it is kept.
    until: i64,
    /// Until when its unique key is taken, also if it is over.
    held_until: i64,
    text: Option<String>,
    progress: Noted,
    steps: Vec<(String, String)>,
}

impl Kept {
    fn rank(&self) -> i64 {
        self.due.saturating_sub(micros(self.job.head_start))
    }

    fn is_wanted(&self, wanted: &Wanted) -> bool {
        wanted.queues.contains(&self.job.queue) && wanted.tasks.contains(&self.job.task)
    }

    fn expired(&self, now: i64) -> bool {
        self.job
            .expires
            .is_some_and(|limit| self.attempt == self.spared && now > self.due.saturating_add(micros(limit)))
    }

    /// Where it stands among others.
    fn place(&self, id: i64, now: i64) -> (Section, Spot) {
        let by = |time: i64| [0, 0, time, id];
        match self.state {
            State::Running => (Section::Running, by(0)),
            State::Waiting if self.due > now => (Section::Ahead, by(self.due)),
            State::Waiting if self.job.key.is_none() => (Section::Ready, by(self.rank())),
            State::Waiting => (Section::Turn, by(self.rank())),
            State::Failed => (Section::Failed, by(self.until.max(self.held_until))),
            State::Cancelled => (Section::Cancelled, by(self.until.max(self.held_until))),
            State::Done => (Section::Done, by(self.until.max(self.held_until))),
        }
    }

    /// Whether it has had all its attempts.
    fn is_spent(&self) -> bool {
        self.attempt.saturating_sub(self.spared) >= self.job.attempts
    }

    fn task_key(&self) -> Option<TaskKey> {
        Some((self.job.task.to_string(), self.job.key.clone()?))
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            jobs: BTreeMap::new(),
            open: BTreeMap::new(),
            last: 0,
            unique: HashMap::new(),
            pending: HashMap::new(),
            turns: HashMap::new(),
            turn: 0,
            rates: HashMap::new(),
            schedules: HashMap::new(),
        }
    }
}

impl Table {
    fn now(&self) -> i64 {
        micros(self.start.elapsed())
    }

    /// Draws the number of a job that is to come.
    pub(super) fn draw(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// The job that has this unique key now.
    pub(super) fn holder(&self, key: &str) -> Option<i64> {
        let id = self.unique.get(key)?;
        let job = self.jobs.get(id)?;
        let is_held = match job.state {
            State::Waiting => true,
            State::Running => job.job.unique.as_ref().is_some_and(|hold| hold.running) || self.now() < job.held_until,
            State::Done | State::Failed | State::Cancelled => self.now() < job.held_until,
        };
        is_held.then_some(*id)
    }

    pub(super) fn insert(&mut self, id: i64, job: NewJob) {
        let now = self.now();
        let due = match job.due {
            Due::After(delay) => now.saturating_add(micros(delay)),
            Due::At(at) => now.saturating_add(at.saturating_sub(wall_now()).max(0)),
        };
        let held_until = job.unique.as_ref().and_then(|hold| hold.time).map_or(i64::MIN, |time| now + micros(time));
        if let Some(hold) = &job.unique {
            self.unique.insert(hold.key.clone(), id);
        }
        let kept = Kept {
            job,
            state: State::Waiting,
            is_cancelled: false,
            attempt: 0,
            spared: 0,
            due,
            until: 0,
            held_until,
            text: None,
            progress: Noted::default(),
            steps: Vec::new(),
        };
        self.jobs.insert(id, kept);
        self.open.insert(id, ());
    }

    pub(super) fn lend(&mut self, wanted: &Wanted) -> Loans {
        let now = self.now();
        let limits: HashMap<&str, Limit> = wanted.limits.iter().map(|(task, limit)| (&**task, *limit)).collect();
        let mut running: HashMap<TaskKey, u32> = HashMap::new();
        let mut ready = Vec::new();
        let mut next = None;
        for (id, job) in self.open.keys().filter_map(|id| Some((*id, self.jobs.get(id)?))) {
            let is_lent = job.state == State::Running && job.until > now;
            if is_lent && let Some(key) = job.task_key() {
                *running.entry(key).or_default() += 1;
            }
            let is_wanted = job.is_wanted(wanted);
            let from = if job.state == State::Running { job.until } else { job.due };
            match is_wanted {
                true if from <= now => ready.push((job.rank(), id)),
                true => next = Some(next.map_or(from, |next: i64| next.min(from))),
                false => {}
            }
        }
        ready.sort_unstable();
        let mut loans = Loans::default();
        let mut passed = HashSet::new();
        while loans.jobs.len() < wanted.most {
            // Of each key with a limit its first, of those the key whose turn is the longest ago; of the rest the first.
            let mut seen = HashSet::new();
            let mut best: Option<(u64, usize)> = None;
            let mut first = None;
            for (place, (_, id)) in ready.iter().enumerate() {
                let Some(job) = self.jobs.get(id) else { continue };
                // One that is only to be ended waits for no turn.
                let key = job.task_key().filter(|_| limits.contains_key(&*job.job.task) && !job.is_cancelled);
                let Some(key) = key else {
                    first = first.or(Some(place));
                    continue;
                };
                if passed.contains(&key) || !seen.insert(key.clone()) {
                    continue;
                }
                let turn = self.turns.get(&key).copied().unwrap_or_default();
                if best.is_none_or(|(other, _)| turn < other) {
                    best = Some((turn, place));
                }
            }
            let place = match (first, best.map(|(_, place)| place)) {
                (Some(first), Some(keyed)) => first.min(keyed),
                (first, keyed) => match first.or(keyed) {
                    Some(place) => place,
                    None => break,
                },
            };
            let Some((_, id)) = ready.get(place).copied() else { break };
            let key = self.jobs.get(&id).filter(|job| !job.is_cancelled).and_then(Kept::task_key);
            let limit = self.jobs.get(&id).and_then(|job| limits.get(&*job.job.task)).copied();
            if let (Some(key), Some(limit)) = (&key, limit) {
                let free = limit.at_once.is_none_or(|most| running.get(key).copied().unwrap_or_default() < most);
                let from = self.rates.get(key).copied().unwrap_or(i64::MIN);
                if !free || limit.rate.is_some() && from > now {
                    if free {
                        next = Some(next.map_or(from, |next| next.min(from)));
                    }
                    passed.insert(key.clone());
                    continue;
                }
                *running.entry(key.clone()).or_default() += 1;
                self.turn += 1;
                self.turns.insert(key.clone(), self.turn);
                // One that is lent to be ended does not begin.
                let begins = self.jobs.get(&id).is_some_and(|job| !job.expired(now) && !job.is_spent());
                if let Some((most, time)) = limit.rate.filter(|_| begins) {
                    let step = micros(time) / i64::from(most);
                    // A burst of all that the time allows, and then one by one.
                    let earliest = now - micros(time) + step;
                    self.rates.insert(key.clone(), from.max(earliest) + step);
                }
            }
            ready.remove(place);
            loans.jobs.extend(self.lend_one(id, now, wanted.lease));
        }
        let more = ready.len() > passed.len() && loans.jobs.len() >= wanted.most;
        loans.next = if more { Some(Duration::ZERO) } else { next.map(|next| since(now, next)) };
        loans
    }

    fn lend_one(&mut self, id: i64, now: i64, lease: Duration) -> Option<Loan> {
        let job = self.jobs.get_mut(&id)?;
        let (is_expired, waited) = (job.expired(now), since(job.due, now));
        // What was lost with its worker says nothing of why it failed.
        if job.state == State::Running {
            job.text = None;
        }
        job.attempt += 1;
        job.state = State::Running;
        job.until = now.saturating_add(micros(lease));
        Some(Loan {
            id,
            attempt: job.attempt,
            attempts: job.job.attempts.saturating_add(job.spared),
            task: job.job.task.to_string(),
            payload: job.job.payload.clone(),
            cause: job.job.cause.clone(),
            waited,
            is_cancelled: job.is_cancelled,
            is_expired,
            reason: job.text.clone(),
        })
    }

    /// The job that is lent by this number of its attempt.
    fn lent(&mut self, id: i64, attempt: u32) -> Option<&mut Kept> {
        self.jobs.get_mut(&id).filter(|job| job.state == State::Running && job.attempt == attempt)
    }

    pub(super) fn is_lent(&mut self, id: i64, attempt: u32) -> bool {
        self.lent(id, attempt).is_some()
    }

    pub(super) fn renew(&mut self, held: &[(i64, u32)], lease: Duration) -> Vec<Held> {
        let until = self.now().saturating_add(micros(lease));
        let renewed = held.iter().map(|(id, attempt)| match self.lent(*id, *attempt) {
            Some(job) => {
                job.until = until;
                if job.is_cancelled { Held::Cancelled } else { Held::Still }
            }
            None => Held::Lost,
        });
        renewed.collect()
    }

    pub(super) fn settle(&mut self, ending: &Ending) {
        let now = self.now();
        let Some(job) = self.lent(ending.job, ending.attempt) else { return };
        job.progress = Noted::default();
        match &ending.how {
            How::Over { state, text, keep } => {
                (job.state, job.text) = (*state, text.clone());
                job.spared += u32::from(!ending.counts);
                job.steps.clear();
                let keep = now.saturating_add(micros(*keep));
                job.until = keep;
                let gone = keep.max(job.held_until) <= now;
                self.open.remove(&ending.job);
                if gone {
                    self.remove(ending.job);
                }
            }
            How::Again { after, reason } => {
                (job.state, job.text) = (State::Waiting, Some(reason.clone()));
                job.due = now.saturating_add(micros(*after));
            }
            How::Released => {
                (job.state, job.spared) = (State::Waiting, job.spared + 1);
                job.due = job.due.min(now);
            }
        }
    }

    fn remove(&mut self, id: i64) {
        let Some(job) = self.jobs.remove(&id) else { return };
        self.open.remove(&id);
        if let Some(hold) = &job.job.unique
            && self.unique.get(&hold.key) == Some(&id)
        {
            self.unique.remove(&hold.key);
        }
    }

    pub(super) fn cancel(&mut self, id: i64) -> Option<State> {
        let now = self.now();
        let job = self.jobs.get_mut(&id)?;
        let state = job.state;
        if !state.is_over() {
            job.is_cancelled = true;
        }
        if state == State::Waiting {
            job.due = job.due.min(now);
        }
        Some(state)
    }

    pub(super) fn retry(&mut self, id: i64) -> bool {
        let now = self.now();
        let hold = self.jobs.get(&id).and_then(|job| job.job.unique.clone());
        if hold.as_ref().and_then(|hold| self.holder(&hold.key)).is_some_and(|other| other != id) {
            return false;
        }
        let Some(job) = self.jobs.get_mut(&id).filter(|job| matches!(job.state, State::Failed | State::Cancelled))
        else {
            return false;
        };
        (job.state, job.spared, job.is_cancelled, job.due) = (State::Waiting, job.attempt, false, now);
        job.text = None;
        job.job.expires = None;
        self.open.insert(id, ());
        if let Some(hold) = hold {
            self.unique.insert(hold.key, id);
        }
        true
    }

    pub(super) fn look(&self, id: i64) -> Option<Row> {
        let now = self.now();
        let job = self.jobs.get(&id)?;
        if job.state.is_over() && job.until.max(job.held_until) <= now {
            return None;
        }
        Some(Row {
            id,
            task: job.job.task.to_string(),
            queue: job.job.queue.to_string(),
            state: job.state,
            is_cancelled: job.is_cancelled,
            attempt: job.attempt.saturating_sub(job.spared),
            attempts: job.job.attempts,
            payload: job.job.payload.clone(),
            due_in: (job.state == State::Waiting && job.due > now).then(|| since(now, job.due)),
            waited: (job.state == State::Waiting && job.due <= now).then(|| since(job.due, now)),
            since_due: (job.state != State::Waiting).then(|| since(job.due, now)),
            text: job.text.clone(),
            progress: job.progress.clone(),
        })
    }

    pub(super) fn failed(&self, after: i64, most: usize) -> Vec<Row> {
        let behind = self.jobs.range(after.saturating_add(1)..);
        let failed = behind.filter(|(_, job)| matches!(job.state, State::Failed | State::Cancelled));
        failed.filter_map(|(id, _)| self.look(*id)).take(most).collect()
    }

    pub(super) fn section(
        &self,
        of: Section,
        task: Option<&str>,
        behind: Option<Spot>,
        most: usize,
    ) -> Vec<(Spot, Row)> {
        let now = self.now();
        let wanted = self.jobs.iter().filter(|(_, job)| task.is_none_or(|task| *job.job.task == *task));
        let mut spots: Vec<Spot> = wanted
            .map(|(id, job)| job.place(*id, now))
            .filter(|(section, spot)| *section == of && behind.is_none_or(|behind| *spot > behind))
            .map(|(_, spot)| spot)
            .collect();
        spots.sort_unstable();
        spots.into_iter().filter_map(|spot| Some((spot, self.look(spot[3])?))).take(most).collect()
    }

    pub(super) fn progress(&mut self, (id, attempt): (i64, u32), progress: &Noted) -> bool {
        let Some(job) = self.lent(id, attempt) else { return false };
        job.progress = progress.clone();
        true
    }

    pub(super) fn steps(&self, id: i64) -> Vec<(String, String)> {
        self.jobs.get(&id).map(|job| job.steps.clone()).unwrap_or_default()
    }

    pub(super) fn step(&mut self, (id, attempt): (i64, u32), name: &str, result: &str) -> bool {
        let Some(job) = self.lent(id, attempt) else { return false };
        if job.steps.iter().all(|(there, _)| there != name) {
            job.steps.push((name.to_owned(), result.to_owned()));
        }
        true
    }

    pub(super) fn ticked(&self, schedule: &str) -> Option<i64> {
        self.schedules.get(schedule).copied()
    }

    pub(super) fn tick(&mut self, schedule: &str, to: i64) {
        self.schedules.insert(schedule.to_owned(), to);
    }

    pub(super) fn prune(&mut self, most: usize) -> u64 {
        let now = self.now();
        let gone = |job: &Kept| job.state.is_over() && job.until.max(job.held_until) <= now;
        let gone: Vec<_> = self.jobs.iter().filter(|(_, job)| gone(job)).map(|(id, _)| *id).take(most).collect();
        gone.iter().for_each(|id| self.remove(*id));
        gone.len() as u64
    }

    pub(super) fn figures(&self, queues: &[std::sync::Arc<str>], most: u64) -> TaskFigures {
        let now = self.now();
        let mut figures = TaskFigures::default();
        let mut oldest = None;
        for job in self.jobs.values().filter(|job| queues.is_empty() || queues.contains(&job.job.queue)) {
            let of = match job.state {
                State::Waiting if job.due <= now => {
                    oldest = Some(oldest.map_or(job.due, |oldest: i64| oldest.min(job.due)));
                    &mut figures.waiting
                }
                State::Waiting => &mut figures.scheduled,
                State::Running => &mut figures.running,
                State::Failed => &mut figures.failed,
                State::Done | State::Cancelled => continue,
            };
            *of = most.min(*of + 1);
        }
        figures.oldest = oldest.map(|oldest| since(oldest, now));
        figures
    }

    pub(super) fn unclaimed(&self, but: &Wanted, longer: Duration, most: usize) -> Vec<Unclaimed> {
        let now = self.now();
        let (mut claimed, mut waits) = (HashSet::new(), BTreeMap::<_, Unclaimed>::new());
        for (id, job) in self.open.keys().filter_map(|id| Some((*id, self.jobs.get(id)?))) {
            let lane = (job.job.queue.to_string(), job.job.task.to_string());
            let rate = job.task_key().and_then(|key| self.rates.get(&key).copied());
            if job.is_wanted(but)
                || job.state == State::Running && job.until > now
                || rate.is_some_and(|from| from > now)
            {
                claimed.insert(lane);
                continue;
            }
            let waited = since(job.due, now);
            // What is due later has waited for nothing, which is as long as somebody may ask for.
            if job.due <= now && waited >= longer && waits.get(&lane).is_none_or(|first| first.waited < waited) {
                let (queue, task) = lane.clone();
                waits.insert(lane, Unclaimed { job: id, task, queue, waited });
            }
        }
        waits.into_iter().filter(|(lane, _)| !claimed.contains(lane)).map(|(_, first)| first).take(most).collect()
    }
}

pub(super) fn wall_now() -> i64 {
    let now = crate::__private::wall_clock().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    micros(now)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

fn since(from: i64, to: i64) -> Duration {
    Duration::from_micros(to.saturating_sub(from).max(0).cast_unsigned())
}
