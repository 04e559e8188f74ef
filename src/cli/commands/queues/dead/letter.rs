//! How a dead letter is shown: as a row, as lines, as JSON.

use convoke::look::Letter;
use serde_json::{Value, json};

use crate::error::{cut, shown, told};
use crate::terminal::Column;
use crate::view::{Seen, UNKNOWN, age, figure, instant, since};

pub(super) const COLUMNS: [Column; 7] = [
    Column::whole("ID"),
    Column::text("EVENT"),
    Column::text("WHY"),
    Column::number("TRIES"),
    Column::number("AGE"),
    Column::number("BEHIND"),
    Column::text("ERROR"),
];

/// The longest error of a row: as much as any line has room for.
const ROW: usize = 300;

/// How many packets are parked behind one that stays in its place, as far as that is counted.
fn behind(letter: &Letter) -> String {
    match letter.parked {
        _ if !letter.in_place => String::new(),
        parked @ 10_000.. => format!("{}+", figure(Some(parked))),
        parked => figure(Some(parked)),
    }
}

pub(super) fn row(letter: &Letter) -> Vec<String> {
    let record = letter.record.as_ref();
    let error = record.and_then(|record| record.errors.first());
    vec![
        letter.id.to_string(),
        Seen::name_of(&letter.packet).map_or_else(|| UNKNOWN.to_owned(), |name| shown(&name)),
        record.map_or_else(|| UNKNOWN.to_owned(), |record| record.reason.to_string()),
        figure(record.map(|record| u64::from(record.attempts))),
        age(record.and_then(|record| since(record.time))),
        behind(letter),
        error.map(|error| cut(error, ROW)).unwrap_or_default(),
    ]
}

/// All there is to know of a letter, and of its payload as much as may be shown.
pub(super) fn lines(letter: &Letter, reveal: bool) -> String {
    let seen = Seen::new(&letter.packet, reveal);
    let mut lines = String::new();
    let mut add = |name: &str, text: &str| {
        lines.push_str(format!("{name:9} {text}").trim_end());
        lines.push('\n');
    };
    add("id", &letter.id.to_string());
    add("event", &format!("{} {}", seen.called(), seen.id()));
    if let Some(topic) = seen.topic() {
        add("topic", &told(topic));
    }
    if let Some(key) = seen.key() {
        add("key", &key);
    }
    match &letter.record {
        Some(record) => {
            add("why", &record.reason.to_string());
            add("attempts", &record.attempts.to_string());
            let died = instant(record.time).unwrap_or_else(|| UNKNOWN.to_owned());
            add("died", &format!("{died}, {} ago", age(since(record.time))));
            add("source", &told(&record.source));
            for (at, error) in record.errors.iter().enumerate() {
                add(
                    if at == 0 { "error" } else { "" },
                    &format!("{}{}", if at == 0 { "" } else { "because: " }, told(error)),
                );
            }
        }
        None => add("why", "nobody has written that down: the server, or another program, has put it there"),
    }
    if letter.in_place {
        add("behind", &format!("{} parked until it is redriven or purged", behind(letter)));
    }
    add("payload", &seen.payload(usize::MAX));
    lines
}

pub(super) fn json_of(letter: &Letter, reveal: bool) -> Value {
    let mut all = Seen::new(&letter.packet, reveal).json();
    let record = letter.record.as_ref();
    let more = json!({
        "attempts": record.map(|record| record.attempts),
        "died": record.and_then(|record| instant(record.time)),
        "errors": record.map(|record| &record.errors),
        "id": letter.id.to_string(),
        "inPlace": letter.in_place,
        "parked": letter.in_place.then_some(letter.parked),
        "source": record.map(|record| &record.source),
        "why": record.map(|record| record.reason),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}
