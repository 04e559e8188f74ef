-- What a queue, and an inbox, is in PostgreSQL. `{schema}` is an identifier that needs no quotes. Each change after a release
-- is a step of its own, in schema.rs; a function that changes gets another name, for older processes go on with theirs.

-- A lane is what one group of subscribers gets of one queue. An implicit one was made by who published before there was any;
-- the first group that comes takes it over.
CREATE TABLE {schema}.convoke_lane (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue    text COLLATE "C" NOT NULL,
    grp      text COLLATE "C" NOT NULL,
    implicit boolean NOT NULL,
    UNIQUE (queue, grp)
);

-- What a lane still owes: one row for each packet and lane, which is inserted, lent by one update, and deleted. `state` is 0
-- ready, 1 held back, 2 lent, 3 behind another of its key. `due` is when it is ready, where it is held back or lent. `lent`
-- counts how often it was lent: together with the id it says whose it is. `redriven` counts how often it was dead in its place and
-- given another chance. A key counts by its hash, so that a long one can be looked for: two of one hash go one after the other too.
-- `is_text` is set where the body is a text of the database's encoding, which is UTF-8: to write that into an answer takes a tenth of
-- the time that bytes take.
CREATE TABLE {schema}.convoke_delivery (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    due        timestamptz NOT NULL,
    lane       bigint NOT NULL,
    key_hash   bigint,
    lent       integer NOT NULL DEFAULT 0,
    attempt    integer NOT NULL DEFAULT 0,
    redriven   integer NOT NULL DEFAULT 0,
    rank       smallint NOT NULL,
    state      smallint NOT NULL,
    marked     boolean NOT NULL DEFAULT false,
    is_text    boolean NOT NULL DEFAULT false,
    packet     text NOT NULL,
    topic      text NOT NULL,
    key        text,
    attributes text,
    body       bytea NOT NULL
) WITH (
    -- A queue is where dead rows are made: they go soon, and nobody waits for the table to be cut.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.5,
    autovacuum_analyze_threshold = 20000,
    vacuum_truncate = off
);
CREATE INDEX convoke_delivery_ready ON {schema}.convoke_delivery (lane, rank, id) WHERE state = 0;
CREATE INDEX convoke_delivery_waits ON {schema}.convoke_delivery (lane, due) WHERE state IN (1, 2);
CREATE INDEX convoke_delivery_key ON {schema}.convoke_delivery (lane, key_hash, id) WHERE key_hash IS NOT NULL;

-- Ids that a queue has taken, where it de-duplicates, by their hashes.
CREATE TABLE {schema}.convoke_taken (
    queue  text COLLATE "C" NOT NULL,
    packet bytea NOT NULL,
    until  timestamptz NOT NULL,
    PRIMARY KEY (queue, packet)
);
CREATE INDEX convoke_taken_until ON {schema}.convoke_taken (until);

-- Ids of events that a worker has done, by their hashes.
CREATE TABLE {schema}.convoke_inbox (
    inbox text COLLATE "C" NOT NULL,
    event bytea NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (inbox, event)
);
CREATE INDEX convoke_inbox_until ON {schema}.convoke_inbox (until);

-- The plans of these are the same with a million rows as with none: statistics are old where rows come and go. What is looked for
-- among the rows of one rank, or of one key, is in the order of rank or key and id: by the order of the ids alone, the primary key
-- would do as well for a server that takes the table for empty. What is known by its id is asked for by that alone.

-- Returns the lane of a group, and makes it if it is not there. Who makes one holds a lock of the queue, so that what was
-- published before there was any group waits for the first that comes, and for no other.
CREATE FUNCTION {schema}.convoke_lane_1(p_queue text, p_group text) RETURNS bigint
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off AS $$
DECLARE
    found_lane bigint;
BEGIN
    SELECT id INTO found_lane FROM {schema}.convoke_lane WHERE queue = p_queue AND grp = p_group AND NOT implicit;
    IF found_lane IS NOT NULL THEN
        RETURN found_lane;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke lanes of {schema} ' || p_queue, 0));
    UPDATE {schema}.convoke_lane SET grp = p_group, implicit = false WHERE queue = p_queue AND implicit
        RETURNING id INTO found_lane;
    IF found_lane IS NULL THEN
        INSERT INTO {schema}.convoke_lane (queue, grp, implicit) VALUES (p_queue, p_group, false)
            ON CONFLICT (queue, grp) DO NOTHING RETURNING id INTO found_lane;
    END IF;
    IF found_lane IS NULL THEN
        SELECT id INTO found_lane FROM {schema}.convoke_lane WHERE queue = p_queue AND grp = p_group;
    END IF;
    RETURN found_lane;
END $$;

-- Inserts packets in their order, into all lanes of a queue, or into that of one group. Keys are locked until the commit, so
-- that the order of ids is that of commits; in the order of their hashes, so that two do not wait for each other. With a
-- window (ms), what was taken within it is taken, and not inserted.
CREATE FUNCTION {schema}.convoke_publish_1(
    p_queue text, p_group text, p_window float8,
    p_packets text[], p_topics text[], p_keys text[], p_ranks smallint[], p_delays float8[], p_attributes text[],
    p_are_texts boolean[], p_bodies bytea[]
) RETURNS void
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off AS $$
DECLARE
    lanes bigint[];
    fresh boolean[];
    i integer;
    moment timestamptz := clock_timestamp();
    is_utf8 boolean := getdatabaseencoding() = 'UTF8';
BEGIN
    IF p_group IS NOT NULL THEN
        lanes := ARRAY[{schema}.convoke_lane_1(p_queue, p_group)];
    ELSE
        -- Locked, so that a lane is not removed before what is published into it is there.
        SELECT array_agg(id) INTO lanes FROM (
            SELECT id FROM {schema}.convoke_lane WHERE queue = p_queue ORDER BY id FOR KEY SHARE
        ) AS found;
        IF lanes IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('convoke lanes of {schema} ' || p_queue, 0));
            SELECT array_agg(id) INTO lanes FROM (
                SELECT id FROM {schema}.convoke_lane WHERE queue = p_queue ORDER BY id FOR KEY SHARE
            ) AS found;
        END IF;
        IF lanes IS NULL THEN
            INSERT INTO {schema}.convoke_lane (queue, grp, implicit) VALUES (p_queue, '', true) RETURNING ARRAY[id] INTO lanes;
        END IF;
    END IF;
    IF p_window IS NOT NULL THEN
        -- In the order of the ids, so that two publishers do not wait for each other.
        FOR i IN SELECT place FROM unnest(p_packets) WITH ORDINALITY AS packets (packet, place) ORDER BY packet, place LOOP
            fresh[i] := p_packets[i] = '';
            IF NOT fresh[i] THEN
                INSERT INTO {schema}.convoke_taken AS taken (queue, packet, until)
                    VALUES (p_queue, sha256(convert_to(p_packets[i], 'UTF8')), moment + p_window * interval '1 ms')
                    ON CONFLICT (queue, packet) DO UPDATE SET until = excluded.until WHERE taken.until <= moment;
                fresh[i] := FOUND;
            END IF;
        END LOOP;
        -- Many now and then, for each look steps over those that were removed and that vacuum may have to leave.
        IF random() < 0.05 THEN
            DELETE FROM {schema}.convoke_taken AS taken USING (
                SELECT queue, packet FROM {schema}.convoke_taken WHERE until <= moment ORDER BY until LIMIT 2000
                FOR UPDATE SKIP LOCKED
            ) AS old WHERE taken.queue = old.queue AND taken.packet = old.packet;
        END IF;
    END IF;
    IF array_length(array_remove(p_keys, NULL), 1) > 0 THEN
        PERFORM pg_advisory_xact_lock(hash) FROM (
            SELECT DISTINCT hashtextextended('convoke ' || p_queue || ' ' || key, 1) AS hash
            FROM unnest(p_keys) AS key WHERE key IS NOT NULL ORDER BY 1
        ) AS hashes;
    END IF;
    INSERT INTO {schema}.convoke_delivery (lane, state, due, rank, packet, topic, key, key_hash, attributes, is_text, body)
        SELECT lane, CASE WHEN delay > 0 THEN 1 ELSE 0 END, clock_timestamp() + delay * interval '1 ms', rank, packet, topic, key,
            hashtextextended(key, 0), attributes, is_text AND is_utf8, body
        FROM unnest(p_packets, p_topics, p_keys, p_ranks, p_delays, p_attributes, p_are_texts, p_bodies)
            WITH ORDINALITY AS packets (packet, topic, key, rank, delay, attributes, is_text, body, place)
        CROSS JOIN unnest(lanes) AS lane
        WHERE p_window IS NULL OR fresh[place]
        ORDER BY place;
END $$;

-- Lends the first that are ready, for so many ms and with no more bytes than these beyond the first, and returns them. What
-- is behind another of its key is set aside: only if the first of the key is locked, so that whoever takes that one away waits
-- for this, and then finds what was set aside and sets it free. If the first is just being taken away, what is behind it is
-- left as it is. It begins behind (p_rank, p_id), if these are given. `took` is how many ms it took to find the first: dead
-- rows that vacuum may not take away make it long. Below `p_floor` there is nothing in the lane but `p_low`. Where vacuum is kept
-- back, `p_is_kept_back`, it looks at these by themselves, and from the floor on in each rank by itself: to step over the dead rows of
-- a rank costs more than to ask for each of the ranks. Of `body` and `body_text` one has what is in a row.
CREATE FUNCTION {schema}.convoke_lend_1(
    p_lane bigint, p_most integer, p_bytes bigint, p_lease float8, p_rank smallint, p_id bigint, p_floor bigint DEFAULT 0,
    p_is_kept_back boolean DEFAULT false, p_low bigint[] DEFAULT '{}'
)
RETURNS TABLE (
    id bigint, lent integer, attempt integer, rank smallint, marked boolean, packet text, topic text, key text,
    attributes text, body bytea, took float8, body_text text, redriven integer
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_memoize = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    ids bigint[];
    sizes bigint[];
    ranks smallint[];
    heads bigint[];
    hashes bigint[];
    key_hashes bigint[];
    has_keys boolean;
    picked_rows integer;
    taken integer;
    passes integer := 0;
    bytes bigint := 0;
    picked_bytes bigint;
    rest integer := p_most;
    width integer := p_most;
    start timestamptz := clock_timestamp();
    scan float8;
    after_rank smallint := coalesce(p_rank, (-1)::smallint);
    after_id bigint := coalesce(p_id, 0);
    low_ids bigint[];
    low_hashes bigint[];
BEGIN
    IF p_is_kept_back THEN
        -- Which of them have keys: none comes to them, and one that goes meanwhile cannot be locked below.
        SELECT array_agg(d.id), array_agg(d.key_hash) INTO low_ids, low_hashes FROM {schema}.convoke_delivery AS d
            WHERE d.id = ANY (p_low) AND d.lane + 0 = p_lane AND (d.key_hash IS NULL) IS FALSE;
    END IF;
    LOOP
        IF p_is_kept_back THEN
            SELECT array_agg(picked.id), array_agg(picked.size), array_agg(picked.rank), array_agg(picked.key_hash),
                coalesce(bool_or(picked.key_hash IS NOT NULL), false), sum(picked.size)
                INTO ids, sizes, ranks, key_hashes, has_keys, picked_bytes FROM (
                SELECT parts.* FROM (
                    SELECT low.* FROM (
                        SELECT d.id, d.rank, d.key_hash, octet_length(d.body) AS size FROM {schema}.convoke_delivery AS d
                        WHERE d.id = ANY (p_low) AND d.lane + 0 = p_lane AND d.state + 0 = 0
                            AND (d.rank, d.id) > (after_rank, after_id)
                        ORDER BY d.rank, d.id LIMIT width FOR NO KEY UPDATE SKIP LOCKED
                    ) AS low
                    UNION ALL
                    SELECT above.* FROM (
                        SELECT of_rank.* FROM generate_series(greatest(after_rank, 0), 255) AS ranks (rank) CROSS JOIN LATERAL (
                            SELECT d.id, d.rank, d.key_hash, octet_length(d.body) AS size FROM {schema}.convoke_delivery AS d
                            WHERE d.lane = p_lane AND d.state = 0 AND d.rank <= ranks.rank::smallint AND (d.rank, d.id) > (
                                    ranks.rank::smallint,
                                    greatest(p_floor - 1, CASE WHEN ranks.rank = after_rank THEN after_id END)
                                )
                            ORDER BY d.rank, d.id FOR NO KEY UPDATE SKIP LOCKED
                        ) AS of_rank LIMIT width
                    ) AS above
                ) AS parts ORDER BY parts.rank, parts.id LIMIT width
            ) AS picked;
        ELSE
            SELECT array_agg(picked.id), array_agg(picked.size), array_agg(picked.rank), array_agg(picked.key_hash),
                coalesce(bool_or(picked.key_hash IS NOT NULL), false), sum(picked.size)
                INTO ids, sizes, ranks, key_hashes, has_keys, picked_bytes FROM (
                SELECT d.id, d.rank, d.key_hash, octet_length(d.body) AS size FROM {schema}.convoke_delivery AS d
                WHERE d.lane = p_lane AND d.state = 0 AND (d.rank, d.id) > (after_rank, after_id)
                ORDER BY d.rank, d.id LIMIT width FOR NO KEY UPDATE SKIP LOCKED
            ) AS picked;
        END IF;
        EXIT WHEN ids IS NULL;
        scan := coalesce(scan, extract(epoch FROM clock_timestamp() - start) * 1000);
        picked_rows := cardinality(ids);
        after_rank := ranks[picked_rows];
        after_id := ids[picked_rows];
        heads := '{}';
        IF has_keys THEN
            SELECT array_agg(held.id), array_agg(held.key_hash) INTO heads, hashes FROM (
                SELECT d.id, d.key_hash FROM (
                    SELECT coalesce(low.id, (
                        SELECT first.id FROM {schema}.convoke_delivery AS first
                        WHERE first.lane = p_lane AND first.key_hash <= keys.hash
                            AND (first.key_hash, first.id) >= (keys.hash, p_floor)
                        ORDER BY first.key_hash, first.id LIMIT 1
                    )) AS id FROM (
                        SELECT DISTINCT hash FROM unnest(key_hashes) AS all_hashes (hash) WHERE hash IS NOT NULL
                    ) AS keys LEFT JOIN (
                        SELECT all_low.hash, min(all_low.id) AS id FROM unnest(low_ids, low_hashes) AS all_low (id, hash)
                        GROUP BY all_low.hash
                    ) AS low ON low.hash = keys.hash
                ) AS firsts JOIN {schema}.convoke_delivery AS d ON d.id = firsts.id
                FOR KEY SHARE OF d SKIP LOCKED
            ) AS held;
            UPDATE {schema}.convoke_delivery AS d SET state = 3 FROM (
                SELECT all_ids.id FROM unnest(ids, key_hashes) AS all_ids (id, hash)
                JOIN unnest(heads, hashes) AS head (id, hash) ON all_ids.hash = head.hash AND all_ids.id > head.id
            ) AS behind WHERE d.id = behind.id;
        END IF;
        IF NOT has_keys AND picked_rows <= rest AND bytes + picked_bytes <= p_bytes THEN
            bytes := bytes + picked_bytes;
        ELSE
            -- They stay in their order.
            SELECT array_agg(picked.id), array_agg(picked.size) INTO ids, sizes FROM (
                SELECT all_ids.id, all_ids.size FROM unnest(ids, sizes, key_hashes) AS all_ids (id, size, hash)
                WHERE all_ids.hash IS NULL OR all_ids.id = ANY (heads) LIMIT rest
            ) AS picked;
            FOR place IN 1 .. coalesce(cardinality(ids), 0) LOOP
                bytes := bytes + sizes[place];
                IF bytes > p_bytes AND (place > 1 OR rest < p_most) THEN
                    ids := ids[1 : place - 1];
                    rest := cardinality(ids);
                    EXIT;
                END IF;
            END LOOP;
        END IF;
        RETURN QUERY UPDATE {schema}.convoke_delivery AS d SET
                state = 2, due = clock_timestamp() + p_lease * interval '1 ms', attempt = d.attempt + 1, lent = d.lent + 1
            WHERE d.id = ANY (ids)
            RETURNING d.id, d.lent, d.attempt, d.rank, d.marked, d.packet, d.topic, d.key, d.attributes,
                CASE WHEN NOT d.is_text THEN d.body END, scan, CASE WHEN d.is_text THEN convert_from(d.body, 'UTF8') END,
                d.redriven;
        GET DIAGNOSTICS taken = ROW_COUNT;
        rest := rest - taken;
        passes := passes + 1;
        EXIT WHEN rest <= 0 OR picked_rows < width OR passes >= 32;
        -- A key with many rows is set aside in few steps, and what nobody knows of yet holds up nobody.
        width := greatest(rest, 256);
    END LOOP;
END $$;

-- Returns the last id that was drawn, and what time it is, in µs since 1970.
CREATE FUNCTION {schema}.convoke_drawn_1(OUT drawn bigint, OUT moment bigint)
LANGUAGE plpgsql AS $$
BEGIN
    drawn := coalesce(pg_sequence_last_value(pg_get_serial_sequence('{schema}.convoke_delivery', 'id')::regclass), 0);
    moment := extract(epoch FROM clock_timestamp()) * 1000000;
END $$;

-- Returns an id below which nothing is in a lane but `low`, and a moment (in µs since 1970) before which nothing in it is due that is
-- held back or lent; nor ever will be, if all have ended who were writing when `p_drawn` was the last id that was drawn and
-- `p_moment` was now. Both rise: who looks from there on steps over no more than the dead rows that are above. This itself steps
-- over each once, and over so many rows of other lanes at a time. What is dead in its place, held back, or behind another, may stay
-- for long: of that up to a thousand are `low`, and do not hold the floor down.
CREATE FUNCTION {schema}.convoke_floor_1(
    p_lane bigint, p_floor bigint, p_since bigint, p_drawn bigint, p_moment bigint, p_low bigint[] DEFAULT '{}',
    OUT floor bigint, OUT since bigint, OUT low bigint[]
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    there record;
    first_id bigint;
    last_seen bigint;
    seen integer := 0;
BEGIN
    low := ARRAY(SELECT d.id FROM {schema}.convoke_delivery AS d WHERE d.id = ANY (p_low) AND d.lane + 0 = p_lane ORDER BY d.id);
    FOR there IN SELECT d.id, d.lane, d.state FROM {schema}.convoke_delivery AS d WHERE d.id >= p_floor ORDER BY d.id LIMIT 20000 LOOP
        IF there.lane = p_lane THEN
            IF there.state IN (0, 2) OR cardinality(low) >= 1000 THEN
                first_id := there.id;
                EXIT;
            END IF;
            low := low || there.id;
        END IF;
        last_seen := there.id;
        seen := seen + 1;
    END LOOP;
    IF first_id IS NULL AND seen = 20000 THEN
        first_id := last_seen;
    END IF;
    floor := greatest(p_floor, least(p_drawn, coalesce(first_id, p_drawn)));
    low := ARRAY(SELECT id FROM unnest(low) AS all_low (id) WHERE id < floor);
    SELECT (extract(epoch FROM due) * 1000000)::bigint INTO since FROM {schema}.convoke_delivery
        WHERE lane = p_lane AND state IN (1, 2) AND due >= 'epoch'::timestamptz + p_since * interval '1 us'
            AND due < 'epoch'::timestamptz + p_moment * interval '1 us'
        ORDER BY due LIMIT 1;
    since := greatest(p_since, coalesce(since, p_moment));
END $$;

-- Makes ready what was held back or lent until now, so many at a time, and returns whether anything is ready, and otherwise
-- in how many ms something will be, if that is within so many ms; whether there is such a lane at all; and how many ms it took.
-- Nothing is there below the floor but `p_low`, and nothing is due before `p_since`.
CREATE FUNCTION {schema}.convoke_wake_1(
    p_lane bigint, p_within float8, p_floor bigint DEFAULT 0, p_since bigint DEFAULT 0, p_is_kept_back boolean DEFAULT false,
    p_low bigint[] DEFAULT '{}', OUT is_ready boolean, OUT next float8, OUT is_there boolean, OUT took float8
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_memoize = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    since timestamptz := 'epoch'::timestamptz + p_since * interval '1 us';
    first_due timestamptz;
BEGIN
    SELECT due INTO first_due FROM {schema}.convoke_delivery
        WHERE lane = p_lane AND state IN (1, 2) AND due >= since AND due <= moment + p_within * interval '1 ms'
        ORDER BY due LIMIT 1;
    IF first_due <= moment THEN
        WITH over AS MATERIALIZED (
            SELECT id FROM {schema}.convoke_delivery
            WHERE lane = p_lane AND state IN (1, 2) AND due >= since AND due <= moment
            ORDER BY due LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE {schema}.convoke_delivery AS d SET state = 0 FROM over WHERE d.id = over.id;
    END IF;
    IF p_is_kept_back THEN
        is_ready := EXISTS (
            SELECT 1 FROM {schema}.convoke_delivery AS d WHERE d.id = ANY (p_low) AND d.lane + 0 = p_lane AND d.state + 0 = 0
        ) OR EXISTS (
            SELECT 1 FROM generate_series(0, 255) AS ranks (rank) CROSS JOIN LATERAL (
                SELECT 1 FROM {schema}.convoke_delivery AS d
                WHERE d.lane = p_lane AND d.state = 0 AND d.rank <= ranks.rank::smallint
                    AND (d.rank, d.id) >= (ranks.rank::smallint, p_floor)
                ORDER BY d.rank, d.id LIMIT 1
            ) AS of_rank
        );
    ELSE
        is_ready := EXISTS (SELECT 1 FROM {schema}.convoke_delivery WHERE lane = p_lane AND state = 0);
    END IF;
    next := extract(epoch FROM first_due - clock_timestamp()) * 1000;
    is_there := EXISTS (SELECT 1 FROM {schema}.convoke_lane WHERE id = p_lane);
    took := extract(epoch FROM clock_timestamp() - moment) * 1000;
END $$;

-- Deletes those that are still lent as they were, returns them, and sets free the next of their keys: first the next of each
-- is locked, and only then it is looked whether it was set aside. What is lent is the first of its key, and the next is behind it:
-- before it are the dead rows of the key alone, which vacuum may have to leave.
CREATE FUNCTION {schema}.convoke_done_1(p_ids bigint[], p_lents integer[]) RETURNS bigint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    done bigint[];
    lanes bigint[];
    hashes bigint[];
    firsts bigint[];
    followers bigint[];
BEGIN
    WITH gone AS (
        DELETE FROM {schema}.convoke_delivery AS d USING unnest(p_ids, p_lents) AS asked (id, lent)
        WHERE d.id = asked.id AND d.lent = asked.lent RETURNING d.id, d.lane, d.key_hash
    )
    SELECT array_agg(id), array_agg(lane) FILTER (WHERE key_hash IS NOT NULL),
        array_agg(key_hash) FILTER (WHERE key_hash IS NOT NULL), array_agg(id) FILTER (WHERE key_hash IS NOT NULL)
        INTO done, lanes, hashes, firsts FROM gone;
    IF hashes IS NOT NULL THEN
        SELECT array_agg(picked.id) INTO followers FROM (
            SELECT d.id FROM (
                SELECT DISTINCT (
                    SELECT follower.id FROM {schema}.convoke_delivery AS follower
                    WHERE follower.lane = keys.lane AND follower.key_hash <= keys.hash
                        AND (follower.key_hash, follower.id) > (keys.hash, keys.first)
                    ORDER BY follower.key_hash, follower.id LIMIT 1
                ) AS id FROM unnest(lanes, hashes, firsts) AS keys (lane, hash, first)
            ) AS heads JOIN {schema}.convoke_delivery AS d ON d.id = heads.id
            ORDER BY d.id FOR NO KEY UPDATE OF d
        ) AS picked;
        UPDATE {schema}.convoke_delivery AS d SET state = 0 WHERE d.id = ANY (followers) AND d.state = 3;
    END IF;
    RETURN done;
END $$;

-- Gives those that are still lent as they were another state, due in so many ms, and changes how often they were tried.
-- Returns them.
CREATE FUNCTION {schema}.convoke_change_1(
    p_ids bigint[], p_lents integer[], p_states smallint[], p_waits float8[], p_attempts integer[]
) RETURNS bigint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    changed bigint[];
BEGIN
    WITH there AS (
        UPDATE {schema}.convoke_delivery AS d SET
            state = asked.state, due = clock_timestamp() + asked.wait * interval '1 ms',
            attempt = greatest(d.attempt + asked.attempts, 0), marked = d.marked AND asked.state = 2
        FROM unnest(p_ids, p_lents, p_states, p_waits, p_attempts) AS asked (id, lent, state, wait, attempts)
        WHERE d.id = asked.id AND d.lent = asked.lent RETURNING d.id
    )
    SELECT array_agg(id) INTO changed FROM there;
    RETURN changed;
END $$;
