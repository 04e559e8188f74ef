//! What the file and the tables say together.
//!
//! `tables (one snapshot), then the file → published, again, committed → Verdict`

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::shop::Shop;

/// Beyond so many orders those are forgotten that are as they have to be.
const MANY: usize = 500;

pub(super) struct Verdict {
    file: PathBuf,
    read: u64,
    /// Of each key, up to which number it was published.
    published: BTreeMap<i64, i64>,
    /// Who has which number of which key.
    ids: HashMap<(i64, i64), String>,
    /// Of those, whose commit is still to be seen.
    fresh: Vec<String>,
    again: usize,
    /// Ids of orders that were committed.
    committed: HashSet<String>,
    checks: usize,
}

impl Verdict {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            read: 0,
            published: BTreeMap::new(),
            ids: HashMap::new(),
            fresh: Vec::new(),
            again: 0,
            committed: HashSet::new(),
            checks: 0,
        }
    }

    /// Looks at what is there now, however the last one has died.
    pub(super) async fn check(&mut self, shop: &impl Shop) {
        // First the tables: what has left them by then is in the file.
        let tables = shop.tables().await;
        self.read_lines();
        self.checks += 1;
        self.committed.extend(tables.orders.iter().map(|order| order.0.clone()));
        for id in self.fresh.drain(..) {
            assert!(self.committed.contains(&id), "a ghost: {id} was published, and its transaction rolled back");
        }
        let rows: HashSet<&String> = tables.rows.iter().collect();
        assert_eq!(rows.len(), tables.rows.len(), "twice in the outbox: {:?}", tables.rows);
        for (id, key, number) in &tables.orders {
            let published = self.ids.get(&(*key, *number)).is_some_and(|there| there == id);
            assert!(published || rows.contains(id), "a zombie: {number} of {key} is neither published nor there: {id}");
        }
        if tables.orders.len() > MANY {
            for (key, number) in &self.published {
                shop.forget(*key, *number).await;
            }
        }
    }

    fn read_lines(&mut self) {
        let Ok(mut file) = fs::File::open(&self.file) else { return };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        // One that was killed may have written a part of a line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole as u64;
        for line in text[..whole].lines() {
            let mut words = line.split(' ');
            let [key, number, id] = [(); 3].map(|()| words.next().unwrap());
            let (key, number): (i64, i64) = (key.parse().unwrap(), number.parse().unwrap());
            let last = self.published.entry(key).or_default();
            if number <= *last {
                assert_eq!(self.ids[&(key, number)], id, "{number} of {key} was published as two events");
                self.again += 1;
                continue;
            }
            assert_eq!(number, *last + 1, "out of order: of {key}, {number} came after {last}");
            *last = number;
            self.ids.insert((key, number), id.to_owned());
            self.fresh.push(id.to_owned());
        }
    }

    /// All that was committed is published, and nothing is left in the outbox.
    pub(super) async fn check_nothing_is_left(&self, shop: &impl Shop) {
        assert_eq!(shop.tables().await.rows, [""; 0]);
        for (key, number) in shop.counters().await {
            assert_eq!(self.published.get(&key).copied().unwrap_or(0), number, "zombies of {key}");
        }
    }

    pub(super) fn check_something_happened(&self, events: usize, again: usize) {
        assert!(self.ids.len() > events && self.again >= again, "too little happened: {self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events committed and published, {} handed over again, 0 ghosts, 0 zombies, 0 out of order, 0 twice in the \
             outbox, in {} looks",
            self.ids.len(),
            self.again,
            self.checks
        )
    }
}
