//! Jobs that do nothing and wait: how many of them end in a second, and what one costs.

use super::ours::How;
use super::place::{POSTGRES, Place};
use super::{DEADLINE, Drained, Line, Work, by_hand, middle, ours, peers};
use crate::harness::Failure;
use crate::transports::counted::Counted;
use crate::transports::servers::Server;

/// Who drains.
#[derive(Clone, Copy)]
enum Who {
    Ours(How),
    ByHand,
    Peer(&'static peers::Setting),
}

/// Somebody, and which row of ours it stands beside.
struct Contestant {
    name: &'static str,
    who: Who,
    beside: usize,
    /// So many are enough, of one that takes long for each.
    most: usize,
}

const fn at_a_time(jobs: usize) -> How {
    How { concurrency: Some(jobs), gather: None, keys: None }
}

/// Ours come first: others name them by their place.
const OURS: [(&str, How, usize); 5] = [
    ("convoke, 1 at a time", at_a_time(1), 0),
    ("convoke, 16 at a time", at_a_time(16), 1),
    ("convoke, by default", How { concurrency: None, gather: None, keys: None }, 2),
    ("convoke, 16 at a time, 500 gathered", How { gather: Some(500), ..at_a_time(16) }, 1),
    ("convoke, 16 at a time, 1,000 keys of 1", How { keys: Some(1_000), ..at_a_time(16) }, 1),
];

fn contestants(database: &str) -> Vec<Contestant> {
    let ours = |(name, how, beside)| Contestant { name, who: Who::Ours(how), beside, most: usize::MAX };
    let mut all: Vec<_> = OURS.into_iter().map(ours).collect();
    all.push(Contestant { name: "by hand, 100 at a time", who: Who::ByHand, beside: 1, most: usize::MAX });
    for setting in peers::SETTINGS.iter().filter(|setting| setting.database == database) {
        all.push(Contestant {
            name: setting.name,
            who: Who::Peer(setting),
            beside: setting.beside,
            most: setting.most,
        });
    }
    all
}

pub(super) async fn run(work: &Work<'_>, database: &'static str, server: &Server) -> Result<(), Failure> {
    let all = contestants(database);
    work.head(database, "jobs that do nothing, each kept until it has ended with its event; µs of CPU for each, of the worker + the server;\nhow many a second; and how many times as many ours does, as many at a time");
    let mut samples: Vec<Vec<Drained>> = all.iter().map(|_| Vec::new()).collect();
    let mut gone = vec![None; all.len()];
    for sample in 0..work.samples() {
        for turn in 0..all.len() {
            let at = (turn + sample) % all.len();
            let contestant = &all[at];
            if gone[at].is_some() || sample > 0 && contestant.most < work.jobs() {
                continue;
            }
            let place = Place::new(database, server, &format!("{sample}_{at}")).await?;
            let count = work.jobs().min(contestant.most);
            match contestant.sample(&place, &place.url, count).await {
                Ok(drained) => samples[at].push(drained),
                Err(failure) => match contestant.who {
                    Who::Ours(_) | Who::ByHand => return Err(format!("{}: {failure}", contestant.name).into()),
                    _ => gone[at] = Some(failure.to_string()),
                },
            }
            place.remove().await?;
        }
    }
    let per_second = |at: usize, samples: &[Drained]| {
        work.jobs().min(all[at].most) as f64 / middle(samples.iter().map(|drained| drained.wall))
    };
    for (at, contestant) in all.iter().enumerate() {
        if let Some(why) = &gone[at] {
            work.missing(contestant.name, why);
            continue;
        }
        let (count, own) = (work.jobs().min(contestant.most), per_second(at, &samples[at]));
        let asked = match database == POSTGRES && matches!(contestant.who, Who::Ours(_) | Who::ByHand) {
            true => Some(contestant.asked(server, at, count).await?),
            false => None,
        };
        let cpu = middle(samples[at].iter().map(|drained| drained.cpu));
        let of_server = samples[at].iter().map(|drained| drained.server).collect::<Option<Vec<_>>>();
        work.print(&Line {
            work: "drain",
            database,
            contestant: contestant.name,
            n: count,
            cpu: cpu / count as f64,
            server: of_server.map(|times| middle(times.into_iter()) / count as f64),
            per_second: own,
            ratio: (contestant.beside != at).then(|| per_second(contestant.beside, &samples[contestant.beside]) / own),
            asked,
        });
    }
    Ok(())
}

impl Contestant {
    /// Fills and drains.
    async fn sample(&self, place: &Place<'_>, url: &str, count: usize) -> Result<Drained, Failure> {
        self.fill(place, count).await?;
        self.drain(place, url, count).await
    }

    async fn fill(&self, place: &Place<'_>, count: usize) -> Result<(), Failure> {
        match self.who {
            Who::Ours(how) => ours::fill(place, how, count).await,
            Who::ByHand => by_hand::fill(place, count).await,
            Who::Peer(setting) => setting.fill(place, count).await,
        }
    }

    async fn drain(&self, place: &Place<'_>, url: &str, count: usize) -> Result<Drained, Failure> {
        let drained = async {
            match self.who {
                Who::Ours(how) => ours::drain(place, url, how, count).await,
                Who::ByHand => by_hand::drain(place, url, count).await,
                Who::Peer(setting) => setting.drain(place, count).await,
            }
        };
        tokio::time::timeout(DEADLINE, drained).await.map_err(|_| "it hangs")?
    }

    /// Commits and round trips of one job, in a drain whose time is not taken: who counts stands in between.
    async fn asked(&self, server: &Server, at: usize, count: usize) -> Result<(f64, f64), Failure> {
        let place = Place::new(POSTGRES, server, &format!("counted_{at}")).await?;
        self.fill(&place, count).await?;
        let counted = Counted::before(&place.url).await?;
        let before = counted.commits().await?;
        self.drain(&place, &counted.url, count).await?;
        let (trips, commits) = (counted.trips(), counted.commits().await? - before);
        drop(counted);
        place.remove().await?;
        Ok((commits as f64 / count as f64, trips as f64 / count as f64))
    }
}

/// Which row of ours a peer stands beside.
pub(super) const ONE: usize = 0;
pub(super) const SIXTEEN: usize = 1;
pub(super) const DEFAULT: usize = 2;

const _: () = assert!(OURS[ONE].2 == ONE && OURS[SIXTEEN].2 == SIXTEEN && OURS[DEFAULT].2 == DEFAULT);
