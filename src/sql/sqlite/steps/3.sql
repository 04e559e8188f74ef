-- What an outbox is: events that were published with a transaction, until a server has confirmed them.

-- The id is a random number, so that a transaction of another file is known by it.
CREATE TABLE IF NOT EXISTS convoke_outbox_name (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- `state` is 0 ready, 1 dead, 2 parked behind a dead one of its key. A position is never used again.
CREATE TABLE IF NOT EXISTS convoke_outbox (
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    outbox     INTEGER NOT NULL,
    lane       INTEGER NOT NULL,
    state      INTEGER NOT NULL DEFAULT 0,
    published  INTEGER NOT NULL,
    packet     TEXT NOT NULL,
    topic      TEXT NOT NULL,
    key        TEXT,
    attributes TEXT,
    reason     TEXT,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS convoke_outbox_ready ON convoke_outbox (outbox, lane) WHERE state = 0;
CREATE INDEX IF NOT EXISTS convoke_outbox_dead ON convoke_outbox (outbox) WHERE state = 1;
CREATE INDEX IF NOT EXISTS convoke_outbox_held ON convoke_outbox (outbox, state, key) WHERE state <> 0;
CREATE TRIGGER IF NOT EXISTS convoke_outbox_known BEFORE INSERT ON convoke_outbox
WHEN NOT EXISTS (SELECT 1 FROM convoke_outbox_name WHERE id = NEW.outbox) BEGIN
    SELECT RAISE(ABORT, 'convoke_outbox: this is another database than that of the outbox');
END;

-- Relays that are alive, until when; and whose a lane is, as long as that one is.
CREATE TABLE IF NOT EXISTS convoke_outbox_relay (
    outbox INTEGER NOT NULL,
    relay  TEXT NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (outbox, relay)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS convoke_outbox_lane (
    outbox INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    relay  TEXT NOT NULL,
    PRIMARY KEY (outbox, lane)
) STRICT, WITHOUT ROWID;
