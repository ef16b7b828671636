-- The core schema: tenants, recipients, the log and its projections. Run once, by the owner of the database.
--
-- Conventions: `project` is the tenant, an int; people and topics are bigints inside and text ids outside, so that the log,
-- the inbox and the memberships stay narrow and hold no personal identifier; public ids are UUIDv7, in the order of time.

-- Roles ---------------------------------------------------------------------------------------------------------------
-- The login of the connection URL owns everything and is a member of the others; processes connect with `role` set.
DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tidings_api', 'tidings_worker', 'tidings_backup'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
    BEGIN
        -- FORCE ROW LEVEL SECURITY makes the owner's pg_dump fail, so backups need a role that may pass it.
        ALTER ROLE tidings_backup BYPASSRLS;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE WARNING 'tidings_backup could not be given BYPASSRLS: a superuser must run ALTER ROLE tidings_backup BYPASSRLS';
    END;
END $$;

CREATE FUNCTION tidings_project() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE
    -- An unset tenant reads as the empty string on a connection that once had one.
    RETURN nullif(current_setting('tidings.project', true), '')::int;

-- Access --------------------------------------------------------------------------------------------------------------
CREATE TABLE projects (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,                       -- prj_…, what people see
    name text NOT NULL,
    shard smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    key text NOT NULL UNIQUE,                       -- key_…, what people see; never the secret
    name text NOT NULL,
    prefix text NOT NULL,                           -- the first characters of the secret, to recognise it by
    hash bytea NOT NULL UNIQUE,                     -- HMAC-SHA256 of the secret under the deployment's key
    scopes text[] NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    replaced_by text,                               -- the key that a rotation made
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_of_project ON api_keys (project, id);

-- Ed25519 keys that sign subscriber tokens, for the deployment as a whole; the private half is sealed.
CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    public_key bytea NOT NULL,
    sealed_private_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz                          -- signs no more; still verifies until the tokens it signed have ended
);

-- Ed25519 public keys with which a project's own servers sign tokens.
CREATE TABLE public_keys (
    kid text PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    public_key bytea NOT NULL,
    name text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX public_keys_of_project ON public_keys (project);

CREATE TABLE idempotency_keys (
    project int NOT NULL REFERENCES projects,
    key text NOT NULL,
    request_hash bytea NOT NULL,                    -- SHA-256 of method, path and body
    status smallint NOT NULL,
    body bytea NOT NULL,                            -- the answer, without secrets that are shown once
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Recipients ----------------------------------------------------------------------------------------------------------
CREATE TABLE subscribers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    external_id text NOT NULL,
    email text, phone text, name text, locale text, timezone text,
    attributes jsonb NOT NULL DEFAULT '{}',
    tokens_valid_after timestamptz,                 -- tokens issued before this are revoked
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX subscribers_by_external_id ON subscribers (project, external_id) WHERE deleted_at IS NULL;
-- When the last one of this name was deleted: tokens from before that stay refused.
CREATE INDEX subscribers_deleted ON subscribers (project, external_id, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX subscribers_in_order ON subscribers (project, id) WHERE deleted_at IS NULL;
CREATE INDEX subscribers_by_email ON subscribers (project, lower(email)) WHERE deleted_at IS NULL AND email IS NOT NULL;
CREATE INDEX subscribers_by_attribute ON subscribers USING gin (attributes jsonb_path_ops) WHERE deleted_at IS NULL;

-- Names to inner ids, in these projects (callers look which name of which project they meant), and new people. Functions, so that they
-- are planned for the table as it is at each call: a plan cached while the table was small, before its first ANALYZE, read the whole
-- project for every name (0.8 s for 1,000 names at 12,000 rows, instead of 10 ms).
CREATE FUNCTION tidings_subscribers(projects int[], names text[])
RETURNS TABLE (project int, external_id text, id bigint, tokens_valid_after timestamptz)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
    -- Lists and not a join: should the planner think one project small and read all of it, it hashes a list that it can see.
    RETURN QUERY SELECT s.project, s.external_id, s.id, s.tokens_valid_after FROM subscribers AS s
        WHERE s.project = ANY (projects) AND s.external_id = ANY (names) AND s.deleted_at IS NULL;
END $$;
-- A person who was deleted and is named again is someone new, for whom the tokens of the one before stay worthless. Whoever is named only
-- by a token from before the deletion (issued) is not created: the row says when they were deleted, without an id.
-- Those that another transaction creates meanwhile are left out.
CREATE FUNCTION tidings_create_subscribers(projects int[], names text[], actors text[], issued timestamptz[])
RETURNS TABLE (project int, external_id text, id bigint, tokens_valid_after timestamptz)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH unknown AS (
        SELECT wanted.*, (
            SELECT max(s.deleted_at) FROM subscribers AS s
            WHERE s.project = wanted.project AND s.external_id = wanted.external_id AND s.deleted_at IS NOT NULL
        ) AS gone_at
        FROM unnest(projects, names, actors, issued) WITH ORDINALITY AS wanted (project, external_id, actor, issued_at, place)
    ), made AS (
        INSERT INTO subscribers (project, external_id, created_by, tokens_valid_after)
        SELECT project, external_id, actor, gone_at FROM unknown WHERE gone_at IS NULL OR issued_at IS NULL OR issued_at >= gone_at ORDER BY place
        ON CONFLICT (project, external_id) WHERE deleted_at IS NULL DO NOTHING
        RETURNING project, external_id, id, tokens_valid_after
    )
    SELECT * FROM made UNION ALL SELECT project, external_id, NULL, gone_at FROM unknown WHERE issued_at < gone_at;
END $$;

CREATE TABLE topics (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    key text NOT NULL,
    name text,
    members bigint NOT NULL DEFAULT 0,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX topics_by_key ON topics (project, key) WHERE deleted_at IS NULL;

-- A change of membership waits here for its position, which the sequencer stamps in the statement that moves its event into
-- the log. Members point at the change that added and the one that removed them, so "who was a member at position P" is
-- exact, and adding 10⁶ members stamps one row a change, not one a member.
CREATE TABLE topic_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL REFERENCES projects,
    position bigint
);

CREATE TABLE topic_members (
    topic bigint NOT NULL REFERENCES topics,
    subscriber bigint NOT NULL,
    project int NOT NULL REFERENCES projects,
    added_by bigint NOT NULL,
    removed_by bigint,
    PRIMARY KEY (topic, subscriber, added_by)
);
CREATE UNIQUE INDEX topic_members_now ON topic_members (topic, subscriber) WHERE removed_by IS NULL;
CREATE INDEX topic_members_of_subscriber ON topic_members (subscriber);

-- The log -------------------------------------------------------------------------------------------------------------
-- One row a shard: who leads it, in which term, and where its log ends.
CREATE TABLE shards (
    shard smallint PRIMARY KEY,
    epoch text NOT NULL,
    head bigint NOT NULL DEFAULT 0,
    term bigint NOT NULL DEFAULT 0,
    holder text,
    holder_pid int,                                 -- PostgreSQL backend of the leader, ended by its successor
    lease_until timestamptz,
    system_identifier bigint,                       -- of the PostgreSQL cluster that this epoch belongs to
    timeline int
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard smallint NOT NULL,
    project int NOT NULL,
    type text NOT NULL,
    notification uuid,
    recipients bigint[],                            -- subscribers by their inner ids, ≤ 1,000
    topics bigint[],                                -- larger audiences by name
    everyone boolean NOT NULL DEFAULT false,
    data json NOT NULL,                             -- what the people concerned may see
    internal json,                                  -- what only Tidings needs
    topic_change bigint,                            -- the row of topic_changes to stamp
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_by_shard ON outbox (shard, id);

CREATE TABLE events (
    shard smallint NOT NULL,
    position bigint NOT NULL,
    project int NOT NULL,
    type text NOT NULL,
    notification uuid,
    recipients bigint[],
    topics bigint[],
    everyone boolean NOT NULL,
    data json NOT NULL,
    internal json,
    actor text NOT NULL,
    accepted_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL                 -- when it got its position
) PARTITION BY RANGE (created_at);
CREATE INDEX events_by_position ON events (shard, position);
CREATE INDEX events_of_notification ON events (notification) WHERE notification IS NOT NULL;
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Notifications and their projections ---------------------------------------------------------------------------------
CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    project int NOT NULL,
    title text NOT NULL,
    body text, url text, data json, category text, collapse_key text,
    priority text NOT NULL DEFAULT 'normal',
    channels text[] NOT NULL,
    audience json NOT NULL,                         -- `to`, as it was given
    recipients bigint NOT NULL,
    recipient_ids bigint[],                         -- of an audience that was resolved; otherwise see fanouts
    transient boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    withdrawn_at timestamptz,                       -- retracted or expired
    withdrawn_as text                               -- 'retracted' | 'expired'
);
CREATE INDEX notifications_to_expire ON notifications (expires_at) WHERE expires_at IS NOT NULL AND withdrawn_at IS NULL;

-- An audience of more than 1,000, written to (or withdrawn from) the inboxes in chunks. The row lock of a chunk's transaction
-- is all the coordination between workers; `cursor` moves in that transaction, so a chunk is never done twice.
CREATE TABLE fanouts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project int NOT NULL,
    notification uuid NOT NULL,
    kind text NOT NULL DEFAULT 'deliver',           -- 'deliver' | 'withdraw'
    recipients bigint[],
    topics bigint[],
    everyone boolean NOT NULL,
    position bigint,                                -- stamped by the sequencer
    newest_subscriber bigint,                       -- `everyone` means those up to this id; stamped with the position
    cursor bigint NOT NULL DEFAULT 0,               -- subscribers up to this id are done
    written bigint NOT NULL DEFAULT 0,
    expected bigint NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX fanouts_unfinished ON fanouts (project, notification) WHERE done_at IS NULL;
CREATE INDEX fanouts_of_notification ON fanouts (notification);

CREATE TABLE inbox (
    project int NOT NULL,
    subscriber bigint NOT NULL,
    id uuid NOT NULL,                               -- the notification's
    category text, collapse_key text,
    expires_at timestamptz,
    seen_at timestamptz, read_at timestamptz, archived_at timestamptz,
    -- Stands apart from the watermarks of inbox_states: only its own columns count. So are an item that arrived after a
    -- watermark had passed its id, one marked unread again, and one archived ("all read" means what is in the inbox).
    apart boolean NOT NULL DEFAULT false,
    PRIMARY KEY (subscriber, id)
) WITH (fillfactor = 90);
CREATE INDEX inbox_unread ON inbox (subscriber, id) WHERE read_at IS NULL AND archived_at IS NULL;
CREATE INDEX inbox_apart ON inbox (subscriber, id) WHERE apart AND archived_at IS NULL;
CREATE INDEX inbox_archived ON inbox (subscriber, id) WHERE archived_at IS NOT NULL;
CREATE INDEX inbox_by_category ON inbox (subscriber, category, id) WHERE category IS NOT NULL;
CREATE INDEX inbox_by_collapse_key ON inbox (subscriber, collapse_key) WHERE collapse_key IS NOT NULL;

-- What concerns an inbox as a whole. "Mark all read" moves a watermark instead of 100,000 rows; counts are kept up to
-- `counted_to`, and items after it are counted when asked.
CREATE TABLE inbox_states (
    subscriber bigint PRIMARY KEY,
    project int NOT NULL,
    seen_up_to uuid, seen_up_to_at timestamptz,
    read_up_to uuid, read_up_to_at timestamptz,
    counted_to uuid,
    total bigint NOT NULL DEFAULT 0, unseen bigint NOT NULL DEFAULT 0, unread bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

-- Streams -------------------------------------------------------------------------------------------------------------
-- A ticket opens a stream session; the same URL reopens only that session until the token behind it expires.
CREATE TABLE stream_sessions (
    ticket_hash bytea PRIMARY KEY,
    project int NOT NULL,
    subscriber bigint NOT NULL,
    generation int NOT NULL DEFAULT 0,              -- raised at each opening: an older connection ends
    token_issued_at timestamptz NOT NULL,
    kid text,                                       -- the key that signed the token behind it
    expires_at timestamptz NOT NULL,                -- of the token behind it
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stream_sessions_by_age ON stream_sessions (expires_at);

CREATE TABLE devices (
    project int NOT NULL,
    subscriber bigint NOT NULL,
    device text NOT NULL,
    epoch text NOT NULL,
    received bigint, seen bigint,                   -- positions
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscriber, device)
);

-- First hand-over of a notification to an open stream, for its timeline.
CREATE TABLE streamed (
    notification uuid PRIMARY KEY,
    project int NOT NULL,
    first_at timestamptz NOT NULL,
    streams bigint NOT NULL
);

-- Row-level security: every table with a tenant ------------------------------------------------------------------------
DO $$
DECLARE target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['api_keys', 'public_keys', 'idempotency_keys', 'subscribers', 'topics', 'topic_changes',
        'topic_members', 'outbox', 'events', 'events_default', 'notifications', 'fanouts', 'inbox', 'inbox_states', 'stream_sessions', 'devices',
        'streamed'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', target);
        EXECUTE format('CREATE POLICY tenant ON %I TO tidings_api USING (project = tidings_project()) WITH CHECK (project = tidings_project())', target);
        EXECUTE format('CREATE POLICY worker ON %I TO tidings_worker USING (true) WITH CHECK (true)', target);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tidings_api, tidings_worker', target);
    END LOOP;
END $$;
ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON projects TO tidings_api USING (id = tidings_project());
CREATE POLICY worker ON projects TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT ON projects TO tidings_api;
GRANT SELECT, INSERT, UPDATE ON projects TO tidings_worker;
GRANT SELECT ON shards TO tidings_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON shards, signing_keys TO tidings_worker;
-- The log is append-only for those who publish: nobody but the sequencer writes events.
REVOKE INSERT, UPDATE, DELETE ON events, events_default FROM tidings_api;
REVOKE UPDATE, DELETE ON outbox FROM tidings_api;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO tidings_backup;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO tidings_api, tidings_worker;

-- Partitions of the log, one a week: the worker keeps four ahead, and drops those past retention.
CREATE FUNCTION tidings_ensure_partitions(ahead int DEFAULT 4) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('week', now() AT TIME ZONE 'UTC')::date;
    week date; made int := 0; name text;
BEGIN
    FOR step IN 0..ahead LOOP
        week := first + step * 7;
        name := 'events_' || to_char(week, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)', name, week || ' 00:00+00', (week + 7) || ' 00:00+00');
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT ON %I TO tidings_backup', name);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
CREATE FUNCTION tidings_drop_partitions(keep interval) RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE name text; dropped text[] := '{}';
BEGIN
    FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{8}$'
                  AND to_date(right(c.relname, 8), 'YYYYMMDD') + 7 < (now() - keep)::date LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped || name;
    END LOOP;
    RETURN dropped;
END $$;
-- A leader that was stopped half-way through reading a large answer keeps its statement, and so its row locks, for ever:
-- its successor ends that backend. Only sequencers of this database can be ended so.
CREATE FUNCTION tidings_end_sequencer(backend int) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
    WHERE pid = backend AND datname = current_database() AND application_name = 'tidings sequencer' AND pid <> pg_backend_pid()
$$;
REVOKE EXECUTE ON FUNCTION tidings_ensure_partitions(int), tidings_drop_partitions(interval), tidings_end_sequencer(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tidings_ensure_partitions(int), tidings_drop_partitions(interval), tidings_end_sequencer(int) TO tidings_worker;
SELECT tidings_ensure_partitions();
