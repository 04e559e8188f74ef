//! Who works on the queues of a server, as far as it tells.

use convoke::look::WorkerFigures;

use super::table::{Cell, Table};

#[derive(Default)]
pub(super) enum Workers {
    #[default]
    Unasked,
    /// The server does not tell.
    Untold,
    Told(Vec<WorkerFigures>),
}

impl Workers {
    pub(super) fn note(&mut self, told: Option<Vec<WorkerFigures>>) {
        *self = told.map_or(Self::Untold, Self::Told);
    }

    pub(super) fn table(&self) -> Option<Table> {
        let all = match self {
            Self::Unasked => return None,
            Self::Untold => {
                let title = "workers: –, for this server does not tell who works".to_owned();
                return Some(Table { title, ..Table::default() });
            }
            Self::Told(all) => all,
        };
        let rows = all.iter().map(|worker| {
            vec![
                Cell::Text(worker.queue.clone()),
                Cell::Name(
                    worker.process.map_or_else(|| crate::view::UNKNOWN.to_owned(), |process| process.to_string()),
                ),
                Cell::Text(worker.name.clone().unwrap_or_else(|| crate::view::UNKNOWN.to_owned())),
                Cell::Count(Some(worker.count)),
                Cell::Count(worker.in_flight),
                Cell::Age(worker.idle),
            ]
        });
        let title = match all.iter().map(|worker| worker.count).sum::<u64>() {
            0 => "workers: none".to_owned(),
            count => format!("workers: {count}"),
        };
        let columns = vec!["QUEUE", "PROCESS", "NAME", "WORKERS", "IN FLIGHT", "IDLE"];
        Some(Table {
            title,
            columns: if all.is_empty() { Vec::new() } else { columns },
            rows: rows.collect(),
            fault: None,
        })
    }
}
