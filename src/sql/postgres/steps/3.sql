-- Dead letters that stay in their places, and hold back their keys: `state` is 4, and `record` says why one died. Its number
-- of `lent` has gone up, so that nobody who had it lent changes it any more. An older program lends none, nor what is behind.
ALTER TABLE {schema}.convoke_delivery ADD COLUMN record text;
CREATE INDEX convoke_delivery_dead ON {schema}.convoke_delivery (lane, id) WHERE state = 4;

-- Makes one that is still lent as it was a dead letter in its place. Returns how many are behind it, counted up to so many;
-- NULL if it is not lent so.
CREATE FUNCTION {schema}.convoke_park_1(p_id bigint, p_lent integer, p_record text, p_most bigint) RETURNS bigint
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    its_lane bigint;
    its_hash bigint;
BEGIN
    UPDATE {schema}.convoke_delivery SET state = 4, lent = lent + 1, marked = false, record = p_record
        WHERE id = p_id AND lent = p_lent AND (key_hash IS NULL) IS FALSE RETURNING lane, key_hash INTO its_lane, its_hash;
    IF its_lane IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT count(*) FROM (
        SELECT 1 FROM {schema}.convoke_delivery
        WHERE lane = its_lane AND key_hash <= its_hash AND (key_hash, id) > (its_hash, p_id)
        ORDER BY key_hash, id LIMIT p_most
    ) AS behind);
END $$;

-- Returns the dead letters of a lane behind this id, and how many are behind each, counted up to so many. Here and below letters are looked
-- for in the order of lane and id: by that of the ids alone, the primary key would do as well, and all rows are read where there are few.
CREATE FUNCTION {schema}.convoke_letters_1(p_lane bigint, p_after bigint, p_limit bigint, p_most bigint)
RETURNS TABLE (
    id bigint, rank smallint, packet text, topic text, key text, attributes text, body bytea, record text, behind bigint
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT d.id, d.rank, d.packet, d.topic, d.key, d.attributes, d.body, d.record, (
            SELECT count(*) FROM (
                SELECT 1 FROM {schema}.convoke_delivery AS f
                WHERE f.lane = d.lane AND f.key_hash <= d.key_hash AND (f.key_hash, f.id) > (d.key_hash, d.id)
                ORDER BY f.key_hash, f.id LIMIT p_most
            ) AS behind
        ) FROM {schema}.convoke_delivery AS d WHERE d.lane <= p_lane AND (d.lane, d.id) > (p_lane, p_after) AND d.state = 4
        ORDER BY d.lane, d.id LIMIT p_limit;
END $$;

-- Counts the dead letters of a lane, and what is parked behind them, each up to so many.
CREATE FUNCTION {schema}.convoke_parked_1(p_lane bigint, p_most bigint, OUT letters bigint, OUT parked bigint)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    SELECT count(*) INTO letters FROM (
        SELECT 1 FROM {schema}.convoke_delivery
        WHERE lane <= p_lane AND (lane, id) > (p_lane, 0) AND state = 4 ORDER BY lane, id LIMIT p_most
    ) AS dead;
    SELECT count(*) INTO parked FROM (
        SELECT 1 FROM (
            SELECT d.lane, d.key_hash, d.id FROM {schema}.convoke_delivery AS d
            WHERE d.lane <= p_lane AND (d.lane, d.id) > (p_lane, 0) AND d.state = 4 ORDER BY d.lane, d.id LIMIT p_most
        ) AS letter CROSS JOIN LATERAL (
            SELECT 1 FROM {schema}.convoke_delivery AS f
            WHERE f.lane = letter.lane AND f.key_hash <= letter.key_hash AND (f.key_hash, f.id) > (letter.key_hash, letter.id)
            ORDER BY f.key_hash, f.id LIMIT p_most
        ) AS behind LIMIT p_most
    ) AS behind;
END $$;

-- Counts what waits in a lane, up to so many: what is ready, held back, or behind another of its key. What is lent or dead stands
-- between these in two of the indexes: in each of the two no more than four times as many rows are looked at.
CREATE FUNCTION {schema}.convoke_backlog_1(p_lane bigint, p_most bigint) RETURNS bigint
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    waiting bigint;
    more bigint;
BEGIN
    SELECT count(*) INTO waiting FROM (
        SELECT 1 FROM {schema}.convoke_delivery WHERE lane = p_lane AND state = 0 ORDER BY rank, id LIMIT p_most
    ) AS ready;
    SELECT count(*) INTO more FROM (
        SELECT 1 FROM (
            SELECT state FROM {schema}.convoke_delivery WHERE lane = p_lane AND state IN (1, 2) ORDER BY due LIMIT p_most * 4
        ) AS seen WHERE seen.state = 1 LIMIT p_most - waiting
    ) AS held;
    waiting := waiting + more;
    SELECT count(*) INTO more FROM (
        SELECT 1 FROM (
            SELECT state FROM {schema}.convoke_delivery WHERE lane = p_lane AND key_hash IS NOT NULL
            ORDER BY key_hash, id LIMIT p_most * 4
        ) AS seen WHERE seen.state = 3 LIMIT p_most - waiting
    ) AS behind;
    RETURN waiting + more;
END $$;

-- Has dead letters of a lane be lent again, from this id on: one, or so many. Returns their ids.
CREATE FUNCTION {schema}.convoke_redrive_1(p_lane bigint, p_from bigint, p_to bigint, p_limit bigint) RETURNS bigint[]
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    redriven bigint[];
BEGIN
    WITH dead AS MATERIALIZED (
        SELECT id FROM {schema}.convoke_delivery
        WHERE lane <= p_lane AND (lane, id) >= (p_lane, p_from) AND id <= p_to AND state = 4
        ORDER BY lane, id LIMIT p_limit FOR NO KEY UPDATE
    ), there AS (
        UPDATE {schema}.convoke_delivery AS d SET
            state = 0, attempt = 0, lent = d.lent + 1, redriven = d.redriven + 1, record = NULL
        FROM dead WHERE d.id = dead.id AND d.state + 0 = 4 RETURNING d.id
    )
    SELECT array_agg(id ORDER BY id) INTO redriven FROM there;
    RETURN redriven;
END $$;

-- Deletes one, and sets free the next of its key: first that is locked, and only then it is looked whether it was set aside.
CREATE FUNCTION {schema}.convoke_discard_1(p_lane bigint, p_id bigint) RETURNS boolean
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    its_lent integer;
BEGIN
    SELECT lent INTO its_lent FROM {schema}.convoke_delivery
        WHERE id = p_id AND lane = p_lane AND state = 4 FOR UPDATE;
    RETURN its_lent IS NOT NULL AND {schema}.convoke_done_1(ARRAY[p_id], ARRAY[its_lent]) IS NOT NULL;
END $$;
