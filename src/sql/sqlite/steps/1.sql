-- What a queue is in a file of SQLite. Each change after a release is a step of its own, in schema.rs.

-- A lane is what one group of subscribers gets of one queue. An implicit one was made by who published before there was
-- any; the first group that comes takes it over. `shared` is set once a queue has had more than one.
CREATE TABLE convoke_lane (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    queue    TEXT NOT NULL,
    grp      TEXT NOT NULL,
    implicit INTEGER NOT NULL,
    shared   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (queue, grp)
) STRICT;
CREATE TRIGGER convoke_lane_added AFTER INSERT ON convoke_lane BEGIN
    UPDATE convoke_lane SET shared = 1
    WHERE queue = NEW.queue AND (SELECT count(*) FROM convoke_lane WHERE queue = NEW.queue) > 1;
END;

-- What was published, once for all lanes. `lane` is set if it is for one alone, `due` if it is held back.
CREATE TABLE convoke_message (
    id         INTEGER PRIMARY KEY,
    queue      TEXT NOT NULL,
    lane       INTEGER,
    packet     TEXT NOT NULL,
    topic      TEXT NOT NULL,
    key        TEXT,
    priority   INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    attributes TEXT,
    body       BLOB NOT NULL
) STRICT;

-- What a lane still owes of a message. Small rows, because they change: `state` is 0 ready, 1 held back, 2 lent, 3 behind
-- another of its key. `sort` is the rank of one that is ready and otherwise when it will be, in ms since 1970. `lent`
-- counts how often it was lent: together with the id, which is never used again, it says whose it is. `ticket` is that of
-- the last receive which got it, a random number.
CREATE TABLE convoke_delivery (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    lane    INTEGER NOT NULL,
    message INTEGER NOT NULL,
    key     TEXT,
    rank    INTEGER NOT NULL,
    state   INTEGER NOT NULL,
    sort    INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    lent    INTEGER NOT NULL DEFAULT 0,
    ticket  INTEGER NOT NULL DEFAULT 0,
    shared  INTEGER NOT NULL
) STRICT;
CREATE INDEX convoke_delivery_next ON convoke_delivery (lane, state, sort);
CREATE INDEX convoke_delivery_key ON convoke_delivery (lane, key) WHERE key IS NOT NULL;
CREATE INDEX convoke_delivery_shared ON convoke_delivery (message) WHERE shared = 1;

-- These run for each message: what most of them do not need stands in another one.
CREATE TRIGGER convoke_message_first BEFORE INSERT ON convoke_message
WHEN NOT EXISTS (SELECT 1 FROM convoke_lane WHERE queue = NEW.queue) BEGIN
    INSERT INTO convoke_lane (queue, grp, implicit) VALUES (NEW.queue, '', 1);
END;
CREATE TRIGGER convoke_message_free AFTER INSERT ON convoke_message WHEN NEW.key IS NULL BEGIN
    INSERT INTO convoke_delivery (lane, message, rank, state, sort, shared)
        SELECT id, NEW.id, 255 - NEW.priority, NEW.due > 0, iif(NEW.due > 0, NEW.due, 255 - NEW.priority), shared
        FROM convoke_lane WHERE queue = NEW.queue AND (NEW.lane IS NULL OR id = NEW.lane);
END;
CREATE TRIGGER convoke_message_keyed AFTER INSERT ON convoke_message WHEN NEW.key IS NOT NULL BEGIN
    INSERT INTO convoke_delivery (lane, message, key, rank, state, sort, shared)
        SELECT lane, NEW.id, NEW.key, 255 - NEW.priority,
            CASE WHEN blocked THEN 3 WHEN NEW.due > 0 THEN 1 ELSE 0 END,
            CASE WHEN NEW.due > 0 THEN NEW.due WHEN blocked THEN 0 ELSE 255 - NEW.priority END,
            shared
        FROM (
            SELECT id AS lane, shared, EXISTS (
                SELECT 1 FROM convoke_delivery AS earlier WHERE earlier.lane = all_lanes.id AND earlier.key = NEW.key
            ) AS blocked
            FROM convoke_lane AS all_lanes WHERE queue = NEW.queue AND (NEW.lane IS NULL OR id = NEW.lane)
        );
END;

-- The message goes with the last that was owed of it.
CREATE TRIGGER convoke_delivery_alone AFTER DELETE ON convoke_delivery WHEN OLD.shared = 0 BEGIN
    DELETE FROM convoke_message WHERE id = OLD.message;
END;
CREATE TRIGGER convoke_delivery_among AFTER DELETE ON convoke_delivery WHEN OLD.shared = 1 BEGIN
    DELETE FROM convoke_message WHERE id = OLD.message
        AND NOT EXISTS (SELECT 1 FROM convoke_delivery WHERE message = OLD.message AND shared = 1);
END;

-- The next of its key may go.
CREATE TRIGGER convoke_delivery_keyed AFTER DELETE ON convoke_delivery WHEN OLD.key IS NOT NULL BEGIN
    UPDATE convoke_delivery SET
        state = CASE WHEN sort > 0 THEN 1 ELSE 0 END,
        sort = CASE WHEN sort > 0 THEN sort ELSE rank END
    WHERE id = (SELECT min(id) FROM convoke_delivery WHERE lane = OLD.lane AND key = OLD.key) AND state = 3;
END;

-- Ids that a queue has taken, where it de-duplicates.
CREATE TABLE convoke_taken (
    queue  TEXT NOT NULL,
    packet TEXT NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (queue, packet)
) STRICT, WITHOUT ROWID;
CREATE INDEX convoke_taken_until ON convoke_taken (until);

-- Ids of events that a worker has done.
CREATE TABLE convoke_inbox (
    inbox TEXT NOT NULL,
    event TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (inbox, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX convoke_inbox_until ON convoke_inbox (until);
