"""The ledger: one row for each delivery, in a partition a week. Its id carries its time (UUIDv7), so the id is what they are cut by."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:13:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Deliveries"

SQL = """
CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    project int NOT NULL,
    destination bigint NOT NULL,
    subscriber bigint,                              -- null where it goes to the destination as such, as a webhook does
    notification uuid,
    type text NOT NULL,                             -- of the event that it tells of
    shard smallint NOT NULL, position bigint NOT NULL, event_at timestamptz NOT NULL, -- the event, in the log
    accepted_at timestamptz NOT NULL,               -- when the event was committed
    order_key text,                                 -- those of one key go one after another
    state text NOT NULL DEFAULT 'pending',          -- 'pending' | 'delivered' | 'dead' | 'held' | 'cancelled'
    attempts smallint NOT NULL DEFAULT 0,           -- settled ones
    round smallint NOT NULL DEFAULT 0,              -- attempts before the schedule began, or began again by a resend
    next_attempt_at timestamptz NOT NULL,           -- infinity: waits for the one before it in its order
    lease_until timestamptz,                        -- a worker has it, or is about to
    reason text,                                    -- of the last attempt, or why it is held
    finished_at timestamptz
) PARTITION BY RANGE (id);
-- What is due; what is out; what stands in line; and what people list.
CREATE INDEX deliveries_due ON deliveries (destination, next_attempt_at) WHERE state = 'pending' AND lease_until IS NULL;
CREATE INDEX deliveries_leased ON deliveries (destination) WHERE lease_until IS NOT NULL;
CREATE INDEX deliveries_in_order ON deliveries (destination, order_key, id) WHERE state = 'pending' AND order_key IS NOT NULL;
CREATE INDEX deliveries_of_destination ON deliveries (destination, id);
CREATE INDEX deliveries_unfinished ON deliveries (destination, state, id) WHERE state <> 'delivered';
CREATE INDEX deliveries_of_project ON deliveries (project, id);
CREATE INDEX deliveries_of_project_unfinished ON deliveries (project, state, id) WHERE state <> 'delivered';
CREATE INDEX deliveries_of_notification ON deliveries (notification) WHERE notification IS NOT NULL;
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;
DO $$
DECLARE target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['deliveries', 'deliveries_default'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', target);
        EXECUTE format('CREATE POLICY tenant ON %I TO tidings_api
            USING (project = tidings_project()) WITH CHECK (project = tidings_project())', target);
        EXECUTE format('CREATE POLICY worker ON %I TO tidings_worker USING (true) WITH CHECK (true)', target);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tidings_api, tidings_worker', target);
        EXECUTE format('GRANT SELECT ON %I TO tidings_backup', target);
    END LOOP;
END $$;

-- Partitions of what is cut by UUIDv7, one a week. The first 48 bits of such an id are its milliseconds.
CREATE FUNCTION tidings_first_id(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
CREATE FUNCTION tidings_ensure_id_partitions(parent text, ahead int DEFAULT 4) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('week', now() AT TIME ZONE 'UTC')::date;
    week date; made int := 0; name text;
BEGIN
    IF parent NOT IN ('deliveries', 'attempts') THEN RAISE 'no such table: %', parent; END IF;
    FOR step IN 0..ahead LOOP
        week := first + step * 7;
        name := parent || '_' || to_char(week, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent,
            tidings_first_id((week || ' 00:00+00')::timestamptz), tidings_first_id((week + 7 || ' 00:00+00')::timestamptz));
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO tidings_backup', name);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
CREATE FUNCTION tidings_drop_id_partitions(parent text, keep interval) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE name text; dropped text[] := '{}';
BEGIN
    IF parent NOT IN ('deliveries', 'attempts') THEN RAISE 'no such table: %', parent; END IF;
    FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = parent::regclass AND c.relname ~ '_[0-9]{8}$'
                  AND to_date(right(c.relname, 8), 'YYYYMMDD') + 7 < (now() - keep)::date LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped || name;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE EXECUTE ON FUNCTION tidings_ensure_id_partitions(text, int), tidings_drop_id_partitions(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidings_ensure_id_partitions(text, int), tidings_drop_id_partitions(text, interval) TO tidings_worker;
SELECT tidings_ensure_id_partitions('deliveries');
"""

forwards = script(ID, DESCRIPTION, SQL)
