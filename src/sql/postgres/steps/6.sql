-- What durable rounds are in PostgreSQL: signals that are rows, until the round is over. `{schema}` is an identifier that needs no
-- quotes.

-- `tag` is a random number: a broker of the same name in a database that was replaced has another one. `rules` are those by which it
-- opens rounds from now on.
CREATE TABLE {schema}.convoke_round_broker (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tag   bigint NOT NULL DEFAULT floor(random() * 9007199254740992)::bigint,
    rules bigint,
    name  text COLLATE "C" NOT NULL UNIQUE
);

-- `id` is a digest of the text. They stay for as long as rounds go by them. `noted_at` is when they were enrolled last, in µs since 1970.
CREATE TABLE {schema}.convoke_round_rules (
    id       bigint NOT NULL,
    noted_at bigint NOT NULL,
    broker   integer NOT NULL,
    text     text NOT NULL,
    PRIMARY KEY (broker, id)
);

CREATE TABLE {schema}.convoke_round_consumer (
    broker integer NOT NULL,
    name   text COLLATE "C" NOT NULL,
    PRIMARY KEY (broker, name)
);

-- What parties say of themselves. `asked` is true of one that has an outbox, with what it is to be asked.
CREATE TABLE {schema}.convoke_round_party (
    broker integer NOT NULL,
    asked  boolean NOT NULL,
    name   text COLLATE "C" NOT NULL,
    terms  text NOT NULL,
    PRIMARY KEY (broker, name)
);

-- The number of a round: those that are drawn later are higher.
CREATE SEQUENCE {schema}.convoke_round_number;

-- `state` is 0 open, 1 awaited, 2 aside, 3 resolved, 4 cancelled; below 3 it holds its key. All times are in µs since 1970. One
-- that is over has no `look_at` and no `due_at`. `text` is its outcome then, and why it is aside before that. Whoever notes a signal
-- changes `generation` alone, which stands in no index.
CREATE TABLE {schema}.convoke_round (
    id         bigint PRIMARY KEY,
    rules      bigint NOT NULL,
    opened_at  bigint NOT NULL,
    look_at    bigint,
    due_at     bigint,
    closed_at  bigint,
    broker     integer NOT NULL,
    generation integer NOT NULL,
    state      smallint NOT NULL,
    key        text COLLATE "C" NOT NULL,
    text       text
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.5,
    autovacuum_analyze_threshold = 20000,
    vacuum_truncate = off
);
CREATE UNIQUE INDEX convoke_round_holder ON {schema}.convoke_round (key, broker) WHERE state <= 2;
CREATE INDEX convoke_round_living ON {schema}.convoke_round (broker, id) WHERE state <= 2;
CREATE INDEX convoke_round_look ON {schema}.convoke_round (broker, state, look_at) WHERE look_at IS NOT NULL;
CREATE INDEX convoke_round_past ON {schema}.convoke_round (key, broker, id) WHERE state >= 3;
CREATE INDEX convoke_round_over ON {schema}.convoke_round (broker, closed_at) WHERE state >= 3;

-- The signals of rounds that are not over. `token` is 16 bytes.
CREATE TABLE {schema}.convoke_round_row (
    round  bigint NOT NULL,
    at     bigint NOT NULL,
    number integer NOT NULL,
    kind   smallint NOT NULL,
    token  bytea NOT NULL,
    name   text NOT NULL,
    terms  text,
    body   bytea NOT NULL,
    PRIMARY KEY (round, number)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0.5,
    autovacuum_analyze_scale_factor = 0.5,
    autovacuum_analyze_threshold = 20000,
    vacuum_truncate = off
);

-- Locks the rounds of these keys, and waits for those that somebody works on; of these numbers it locks those that nobody works on.
-- Returns what there is then, each with its place: places of keys begin with 1, and those of numbers come behind them. Of a key
-- without a round the state is -1; `fresh` is the number of the next one. The last round of a key that is over has its place below 0.
-- One row, of place 0, has the tag of the broker, the time, the names of the consumers, and as its text the parties, if there are any.
-- There is none if there is no broker of this name and tag.
--
-- A key is looked for by its index alone, hence `broker + 0`: of a table that statistics call empty the server takes any index that
-- begins with the broker, and reads all of its rounds for each key. For the same reason each is looked for by a lateral subquery with a
-- limit, which the server cannot turn into a join over all open rounds, as it does with `NOT EXISTS`.
--
-- A key that has a round is locked by its row, any other by its hash, or by one lock for all if they are many. Rows are locked in the order
-- of their numbers, and before hashes; whoever finds a row behind a hash begins again rather than wait for it. Nobody waits for a row that he was given by its
-- number. So no two wait for each other. Whoever works shares a lock with all who do so, which whoever adds a consumer or a party, or
-- removes one, has for himself: so that he knows from when on that holds.
CREATE FUNCTION {schema}.convoke_round_read_1(p_broker text, p_tag bigint, p_keys text[], p_rounds bigint[])
RETURNS TABLE (
    place integer, id bigint, key text, state smallint, rules bigint, opened_at bigint, look_at bigint, due_at bigint,
    closed_at bigint, generation integer, text text, numbers integer[], kinds smallint[], names text[], ats bigint[],
    tokens bytea[], terms text[], bodies bytea[], fresh bigint
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    its_broker integer;
    held text[] := '{}';
    free text[];
    there bigint := 0;
    more bigint;
    by_number bigint[] := '{}';
    asked integer := cardinality(p_keys);
BEGIN
    SELECT b.id INTO its_broker FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker AND b.tag = p_tag;
    IF its_broker IS NULL THEN
        RETURN;
    END IF;
    -- It is the server that gives up.
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('convoke consumers of {schema} ' || p_broker, 0));
    -- Most often it is one key: to look for that alone takes half as long.
    IF asked = 1 AND cardinality(p_rounds) = 0 THEN
        SELECT r.id, r.state, r.rules, r.opened_at, r.look_at, r.due_at, r.closed_at, r.generation, r.text
            INTO id, state, rules, opened_at, look_at, due_at, closed_at, generation, text
            FROM {schema}.convoke_round AS r
            WHERE r.broker + 0 = its_broker AND r.key = p_keys[1] AND r.state <= 2 FOR UPDATE;
        IF id IS NULL THEN
            PERFORM pg_advisory_xact_lock_shared(hashtextextended('convoke new rounds of {schema} ' || its_broker, 0));
            PERFORM pg_advisory_xact_lock(hashtextextended('convoke round of {schema} ' || its_broker || ' ' || p_keys[1], 0));
            -- Whoever had the lock may have made one.
            SELECT r.id, r.state, r.rules, r.opened_at, r.look_at, r.due_at, r.closed_at, r.generation, r.text
                INTO id, state, rules, opened_at, look_at, due_at, closed_at, generation, text
                FROM {schema}.convoke_round AS r
                WHERE r.broker + 0 = its_broker AND r.key = p_keys[1] AND r.state <= 2 FOR UPDATE SKIP LOCKED;
            IF id IS NULL AND EXISTS (
                SELECT 1 FROM {schema}.convoke_round AS r WHERE r.broker + 0 = its_broker AND r.key = p_keys[1] AND r.state <= 2
            ) THEN
                RAISE EXCEPTION 'somebody works on a round that was not there before' USING ERRCODE = '40001';
            END IF;
        END IF;
        place := 1;
        key := p_keys[1];
        fresh := nextval('{schema}.convoke_round_number');
        IF id IS NULL THEN
            state := -1;
        ELSE
            SELECT array_agg(o.number), array_agg(o.kind), array_agg(o.name), array_agg(o.at), array_agg(o.token), array_agg(o.terms),
                    array_agg(o.body)
                INTO numbers, kinds, names, ats, tokens, terms, bodies
                FROM (SELECT w.* FROM {schema}.convoke_round_row AS w WHERE w.round = id ORDER BY w.round, w.number) AS o;
        END IF;
        RETURN NEXT;
        numbers := NULL; kinds := NULL; names := NULL; ats := NULL; tokens := NULL; terms := NULL; bodies := NULL; fresh := NULL;
        SELECT p.id, p.state, p.rules, p.opened_at, p.look_at, p.due_at, p.closed_at, p.generation, p.text
            INTO id, state, rules, opened_at, look_at, due_at, closed_at, generation, text
            FROM {schema}.convoke_round AS p
            WHERE p.broker + 0 = its_broker AND p.key = p_keys[1] AND p.state >= 3
            ORDER BY p.key DESC, p.broker DESC, p.id DESC LIMIT 1;
        IF id IS NOT NULL THEN
            place := -1;
            RETURN NEXT;
        END IF;
        place := 0;
        key := NULL;
        id := p_tag;
        state := 0;
        opened_at := {schema}.convoke_micros_1();
        names := ARRAY(SELECT c.name FROM {schema}.convoke_round_consumer AS c WHERE c.broker = its_broker ORDER BY c.name);
        SELECT json_agg(json_build_array(p.name, p.terms, p.asked) ORDER BY p.name)::text INTO text
            FROM {schema}.convoke_round_party AS p WHERE p.broker = its_broker;
        RETURN NEXT;
        RETURN;
    END IF;
    IF asked > 0 THEN
        SELECT coalesce(array_agg(h.key), '{}') INTO held FROM (
            SELECT r.key FROM {schema}.convoke_round AS r
            WHERE r.broker + 0 = its_broker AND r.key = ANY (p_keys) AND r.state <= 2 ORDER BY r.id + 0 FOR UPDATE
        ) AS h;
        IF cardinality(held) < asked THEN
            free := ARRAY(SELECT unnest(p_keys) EXCEPT SELECT unnest(held));
            -- Few are locked each by itself, beside all who have few; many by one lock, in which nobody else has any. A server has room
            -- for 64 locks of each connection, unless it is told otherwise, and refuses everybody when that is full.
            IF cardinality(free) <= 32 THEN
                PERFORM pg_advisory_xact_lock_shared(hashtextextended('convoke new rounds of {schema} ' || its_broker, 0));
                PERFORM pg_advisory_xact_lock(hashes.hash) FROM (
                    SELECT DISTINCT hashtextextended('convoke round of {schema} ' || its_broker || ' ' || f.key, 0) AS hash
                    FROM unnest(free) AS f (key) ORDER BY 1
                ) AS hashes;
            ELSE
                PERFORM pg_advisory_xact_lock(hashtextextended('convoke new rounds of {schema} ' || its_broker, 0));
            END IF;
            -- Whoever had the lock may have made one.
            SELECT count(*) INTO there FROM {schema}.convoke_round AS r
            WHERE r.broker + 0 = its_broker AND r.key = ANY (free) AND r.state <= 2;
            IF there > 0 THEN
                SELECT count(*) INTO more FROM (
                    SELECT r.id FROM {schema}.convoke_round AS r
                    WHERE r.broker + 0 = its_broker AND r.key = ANY (free) AND r.state <= 2 ORDER BY r.id + 0 FOR UPDATE SKIP LOCKED
                ) AS h;
                IF more < there THEN
                    RAISE EXCEPTION 'somebody works on a round that was not there before' USING ERRCODE = '40001';
                END IF;
            END IF;
        END IF;
    END IF;
    IF cardinality(p_rounds) > 0 THEN
        SELECT coalesce(array_agg(h.id), '{}') INTO by_number FROM (
            SELECT r.id FROM {schema}.convoke_round AS r
            WHERE r.id = ANY (p_rounds) AND r.broker = its_broker AND r.state <= 2 ORDER BY r.id + 0 FOR UPDATE SKIP LOCKED
        ) AS h;
    END IF;
    -- Each of these runs only where it has something to show: of one statement for all the server begins every part each time.
    place := 0;
    id := p_tag;
    state := 0;
    opened_at := {schema}.convoke_micros_1();
    names := ARRAY(SELECT c.name FROM {schema}.convoke_round_consumer AS c WHERE c.broker = its_broker ORDER BY c.name);
    SELECT json_agg(json_build_array(p.name, p.terms, p.asked) ORDER BY p.name)::text INTO text
        FROM {schema}.convoke_round_party AS p WHERE p.broker = its_broker;
    RETURN NEXT;
    IF asked > 0 AND cardinality(held) = 0 AND there = 0 THEN
        RETURN QUERY SELECT n.place::integer, NULL::bigint, n.key, -1::smallint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
            NULL::bigint, NULL::integer, NULL::text, NULL::integer[], NULL::smallint[], NULL::text[], NULL::bigint[], NULL::bytea[],
            NULL::text[], NULL::bytea[], nextval('{schema}.convoke_round_number')
        FROM unnest(p_keys) WITH ORDINALITY AS n (key, place);
    ELSIF asked > 0 THEN
        RETURN QUERY SELECT n.place::integer, r.id, n.key, coalesce(r.state, -1::smallint), r.rules, r.opened_at, r.look_at, r.due_at,
            r.closed_at, r.generation, r.text, s.numbers, s.kinds, s.names, s.ats, s.tokens, s.terms, s.bodies,
            nextval('{schema}.convoke_round_number')
        FROM unnest(p_keys) WITH ORDINALITY AS n (key, place)
        LEFT JOIN LATERAL (
            SELECT h.* FROM {schema}.convoke_round AS h
            WHERE h.broker + 0 = its_broker AND h.key = n.key AND h.state <= 2 LIMIT 1
        ) AS r ON true
        CROSS JOIN LATERAL (
            SELECT array_agg(o.number) AS numbers, array_agg(o.kind) AS kinds, array_agg(o.name) AS names, array_agg(o.at) AS ats,
                array_agg(o.token) AS tokens, array_agg(o.terms) AS terms, array_agg(o.body) AS bodies
            FROM (
                SELECT w.* FROM {schema}.convoke_round_row AS w WHERE w.round = r.id ORDER BY w.round, w.number
            ) AS o
        ) AS s;
    END IF;
    IF asked > 0 THEN
        RETURN QUERY SELECT -n.place::integer, l.id, l.key, l.state, l.rules, l.opened_at, l.look_at, l.due_at, l.closed_at,
            l.generation, l.text, NULL::integer[], NULL::smallint[], NULL::text[], NULL::bigint[], NULL::bytea[], NULL::text[],
            NULL::bytea[], NULL::bigint
        FROM unnest(p_keys) WITH ORDINALITY AS n (key, place) CROSS JOIN LATERAL (
            SELECT p.* FROM {schema}.convoke_round AS p
            WHERE p.broker + 0 = its_broker AND p.key = n.key AND p.state >= 3 ORDER BY p.key DESC, p.broker DESC, p.id DESC LIMIT 1
        ) AS l;
    END IF;
    IF cardinality(by_number) > 0 THEN
        RETURN QUERY SELECT asked + n.place::integer, r.id, r.key, r.state, r.rules, r.opened_at, r.look_at, r.due_at, r.closed_at,
            r.generation, r.text, s.numbers, s.kinds, s.names, s.ats, s.tokens, s.terms, s.bodies,
            nextval('{schema}.convoke_round_number')
        FROM unnest(p_rounds) WITH ORDINALITY AS n (id, place)
        CROSS JOIN LATERAL (SELECT h.* FROM {schema}.convoke_round AS h WHERE h.id = n.id LIMIT 1) AS r
        CROSS JOIN LATERAL (
            SELECT array_agg(o.number) AS numbers, array_agg(o.kind) AS kinds, array_agg(o.name) AS names, array_agg(o.at) AS ats,
                array_agg(o.token) AS tokens, array_agg(o.terms) AS terms, array_agg(o.body) AS bodies
            FROM (
                SELECT w.* FROM {schema}.convoke_round_row AS w WHERE w.round = r.id ORDER BY w.round, w.number
            ) AS o
        ) AS s
        WHERE n.id = ANY (by_number);
        RETURN QUERY SELECT -(asked + a.place::integer), l.id, l.key, l.state, l.rules, l.opened_at, l.look_at, l.due_at, l.closed_at,
            l.generation, l.text, NULL::integer[], NULL::smallint[], NULL::text[], NULL::bigint[], NULL::bytea[], NULL::text[],
            NULL::bytea[], NULL::bigint
        FROM unnest(p_rounds) WITH ORDINALITY AS a (id, place)
        CROSS JOIN LATERAL (SELECT h.key FROM {schema}.convoke_round AS h WHERE h.id = a.id LIMIT 1) AS r
        CROSS JOIN LATERAL (
            SELECT p.* FROM {schema}.convoke_round AS p
            WHERE p.broker + 0 = its_broker AND p.key = r.key AND p.state >= 3 ORDER BY p.key DESC, p.broker DESC, p.id DESC LIMIT 1
        ) AS l
        WHERE a.id = ANY (by_number);
    END IF;
END $$;

-- Writes what was ruled on rounds that are locked. Those with a key are made, the others changed; those that are noted get another
-- deadline and generation alone. Rows that there are get other terms by notes. Rows of rounds that are emptied are deleted, and rounds
-- that lapse too. The outcome is amended of rounds that are over.
CREATE FUNCTION {schema}.convoke_round_write_1(
    p_broker text, p_ids bigint[], p_keys text[], p_states smallint[], p_rules bigint[], p_opened bigint[], p_looks bigint[],
    p_dues bigint[], p_closed bigint[], p_generations integer[], p_texts text[],
    p_noted bigint[], p_noted_dues bigint[], p_noted_generations integer[],
    p_rounds bigint[], p_numbers integer[], p_kinds smallint[], p_names text[], p_ats bigint[], p_tokens bytea[], p_terms text[],
    p_bodies bytea[], p_note_rounds bigint[], p_note_numbers integer[], p_note_terms text[],
    p_emptied bigint[], p_lapsed bigint[], p_amended bigint[], p_outcomes text[]
) RETURNS void
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF array_position(p_keys, NULL) IS NOT NULL THEN
        UPDATE {schema}.convoke_round AS r SET state = n.state, rules = n.rules, opened_at = n.opened, look_at = n.look,
                due_at = n.due, closed_at = n.closed, generation = n.generation, text = n.text
            FROM unnest(p_ids, p_keys, p_states, p_rules, p_opened, p_looks, p_dues, p_closed, p_generations, p_texts)
                AS n (id, key, state, rules, opened, look, due, closed, generation, text)
            WHERE r.id = n.id AND n.key IS NULL;
    END IF;
    IF cardinality(array_remove(p_keys, NULL)) > 0 THEN
        INSERT INTO {schema}.convoke_round
                (id, rules, opened_at, look_at, due_at, closed_at, broker, generation, state, key, text)
            SELECT n.id, n.rules, n.opened, n.look, n.due, n.closed, b.id, n.generation, n.state, n.key, n.text
            FROM {schema}.convoke_round_broker AS b
            CROSS JOIN unnest(p_ids, p_keys, p_states, p_rules, p_opened, p_looks, p_dues, p_closed, p_generations, p_texts)
                AS n (id, key, state, rules, opened, look, due, closed, generation, text)
            WHERE b.name = p_broker AND n.key IS NOT NULL;
    END IF;
    IF cardinality(p_noted) > 0 THEN
        UPDATE {schema}.convoke_round AS r SET due_at = n.due, generation = n.generation
            FROM unnest(p_noted, p_noted_dues, p_noted_generations) AS n (id, due, generation) WHERE r.id = n.id;
    END IF;
    IF cardinality(p_note_rounds) > 0 THEN
        UPDATE {schema}.convoke_round_row AS r SET terms = n.terms
            FROM unnest(p_note_rounds, p_note_numbers, p_note_terms) AS n (round, number, terms)
            WHERE r.round = n.round AND r.number = n.number;
    END IF;
    IF cardinality(p_emptied) > 0 THEN
        DELETE FROM {schema}.convoke_round_row WHERE round = ANY (p_emptied);
    END IF;
    IF cardinality(p_lapsed) > 0 THEN
        DELETE FROM {schema}.convoke_round WHERE id = ANY (p_lapsed);
    END IF;
    IF cardinality(p_rounds) > 0 THEN
        INSERT INTO {schema}.convoke_round_row (round, at, number, kind, token, name, terms, body)
            SELECT n.* FROM unnest(p_rounds, p_ats, p_numbers, p_kinds, p_tokens, p_names, p_terms, p_bodies) AS n;
    END IF;
    IF cardinality(p_amended) > 0 THEN
        UPDATE {schema}.convoke_round AS r SET text = n.outcome
            FROM unnest(p_amended, p_outcomes) AS n (id, outcome) WHERE r.id = n.id AND r.state >= 3;
    END IF;
END $$;

-- Which rounds of a broker somebody has to look at by now, the longest due first, at most so many, and how many µs it is until the next one
-- behind these. Rounds by foreign rules are told once they are due for longer than the grace. The rounds of each state stand in the index by
-- themselves, so what cannot be decided hides nothing. It is asked again and again: as a function it is planned once for each connection.
CREATE FUNCTION {schema}.convoke_round_due_1(
    p_broker text, p_foreign bigint[], p_grace bigint, p_most bigint, OUT ids bigint[], OUT behind bigint
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    its_broker integer;
    moment bigint := {schema}.convoke_micros_1();
BEGIN
    SELECT b.id INTO its_broker FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    ids := ARRAY(
        SELECT d.id FROM (
            (SELECT r.id, r.look_at FROM {schema}.convoke_round AS r WHERE r.broker = its_broker AND r.state = 0
                 AND r.look_at <= moment AND (r.rules <> ALL (p_foreign) OR r.due_at <= moment - p_grace)
             ORDER BY r.broker, r.state, r.look_at LIMIT p_most)
            UNION ALL
            (SELECT r.id, r.look_at FROM {schema}.convoke_round AS r WHERE r.broker = its_broker AND r.state = 1
                 AND r.look_at <= moment AND (r.rules <> ALL (p_foreign) OR r.due_at <= moment - p_grace)
             ORDER BY r.broker, r.state, r.look_at LIMIT p_most)
        ) AS d ORDER BY d.look_at, d.id LIMIT p_most
    );
    SELECT min(n.look_at) - moment INTO behind FROM (
        (SELECT r.look_at FROM {schema}.convoke_round AS r WHERE r.broker = its_broker AND r.state = 0
             AND r.look_at > moment AND r.rules <> ALL (p_foreign) ORDER BY r.broker, r.state, r.look_at LIMIT 1)
        UNION ALL
        (SELECT r.look_at FROM {schema}.convoke_round AS r WHERE r.broker = its_broker AND r.state = 1
             AND r.look_at > moment AND r.rules <> ALL (p_foreign) ORDER BY r.broker, r.state, r.look_at LIMIT 1)
    ) AS n;
END $$;

-- The rounds of a key before this number, the latest first, at most so many, with the signals of the one that is not over: of one moment. By
-- the indexes that begin with the key, whatever statistics say.
CREATE FUNCTION {schema}.convoke_round_history_1(p_broker text, p_key text, p_before bigint, p_most bigint)
RETURNS TABLE (
    id bigint, key text, state smallint, rules bigint, opened_at bigint, look_at bigint, due_at bigint, closed_at bigint,
    generation integer, text text, numbers integer[], kinds smallint[], names text[], ats bigint[], tokens bytea[],
    terms text[], bodies bytea[]
)
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    its_broker integer;
BEGIN
    SELECT b.id INTO its_broker FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    RETURN QUERY SELECT f.id, f.key, f.state, f.rules, f.opened_at, f.look_at, f.due_at, f.closed_at, f.generation, f.text, s.numbers,
        s.kinds, s.names, s.ats, s.tokens, s.terms, s.bodies
    FROM (
        SELECT h.* FROM (
            (SELECT r.* FROM {schema}.convoke_round AS r
             WHERE r.broker + 0 = its_broker AND r.key = p_key AND r.id < p_before AND r.state <= 2)
            UNION ALL
            (SELECT r.* FROM {schema}.convoke_round AS r
             WHERE r.broker + 0 = its_broker AND r.key = p_key AND r.id < p_before AND r.state >= 3
             ORDER BY r.key DESC, r.broker DESC, r.id DESC LIMIT p_most)
        ) AS h ORDER BY h.id DESC LIMIT p_most
    ) AS f
    CROSS JOIN LATERAL (
        SELECT array_agg(o.number) AS numbers, array_agg(o.kind) AS kinds, array_agg(o.name) AS names, array_agg(o.at) AS ats,
            array_agg(o.token) AS tokens, array_agg(o.terms) AS terms, array_agg(o.body) AS bodies
        FROM (
            SELECT w.* FROM {schema}.convoke_round_row AS w WHERE w.round = f.id AND f.state <= 2 ORDER BY w.round, w.number
        ) AS o
    ) AS s
    ORDER BY f.id DESC;
END $$;

-- Those of these rounds that are over.
CREATE FUNCTION {schema}.convoke_round_ended_1(p_broker text, p_rounds bigint[]) RETURNS SETOF {schema}.convoke_round
LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    its_broker integer;
BEGIN
    SELECT b.id INTO its_broker FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    RETURN QUERY SELECT r.* FROM {schema}.convoke_round AS r
        WHERE r.id = ANY (p_rounds) AND r.broker + 0 = its_broker AND r.state >= 3;
END $$;

-- Returns the tag of the broker of this name, which is made if there is none. One that was not known yet, as in a database that was
-- replaced, gets these rules, the number of those by which it opens rounds, if it has none, these consumers and these parties.
CREATE FUNCTION {schema}.convoke_round_register_1(
    p_broker text, p_tag bigint, p_rules bigint[], p_texts text[], p_enrolled bigint, p_consumers text[],
    p_parties text[], p_terms text[], p_asked boolean[]
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    its_broker integer;
    its_tag bigint;
BEGIN
    SELECT b.id, b.tag INTO its_broker, its_tag FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    IF its_tag IS NULL THEN
        INSERT INTO {schema}.convoke_round_broker (name) VALUES (p_broker) ON CONFLICT (name) DO NOTHING;
        SELECT b.id, b.tag INTO its_broker, its_tag FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    END IF;
    IF its_tag IS DISTINCT FROM p_tag THEN
        INSERT INTO {schema}.convoke_round_rules (id, noted_at, broker, text)
            SELECT n.id, {schema}.convoke_micros_1(), its_broker, n.text FROM unnest(p_rules, p_texts) AS n (id, text)
            ON CONFLICT DO NOTHING;
        UPDATE {schema}.convoke_round_broker SET rules = p_enrolled
            WHERE id = its_broker AND rules IS NULL AND p_enrolled IS NOT NULL;
        INSERT INTO {schema}.convoke_round_consumer (broker, name)
            SELECT its_broker, n.name FROM unnest(p_consumers) AS n (name) ON CONFLICT DO NOTHING;
        INSERT INTO {schema}.convoke_round_party (broker, name, terms, asked)
            SELECT its_broker, n.name, n.terms, n.asked FROM unnest(p_parties, p_terms, p_asked) AS n (name, terms, asked)
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN its_tag;
END $$;

-- Notes by which rules a broker opens rounds. Returns the text of those that it has if they are others and are not replaced.
CREATE FUNCTION {schema}.convoke_round_enroll_1(p_broker text, p_id bigint, p_text text, p_replaces boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    its_broker integer;
    its_rules bigint;
    there text;
BEGIN
    INSERT INTO {schema}.convoke_round_broker (name) VALUES (p_broker) ON CONFLICT (name) DO NOTHING;
    SELECT b.id, b.rules INTO its_broker, its_rules FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker FOR NO KEY UPDATE;
    IF its_rules <> p_id AND NOT p_replaces THEN
        RETURN (SELECT coalesce(max(r.text), '') FROM {schema}.convoke_round_rules AS r WHERE r.broker = its_broker AND r.id = its_rules);
    END IF;
    INSERT INTO {schema}.convoke_round_rules (id, noted_at, broker, text) VALUES (p_id, {schema}.convoke_micros_1(), its_broker, p_text)
        ON CONFLICT (broker, id) DO UPDATE SET noted_at = excluded.noted_at;
    SELECT r.text INTO there FROM {schema}.convoke_round_rules AS r WHERE r.broker = its_broker AND r.id = p_id;
    IF there IS DISTINCT FROM p_text THEN
        RAISE EXCEPTION 'other rules have the same digest' USING ERRCODE = 'ZC003';
    END IF;
    UPDATE {schema}.convoke_round_broker SET rules = p_id WHERE id = its_broker AND rules IS DISTINCT FROM p_id;
    RETURN NULL;
END $$;

-- Adds a consumer, or removes it, once all have ended who close rounds now. Returns whether that changed anything.
CREATE FUNCTION {schema}.convoke_round_consumer_1(p_broker text, p_name text, p_is_there boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    its_broker integer;
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke consumers of {schema} ' || p_broker, 0));
    INSERT INTO {schema}.convoke_round_broker (name) VALUES (p_broker) ON CONFLICT (name) DO NOTHING;
    SELECT b.id INTO its_broker FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    IF p_is_there THEN
        INSERT INTO {schema}.convoke_round_consumer (broker, name) VALUES (its_broker, p_name) ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM {schema}.convoke_round_consumer WHERE broker = its_broker AND name = p_name;
    END IF;
    RETURN FOUND;
END $$;

-- Notes what a party says of itself, in place of what was noted before, or removes that if there are no terms, once all have ended who
-- work now. Returns whether that changed anything.
CREATE FUNCTION {schema}.convoke_round_party_1(p_broker text, p_name text, p_terms text, p_asked boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    its_broker integer;
BEGIN
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '10s', true);
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('convoke consumers of {schema} ' || p_broker, 0));
    INSERT INTO {schema}.convoke_round_broker (name) VALUES (p_broker) ON CONFLICT (name) DO NOTHING;
    SELECT b.id INTO its_broker FROM {schema}.convoke_round_broker AS b WHERE b.name = p_broker;
    IF p_terms IS NULL THEN
        DELETE FROM {schema}.convoke_round_party WHERE broker = its_broker AND name = p_name;
    ELSE
        INSERT INTO {schema}.convoke_round_party (broker, name, terms, asked) VALUES (its_broker, p_name, p_terms, p_asked)
            ON CONFLICT (broker, name) DO UPDATE SET terms = excluded.terms, asked = excluded.asked;
    END IF;
    RETURN FOUND;
END $$;
