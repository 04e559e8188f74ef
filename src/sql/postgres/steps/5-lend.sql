-- How jobs are lent and end, of the step that schema-5.sql begins.

-- Makes ready what is due, and what was lent for a time that is over; so many of each. What was lost with its worker says nothing
-- of why it failed. Nothing is due before `p_due`, and no lease ends before `p_lease`.
CREATE FUNCTION {schema}.convoke_job_wake_1(p_moment bigint, p_most integer, p_due bigint, p_lease bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    SELECT array_agg(due.id) INTO ids FROM (
        SELECT j.id FROM {schema}.convoke_job AS j WHERE j.state = 2 AND j.at >= p_due AND j.at <= p_moment ORDER BY j.at
        LIMIT p_most FOR NO KEY UPDATE SKIP LOCKED
    ) AS due;
    IF ids IS NOT NULL THEN
        UPDATE {schema}.convoke_job AS j SET
                state = CASE WHEN j.key IS NULL OR j.cancelled THEN 0 ELSE 1 END, at = greatest(p_moment, j.due + 1)
            WHERE j.id = ANY (ids);
    END IF;
    SELECT array_agg(lost.id) INTO ids FROM (
        SELECT j.id FROM {schema}.convoke_job AS j WHERE j.state = 3 AND j.at >= p_lease AND j.at <= p_moment ORDER BY j.at
        LIMIT p_most FOR NO KEY UPDATE SKIP LOCKED
    ) AS lost;
    IF ids IS NOT NULL THEN
        UPDATE {schema}.convoke_job AS j SET
                state = CASE WHEN j.key IS NULL OR j.cancelled THEN 0 ELSE 1 END, at = greatest(p_moment, j.due + 1), text = NULL
            WHERE j.id = ANY (ids);
    END IF;
END $$;

-- Locks up to `p_most` jobs of a lane whose keys have a limit, which are to be lent in this transaction beside others that have the
-- keys `p_beside`. Keys take turns: the walk begins behind the cursor, and finds each key and its first job by the index however many
-- jobs it has; then it takes the first of each that has room, then a second, and so on. A key has room for no more than `p_at_once`
-- less those that run, and than its rate has left: `p_burst` at once, and one more in each `p_each` µs. Whoever else lends of this
-- task waits meanwhile. `p_beyond` keys may be without room.
CREATE FUNCTION {schema}.convoke_job_turns_1(
    p_lane bigint, p_task bigint, p_most integer, p_at_once bigint, p_burst bigint, p_each bigint, p_cursor bigint, p_beyond integer,
    p_beside bigint[], OUT ids bigint[], OUT keys bigint[], OUT cursor bigint, OUT room bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    moment bigint;
    from_key bigint := p_cursor;
    to_key bigint := 9223372036854775807;
    second boolean := false;
    seen integer := 0;
    width integer;
    walked integer;
    reached bigint;
    found bigint[];
    found_rooms bigint[];
    found_firsts bigint[];
    found_ranks bigint[];
    with_room bigint[] := '{}';
    rooms bigint[] := '{}';
    firsts bigint[] := '{}';
    ranks bigint[] := '{}';
    free_at bigint;
BEGIN
    ids := '{}';
    keys := '{}';
    cursor := p_cursor;
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke turns of {schema}', p_task));
    moment := {schema}.convoke_micros_1();
    LOOP
        EXIT WHEN cardinality(with_room) >= p_most OR seen > p_most + p_beyond;
        width := greatest(p_most - cardinality(with_room), 16);
        WITH RECURSIVE walk (key, rank, id, place) AS (
            (
                SELECT j.key, j.rank, j.id, 1 FROM {schema}.convoke_job AS j
                WHERE j.lane = p_lane AND j.state = 1 AND j.key > from_key AND j.key <= to_key ORDER BY j.key, j.rank, j.id LIMIT 1
            )
            UNION ALL
            SELECT next.key, next.rank, next.id, walk.place + 1 FROM walk CROSS JOIN LATERAL (
                SELECT j.key, j.rank, j.id FROM {schema}.convoke_job AS j
                WHERE j.lane = p_lane AND j.state = 1 AND j.key > walk.key AND j.key <= to_key ORDER BY j.key, j.rank, j.id LIMIT 1
            ) AS next WHERE walk.place < width
        ), rates (key, rank, id, place, running, until) AS MATERIALIZED (
            SELECT walk.key, walk.rank, walk.id, walk.place,
                CASE WHEN p_at_once IS NULL THEN 0 ELSE (
                    SELECT count(*) FROM {schema}.convoke_job AS r WHERE r.state = 3 AND r.key = walk.key
                ) + cardinality(array_positions(p_beside, walk.key)) END,
                CASE WHEN p_each IS NULL THEN 0 ELSE greatest(
                    moment, (SELECT r.until FROM {schema}.convoke_job_rate AS r WHERE r.key = walk.key)
                ) END
            FROM walk
        ), roomy (key, rank, id, place, room) AS (
            SELECT rates.key, rates.rank, rates.id, rates.place, least(
                p_most, coalesce(p_at_once - rates.running, p_most),
                CASE WHEN p_each IS NULL THEN p_most ELSE (moment + p_burst * p_each - rates.until) / p_each END
            ) FROM rates
        )
        SELECT (SELECT array_agg(roomy.key ORDER BY roomy.place) FROM roomy WHERE roomy.room > 0),
            (SELECT array_agg(roomy.room ORDER BY roomy.place) FROM roomy WHERE roomy.room > 0),
            (SELECT array_agg(roomy.id ORDER BY roomy.place) FROM roomy WHERE roomy.room > 0),
            (SELECT array_agg(roomy.rank ORDER BY roomy.place) FROM roomy WHERE roomy.room > 0), count(*), max(rates.key),
            min(rates.until - (p_burst - 1) * p_each) FILTER (WHERE rates.until - (p_burst - 1) * p_each > moment)
            INTO found, found_rooms, found_firsts, found_ranks, walked, reached, free_at FROM rates;
        room := least(room, free_at);
        with_room := with_room || coalesce(found, '{}');
        rooms := rooms || coalesce(found_rooms, '{}');
        firsts := firsts || coalesce(found_firsts, '{}');
        ranks := ranks || coalesce(found_ranks, '{}');
        seen := seen + walked;
        from_key := coalesce(reached, from_key);
        cursor := coalesce(reached, cursor);
        IF walked < width THEN
            EXIT WHEN second;
            -- Once around.
            second := true;
            from_key := -9223372036854775808;
            to_key := p_cursor;
        END IF;
    END LOOP;
    IF cardinality(with_room) = 0 THEN
        IF seen > p_most + p_beyond THEN
            -- There are more than were looked at: the next look begins behind them.
            room := moment;
        END IF;
        RETURN;
    END IF;
    IF cardinality(firsts) >= p_most THEN
        ids := firsts[1 : p_most];
        keys := with_room[1 : p_most];
    ELSE
        WITH RECURSIVE turns (id, key, rank, turn, room) AS (
            SELECT asked.id, asked.key, asked.rank, 1, asked.room
            FROM unnest(firsts, with_room, ranks, rooms) AS asked (id, key, rank, room)
            UNION ALL
            SELECT next.id, turns.key, next.rank, turns.turn + 1, turns.room FROM turns CROSS JOIN LATERAL (
                SELECT j.id, j.rank FROM {schema}.convoke_job AS j WHERE j.lane = p_lane AND j.state = 1 AND j.key = turns.key
                    AND (j.rank, j.id) > (turns.rank, turns.id)
                ORDER BY j.rank, j.id LIMIT 1
            ) AS next WHERE turns.turn < turns.room
        ), taken AS MATERIALIZED (SELECT turns.id, turns.key FROM turns LIMIT p_most)
        SELECT array_agg(taken.id), array_agg(taken.key) INTO ids, keys FROM taken;
    END IF;
    -- Whoever is behind the last has the next turn.
    cursor := keys[cardinality(keys)];
    IF p_each IS NOT NULL THEN
        INSERT INTO {schema}.convoke_job_rate AS r (key, until)
            -- Not what is lent to be ended, for it has waited too long, or has had all its attempts.
            SELECT asked.key, moment + count(*) * p_each
            FROM unnest(ids, keys) AS asked (id, key) JOIN {schema}.convoke_job AS j ON j.id = asked.id
            WHERE j.attempt - j.spared < j.attempts
                AND NOT (j.expires IS NOT NULL AND j.attempt = j.spared AND j.due + j.expires < moment)
            GROUP BY asked.key ORDER BY asked.key
            ON CONFLICT (key) DO UPDATE SET until = greatest(r.until, moment) + excluded.until - moment;
    END IF;
    -- Somebody may be cancelling one just now. They are found by their numbers: as it is written, no index of a state can be read
    -- from its beginning to its end for that.
    SELECT coalesce(array_agg(held.id), '{}') INTO ids FROM (
        SELECT j.id FROM {schema}.convoke_job AS j WHERE j.id = ANY (ids) AND j.state + 0 = 1 FOR NO KEY UPDATE SKIP LOCKED
    ) AS held;
END $$;

-- What is ready below the floors of its lane: it was added since `p_id` was the next number, or was there and became ready since
-- `p_since`. As it is written, no index of a state can be read from its beginning to its end for that.
CREATE FUNCTION {schema}.convoke_job_fresh_1(
    p_lanes bigint[], p_floors bigint[], p_id bigint, p_since bigint, OUT ids bigint[], OUT lanes bigint[], OUT ranks bigint[]
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    SELECT coalesce(array_agg(fresh.id), '{}'), coalesce(array_agg(fresh.lane), '{}'), coalesce(array_agg(fresh.rank), '{}')
        INTO ids, lanes, ranks FROM (
            SELECT j.id, j.lane, j.rank FROM {schema}.convoke_job AS j WHERE j.id >= p_id AND j.state + 0 = 0
            UNION ALL
            SELECT j.id, j.lane, j.rank FROM {schema}.convoke_job AS j
            WHERE j.at >= p_since AND j.at > j.due AND j.state < 2 AND j.state + 0 = 0 AND j.id + 0 < p_id
        ) AS fresh WHERE fresh.rank < p_floors[array_position(p_lanes, fresh.lane)];
END $$;

-- Returns for each lane a rank below which nothing in it is ready, and for each state above 1 a time before which nothing in it ends;
-- nor ever will be, but for what is added from the next number on, or becomes ready from `p_moment` on: if all have ended who were
-- writing when that was the number and the time. It begins at floors that held since `p_id` and `p_since`, and steps over what has died
-- above them.
CREATE FUNCTION {schema}.convoke_job_floor_1(
    p_lanes bigint[], p_floors bigint[], p_times bigint[], p_id bigint, p_since bigint, p_moment bigint, OUT floors bigint[],
    OUT times bigint[]
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    fresh record;
    first_at bigint;
BEGIN
    SELECT * INTO fresh FROM {schema}.convoke_job_fresh_1(p_lanes, p_floors, p_id, p_since);
    floors := ARRAY(
        SELECT coalesce(
            (SELECT min(below.rank) FROM unnest(fresh.lanes, fresh.ranks) AS below (lane, rank) WHERE below.lane = l.number),
            (
                SELECT j.rank FROM {schema}.convoke_job AS j WHERE j.lane = l.number AND j.state = 0 AND j.rank >= l.floor
                ORDER BY j.rank, j.id LIMIT 1
            ),
            9223372036854775807
        ) FROM unnest(p_lanes, p_floors) WITH ORDINALITY AS l (number, floor, place) ORDER BY l.place
    );
    FOR over IN 2 .. 6 LOOP
        SELECT j.at INTO first_at FROM {schema}.convoke_job AS j
            WHERE j.state = over AND j.state > 1 AND j.at >= p_times[over - 1] AND j.at < p_moment ORDER BY j.at LIMIT 1;
        times[over - 1] := greatest(p_times[over - 1], coalesce(first_at, p_moment));
    END LOOP;
END $$;

-- How many entries of those indexes this transaction has read by which jobs are found: dead ones too, which vacuum may have to leave.
CREATE FUNCTION {schema}.convoke_job_read_1() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT pg_stat_get_xact_tuples_returned('{schema}.convoke_job_ready'::regclass)
        + pg_stat_get_xact_tuples_returned('{schema}.convoke_job_back'::regclass)
        + pg_stat_get_xact_tuples_returned('{schema}.convoke_job_times'::regclass)
        + pg_stat_get_xact_tuples_returned('{schema}.convoke_job_pkey'::regclass)
$$;

-- Lends the first of these lanes, for so many µs. `p_looks` says whether it is looked what has become due; where less is ready than
-- is wanted, that is done anyway. Those in `p_turns` are walked over for jobs of keys, with the limit and the cursor of each. Of
-- more than one lane with something it is first found out how many of each are among the first, for whoever locks more than it
-- lends is in the way of others. The last row has no id: its `waited` is in how many µs there is more, and `cursors` where the
-- walks ended; `rank` is how many entries of indexes were read to find these.
--
-- With `p_id` it begins at floors, `p_floors` of the lanes and `p_times` of the states above 1: below them is only what
-- `convoke_job_fresh_1` finds. Where the server has forgotten numbers that it had given, or its clock was set back, they do not count,
-- which `is_expired` of the last row says.
CREATE FUNCTION {schema}.convoke_job_lend_1(
    p_database text, p_lanes bigint[], p_most integer, p_lease bigint, p_wakes integer, p_looks boolean,
    p_turns bigint[], p_tasks bigint[], p_at_once bigint[], p_bursts bigint[], p_eaches bigint[], p_cursors bigint[],
    p_floors bigint[] DEFAULT '{}', p_times bigint[] DEFAULT '{}', p_id bigint DEFAULT NULL, p_since bigint DEFAULT NULL
)
RETURNS TABLE (
    id bigint, rank bigint, attempt integer, attempts integer, task text, payload text, cause text, waited bigint,
    is_cancelled boolean, is_expired boolean, reason text, cursors bigint[]
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    moment bigint;
    rest integer := p_most;
    looks boolean := p_looks;
    turning integer;
    share integer;
    present bigint;
    quota integer;
    lanes bigint[];
    quotas integer[];
    picked bigint[];
    ids bigint[];
    beside bigint[];
    walk record;
    room bigint;
    next_at bigint;
    place integer;
    floors bigint[] := p_floors;
    due_from bigint := p_times[1];
    lease_from bigint := p_times[2];
    has_floors boolean;
    fresh record;
    read_before bigint := {schema}.convoke_job_read_1();
    read_rows bigint := 0;
BEGIN
    PERFORM {schema}.convoke_same_1(p_database);
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    has_floors := p_id IS NOT NULL AND {schema}.convoke_micros_1() >= p_since
        AND coalesce(pg_sequence_last_value('{schema}.convoke_job_number'::regclass), 0) >= p_id / 8192 - 1;
    IF NOT has_floors THEN
        floors := array_fill(-9223372036854775808, ARRAY[cardinality(p_lanes)]);
        due_from := -9223372036854775808;
        lease_from := -9223372036854775808;
    END IF;
    SELECT '{}'::bigint[] AS ids, '{}'::bigint[] AS lanes, '{}'::bigint[] AS ranks INTO fresh;
    cursors := p_cursors;
    LOOP
        moment := {schema}.convoke_micros_1();
        IF looks THEN
            PERFORM {schema}.convoke_job_wake_1(moment, p_wakes, due_from, lease_from);
        END IF;
        IF has_floors THEN
            SELECT * INTO fresh FROM {schema}.convoke_job_fresh_1(p_lanes, floors, p_id, p_since);
        END IF;
        ids := '{}';
        beside := '{}';
        turning := 0;
        IF cardinality(p_turns) > 0 THEN
            SELECT count(*) INTO turning FROM unnest(p_turns) AS l (number) WHERE EXISTS (
                SELECT 1 FROM {schema}.convoke_job AS j WHERE j.lane = l.number AND j.state = 1
            );
        END IF;
        IF cardinality(p_lanes) > 1 OR turning > 0 THEN
            SELECT coalesce(array_agg(l.number), '{}') INTO lanes FROM unnest(p_lanes, floors) AS l (number, floor)
                WHERE l.number = ANY (fresh.lanes) OR EXISTS (
                    SELECT 1 FROM {schema}.convoke_job AS j WHERE j.lane = l.number AND j.state = 0 AND j.rank >= l.floor
                );
        ELSE
            lanes := p_lanes;
        END IF;
        IF turning > 0 THEN
            -- Keys have a share, as their lanes are a share of all that have something; by chance where that is no whole number.
            share := CASE WHEN cardinality(lanes) = 0 THEN rest
                ELSE floor(rest * turning::float8 / (turning + cardinality(lanes)) + random()) END;
            -- In one order, so that two who lend do not wait for each other.
            FOR place IN SELECT l.place FROM unnest(p_turns, p_tasks) WITH ORDINALITY AS l (number, task, place)
                WHERE EXISTS (SELECT 1 FROM {schema}.convoke_job AS j WHERE j.lane = l.number AND j.state = 1)
                ORDER BY l.task, l.number
            LOOP
                quota := ceil(share::float8 / greatest(turning, 1));
                IF quota > 0 THEN
                    SELECT * INTO walk FROM {schema}.convoke_job_turns_1(
                        p_turns[place], p_tasks[place], quota, p_at_once[place], p_bursts[place], p_eaches[place], cursors[place], 256, beside
                    );
                    ids := ids || walk.ids;
                    beside := beside || walk.keys;
                    share := share - cardinality(walk.ids);
                    cursors[place] := walk.cursor;
                    room := least(room, walk.room);
                END IF;
                turning := turning - 1;
            END LOOP;
        END IF;
        rest := rest - cardinality(ids);
        IF rest > 0 AND cardinality(lanes) > 0 THEN
            quotas := ARRAY[rest];
            IF cardinality(lanes) > 1 THEN
                SELECT array_agg(counted.number), array_agg(counted.quota) INTO lanes, quotas FROM (
                    SELECT firsts.number, count(*)::integer AS quota FROM (
                        SELECT all_firsts.number FROM (
                            SELECT l.number, first.rank, first.id FROM unnest(lanes) AS l (number) CROSS JOIN LATERAL (
                                SELECT j.rank, j.id FROM {schema}.convoke_job AS j WHERE j.lane = l.number AND j.state = 0
                                    AND j.rank >= floors[array_position(p_lanes, l.number)]
                                ORDER BY j.rank, j.id LIMIT rest
                            ) AS first
                            UNION ALL
                            SELECT below.lane, below.rank, below.id FROM unnest(fresh.lanes, fresh.ranks, fresh.ids) AS below (lane, rank, id)
                        ) AS all_firsts ORDER BY all_firsts.rank, all_firsts.id LIMIT rest
                    ) AS firsts GROUP BY firsts.number
                ) AS counted;
            END IF;
            FOR place IN 1 .. coalesce(cardinality(lanes), 0) LOOP
                present := lanes[place];
                quota := quotas[place];
                IF present = ANY (fresh.lanes) THEN
                    SELECT array_agg(first.id) INTO picked FROM (
                        SELECT j.id FROM {schema}.convoke_job AS j WHERE j.state + 0 = 0 AND j.id = ANY (ARRAY(
                            SELECT below.id FROM unnest(fresh.lanes, fresh.ids) AS below (lane, id) WHERE below.lane = present
                        )) ORDER BY j.rank, j.id LIMIT quota FOR NO KEY UPDATE SKIP LOCKED
                    ) AS first;
                    ids := ids || coalesce(picked, '{}');
                    rest := rest - coalesce(cardinality(picked), 0);
                    quota := quota - coalesce(cardinality(picked), 0);
                END IF;
                CONTINUE WHEN quota <= 0;
                SELECT array_agg(first.id) INTO picked FROM (
                    SELECT j.id FROM {schema}.convoke_job AS j WHERE j.lane = present AND j.state = 0
                        AND j.rank >= floors[array_position(p_lanes, present)]
                    ORDER BY j.rank, j.id LIMIT quota FOR NO KEY UPDATE SKIP LOCKED
                ) AS first;
                ids := ids || coalesce(picked, '{}');
                rest := rest - coalesce(cardinality(picked), 0);
            END LOOP;
        END IF;
        read_rows := read_rows + {schema}.convoke_job_read_1() - read_before;
        IF cardinality(ids) > 0 THEN
            moment := {schema}.convoke_micros_1();
            RETURN QUERY UPDATE {schema}.convoke_job AS j SET
                    state = 3, at = moment + p_lease, attempt = j.attempt + 1,
                    hold = CASE WHEN j.hold = 2 AND coalesce(j.held_until, 0) <= moment THEN -2 ELSE j.hold END
                WHERE j.id = ANY (ids)
                RETURNING j.id, j.rank, j.attempt, j.attempts + j.spared, j.task, j.payload, j.cause, moment - j.due, j.cancelled,
                    j.expires IS NOT NULL AND j.attempt - j.spared = 1 AND j.due + j.expires < moment, j.text, NULL::bigint[];
        END IF;
        read_before := {schema}.convoke_job_read_1();
        EXIT WHEN looks OR rest <= 0;
        looks := true;
    END LOOP;
    next_at := NULL;
    IF rest > 0 THEN
        next_at := least(
            room,
            (SELECT j.at FROM {schema}.convoke_job AS j WHERE j.state = 2 AND j.at >= due_from ORDER BY j.at LIMIT 1),
            -- Before the first lease that is still there stand all that have ended within the time of one: it is looked again instead.
            CASE WHEN has_floors THEN moment + 250000
                ELSE (SELECT j.at FROM {schema}.convoke_job AS j WHERE j.state = 3 ORDER BY j.at LIMIT 1) END
        );
    END IF;
    read_rows := read_rows + {schema}.convoke_job_read_1() - read_before;
    RETURN QUERY SELECT NULL::bigint, read_rows, NULL::integer, NULL::integer, NULL::text, NULL::text, NULL::text,
        greatest(0, next_at - {schema}.convoke_micros_1()), NULL::boolean, p_id IS NOT NULL AND NOT has_floors, NULL::text, cursors;
END $$;

-- Extends leases by so many µs, and returns how each is: 0 still lent, 1 and asked to end, 2 lost. Here and below jobs are found by
-- their numbers: as it is written, the index of all that were ever lent is not read for that.
CREATE FUNCTION {schema}.convoke_job_renew_1(p_ids bigint[], p_attempts integer[], p_lease bigint) RETURNS smallint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    moment bigint;
    held bigint[];
    numbers integer[];
    cancelled bigint[];
BEGIN
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    moment := {schema}.convoke_micros_1();
    WITH renewed AS (
        UPDATE {schema}.convoke_job AS j SET at = moment + p_lease
        FROM (SELECT * FROM unnest(p_ids, p_attempts) AS asked (id, attempt) ORDER BY asked.id) AS asked
        WHERE j.id = asked.id AND j.attempt = asked.attempt AND j.state + 0 = 3
        RETURNING j.id, j.attempt, j.cancelled
    )
    SELECT array_agg(renewed.id), array_agg(renewed.attempt), array_agg(renewed.id) FILTER (WHERE renewed.cancelled)
        INTO held, numbers, cancelled FROM renewed;
    RETURN ARRAY(
        SELECT CASE WHEN numbers[array_position(held, asked.id)] IS DISTINCT FROM asked.attempt THEN 2
            WHEN asked.id = ANY (cancelled) THEN 1 ELSE 0 END
        FROM unnest(p_ids, p_attempts) WITH ORDINALITY AS asked (id, attempt, place) ORDER BY asked.place
    );
END $$;

-- Ends attempts, each only if its job is still lent by this number, and returns which these were. `p_hows` is 0 to delete; 4, 5 or 6
-- for a state in which it is kept for so many µs, and less than 0 if this attempt does not count; 1 to wait for so many µs; and 2 if it was given back: then it is in its old place,
-- and the attempt does not count. Its number stays, for it says who has the job. One that is to be deleted, and whose unique key is
-- taken for longer, is kept until then by `p_states`.
CREATE FUNCTION {schema}.convoke_job_settle_1(
    p_database text, p_ids bigint[], p_attempts integer[], p_hows smallint[], p_states smallint[], p_times bigint[], p_texts text[]
) RETURNS bigint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    moment bigint;
    deleted bigint[];
    changed bigint[];
    gone bigint[];
BEGIN
    IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_database WHERE id = p_database) THEN
        RAISE EXCEPTION 'the tasks are of another database than the transaction' USING ERRCODE = 'ZC001';
    END IF;
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    moment := {schema}.convoke_micros_1();
    IF 0 = ANY (p_hows) THEN
        WITH ended AS (
            DELETE FROM {schema}.convoke_job AS j
            USING (SELECT * FROM unnest(p_ids, p_attempts, p_hows) AS asked (id, attempt, how) WHERE asked.how = 0 ORDER BY asked.id) AS asked
            WHERE j.id = asked.id AND j.attempt = asked.attempt AND j.state + 0 = 3 AND (j.hold <= 0 OR coalesce(j.held_until, 0) <= moment)
            RETURNING j.id
        )
        SELECT array_agg(ended.id) INTO deleted FROM ended;
    END IF;
    IF coalesce(cardinality(deleted), 0) < cardinality(p_ids) THEN
        WITH ended AS (
            UPDATE {schema}.convoke_job AS j SET
                state = CASE asked.how
                    WHEN 0 THEN asked.state
                    WHEN 1 THEN CASE WHEN asked.time > 0 THEN 2 WHEN j.key IS NULL OR j.cancelled THEN 0 ELSE 1 END
                    WHEN 2 THEN CASE WHEN j.key IS NULL OR j.cancelled THEN 0 ELSE 1 END
                    ELSE asked.state END,
                at = CASE asked.how WHEN 1 THEN moment + greatest(asked.time, 1) WHEN 2 THEN greatest(moment, j.due + 1)
                    ELSE greatest(moment + asked.time, j.held_until) END,
                -- The head start stays what it was.
                rank = CASE WHEN asked.how = 1 THEN moment + asked.time - (j.due - j.rank) ELSE j.rank END,
                due = CASE WHEN asked.how = 1 THEN moment + asked.time ELSE j.due END,
                spared = CASE WHEN asked.how = 2 OR asked.how < 0 THEN j.spared + 1 ELSE j.spared END,
                text = CASE WHEN asked.how = 2 THEN j.text ELSE asked.text END,
                note = NULL,
                fraction = NULL,
                hold = CASE
                    WHEN asked.how NOT IN (1, 2) AND j.hold > 0 AND coalesce(j.held_until, 0) <= moment THEN -j.hold ELSE j.hold END
            FROM (
                SELECT DISTINCT ON (asked.id) * FROM unnest(p_ids, p_attempts, p_hows, p_states, p_times, p_texts) WITH ORDINALITY
                    AS asked (id, attempt, how, state, time, text, place) ORDER BY asked.id, asked.attempt DESC, asked.place
            ) AS asked
            WHERE j.id = asked.id AND j.attempt = asked.attempt AND j.state + 0 = 3
            RETURNING j.id, asked.how
        )
        SELECT array_agg(ended.id), array_agg(ended.id) FILTER (WHERE ended.how NOT IN (1, 2)) INTO changed, gone FROM ended;
    END IF;
    IF EXISTS (SELECT 1 FROM {schema}.convoke_job_step) THEN
        DELETE FROM {schema}.convoke_job_step WHERE job = ANY (deleted || gone);
    END IF;
    RETURN coalesce(deleted, '{}') || coalesce(changed, '{}');
END $$;
