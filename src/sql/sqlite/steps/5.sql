-- What a store is in a file: records that are only ever added, in positions without a gap.

-- The tag is drawn when a store is made: a position knows by it to which store it belongs.
CREATE TABLE IF NOT EXISTS convoke_store (
    id   INTEGER PRIMARY KEY,
    tag  INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE
);

-- `id` is the number of the store, times 2^40, and the position: so the rows of a store are in their order in the file. `at` is
-- when it was added, in µs since 1970, and never earlier than what is before it, so that a time is found by halving. `before`
-- is the position of the last record of the same entity, or 0: who reads an entity alone sees by it what is missing. `checksum`
-- is the digest of what was handed over, with position, time and `before` added.
CREATE TABLE IF NOT EXISTS convoke_record (
    id       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    before   INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    topic    TEXT NOT NULL,
    entity   TEXT,
    body     BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS convoke_record_entity ON convoke_record (entity) WHERE entity IS NOT NULL;

-- How far a projection is, in an edition of its rows: one is present, and another may be built beside it. `store` is the tag of the
-- store that it is made from, `reads` a digest of what it
-- reads of that.
CREATE TABLE IF NOT EXISTS convoke_projection (
    name     TEXT NOT NULL,
    edition  INTEGER NOT NULL,
    present  INTEGER NOT NULL,
    store    INTEGER NOT NULL,
    reads    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (name, edition)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS convoke_projection_present ON convoke_projection (name) WHERE present = 1;
