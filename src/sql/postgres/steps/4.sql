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
-- store that it is made from, `reads` a digest of what it
-- reads of that.
CREATE TABLE {schema}.convoke_projection (
    position bigint NOT NULL,
    store    bigint NOT NULL,
    reads    bigint NOT NULL,
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
-- `p_earlier` says for each record which of those that come with it was the last of its entity, from 1; 0 for none. `p_known` is a
-- position at or behind which the last one of its entity was seen, or 0: the server reads a page of an index from there on, and
-- not all that it has of the entity. Where nothing is found there, it looks without.
CREATE FUNCTION {schema}.convoke_append_1(
    p_store integer, p_tag bigint, p_topics text[], p_entities text[], p_earlier integer[], p_known bigint[], p_digests bigint[],
    p_bodies bytea[], p_since bigint, p_topic text, p_entity text, OUT head bigint, OUT conflict bigint, OUT in_the_way bytea
)
LANGUAGE plpgsql AS $$
DECLARE
    patience text;
    last_at bigint;
    moment bigint;
    last_of bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('convoke store {schema} ' || p_store, 0)) THEN
        IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_store WHERE id = p_store AND tag = p_tag) THEN
            RETURN;
        END IF;
        -- It is the server that gives up: a client that does so leaves a statement behind which may still be done.
        patience := current_setting('lock_timeout');
        IF patience = '0' THEN
            PERFORM set_config('lock_timeout', '10s', true);
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('convoke store {schema} ' || p_store, 0));
        PERFORM set_config('lock_timeout', patience, true);
    END IF;
    -- All that one record needs, by one statement: whether the store is here, where it ends, and what is before it.
    SELECT coalesce(l.position, 0), l.at, (
            SELECT r.position FROM {schema}.convoke_record AS r
            WHERE r.store = p_store AND r.entity = p_entities[1] AND r.position >= p_known[1] ORDER BY r.position DESC LIMIT 1
        )
        INTO head, last_at, last_of
        FROM {schema}.convoke_store AS s LEFT JOIN LATERAL (
            SELECT r.position, r.at FROM {schema}.convoke_record AS r
            WHERE r.store = p_store ORDER BY r.position DESC LIMIT 1
        ) AS l ON true
        WHERE s.id = p_store AND s.tag = p_tag;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF last_of IS NULL AND p_known[1] > 0 THEN
        SELECT max(r.position) INTO last_of FROM {schema}.convoke_record AS r
            WHERE r.store = p_store AND r.entity = p_entities[1];
    END IF;
    last_of := coalesce(last_of, 0);
    IF p_since IS NOT NULL THEN
        IF p_since > head THEN
            conflict := -1;
            RETURN;
        END IF;
        IF p_entity IS NULL THEN
            SELECT r.position, r.body INTO conflict, in_the_way FROM {schema}.convoke_record AS r
                WHERE r.store = p_store AND r.position > p_since AND (p_topic IS NULL OR '/' || r.topic ~ p_topic)
                ORDER BY r.position LIMIT 1;
        -- Where a record is about what the condition is about, and nothing is behind the position, that is known already.
        ELSIF p_entity IS DISTINCT FROM p_entities[1] OR last_of > p_since THEN
            SELECT r.position, r.body INTO conflict, in_the_way FROM {schema}.convoke_record AS r
                WHERE r.store = p_store AND r.entity = p_entity AND r.position > p_since
                    AND (p_topic IS NULL OR '/' || r.topic ~ p_topic)
                ORDER BY r.position LIMIT 1;
        END IF;
        IF conflict IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    moment := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, last_at);
    IF cardinality(p_topics) = 1 THEN
        head := head + 1;
        INSERT INTO {schema}.convoke_record (position, at, before, checksum, store, topic, entity, body)
            VALUES (head, moment, last_of, p_digests[1] + head + (last_of << 20) + (moment << 8), p_store, p_topics[1],
                p_entities[1], p_bodies[1]);
        RETURN;
    END IF;
    INSERT INTO {schema}.convoke_record (position, at, before, checksum, store, topic, entity, body)
        SELECT head + n.place, moment, o.before, n.digest + head + n.place + (o.before << 20) + (moment << 8), p_store,
            n.topic, n.entity, n.body
        FROM unnest(p_topics, p_entities, p_earlier, p_known, p_digests, p_bodies) WITH ORDINALITY
            AS n (topic, entity, earlier, known, digest, body, place)
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN n.entity IS NULL THEN 0
                WHEN n.earlier > 0 THEN head + n.earlier
                ELSE coalesce((
                    SELECT r.position FROM {schema}.convoke_record AS r
                    WHERE r.store = p_store AND r.entity = n.entity AND r.position >= n.known
                    ORDER BY r.position DESC LIMIT 1
                ), CASE WHEN n.known > 0 THEN (
                    SELECT max(r.position) FROM {schema}.convoke_record AS r
                    WHERE r.store = p_store AND r.entity = n.entity
                ) END, 0)
            END AS before
            OFFSET 0
        ) AS o;
    head := head + cardinality(p_topics);
END $$;
