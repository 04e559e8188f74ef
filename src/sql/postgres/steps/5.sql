-- What tasks are in PostgreSQL: jobs that wait, are lent to a worker, and end. `{schema}` is an identifier that needs no quotes.

-- A job is inserted, lent by one update, and deleted. `state` is 0 ready, 1 ready but one of a key with a limit, 2 not due yet,
-- 3 running, 4 done, 5 failed, 6 cancelled. `lane` is the hash of its queue and task, and `key` that of its task and its key, if it
-- has one. Of those that are ready the lowest `rank` goes first: it is `due` less the head start, in µs since 1970 like all times here.
-- `at` is when the state ends: when it is due, when the lease ends, until when it is kept. What is in one state stands in no index
-- that is read for another: so it does not matter how many are not due yet, or over.
--
-- Where a look begins while somebody keeps vacuum back (`src/tasks/postgres/floor.rs`) follows from three things, which whoever writes
-- has to keep: a number is drawn, and the clock is read, by who has locked the table as one that writes to it (ROW EXCLUSIVE); `at` of
-- a state above 1 is never before that time; and a job that was there and becomes ready has in `at` when it did, which is later than
-- `due`: so it stands in `convoke_job_back`, whatever its rank is.
--
-- `attempt` only rises, for it says who has the job. Attempts that do not count are `spared`. `hold` is 0 without a unique key; 1 if
-- that is taken until the job is over, 2 until it is lent, and each no sooner than `held_until`; negative once it is free. A unique key
-- counts by its hash, so that a long one can be looked for.
CREATE SEQUENCE {schema}.convoke_job_number;
-- The number of a job: those that are drawn later are higher. The end of it is drawn by chance, for what a sequence has given to a
-- transaction that did not commit may be given again after a crash of the server: a handle from there shall not be one of another
-- job. Below 2^53, so that it is a number in every language.
CREATE FUNCTION {schema}.convoke_job_number_1() RETURNS bigint
LANGUAGE sql VOLATILE AS $$ SELECT nextval('{schema}.convoke_job_number') * 8192 + floor(random() * 8192)::bigint $$;

CREATE TABLE {schema}.convoke_job (
    id          bigint PRIMARY KEY DEFAULT {schema}.convoke_job_number_1(),
    lane        bigint NOT NULL,
    rank        bigint NOT NULL,
    due         bigint NOT NULL,
    at          bigint NOT NULL,
    key         bigint,
    expires     bigint,
    held_until  bigint,
    fraction    float8,
    attempt     integer NOT NULL DEFAULT 0,
    attempts    integer NOT NULL,
    spared      integer NOT NULL DEFAULT 0,
    state       smallint NOT NULL,
    hold        smallint NOT NULL,
    cancelled   boolean NOT NULL DEFAULT false,
    queue       text COLLATE "C" NOT NULL,
    task        text COLLATE "C" NOT NULL,
    unique_hash bytea,
    cause       text,
    text        text,
    note        text,
    payload     text NOT NULL
) WITH (
    -- A queue is where dead rows are made: they go soon, and nobody waits for the table to be cut.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0.5,
    autovacuum_analyze_scale_factor = 0.5,
    autovacuum_analyze_threshold = 20000,
    vacuum_truncate = off
);
CREATE INDEX convoke_job_ready ON {schema}.convoke_job (lane, rank, id) WHERE state = 0;
CREATE INDEX convoke_job_back ON {schema}.convoke_job (at) WHERE state < 2 AND at > due;
CREATE INDEX convoke_job_turns ON {schema}.convoke_job (lane, key, rank, id) WHERE state = 1;
CREATE INDEX convoke_job_times ON {schema}.convoke_job (state, at) WHERE state > 1;
CREATE INDEX convoke_job_running ON {schema}.convoke_job (key) WHERE state = 3 AND key IS NOT NULL;
CREATE INDEX convoke_job_failed ON {schema}.convoke_job (id) WHERE state >= 5;
CREATE UNIQUE INDEX convoke_job_unique ON {schema}.convoke_job (unique_hash) WHERE hold > 0;

-- The first number is drawn: what a worker has of a database that was replaced is none of the jobs of the next one.
DO $$ BEGIN
    EXECUTE format('ALTER SEQUENCE {schema}.convoke_job_number RESTART WITH %s', 1 + floor(random() * 1073741823)::bigint);
END $$;

-- Until when what has begun of a key counts for its rate, in µs since 1970: each that begins adds its part of the time.
CREATE TABLE {schema}.convoke_job_rate (
    key   bigint PRIMARY KEY,
    until bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX convoke_job_rate_until ON {schema}.convoke_job_rate (until);

-- Results of steps that are finished, until the job is over.
CREATE TABLE {schema}.convoke_job_step (
    job    bigint NOT NULL,
    name   text COLLATE "C" NOT NULL,
    result text NOT NULL,
    PRIMARY KEY (job, name)
);

-- Where a schedule stands, in seconds since 1970.
CREATE TABLE {schema}.convoke_job_tick (
    schedule text COLLATE "C" PRIMARY KEY,
    at       bigint NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION {schema}.convoke_micros_1() RETURNS bigint
LANGUAGE sql VOLATILE AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- The job that has a unique key, if one has. One that holds it no longer than a time which is past lets it go.
CREATE FUNCTION {schema}.convoke_job_holder_1(p_hash bytea, p_moment bigint) RETURNS bigint
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    there bigint;
BEGIN
    UPDATE {schema}.convoke_job AS j SET hold = -j.hold WHERE j.hold > 0 AND j.unique_hash = p_hash
        AND (j.state >= 4 OR j.hold = 2 AND j.state = 3) AND coalesce(j.held_until, 0) <= p_moment;
    IF NOT FOUND THEN
        SELECT j.id INTO there FROM {schema}.convoke_job AS j WHERE j.hold > 0 AND j.unique_hash = p_hash;
    END IF;
    RETURN there;
END $$;

-- Adds jobs in their order, within the transaction of whoever calls it. Returns their numbers; that of one which has the unique
-- key of a job is negative. `p_dues` are in µs since 1970, or less than 0: then -1 is now, and -1 - n in n µs.
--
-- A unique key waits for another transaction that has just added one of the same: keys are added in one order, so that two do not
-- wait for each other. Numbers are drawn before that, so they are in the order of the jobs.
CREATE FUNCTION {schema}.convoke_job_add_1(
    p_database text, p_lanes bigint[], p_queues text[], p_tasks text[], p_payloads text[], p_attempts integer[], p_dues bigint[],
    p_heads bigint[], p_expires bigint[], p_keys bigint[], p_uniques text[], p_holds smallint[], p_times bigint[], p_causes text[]
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    moment bigint;
    patience text;
    numbers bigint[];
    hashes bytea[];
    there bigint;
    place integer;
    due bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_database WHERE id = p_database) THEN
        RAISE EXCEPTION 'the tasks are of another database than the transaction' USING ERRCODE = 'ZC001';
    END IF;
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    moment := {schema}.convoke_micros_1();
    IF cardinality(array_remove(p_uniques, NULL)) = 0 THEN
        WITH added AS (
            INSERT INTO {schema}.convoke_job (lane, rank, due, at, key, expires, attempts, state, hold, queue, task, cause, payload)
            SELECT new.lane, new.due - new.head, new.due, new.due, new.key, new.expires, new.attempts,
                CASE WHEN new.due > moment THEN 2 WHEN new.key IS NULL THEN 0 ELSE 1 END, 0, new.queue, new.task, new.cause, new.payload
            FROM (
                SELECT asked.*, CASE WHEN asked.wait < 0 THEN moment - 1 - asked.wait ELSE greatest(asked.wait, moment) END AS due
                FROM unnest(p_lanes, p_queues, p_tasks, p_payloads, p_attempts, p_dues, p_heads, p_expires, p_keys, p_causes)
                    WITH ORDINALITY AS asked (lane, queue, task, payload, attempts, wait, head, expires, key, cause, place)
            ) AS new
            ORDER BY new.place
            RETURNING id
        )
        SELECT array_agg(id ORDER BY id) INTO numbers FROM added;
        RETURN numbers;
    END IF;
    -- It is the server that gives up: a client that does so leaves a statement behind which may still be done.
    patience := current_setting('lock_timeout');
    IF patience = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    SELECT array_agg({schema}.convoke_job_number_1()),
        array_agg(CASE WHEN p_uniques[asked] IS NOT NULL THEN sha256(convert_to(p_uniques[asked], 'UTF8')) END ORDER BY asked)
        INTO numbers, hashes FROM generate_subscripts(p_lanes, 1) AS asked;
    FOR place IN SELECT asked FROM generate_subscripts(p_lanes, 1) AS asked ORDER BY hashes[asked], asked LOOP
        due := CASE WHEN p_dues[place] < 0 THEN moment - 1 - p_dues[place] ELSE greatest(p_dues[place], moment) END;
        LOOP
            INSERT INTO {schema}.convoke_job (
                id, lane, rank, due, at, key, expires, attempts, state, hold, held_until, unique_hash, queue, task, cause, payload
            ) VALUES (
                numbers[place], p_lanes[place], due - p_heads[place], due, due, p_keys[place], p_expires[place], p_attempts[place],
                CASE WHEN due > moment THEN 2 WHEN p_keys[place] IS NULL THEN 0 ELSE 1 END, p_holds[place],
                moment + p_times[place], hashes[place], p_queues[place], p_tasks[place], p_causes[place], p_payloads[place]
            ) ON CONFLICT (unique_hash) WHERE hold > 0 DO NOTHING;
            EXIT WHEN FOUND;
            there := {schema}.convoke_job_holder_1(hashes[place], moment);
            IF there IS NOT NULL THEN
                numbers[place] := -there;
                EXIT;
            END IF;
            -- It is free now. A transaction that would not see that never gets here: its insert has failed.
        END LOOP;
    END LOOP;
    PERFORM set_config('lock_timeout', patience, true);
    RETURN numbers;
END $$;

-- Adds jobs without a unique key that differ in nothing but payload and key, in their order, within the transaction of whoever calls
-- it. Returns their numbers. `p_due` is as above. One job is inserted by itself: that is what an application does most.
CREATE FUNCTION {schema}.convoke_job_alike_1(
    p_database text, p_lane bigint, p_queue text, p_task text, p_attempts integer, p_due bigint, p_head bigint, p_expires bigint,
    p_cause text, p_payloads text[], p_keys bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    moment bigint;
    due bigint;
    ready smallint;
    numbers bigint[];
BEGIN
    IF NOT EXISTS (SELECT 1 FROM {schema}.convoke_database WHERE id = p_database) THEN
        RAISE EXCEPTION 'the tasks are of another database than the transaction' USING ERRCODE = 'ZC001';
    END IF;
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    moment := {schema}.convoke_micros_1();
    due := CASE WHEN p_due < 0 THEN moment - 1 - p_due ELSE greatest(p_due, moment) END;
    ready := CASE WHEN due > moment THEN 2 END;
    IF cardinality(p_payloads) = 1 THEN
        INSERT INTO {schema}.convoke_job (lane, rank, due, at, key, expires, attempts, state, hold, queue, task, cause, payload)
            VALUES (p_lane, due - p_head, due, due, p_keys[1], p_expires, p_attempts,
                coalesce(ready, CASE WHEN p_keys[1] IS NULL THEN 0 ELSE 1 END), 0, p_queue, p_task, p_cause, p_payloads[1])
            RETURNING ARRAY[id] INTO numbers;
        RETURN numbers;
    END IF;
    WITH added AS (
        INSERT INTO {schema}.convoke_job (lane, rank, due, at, key, expires, attempts, state, hold, queue, task, cause, payload)
        SELECT p_lane, due - p_head, due, due, new.key, p_expires, p_attempts,
            coalesce(ready, CASE WHEN new.key IS NULL THEN 0 ELSE 1 END), 0, p_queue, p_task, p_cause, new.payload
        FROM unnest(p_payloads, p_keys) WITH ORDINALITY AS new (payload, key, place) ORDER BY new.place
        RETURNING id
    )
    SELECT array_agg(id ORDER BY id) INTO numbers FROM added;
    RETURN numbers;
END $$;

-- Asks a job to end. One that waits is due now, in no turn, so that a worker ends it. Returns how it was.
CREATE FUNCTION {schema}.convoke_job_cancel_1(p_id bigint) RETURNS smallint
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    moment bigint;
    was smallint;
BEGIN
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    moment := {schema}.convoke_micros_1();
    SELECT j.state INTO was FROM {schema}.convoke_job AS j WHERE j.id = p_id FOR NO KEY UPDATE;
    IF was <= 3 THEN
        UPDATE {schema}.convoke_job AS j SET
                cancelled = true,
                rank = CASE WHEN was = 2 THEN least(j.due, moment) - (j.due - j.rank) ELSE j.rank END,
                due = CASE WHEN was = 2 THEN least(j.due, moment) ELSE j.due END,
                at = CASE WHEN was = 3 THEN j.at ELSE greatest(moment, least(j.due, moment) + 1) END,
                state = CASE WHEN was = 3 THEN 3 ELSE 0 END
            WHERE j.id = p_id;
    END IF;
    RETURN was;
END $$;

-- Has a job that has failed or was cancelled wait once more: its attempts count from here on, it may begin at any time, and takes
-- its unique key again. Returns whether it was so, and nobody else has the key.
CREATE FUNCTION {schema}.convoke_job_retry_1(p_id bigint) RETURNS boolean
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    moment bigint;
BEGIN
    LOCK TABLE {schema}.convoke_job IN ROW EXCLUSIVE MODE;
    moment := {schema}.convoke_micros_1();
    UPDATE {schema}.convoke_job AS j SET hold = -j.hold
        FROM {schema}.convoke_job AS mine
        WHERE mine.id = p_id AND j.hold > 0 AND j.unique_hash = mine.unique_hash AND j.id <> p_id
            AND (j.state >= 4 OR j.hold = 2 AND j.state = 3) AND coalesce(j.held_until, 0) <= moment;
    UPDATE {schema}.convoke_job AS j SET
            state = CASE WHEN j.key IS NULL THEN 0 ELSE 1 END, rank = moment - (j.due - j.rank), due = moment, at = moment + 1,
            cancelled = false, expires = NULL, spared = j.attempt, hold = abs(j.hold), text = NULL, note = NULL, fraction = NULL
        WHERE j.id = p_id AND j.state IN (5, 6);
    RETURN FOUND;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END $$;

-- Deletes jobs that have been kept for long enough, and rates that do not count any more. Returns how many jobs. In a state none is
-- before its time in `p_times`, which begin with that of state 2.
CREATE FUNCTION {schema}.convoke_job_prune_1(p_most integer, p_times bigint[] DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    moment bigint := {schema}.convoke_micros_1();
    old bigint[];
    pruned bigint := 0;
    found_rows bigint;
BEGIN
    FOR over IN 4 .. 6 LOOP
        SELECT array_agg(o.id) INTO old FROM (
            SELECT j.id FROM {schema}.convoke_job AS j WHERE j.state = over AND j.state > 1
                AND j.at >= coalesce(p_times[over - 1], -9223372036854775808) AND j.at <= moment
            ORDER BY j.at LIMIT p_most - pruned FOR UPDATE SKIP LOCKED
        ) AS o;
        IF old IS NOT NULL THEN
            DELETE FROM {schema}.convoke_job WHERE id = ANY (old);
            GET DIAGNOSTICS found_rows = ROW_COUNT;
            pruned := pruned + found_rows;
        END IF;
    END LOOP;
    SELECT array_agg(o.key) INTO old FROM (
        SELECT r.key FROM {schema}.convoke_job_rate AS r WHERE r.until <= moment ORDER BY r.until LIMIT p_most FOR UPDATE SKIP LOCKED
    ) AS o;
    IF old IS NOT NULL THEN
        DELETE FROM {schema}.convoke_job_rate WHERE key = ANY (old);
    END IF;
    RETURN pruned;
END $$;

-- How it stands in these queues, or in all: how many are due, how many are not, how many run, how many have failed, and for how
-- many µs the first has been due. Lanes are found by the index one after the other. Of a kind no more than so many are counted, and
-- in some queues no more than ten times as many looked at.
CREATE FUNCTION {schema}.convoke_job_figures_1(
    p_queues text[], p_most bigint, OUT waiting bigint, OUT scheduled bigint, OUT running bigint, OUT failed bigint, OUT oldest bigint
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    moment bigint := {schema}.convoke_micros_1();
    ready bigint[];
    turning bigint[];
    first bigint;
    due bigint;
BEGIN
    WITH RECURSIVE lanes (lane) AS (
        (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 0 ORDER BY j.lane LIMIT 1)
        UNION ALL
        SELECT (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 0 AND j.lane > lanes.lane ORDER BY j.lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT array_agg(lanes.lane) INTO ready FROM lanes WHERE lanes.lane IS NOT NULL AND (p_queues IS NULL OR (
        SELECT j.queue FROM {schema}.convoke_job AS j WHERE j.state = 0 AND j.lane = lanes.lane LIMIT 1
    ) = ANY (p_queues));
    WITH RECURSIVE lanes (lane) AS (
        (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 1 ORDER BY j.lane LIMIT 1)
        UNION ALL
        SELECT (SELECT j.lane FROM {schema}.convoke_job AS j WHERE j.state = 1 AND j.lane > lanes.lane ORDER BY j.lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT array_agg(lanes.lane) INTO turning FROM lanes WHERE lanes.lane IS NOT NULL AND (p_queues IS NULL OR (
        SELECT j.queue FROM {schema}.convoke_job AS j WHERE j.state = 1 AND j.lane = lanes.lane LIMIT 1
    ) = ANY (p_queues));
    SELECT count(*) INTO waiting FROM (
        SELECT 1 FROM unnest(ready) AS l (lane) CROSS JOIN LATERAL (
            SELECT 1 FROM {schema}.convoke_job AS j WHERE j.lane = l.lane AND j.state = 0 LIMIT p_most
        ) AS each LIMIT p_most
    ) AS counted;
    SELECT min((
        SELECT j.due FROM {schema}.convoke_job AS j WHERE j.lane = l.lane AND j.state = 0 ORDER BY j.rank, j.id LIMIT 1
    )) INTO first FROM unnest(ready) AS l (lane);
    SELECT waiting + count(*), least(first, min(counted.due)) INTO waiting, first FROM (
        SELECT each.due FROM unnest(turning) AS l (lane) CROSS JOIN LATERAL (
            SELECT j.due FROM {schema}.convoke_job AS j WHERE j.lane = l.lane AND j.state = 1 LIMIT p_most
        ) AS each LIMIT p_most
    ) AS counted;
    SELECT waiting + count(*), min(counted.at) INTO waiting, due FROM (
        SELECT looked.at FROM (
            SELECT j.at, j.queue FROM {schema}.convoke_job AS j WHERE j.state = 2 AND j.state > 1 AND j.at <= moment
            ORDER BY j.at LIMIT p_most * 10
        ) AS looked WHERE p_queues IS NULL OR looked.queue = ANY (p_queues) LIMIT p_most
    ) AS counted;
    SELECT count(*) INTO scheduled FROM (
        SELECT 1 FROM (
            SELECT j.queue FROM {schema}.convoke_job AS j WHERE j.state = 2 AND j.state > 1 AND j.at > moment
            ORDER BY j.at LIMIT p_most * 10
        ) AS looked WHERE p_queues IS NULL OR looked.queue = ANY (p_queues) LIMIT p_most
    ) AS counted;
    SELECT count(*) INTO running FROM (
        SELECT 1 FROM (
            SELECT j.queue FROM {schema}.convoke_job AS j WHERE j.state = 3 AND j.state > 1 ORDER BY j.at LIMIT p_most * 10
        ) AS looked WHERE p_queues IS NULL OR looked.queue = ANY (p_queues) LIMIT p_most
    ) AS counted;
    SELECT count(*) INTO failed FROM (
        SELECT 1 FROM (
            SELECT j.queue FROM {schema}.convoke_job AS j WHERE j.state = 5 AND j.state > 1 ORDER BY j.at LIMIT p_most * 10
        ) AS looked WHERE p_queues IS NULL OR looked.queue = ANY (p_queues) LIMIT p_most
    ) AS counted;
    waiting := least(waiting, p_most);
    oldest := moment - least(first, due);
END $$;

-- Ends attempts, as `convoke_job_settle_1` does, and inserts into an outbox the events of those that were, in their order: `p_of` has of
-- each event the job. No job is asked for twice. All that is one call, so it may be one message, which is a transaction by itself.
CREATE FUNCTION {schema}.convoke_job_end_1(
    p_database text, p_ids bigint[], p_attempts integer[], p_hows smallint[], p_states smallint[], p_times bigint[], p_texts text[],
    p_of bigint[], p_outbox_database text, p_outbox text, p_lanes smallint[], p_packets text[], p_topics text[], p_keys text[],
    p_attributes text[], p_bodies bytea[], p_are_texts boolean[]
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    ended bigint[];
    told record;
BEGIN
    ended := {schema}.convoke_job_settle_1(p_database, p_ids, p_attempts, p_hows, p_states, p_times, p_texts);
    IF cardinality(p_of) = 0 THEN
        RETURN ended;
    END IF;
    IF cardinality(ended) = cardinality(p_ids) THEN
        PERFORM {schema}.convoke_outbox_1(
            p_outbox_database, p_outbox, p_lanes, p_packets, p_topics, p_keys, p_attributes, p_bodies, p_are_texts
        );
        RETURN ended;
    END IF;
    SELECT array_agg(e.lane ORDER BY e.place) AS lanes, array_agg(e.packet ORDER BY e.place) AS packets,
            array_agg(e.topic ORDER BY e.place) AS topics, array_agg(e.key ORDER BY e.place) AS keys,
            array_agg(e.attributes ORDER BY e.place) AS attributes, array_agg(e.body ORDER BY e.place) AS bodies,
            array_agg(e.is_text ORDER BY e.place) AS are_texts
        INTO told
        FROM unnest(p_of, p_lanes, p_packets, p_topics, p_keys, p_attributes, p_bodies, p_are_texts) WITH ORDINALITY
            AS e (job, lane, packet, topic, key, attributes, body, is_text, place)
        WHERE e.job = ANY (ended);
    IF told.lanes IS NOT NULL THEN
        PERFORM {schema}.convoke_outbox_1(
            p_outbox_database, p_outbox, told.lanes, told.packets, told.topics, told.keys, told.attributes, told.bodies, told.are_texts
        );
    END IF;
    RETURN ended;
END $$;
