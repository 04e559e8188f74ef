//! The command line: which works, what of them, and how to show it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::slice;
use std::str::FromStr;

use crate::harness::{Plan, Work};
use crate::{SUBJECTS, tasks};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Run(Options),
    /// The subject "transports", which has tables of its own.
    Transports {
        plan: Plan,
        json: bool,
    },
    /// The subject "scale", likewise.
    Scale {
        plan: Plan,
        json: bool,
    },
    /// The subject "outbox", likewise.
    Outbox {
        plan: Plan,
        json: bool,
    },
    /// The subject "store", likewise.
    Store {
        plan: Plan,
        json: bool,
    },
    /// The subject "durable", likewise.
    Durable {
        plan: Plan,
        json: bool,
    },
    /// The subject "tasks", likewise: one part of it, or all.
    Tasks {
        part: Option<&'static str>,
        plan: Plan,
        json: bool,
    },
    /// What a process of its own weighs for it.
    TasksMemory {
        plan: Plan,
    },
    Help,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Options {
    /// One work, or all that stand under one name.
    pub(crate) works: &'static [Work],
    pub(crate) plan: Plan,
    /// Lines of JSON instead of the table.
    pub(crate) json: bool,
    /// Where to write the chart.
    pub(crate) svg: Option<PathBuf>,
}

/// Samples of which the median is taken, if nothing else is asked for.
pub(crate) const SAMPLES: usize = 11;

/// The text for `--help`, and for whoever mistyped.
pub(crate) fn usage() -> String {
    let subjects: Vec<_> = SUBJECTS.iter().map(|(name, _)| *name).collect();
    let several = SUBJECTS.iter().filter(|(_, works)| works.len() > 1);
    let parts: Vec<_> = several.flat_map(|(_, works)| *works).map(|work| work.name).collect();
    format!(
        "\
usage: convoke-bench {}|transports|scale|outbox|store|durable|tasks [OPTION]...
   or for one table alone: {}, {}

  --json         one line of JSON per row instead of the table
  --svg FILE     also draw the ratios, of one table
  --only NAME    the contestant of that name, else all whose name contains it
  --n N          this size only
  --rounds K     rounds in a sample (by default some 30 ms of them)
  --samples K    samples of which to take the median (by default 11)

of transports, --only names a server, and --n is how many messages a sample has;
of scale, --only names a row, and --n is one of its sizes;
of outbox and store, --only names a database, and --n is how many events a sample has;
of durable likewise, and --n is how many rounds;
of tasks likewise, and --n is how many jobs; of three samples it takes the median by default",
        subjects.join("|"),
        parts.join(", "),
        tasks::PARTS.map(|part| format!("tasks-{part}")).join(", ")
    )
}

/// Reads the arguments (without the program's name).
///
/// # Errors
///
/// A sentence for the user, about the first argument that cannot be understood.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut args = args.into_iter();
    let mut works = None;
    let mut plan = Plan { only: None, n: None, rounds: None, samples: SAMPLES };
    let mut json = false;
    let mut svg = None;
    let (mut transports, mut scale, mut outbox, mut store, mut durable) = (false, false, false, false, false);
    let (mut tasks, mut weighs) = (None, false);

    while let Some(arg) = args.next() {
        let Some(name) = arg.to_str() else {
            return Err(format!("unknown argument {}", arg.display()));
        };
        let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
        match name {
            "-h" | "--help" => return Ok(Request::Help),
            "--json" => json = true,
            "--svg" => svg = Some(PathBuf::from(value()?)),
            "--only" => plan.only = Some(value()?.to_string_lossy().into_owned()),
            "--n" => plan.n = Some(positive(name, value()?)?),
            "--rounds" => plan.rounds = Some(positive(name, value()?)?),
            "--samples" => plan.samples = positive(name, value()?)?,
            "transports" if works.is_none() => transports = true,
            "scale" if works.is_none() => scale = true,
            "outbox" if works.is_none() => outbox = true,
            "store" if works.is_none() => store = true,
            "durable" if works.is_none() => durable = true,
            "tasks" if works.is_none() => tasks = Some(None),
            "tasks-memory-here" if works.is_none() => weighs = true,
            _ if part_of_tasks(name).is_some() && works.is_none() => tasks = Some(part_of_tasks(name)),
            _ => match find(name) {
                Some(found) if works.is_none() => works = Some(found),
                Some(_) => return Err(format!("one work at a time: {name} is the second")),
                None => return Err(format!("unknown argument {name}")),
            },
        }
    }
    if transports {
        return match (works, svg, plan.rounds) {
            (None, None, None) => Ok(Request::Transports { plan, json }),
            _ => Err("transports go by themselves, without --svg and --rounds".into()),
        };
    }
    if scale {
        return match (works, svg) {
            (None, None) => Ok(Request::Scale { plan, json }),
            _ => Err("scale goes by itself, without --svg".into()),
        };
    }
    if outbox {
        return match (works, svg, plan.rounds) {
            (None, None, None) => Ok(Request::Outbox { plan, json }),
            _ => Err("outbox goes by itself, without --svg and --rounds".into()),
        };
    }
    if store {
        return match (works, svg, plan.rounds) {
            (None, None, None) => Ok(Request::Store { plan, json }),
            _ => Err("store goes by itself, without --svg and --rounds".into()),
        };
    }
    if durable {
        return match (works, svg, plan.rounds) {
            (None, None, None) => Ok(Request::Durable { plan, json }),
            _ => Err("durable goes by itself, without --svg and --rounds".into()),
        };
    }
    if weighs {
        return Ok(Request::TasksMemory { plan });
    }
    if let Some(part) = tasks {
        return match (works, svg, plan.rounds) {
            (None, None, None) => Ok(Request::Tasks { part, plan, json }),
            _ => Err("tasks go by themselves, without --svg and --rounds".into()),
        };
    }
    let works = works.ok_or("which work?")?;
    if svg.is_some() {
        let [work] = works else {
            let names: Vec<_> = works.iter().map(|work| work.name).collect();
            return Err(format!("--svg draws one work; name one of {}", names.join(", ")));
        };
        if plan.only.as_deref().is_some_and(|only| !work.baseline.contains(only)) {
            return Err(format!("--svg draws ratios to {:?}, which --only leaves out", work.baseline));
        }
    }
    Ok(Request::Run(Options { works, plan, json, svg }))
}

/// The part of the subject "tasks" that this name stands for.
fn part_of_tasks(name: &str) -> Option<&'static str> {
    let part = name.strip_prefix("tasks-")?;
    tasks::PARTS.into_iter().find(|there| *there == part)
}

/// The works that this name stands for.
fn find(name: &str) -> Option<&'static [Work]> {
    let together = SUBJECTS.iter().find(|(subject, _)| *subject == name).map(|(_, works)| *works);
    let mut each = SUBJECTS.iter().flat_map(|(_, works)| works.iter());
    together.or_else(|| each.find(|work| work.name == name).map(slice::from_ref))
}

fn positive<T: FromStr + Default + PartialEq>(name: &str, value: OsString) -> Result<T, String> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| *number != T::default())
        .ok_or_else(|| format!("{name} needs a whole number from 1 on, not {}", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_may_stand_before_and_after_the_work() -> Result<(), String> {
        let line = "--n 10 rounds --json --only actix --rounds 7 --samples 1 --svg a.svg";
        let Request::Run(options) = parse_line(line)? else {
            return Err("not a run".into());
        };
        assert_eq!(options.works[0].name, "rounds");
        assert_eq!(options.plan.n, Some(10));
        assert_eq!(options.plan.only.as_deref(), Some("actix"));
        assert_eq!((options.plan.rounds, options.plan.samples), (Some(7), 1));
        assert!(options.json && options.svg.is_some());
        Ok(())
    }

    #[test]
    fn a_name_stands_for_one_work_or_for_several() {
        let count = |line| match parse_line(line) {
            Ok(Request::Run(options)) => options.works.len(),
            _ => 0,
        };
        assert_eq!((count("rounds"), count("events-burst")), (1, 1));
        assert_eq!(count("events"), crate::events::WORKS.len());
    }

    #[test]
    fn a_part_of_tasks_may_stand_alone() {
        let part = |line| match parse_line(line) {
            Ok(Request::Tasks { part, .. }) => part,
            _ => Some("none"),
        };
        assert_eq!(part("tasks"), None);
        assert_eq!(part("tasks-idle --n 5"), Some("idle"));
        assert_eq!(part("rounds"), Some("none"));
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names: Vec<_> =
            SUBJECTS.iter().flat_map(|(_, works)| works.iter().map(|work| work.name)).chain(["events"]).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (line, complaint) in [
            ("", "which work?"),
            ("rounds rounds", "one work at a time: rounds is the second"),
            ("transports --svg a", "transports go by themselves, without --svg and --rounds"),
            ("outbox --rounds 2", "outbox goes by itself, without --svg and --rounds"),
            ("store --svg a", "store goes by itself, without --svg and --rounds"),
            ("tasks-drain --rounds 2", "tasks go by themselves, without --svg and --rounds"),
            ("tasks-nothing", "unknown argument tasks-nothing"),
            ("rounds --fast", "unknown argument --fast"),
            ("rounds --n", "--n needs a value"),
            ("rounds --n 0", "--n needs a whole number from 1 on, not 0"),
            ("rounds --samples -1", "--samples needs a whole number from 1 on, not -1"),
            ("rounds --svg a --only mpsc", "--svg draws ratios to \"actix\", which --only leaves out"),
        ] {
            assert_eq!(parse_line(line).err().as_deref(), Some(complaint), "{line}");
        }
        let complaint = parse_line("events --svg a").err().unwrap_or_default();
        assert!(complaint.starts_with("--svg draws one work; name one of events-one, "), "{complaint}");
    }
}
