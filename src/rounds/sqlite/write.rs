//! What was ruled, as it is written: one statement for each kind of change, however many rounds there are.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::rounds::SqliteRounds;
use crate::durable::Row;
use crate::durable::plan::{Line, Plan};
use crate::sql::sqlite::written;
use crate::transport::TransportError;

/// The broker is that of this name.
const MADE: &str = "INSERT INTO convoke_round \
        (id, broker, key, state, rules, opened_at, look_at, due_at, closed_at, generation, text) \
    SELECT new.value ->> 0, b.id, new.value ->> 1, new.value ->> 2, new.value ->> 3, new.value ->> 4, new.value ->> 5, \
        new.value ->> 6, new.value ->> 7, new.value ->> 8, new.value ->> 9 \
    FROM json_each(?1) AS new CROSS JOIN convoke_round_broker AS b ON b.name = ?2";
const CHANGED: &str = "UPDATE convoke_round AS r SET state = new.value ->> 2, rules = new.value ->> 3, opened_at = new.value ->> 4, \
        look_at = new.value ->> 5, due_at = new.value ->> 6, closed_at = new.value ->> 7, generation = new.value ->> 8, \
        text = new.value ->> 9 \
    FROM json_each(?1) AS new WHERE r.id = new.value ->> 0";
/// What stands in no index: these are not written then.
const NOTED: &str = "UPDATE convoke_round AS r SET generation = new.value ->> 1, due_at = new.value ->> 2 \
    FROM json_each(?1) AS new WHERE r.id = new.value ->> 0";
/// Tokens and bodies stand behind each other in ?2, from the place on that is given for each.
const ROWS: &str = "INSERT INTO convoke_round_row (round, number, kind, at, name, terms, token, body) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
        substr(?2, value ->> 6, 16), substr(?2, (value ->> 6) + 16, value ->> 7) \
    FROM json_each(?1)";
const NOTES: &str = "UPDATE convoke_round_row AS r SET terms = new.value ->> 2 \
    FROM json_each(?1) AS new WHERE r.round = new.value ->> 0 AND r.number = new.value ->> 1";
const EMPTIED: &str = "DELETE FROM convoke_round_row WHERE round IN (SELECT value FROM json_each(?1))";
const LAPSED: &str = "DELETE FROM convoke_round WHERE id IN (SELECT value FROM json_each(?1))";
const AMENDED: &str = "UPDATE convoke_round AS r SET text = new.value ->> 1 \
    FROM json_each(?1) AS new WHERE r.id = new.value ->> 0 AND r.state >= 3";

/// Writes all of it, in a transaction.
pub(super) async fn write(
    rounds: &SqliteRounds,
    connection: &mut SqliteConnection,
    mut plan: Plan,
) -> Result<(), TransportError> {
    let heard = std::mem::take(&mut plan.heard);
    let changed = change(rounds, connection, plan).await;
    rounds.store.verified(changed).map_err(|error| rounds.error(&error))?;
    for (channel, packets) in heard {
        // All of them are open.
        if let Some(outbox) = rounds.outbox(&channel) {
            outbox.insert(packets, connection).await?;
        }
    }
    Ok(())
}

async fn change(rounds: &SqliteRounds, connection: &mut SqliteConnection, plan: Plan) -> Result<(), sqlx::Error> {
    if !plan.changed.is_empty() {
        sqlx::query(CHANGED).bind(list(plan.changed.iter().map(line))).execute(&mut *connection).await?;
    }
    if !plan.noted.is_empty() {
        let noted = plan.noted.iter().map(|line| json!([line.id, line.generation, line.due_at]));
        sqlx::query(NOTED).bind(list(noted)).execute(&mut *connection).await?;
    }
    if !plan.notes.is_empty() {
        let notes = list(plan.notes.iter().map(|(round, number, terms)| json!([round, number, terms])));
        sqlx::query(NOTES).bind(notes).execute(&mut *connection).await?;
    }
    if !plan.emptied.is_empty() {
        sqlx::query(EMPTIED).bind(written(&plan.emptied)).execute(&mut *connection).await?;
    }
    if !plan.lapsed.is_empty() {
        sqlx::query(LAPSED).bind(written(&plan.lapsed)).execute(&mut *connection).await?;
    }
    if !plan.made.is_empty() {
        let made = sqlx::query(MADE).bind(list(plan.made.iter().map(line))).bind(rounds.broker.to_string());
        made.execute(&mut *connection).await?;
    }
    if !plan.rows.is_empty() {
        let (rows, bodies) = rows(&plan.rows);
        sqlx::query(ROWS).bind(rows).bind(bodies).execute(&mut *connection).await?;
    }
    if !plan.amended.is_empty() {
        let amended = list(plan.amended.iter().map(|(round, outcome)| json!([round, outcome])));
        sqlx::query(AMENDED).bind(amended).execute(&mut *connection).await?;
    }
    Ok(())
}

fn list(values: impl Iterator<Item = Value>) -> String {
    // Numbers and texts can always be written.
    serde_json::to_string(&values.collect::<Vec<_>>()).unwrap_or_default()
}

fn line(line: &Line) -> Value {
    let living = |at: i64| (!line.is_over()).then_some(at);
    json!([
        line.id,
        line.key,
        line.state,
        line.rules,
        line.opened_at,
        living(line.look_at),
        living(line.due_at),
        line.closed_at,
        line.generation,
        line.text,
    ])
}

/// As a list, and tokens and bodies behind each other.
fn rows(all: &[(i64, Row)]) -> (String, Vec<u8>) {
    let mut bodies = Vec::with_capacity(all.iter().map(|(_, row)| 16 + row.body.len()).sum());
    let rows = all.iter().map(|(round, row)| {
        // SQLite counts from 1.
        let from = bodies.len() + 1;
        bodies.extend_from_slice(row.token.as_bytes());
        bodies.extend_from_slice(&row.body);
        json!([round, row.number, row.kind, row.at, &*row.name, row.terms, from, row.body.len()])
    });
    let rows = list(rows);
    (rows, bodies)
}
