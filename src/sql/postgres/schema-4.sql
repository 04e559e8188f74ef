-- What a store is in PostgreSQL: records that are only ever added, in positions without a gap. `{schema}` is an identifier that
-- needs no quotes.

-- The tag is drawn when a store is made: a position knows by it to which store it belongs.
CREATE TABLE {schema}.convoke_store (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tag  bigint NOT NULL,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- `at` is when it was added, in µs since 1970, and never earlier than what is before it, so that a time is found by halving.
-- `before` is the position of the last record of the same entity, or 0: who reads an entity alone sees by it what is missing.
-- `checksum` is the digest of what was handed over, with position, time and `before` added.
CREATE TABLE {schema}.convoke_record (
    position bigint NOT NULL,
    at       bigint NOT NULL,
    before   bigint NOT NULL,
    checksum bigint NOT NULL,
    store    integer NOT NULL,
    topic    text COLLATE "C" NOT NULL,
    entity   text COLLATE "C",
    body     bytea NOT NULL,
    PRIMARY KEY (store, position)
) WITH (
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.2,
    vacuum_truncate = off
);
CREATE INDEX convoke_record_entity ON {schema}.convoke_record (store, entity, position) WHERE entity IS NOT NULL;

-- How far a projection is, in an edition of its rows: one is present, and another may be built beside it. `store` is the tag of the
-- store that it is made from.
CREATE TABLE {schema}.convoke_projection (
    position bigint NOT NULL,
    store    bigint NOT NULL,
    edition  bigint NOT NULL,
    present  boolean NOT NULL,
    name     text COLLATE "C" NOT NULL,
    PRIMARY KEY (name, edition)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX convoke_projection_present ON {schema}.convoke_projection (name) WHERE present;

-- Adds records, in their order, unless something has happened since a position: a record behind it whose topic matches, and of
-- this entity. Returns the last position, and the first such record if there is one; -1 if the position is behind the last; or
-- nothing if there is no such store here. `p_topic` is a regular expression of a topic with a `/` before it, or null for all.
--
-- One adds at a time: the lock is held until the transaction ends, so that whoever sees a position sees all before it. Only
-- behind the lock it looks where the end is, which sees what was committed meanwhile if the isolation is READ COMMITTED; under
-- another one it may not, and then the primary key refuses the position that somebody else has.
--
-- `p_earlier` says for each record which of those that come with it was the last of its entity, from 1; 0 for none.
CREATE FUNCTION {schema}.convoke_append_1(
    p_store integer, p_tag bigint, p_topics text[], p_entities text[], p_earlier integer[], p_digests bigint[],
    p_bodies bytea[], p_since bigint, p_topic text, p_entity text, OUT head bigint, OUT conflict bigint, OUT in_the_way bytea
)
LANGUAGE plpgsql AS $$
DECLARE
    patience text;
    last_at bigint;
    moment bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_store WHERE id = p_store AND tag = p_tag) THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('convoke store {schema} ' || p_store, 0)) THEN
        -- It is the server that gives up: a client that does so leaves a statement behind which may still be done.
        patience := current_setting('lock_timeout');
        IF patience = '0' THEN
            PERFORM set_config('lock_timeout', '10s', true);
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('convoke store {schema} ' || p_store, 0));
        PERFORM set_config('lock_timeout', patience, true);
    END IF;
    SELECT r.position, r.at INTO head, last_at FROM {schema}.convoke_record AS r
        WHERE r.store = p_store ORDER BY r.position DESC LIMIT 1;
    head := coalesce(head, 0);
    IF p_since IS NOT NULL THEN
        IF p_since > head THEN
            conflict := -1;
            RETURN;
        END IF;
        IF p_entity IS NULL THEN
            SELECT r.position, r.body INTO conflict, in_the_way FROM {schema}.convoke_record AS r
                WHERE r.store = p_store AND r.position > p_since AND (p_topic IS NULL OR '/' || r.topic ~ p_topic)
                ORDER BY r.position LIMIT 1;
        ELSE
            SELECT r.position, r.body INTO conflict, in_the_way FROM {schema}.convoke_record AS r
                WHERE r.store = p_store AND r.entity = p_entity AND r.position > p_since
                    AND (p_topic IS NULL OR '/' || r.topic ~ p_topic)
                ORDER BY r.position LIMIT 1;
        END IF;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    moment := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, last_at);
    IF cardinality(p_topics) = 1 THEN
        INSERT INTO {schema}.convoke_record (position, at, before, checksum, store, topic, entity, body)
            SELECT head + 1, moment, o.before, p_digests[1] + head + 1 + (o.before << 20) + (moment << 8), p_store,
                p_topics[1], p_entities[1], p_bodies[1]
            FROM (
                SELECT coalesce(max(r.position), 0) AS before FROM {schema}.convoke_record AS r
                WHERE r.store = p_store AND r.entity = p_entities[1]
            ) AS o;
    ELSE
        INSERT INTO {schema}.convoke_record (position, at, before, checksum, store, topic, entity, body)
            SELECT head + n.place, moment, o.before, n.digest + head + n.place + (o.before << 20) + (moment << 8), p_store,
                n.topic, n.entity, n.body
            FROM unnest(p_topics, p_entities, p_earlier, p_digests, p_bodies) WITH ORDINALITY
                AS n (topic, entity, earlier, digest, body, place)
            CROSS JOIN LATERAL (
                SELECT CASE
                    WHEN n.entity IS NULL THEN 0
                    WHEN n.earlier > 0 THEN head + n.earlier
                    ELSE coalesce((
                        SELECT max(r.position) FROM {schema}.convoke_record AS r
                        WHERE r.store = p_store AND r.entity = n.entity
                    ), 0)
                END AS before
                OFFSET 0
            ) AS o;
    END IF;
    head := head + cardinality(p_topics);
END $$;
