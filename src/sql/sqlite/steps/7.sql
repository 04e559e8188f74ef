-- What durable rounds are in a file: signals that are rows, until the round is over.

-- `tag` is a random number: a broker of the same name in a file that was replaced has another one. `rules` are those by which it
-- opens rounds from now on.
CREATE TABLE IF NOT EXISTS convoke_round_broker (
    id    INTEGER PRIMARY KEY,
    tag   INTEGER NOT NULL,
    name  TEXT NOT NULL UNIQUE,
    rules INTEGER
) STRICT;

-- `id` is a digest of the text. They stay for as long as rounds go by them. `noted_at` is when they were enrolled last, in µs since 1970.
CREATE TABLE IF NOT EXISTS convoke_round_rules (
    broker   INTEGER NOT NULL,
    id       INTEGER NOT NULL,
    noted_at INTEGER NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (broker, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS convoke_round_consumer (
    broker INTEGER NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (broker, name)
) STRICT, WITHOUT ROWID;

-- What parties say of themselves. `asked` is 1 of one that has an outbox, with what it is to be asked.
CREATE TABLE IF NOT EXISTS convoke_round_party (
    broker INTEGER NOT NULL,
    asked  INTEGER NOT NULL,
    name   TEXT NOT NULL,
    terms  TEXT NOT NULL,
    PRIMARY KEY (broker, name)
) STRICT, WITHOUT ROWID;

-- `state` is 0 open, 1 awaited, 2 aside, 3 resolved, 4 cancelled; below 3 it holds its key. All times are in µs since 1970. One
-- that is over has no `look_at` and no `due_at`. `text` is its outcome then, and why it is aside before that.
CREATE TABLE IF NOT EXISTS convoke_round (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    broker     INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    rules      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    opened_at  INTEGER NOT NULL,
    look_at    INTEGER,
    due_at     INTEGER,
    closed_at  INTEGER,
    key        TEXT NOT NULL,
    text       TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS convoke_round_holder ON convoke_round (broker, key) WHERE state <= 2;
CREATE INDEX IF NOT EXISTS convoke_round_living ON convoke_round (broker) WHERE state <= 2;
CREATE INDEX IF NOT EXISTS convoke_round_look ON convoke_round (broker, state, look_at) WHERE look_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS convoke_round_past ON convoke_round (broker, key) WHERE state >= 3;
CREATE INDEX IF NOT EXISTS convoke_round_over ON convoke_round (broker, closed_at) WHERE state >= 3;

-- The last number that was given.
INSERT INTO sqlite_sequence (name, seq) SELECT 'convoke_round', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'convoke_round');

-- The signals of rounds that are not over.
CREATE TABLE IF NOT EXISTS convoke_round_row (
    round  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    name   TEXT NOT NULL,
    terms  TEXT,
    token  BLOB NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (round, number)
) STRICT, WITHOUT ROWID;
