"""How deliveries ended, counted by the time in which they did."""

from tidings.platform.migrations.script import script

ID = "2026-11-25T23:51:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Service tallies"

SQL = """
CREATE TABLE service_tallies (
    destination bigint NOT NULL,                    -- 0: all of the project's with this connector together
    project int NOT NULL,
    connector text NOT NULL,
    span smallint NOT NULL,                         -- minutes that it counts: 1, 10, 60 or 1440; see deliveries/levels/tallies.py
    at timestamptz NOT NULL,                        -- when they begin
    delivered bigint NOT NULL,
    dead bigint NOT NULL,
    latencies bigint[] NOT NULL,                    -- delivered ones by bucket, as far as the slowest; see deliveries/levels/latencies.py
    PRIMARY KEY (destination, project, connector, span, at)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
-- What has just ended, of all; what is to be folded; what is past retention.
CREATE INDEX service_tallies_by_time ON service_tallies (span, at);
ALTER TABLE service_tallies ENABLE ROW LEVEL SECURITY;
ALTER TABLE service_tallies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON service_tallies TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project());
CREATE POLICY worker ON service_tallies TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT ON service_tallies TO tidings_api, tidings_backup;
GRANT SELECT, INSERT, UPDATE, DELETE ON service_tallies TO tidings_worker;

-- The bucket of a latency, from 1: the first ends at 5 ms, each further one at a tenth more; the 250th takes the rest.
CREATE FUNCTION tidings_latency_bucket(seconds float8) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN seconds <= 0.005 THEN 1 ELSE least(250, 1 + ceil(ln(seconds / 0.005) / ln(1.1)))::int END
$$;
-- How many there are of each bucket. In PL/pgSQL, which changes an array in place.
CREATE FUNCTION tidings_histogram(buckets int[]) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    counts bigint[] := '{}'; bucket int;
BEGIN
    IF cardinality(buckets) > 0 THEN
        counts := array_fill(0::bigint, ARRAY[(SELECT max(one) FROM unnest(buckets) AS one)]);
        FOREACH bucket IN ARRAY buckets LOOP counts[bucket] := counts[bucket] + 1; END LOOP;
    END IF;
    RETURN counts;
END $$;
CREATE FUNCTION tidings_add(one bigint[], other bigint[]) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR bucket IN 1..cardinality(other) LOOP one[bucket] := coalesce(one[bucket], 0) + other[bucket]; END LOOP;
    RETURN one;
END $$;
CREATE AGGREGATE tidings_sum(bigint[]) (SFUNC = tidings_add, STYPE = bigint[], INITCOND = '{}');
"""

forwards = script(ID, DESCRIPTION, SQL)
