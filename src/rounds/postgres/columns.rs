//! What was ruled, as the arrays of one statement.
//!
//! `Plan → Columns, Insertion → convoke_round_write_1, convoke_outbox_1`

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::rounds::PostgresRounds;
use crate::durable::plan::{Line, Plan};
use crate::outbox::Insertion;

/// What is written beside the packets.
#[derive(Debug, Default)]
pub(super) struct Columns {
    ids: Vec<i64>,
    /// Of those that are made.
    keys: Vec<Option<String>>,
    states: Vec<i16>,
    rules: Vec<i64>,
    opened: Vec<i64>,
    looks: Vec<Option<i64>>,
    dues: Vec<Option<i64>>,
    closed: Vec<Option<i64>>,
    generations: Vec<i32>,
    texts: Vec<Option<String>>,
    noted: Vec<i64>,
    noted_dues: Vec<i64>,
    noted_generations: Vec<i32>,
    rounds: Vec<i64>,
    numbers: Vec<i32>,
    kinds: Vec<i16>,
    names: Vec<String>,
    ats: Vec<i64>,
    tokens: Vec<Vec<u8>>,
    terms: Vec<Option<String>>,
    bodies: Vec<Vec<u8>>,
    note_rounds: Vec<i64>,
    note_numbers: Vec<i32>,
    note_terms: Vec<Option<String>>,
    emptied: Vec<i64>,
    lapsed: Vec<i64>,
    amended: Vec<i64>,
    outcomes: Vec<String>,
}

impl Columns {
    pub(super) fn of(plan: Plan) -> Self {
        let mut columns = Self { emptied: plan.emptied, lapsed: plan.lapsed, ..Self::default() };
        plan.made.into_iter().for_each(|line| columns.push(line, true));
        plan.changed.into_iter().for_each(|line| columns.push(line, false));
        for line in plan.noted {
            columns.noted.push(line.id);
            columns.noted_dues.push(line.due_at);
            columns.noted_generations.push(generation(&line));
        }
        for (round, row) in plan.rows {
            columns.rounds.push(round);
            columns.numbers.push(row.number);
            columns.kinds.push(row.kind);
            columns.names.push(row.name.to_string());
            columns.ats.push(row.at);
            columns.tokens.push(row.token.as_bytes().to_vec());
            columns.terms.push(row.terms);
            columns.bodies.push(row.body);
        }
        for (round, number, terms) in plan.notes {
            columns.note_rounds.push(round);
            columns.note_numbers.push(number);
            columns.note_terms.push(terms);
        }
        for (round, outcome) in plan.amended {
            columns.amended.push(round);
            columns.outcomes.push(kept(outcome));
        }
        columns
    }

    fn push(&mut self, line: Line, is_new: bool) {
        let living = |at: i64| (!line.is_over()).then_some(at);
        self.looks.push(living(line.look_at));
        self.dues.push(living(line.due_at));
        self.generations.push(generation(&line));
        self.ids.push(line.id);
        self.states.push(line.state);
        self.rules.push(line.rules);
        self.opened.push(line.opened_at);
        self.closed.push(line.closed_at);
        self.texts.push(line.text.map(kept));
        self.keys.push(is_new.then_some(line.key));
    }

    /// Writes all of it, and what goes to outboxes, by one statement.
    pub(super) async fn write(
        &self,
        heard: &[Insertion],
        rounds: &PostgresRounds,
        connection: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let schema = rounds.database.schema();
        let values = |from: usize, count: usize| {
            (from..from + count).map(|value| format!("${value}")).collect::<Vec<_>>().join(", ")
        };
        let mut sql = format!("SELECT {schema}.convoke_round_write_1({})", values(1, VALUES));
        for place in 0..heard.len() {
            let values = values(VALUES + 1 + place * Insertion::VALUES, Insertion::VALUES);
            sql += &format!(", {schema}.convoke_outbox_1({values})");
        }
        // A statement with a name stays on the server for as long as its connection, so only a pool that keeps some gets another.
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(connection.cached_statements_size() > 0);
        let query = query.bind(&*rounds.broker).bind(&self.ids).bind(&self.keys).bind(&self.states).bind(&self.rules);
        let query = query.bind(&self.opened).bind(&self.looks).bind(&self.dues).bind(&self.closed);
        let query = query.bind(&self.generations).bind(&self.texts);
        let query = query.bind(&self.noted).bind(&self.noted_dues).bind(&self.noted_generations);
        let query = query.bind(&self.rounds).bind(&self.numbers).bind(&self.kinds).bind(&self.names).bind(&self.ats);
        let query = query.bind(&self.tokens).bind(&self.terms).bind(&self.bodies);
        let query = query.bind(&self.note_rounds).bind(&self.note_numbers).bind(&self.note_terms);
        let query = query.bind(&self.emptied).bind(&self.lapsed).bind(&self.amended).bind(&self.outcomes);
        let query = heard.iter().fold(query, |query, insertion| insertion.bind(query));
        query.execute(connection).await.map(drop)
    }
}

/// How many values `convoke_round_write_1` takes.
const VALUES: usize = 29;

fn generation(line: &Line) -> i32 {
    line.generation.try_into().unwrap_or(i32::MAX)
}

/// PostgreSQL keeps no text with a character of the code 0. Of JSON that is none.
fn kept(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}
