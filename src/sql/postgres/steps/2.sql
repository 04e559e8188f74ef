-- What an outbox is in PostgreSQL: rows that stand in a transaction of the application, and that a relay publishes once that
-- has committed. `{schema}` is an identifier that needs no quotes.

-- Which database this is: a transaction of another one is refused, however much its tables look alike.
CREATE TABLE {schema}.convoke_database (id text COLLATE "C" PRIMARY KEY);
INSERT INTO {schema}.convoke_database (id) VALUES (gen_random_uuid()::text);

-- One row for each event, which is inserted and deleted. `state` is 0 ready, 1 dead (a server has refused it for good), 2 parked
-- (behind a dead one of its key). The lane is lent, never the row: 0 to 15, by the hash of the key, or any without a key.
-- `is_text` is set where the body is known to be a text of the database's encoding, which is UTF-8.
CREATE TABLE {schema}.convoke_outbox (
    position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created    timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_hash   bigint,
    lane       smallint NOT NULL,
    state      smallint NOT NULL DEFAULT 0,
    is_text    boolean NOT NULL DEFAULT false,
    outbox     text COLLATE "C" NOT NULL,
    packet     text NOT NULL,
    topic      text NOT NULL,
    key        text,
    attributes text,
    reason     text,
    body       bytea NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0.5,
    autovacuum_analyze_scale_factor = 0.5,
    autovacuum_analyze_threshold = 20000,
    vacuum_truncate = off
);
-- Which rows are meant by their positions alone is written `state + 0`: an index of one state would do as well for a server that takes
-- the table for empty, and then each position is looked for among all dead rows of that state.
CREATE INDEX convoke_outbox_ready ON {schema}.convoke_outbox (outbox, lane, position) WHERE state = 0;
CREATE INDEX convoke_outbox_dead ON {schema}.convoke_outbox (outbox, position) WHERE state = 1;
CREATE INDEX convoke_outbox_key ON {schema}.convoke_outbox (outbox, key_hash, position) WHERE state > 0;

-- Relays that are alive until then, and who has which lane; that of a relay that is not is free.
CREATE TABLE {schema}.convoke_outbox_relay (
    outbox text COLLATE "C" NOT NULL,
    relay  text COLLATE "C" NOT NULL,
    until  timestamptz NOT NULL,
    PRIMARY KEY (outbox, relay)
);
CREATE TABLE {schema}.convoke_outbox_lane (
    outbox text COLLATE "C" NOT NULL,
    lane   smallint NOT NULL,
    relay  text COLLATE "C" NOT NULL,
    PRIMARY KEY (outbox, lane)
);

-- Inserts packets in their order, within the transaction of whoever calls it. Keys are locked until its end, before a position
-- is drawn, so that the order of the positions of a key is that of commits, whatever the isolation; in the order of their
-- hashes, so that two do not wait for each other. Without a key there is no order, and no lock. Most often it is one; and it
-- has no settings of its own, each of which would cost as much as the row.
CREATE FUNCTION {schema}.convoke_outbox_1(
    p_database text, p_outbox text, p_lanes smallint[], p_packets text[], p_topics text[], p_keys text[],
    p_attributes text[], p_bodies bytea[], p_are_texts boolean[] DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    patience text;
    is_utf8 boolean := getdatabaseencoding() = 'UTF8';
BEGIN
    IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_database WHERE id = p_database) THEN
        RAISE EXCEPTION 'the outbox is one of another database than the transaction' USING ERRCODE = 'ZC001';
    END IF;
    IF cardinality(p_packets) = 1 THEN
        IF p_keys[1] IS NOT NULL AND NOT pg_try_advisory_xact_lock(
            hashtextextended('convoke outbox {schema} ' || p_outbox || ' ' || p_keys[1], 0)
        ) THEN
            -- It is the server that gives up: a client that does so leaves a statement behind which may still be done.
            patience := current_setting('lock_timeout');
            IF patience = '0' THEN
                PERFORM set_config('lock_timeout', '10s', true);
            END IF;
            PERFORM pg_advisory_xact_lock(hashtextextended('convoke outbox {schema} ' || p_outbox || ' ' || p_keys[1], 0));
            PERFORM set_config('lock_timeout', patience, true);
        END IF;
        INSERT INTO {schema}.convoke_outbox (lane, key_hash, outbox, packet, topic, key, attributes, is_text, body)
            VALUES (p_lanes[1], hashtextextended(p_keys[1], 0), p_outbox, p_packets[1], p_topics[1], p_keys[1],
                p_attributes[1], is_utf8 AND coalesce(p_are_texts[1], false), p_bodies[1]);
        RETURN;
    END IF;
    patience := current_setting('lock_timeout');
    IF patience = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    PERFORM pg_advisory_xact_lock(hash) FROM (
        SELECT DISTINCT hashtextextended('convoke outbox {schema} ' || p_outbox || ' ' || key, 0) AS hash
        FROM unnest(p_keys) AS key WHERE key IS NOT NULL ORDER BY 1
    ) AS hashes;
    PERFORM set_config('lock_timeout', patience, true);
    INSERT INTO {schema}.convoke_outbox (lane, key_hash, outbox, packet, topic, key, attributes, is_text, body)
        SELECT lane, hashtextextended(key, 0), p_outbox, packet, topic, key, attributes,
            is_utf8 AND coalesce(is_text, false), body
        FROM unnest(p_lanes, p_packets, p_topics, p_keys, p_attributes, p_are_texts, p_bodies)
            WITH ORDINALITY AS packets (lane, packet, topic, key, attributes, is_text, body, place)
        ORDER BY place;
END $$;

-- Fails if what a relay has is of another database, as after one was restored: its positions are those of other rows.
CREATE FUNCTION {schema}.convoke_same_1(p_database text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_database WHERE id = p_database) THEN
        RAISE EXCEPTION 'the database is another one than before' USING ERRCODE = 'ZC002';
    END IF;
END $$;

-- Renews what a relay has for so many ms, and shares the lanes with the others that are alive. Returns those that it has now.
CREATE FUNCTION {schema}.convoke_outbox_lanes_1(
    p_database text, p_outbox text, p_relay text, p_lease float8, p_busy smallint[], OUT held smallint[], OUT share integer
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM {schema}.convoke_same_1(p_database);
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke outbox lanes of {schema} ' || p_outbox, 0));
    moment := clock_timestamp();
    INSERT INTO {schema}.convoke_outbox_relay AS there (outbox, relay, until)
        VALUES (p_outbox, p_relay, moment + p_lease * interval '1 ms')
        ON CONFLICT (outbox, relay) DO UPDATE SET until = excluded.until;
    DELETE FROM {schema}.convoke_outbox_relay WHERE outbox = p_outbox AND until <= moment;
    SELECT 16 / count(*) + CASE WHEN count(*) FILTER (WHERE relay < p_relay) < 16 % count(*) THEN 1 ELSE 0 END INTO share
        FROM {schema}.convoke_outbox_relay WHERE outbox = p_outbox;
    DELETE FROM {schema}.convoke_outbox_lane WHERE outbox = p_outbox AND lane IN (
        SELECT lane FROM {schema}.convoke_outbox_lane WHERE outbox = p_outbox AND relay = p_relay
        ORDER BY lane = ANY (p_busy) DESC, lane OFFSET share
    ) AND lane <> ALL (p_busy);
    SELECT coalesce(array_agg(lane ORDER BY lane), '{}') INTO held
        FROM {schema}.convoke_outbox_lane WHERE outbox = p_outbox AND relay = p_relay;
    IF cardinality(held) < share THEN
        WITH taken AS (
            INSERT INTO {schema}.convoke_outbox_lane AS there (outbox, lane, relay)
                SELECT p_outbox, free, p_relay FROM generate_series(0, 15) AS free
                WHERE NOT EXISTS (
                    SELECT 1 FROM {schema}.convoke_outbox_lane AS lent JOIN {schema}.convoke_outbox_relay AS alive USING (outbox, relay)
                    WHERE lent.outbox = p_outbox AND lent.lane = free
                )
                ORDER BY free LIMIT share - cardinality(held)
                ON CONFLICT (outbox, lane) DO UPDATE SET relay = excluded.relay
                RETURNING there.lane
        )
        SELECT held || coalesce(array_agg(lane), '{}') INTO held FROM taken;
    END IF;
END $$;

-- Gives back all lanes of a relay.
CREATE FUNCTION {schema}.convoke_outbox_leave_1(p_outbox text, p_relay text) RETURNS void
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke outbox lanes of {schema} ' || p_outbox, 0));
    DELETE FROM {schema}.convoke_outbox_lane WHERE outbox = p_outbox AND relay = p_relay;
    DELETE FROM {schema}.convoke_outbox_relay WHERE outbox = p_outbox AND relay = p_relay;
END $$;

-- The first rows that are ready in a lane. It becomes a part of the statement that calls it, so it has no settings.
CREATE FUNCTION {schema}.convoke_outbox_firsts_1(p_outbox text, p_lane smallint, p_start bigint, p_most integer)
RETURNS SETOF {schema}.convoke_outbox LANGUAGE sql STABLE AS $$
    SELECT * FROM {schema}.convoke_outbox WHERE outbox = p_outbox AND state = 0 AND lane = p_lane AND position > p_start
    ORDER BY position LIMIT p_most
$$;

-- Deletes what has left, and returns the first rows that are ready in these lanes, behind the start of each, in the order of their
-- positions, and with no more bytes than these beyond the first. A last row without a position says how many ms it took: dead rows
-- that vacuum may not take away make it long. Lanes are merged as they stand in the index, so that no more is read than
-- returned; one that is not given has no row.
CREATE FUNCTION {schema}.convoke_outbox_take_1(
    p_database text, p_outbox text, p_done bigint[], p_lanes smallint[], p_starts bigint[], p_most integer, p_bytes bigint
)
RETURNS TABLE (
    "position" bigint, lane smallint, age float8, packet text, topic text, key text, attributes text, body bytea,
    body_text text
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz;
BEGIN
    PERFORM {schema}.convoke_same_1(p_database);
    IF cardinality(p_done) > 0 THEN
        DELETE FROM {schema}.convoke_outbox WHERE position = ANY (p_done) AND state + 0 = 0;
    END IF;
    moment := clock_timestamp();
    IF p_most > 0 THEN
        RETURN QUERY SELECT
                sized.position, sized.lane, extract(epoch FROM moment - sized.created)::float8 * 1000, sized.packet,
                sized.topic, sized.key, sized.attributes, CASE WHEN NOT sized.is_text THEN sized.body END,
                CASE WHEN sized.is_text THEN convert_from(sized.body, 'UTF8') END
            FROM (
                SELECT firsts.*, sum(octet_length(firsts.body)) OVER (ORDER BY firsts.position ROWS UNBOUNDED PRECEDING) AS bytes
                FROM (
                SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[1], p_starts[1], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[2], p_starts[2], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[3], p_starts[3], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[4], p_starts[4], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[5], p_starts[5], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[6], p_starts[6], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[7], p_starts[7], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[8], p_starts[8], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[9], p_starts[9], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[10], p_starts[10], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[11], p_starts[11], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[12], p_starts[12], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[13], p_starts[13], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[14], p_starts[14], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[15], p_starts[15], p_most)
                UNION ALL SELECT * FROM {schema}.convoke_outbox_firsts_1(p_outbox, p_lanes[16], p_starts[16], p_most)
                ORDER BY position LIMIT p_most
                ) AS firsts
            ) AS sized
            WHERE sized.bytes <= p_bytes OR sized.bytes = octet_length(sized.body);
    END IF;
    RETURN QUERY SELECT NULL::bigint, NULL::smallint, extract(epoch FROM clock_timestamp() - moment)::float8 * 1000,
        NULL::text, NULL::text, NULL::text, NULL::text, NULL::bytea, NULL::text;
END $$;

-- Marks rows as dead, with the reasons, if they are ready and their lanes are this relay's; no other gets these meanwhile.
CREATE FUNCTION {schema}.convoke_outbox_bury_1(
    p_database text, p_outbox text, p_relay text, p_positions bigint[], p_reasons text[]
) RETURNS void
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    lanes smallint[];
BEGIN
    PERFORM {schema}.convoke_same_1(p_database);
    SELECT array_agg(mine.lane) INTO lanes FROM (
        SELECT lane FROM {schema}.convoke_outbox_lane WHERE outbox = p_outbox AND relay = p_relay ORDER BY lane FOR SHARE
    ) AS mine;
    UPDATE {schema}.convoke_outbox AS o SET state = 1, reason = asked.reason
        FROM unnest(p_positions, p_reasons) AS asked (position, reason)
        WHERE o.position = asked.position AND o.outbox = p_outbox AND o.state + 0 = 0 AND o.lane = ANY (lanes);
END $$;

-- Parks those of these rows that are ready, in a lane of this relay, and behind a dead one of their key. Returns the others that
-- are ready. Who makes a dead row ready waits for this, or this for him: then he finds what was parked, or this that none is
-- dead any more.
CREATE FUNCTION {schema}.convoke_outbox_park_1(p_database text, p_outbox text, p_relay text, p_positions bigint[])
RETURNS bigint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    lanes smallint[];
    ready bigint[];
BEGIN
    PERFORM {schema}.convoke_same_1(p_database);
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('convoke outbox parks of {schema} ' || p_outbox, 0));
    SELECT array_agg(mine.lane) INTO lanes FROM (
        SELECT lane FROM {schema}.convoke_outbox_lane WHERE outbox = p_outbox AND relay = p_relay ORDER BY lane FOR SHARE
    ) AS mine;
    UPDATE {schema}.convoke_outbox AS o SET state = 2
        WHERE o.position = ANY (p_positions) AND o.outbox = p_outbox AND o.state + 0 = 0 AND o.lane = ANY (lanes) AND EXISTS (
            SELECT 1 FROM {schema}.convoke_outbox AS dead
            WHERE dead.outbox = p_outbox AND dead.key_hash = o.key_hash AND dead.position < o.position AND dead.state = 1
                AND dead.key = o.key
        );
    SELECT array_agg(o.position ORDER BY o.position) INTO ready FROM {schema}.convoke_outbox AS o
        WHERE o.position = ANY (p_positions) AND o.outbox = p_outbox AND o.state + 0 = 0;
    RETURN ready;
END $$;

-- Makes what is parked of these keys ready, as far as it is behind no dead row of its key (any more).
CREATE FUNCTION {schema}.convoke_outbox_unpark_1(p_outbox text, p_hashes bigint[], p_keys text[]) RETURNS void
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH freed AS MATERIALIZED (
        SELECT of_keys.hash, of_keys.key, (
            SELECT min(dead.position) FROM {schema}.convoke_outbox AS dead
            WHERE dead.outbox = p_outbox AND dead.key_hash = of_keys.hash AND dead.state = 1 AND dead.key = of_keys.key
        ) AS first
        FROM (
            SELECT DISTINCT hash, key FROM unnest(p_hashes, p_keys) AS all_of_them (hash, key) WHERE key IS NOT NULL
        ) AS of_keys
    )
    UPDATE {schema}.convoke_outbox AS o SET state = 0 FROM freed
        WHERE o.outbox = p_outbox AND o.key_hash = freed.hash AND o.state = 2 AND o.key = freed.key
            AND o.position < coalesce(freed.first, 9223372036854775807);
END $$;

-- Ends that rows between these are dead, at most so many, and makes ready what they alone held up, which they may be
-- themselves: one that is behind another dead row of its key is parked. Returns the positions of those that were dead.
CREATE FUNCTION {schema}.convoke_outbox_redrive_1(p_outbox text, p_from bigint, p_to bigint, p_limit bigint)
RETURNS bigint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    redriven bigint[];
    hashes bigint[];
    keys text[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke outbox parks of {schema} ' || p_outbox, 0));
    WITH dead AS MATERIALIZED (
        SELECT position FROM {schema}.convoke_outbox
        WHERE outbox = p_outbox AND state = 1 AND position BETWEEN p_from AND p_to ORDER BY position LIMIT p_limit
    ), there AS (
        UPDATE {schema}.convoke_outbox AS o SET state = CASE WHEN o.key IS NULL THEN 0 ELSE 2 END, reason = NULL
        FROM dead WHERE o.position = dead.position AND o.state + 0 = 1 RETURNING o.position, o.key_hash, o.key
    )
    SELECT array_agg(position ORDER BY position), array_agg(key_hash), array_agg(key) INTO redriven, hashes, keys FROM there;
    PERFORM {schema}.convoke_outbox_unpark_1(p_outbox, hashes, keys);
    RETURN redriven;
END $$;

-- Deletes a dead row, and makes ready what it alone held up. Returns whether there was one.
CREATE FUNCTION {schema}.convoke_outbox_discard_1(p_outbox text, p_position bigint) RETURNS boolean
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    its_hash bigint;
    its_key text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke outbox parks of {schema} ' || p_outbox, 0));
    DELETE FROM {schema}.convoke_outbox WHERE position = p_position AND outbox = p_outbox AND state = 1
        RETURNING key_hash, key INTO its_hash, its_key;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM {schema}.convoke_outbox_unpark_1(p_outbox, ARRAY[its_hash], ARRAY[its_key]);
    RETURN true;
END $$;

-- Counts what is ready, dead and parked, each up to so many, and for how many ms the oldest that is ready has been there: the
-- first of one of the lanes. Of each lane, from 0 on, nothing is ready up to its start. What is parked stands in the index between
-- what is dead: of both together no more than four times as many are looked at.
CREATE FUNCTION {schema}.convoke_outbox_figures_1(
    p_outbox text, p_most bigint, p_starts bigint[], OUT ready bigint, OUT dead bigint, OUT parked bigint, OUT oldest float8
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_memoize = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    SELECT count(*) INTO ready FROM (
        SELECT 1 FROM generate_series(0, 15) AS lanes (number) CROSS JOIN LATERAL (
            SELECT 1 FROM {schema}.convoke_outbox AS o
            WHERE o.outbox = p_outbox AND o.lane <= lanes.number::smallint AND o.state = 0
                AND (o.lane, o.position) > (lanes.number::smallint, p_starts[lanes.number + 1])
            ORDER BY o.lane, o.position
        ) AS of_lane LIMIT p_most
    ) AS first_ones;
    SELECT count(*) INTO dead FROM (
        SELECT 1 FROM {schema}.convoke_outbox
        WHERE outbox <= p_outbox AND (outbox, position) > (p_outbox, 0) AND state = 1 ORDER BY outbox, position LIMIT p_most
    ) AS first_ones;
    SELECT count(*) INTO parked FROM (
        SELECT 1 FROM (
            SELECT state FROM {schema}.convoke_outbox WHERE outbox = p_outbox AND state > 0
            ORDER BY outbox, key_hash, position LIMIT p_most * 4
        ) AS seen WHERE seen.state = 2 LIMIT p_most
    ) AS first_ones;
    SELECT extract(epoch FROM clock_timestamp() - min(first.created)) * 1000 INTO oldest
        FROM generate_series(0, 15) AS lanes (number) CROSS JOIN LATERAL (
            SELECT o.created FROM {schema}.convoke_outbox AS o
            WHERE o.outbox = p_outbox AND o.lane <= lanes.number::smallint AND o.state = 0
                AND (o.lane, o.position) > (lanes.number::smallint, p_starts[lanes.number + 1])
            ORDER BY o.lane, o.position LIMIT 1
        ) AS first;
END $$;
