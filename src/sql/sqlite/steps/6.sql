-- What tasks are in a file: jobs that wait, are lent to a worker, and end.

-- Which file this is, a random number: a transaction of another one is known by it.
CREATE TABLE IF NOT EXISTS convoke_tasks (id INTEGER PRIMARY KEY) STRICT;
INSERT INTO convoke_tasks (id) SELECT (random() & 4611686018427387903) + 1 WHERE NOT EXISTS (SELECT 1 FROM convoke_tasks);

-- A job is inserted, lent by one update, and deleted. `state` is 0 ready, 1 ready but one of a key with a limit, 2 not due yet,
-- 3 running, 4 done, 5 failed, 6 cancelled. `lane` is the hash of its queue and task, and `key` that of its task and its key, if it
-- has one. Of those that are ready the lowest `rank` goes first: it is `due` less the head start, in ms since 1970 like all times here.
-- `at` is when the state ends: when it is due, when the lease ends, until when it is kept. What is in one state stands in no index
-- that is read for another: so it does not matter how many are not due yet, or over.
--
-- `attempt` only rises, for it says who has the job. Attempts that do not count are `spared`. `hold` is 0 without a unique key; 1 if
-- that is taken until the job is over, 2 until it is lent, and each no sooner than `held_until`; negative once it is free. `ticket`
-- is that of the last lending, a random number.
CREATE TABLE IF NOT EXISTS convoke_job (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    lane       INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    rank       INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    key        INTEGER,
    attempt    INTEGER NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL,
    spared     INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0,
    hold       INTEGER NOT NULL,
    ticket     INTEGER NOT NULL DEFAULT 0,
    expires    INTEGER,
    held_until INTEGER,
    unique_key TEXT,
    queue      TEXT NOT NULL,
    task       TEXT NOT NULL,
    cause      TEXT,
    text       TEXT,
    note       TEXT,
    fraction   REAL,
    payload    BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS convoke_job_ready ON convoke_job (lane, rank) WHERE state = 0;
CREATE INDEX IF NOT EXISTS convoke_job_turns ON convoke_job (lane, key, rank) WHERE state = 1;
CREATE INDEX IF NOT EXISTS convoke_job_times ON convoke_job (state, at) WHERE state > 1;
CREATE INDEX IF NOT EXISTS convoke_job_running ON convoke_job (key) WHERE state = 3 AND key IS NOT NULL;
CREATE INDEX IF NOT EXISTS convoke_job_failed ON convoke_job (id) WHERE state >= 5;
CREATE UNIQUE INDEX IF NOT EXISTS convoke_job_unique ON convoke_job (unique_key) WHERE hold > 0;

-- The last number that was given. A number is the time at which it is given, in µs since 1970, or higher: see sqlite/numbers.rs.
INSERT INTO sqlite_sequence (name, seq) SELECT 'convoke_job', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'convoke_job');

-- Until when what has begun of a key counts for its rate, in µs since 1970: each that begins adds its part of the time.
CREATE TABLE IF NOT EXISTS convoke_job_rate (key INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS convoke_job_rate_until ON convoke_job_rate (until);

-- Results of steps that are finished, until the job is over.
CREATE TABLE IF NOT EXISTS convoke_job_step (
    job    INTEGER NOT NULL,
    name   TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

-- Where a schedule stands, in seconds since 1970.
CREATE TABLE IF NOT EXISTS convoke_job_tick (
    schedule TEXT PRIMARY KEY,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
