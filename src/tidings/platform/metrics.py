"""The figures a process shows at /metrics. Labels are bounded: a shard, a reason, a route; never a project, person or topic."""

from prometheus_client import Counter, Gauge, Histogram

LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("tidings_requests_total", "Answers given", ["status"])
ERRORS = Counter("tidings_errors_total", "Failures nobody foresaw", ["where"])
SPANS = Counter("tidings_spans_total", "Spans of sampled traces, by what became of them: exported, dropped (no room), failed", ["outcome"])
BUILD = Gauge("tidings_build_info", "What runs here; always 1", ["version", "python", "process"])
LOOP_LAG = Histogram(
    "tidings_loop_lag_seconds", "By how much the loop woke up late, each second", buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 5)
)
DISK_FREE = Gauge("tidings_disk_free_bytes", "What is free where TIDINGS_STATE_DIR lies")
DISK_SIZE = Gauge("tidings_disk_size_bytes", "Size of the disk on which TIDINGS_STATE_DIR lies")
# As an API process sees them, and /health/ready tells. With a label, because one without is shown as 0 by every process.
SERVER_UP = Gauge("tidings_server_up", "0 while PostgreSQL cannot be asked, or a stream of Redis not be read", ["server"])

PUBLISHED = Counter("tidings_notifications_accepted_total", "Notifications accepted")
PUBLISH_LATENCY = Histogram("tidings_publish_seconds", "From a publish's arrival to its commit", buckets=LATENCIES_S)
PUBLISH_BATCH = Histogram("tidings_publish_batch", "Publishes that shared a commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500))
PUBLISH_REFUSED = Counter("tidings_publish_refused_total", "Publishes refused because the backlog is full")
INBOX_ROWS = Counter("tidings_inbox_rows_total", "Inbox items written")
MARKS = Counter("tidings_marks_total", "Inbox items that people saw, read, clicked, archived or took back", ["mark"])

EVENTS_SEQUENCED = Counter("tidings_events_sequenced_total", "Events given a position")
SEQUENCER_LAG = Histogram("tidings_sequencer_lag_seconds", "From commit to position", buckets=LATENCIES_S)
SEQUENCER_LEADS = Gauge("tidings_sequencer_leads", "1 where this process leads the shard", ["shard"])
BACKLOG = Gauge("tidings_backlog_events", "Events that wait for their position", ["shard"])
BACKLOG_OLDEST = Gauge("tidings_backlog_oldest_seconds", "Age of the first of those", ["shard"])
BACKLOG_LIMIT = Gauge("tidings_backlog_limit_events", "TIDINGS_BACKLOG_LIMIT, at which publishing is refused")

STREAMS = Gauge("tidings_streams", "Open streams")
EVENTS_STREAMED = Counter("tidings_events_streamed_total", "Events written to streams, once for each stream")
STREAM_LAG = Histogram("tidings_stream_lag_seconds", "From commit to the write on the streams", buckets=LATENCIES_S)
STREAMS_CLOSED = Counter("tidings_streams_closed_total", "Streams that Tidings ended", ["reason"])
STREAMS_OPENED = Counter("tidings_streams_opened_total", "Streams opened, by where what they had missed came from", ["replay"])

# From acceptance on: a delivery may be tried for days.
DELIVERY_LATENCIES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 259200)
DELIVERIES = Counter("tidings_deliveries_total", "Deliveries that came to an end", ["connector", "outcome"])
DELIVERY_LATENCY = Histogram(
    "tidings_delivery_seconds", "From an event's acceptance to its delivery", ["connector"], buckets=DELIVERY_LATENCIES_S
)
ATTEMPTS = Counter("tidings_delivery_attempts_total", "Attempts of deliveries that were made and written down", ["connector", "outcome"])
UNDER_WAY = Gauge("tidings_deliveries_under_way", "Attempts that this process is making")

# Of the whole deployment, the same in each planner.
DELIVERIES_WAITING = Gauge("tidings_deliveries_waiting_seconds", "Age of the oldest delivery that waits", ["connector"])
DELIVERIES_DUE = Gauge("tidings_deliveries_due", "Deliveries whose time has come and that no worker has", ["connector"])
DELIVERIES_OVERDUE = Gauge("tidings_deliveries_overdue_seconds", "For how long the first of those has been due", ["connector"])
BREAKERS = Gauge("tidings_breakers", "Destinations that are not switched off, by their breaker", ["connector", "state"])
LEASES = Gauge("tidings_deliveries_leased", "Deliveries that are queued for a worker or under way")
PLANNER_LAG = Gauge("tidings_planner_lag_events", "Events of the log that have not been turned into deliveries", ["shard"])
# Of API processes and deliveries workers, which ask them. With a label, because one without is shown as 0 by every process.
FLAGS_CHANGE = Gauge("tidings_flags_change", "The newest change of the flags that this process knows; alike in all that ask", ["owner"])
HALTED = Gauge("tidings_connectors_halted", "1 where a connector is halted", ["connector"])
BURN_RATE = Gauge(
    "tidings_service_burn_rate",
    "How fast the error budget of all projects together is spent; 1 lasts as long as its window",
    ["connector", "objective", "window"],
)
BUDGET_LEFT = Gauge("tidings_service_budget_left", "Share of the error budget of 30 days that is left", ["connector", "objective"])
LEVELS_MISSED = Gauge("tidings_service_levels_missed", "Destinations that miss their target", ["connector"])
QUEUE_JOBS = Gauge("tidings_queue_jobs", "Jobs that wait in Redis", ["queue"])
QUEUE_OLDEST = Gauge("tidings_queue_oldest_seconds", "Age of the first of those", ["queue"])
# Of PostgreSQL, the same in each planner.
DATABASE_BYTES = Gauge("tidings_database_bytes", "Size of the database")
DATABASE_CONNECTIONS = Gauge("tidings_database_connections", "Connections to PostgreSQL, of everybody")
DATABASE_CONNECTIONS_MOST = Gauge("tidings_database_connections_most", "Its max_connections")
REPLICAS = Gauge("tidings_replicas", "Who reads PostgreSQL's log: replicas, and backups that stream")
REPLICATION_LAG = Gauge("tidings_replication_lag_bytes", "What the slowest of them has still to write down")
WAL_RETAINED = Gauge("tidings_wal_retained_bytes", "Log that a replication slot keeps on PostgreSQL's disk, at most")

# Backups, as their worker reads them from its tables: a restart forgets nothing. Never is no sample.
BACKUP_MADE = Gauge("tidings_backup_made_timestamp_seconds", "When the newest backup was made that lies whole in the store", ["kind"])
BACKUP_VERIFIED = Gauge("tidings_backup_verified_timestamp_seconds", "When the newest backup was made that a restore has proven", ["kind"])
BACKUP_IS_GOOD = Gauge("tidings_backup_verified", "0 when the last restore that was to prove one failed", ["kind"])
BACKUP_CHECKED = Gauge("tidings_backup_checked_timestamp_seconds", "When the last restore that was to prove one ended", ["kind"])
BACKUP_BYTES = Gauge("tidings_backup_bytes", "Size of the newest backup in the store", ["kind"])
BACKUP_TOOK = Gauge("tidings_backup_seconds", "How long the newest backup took", ["kind"])
BACKUP_UNDER_WAY = Gauge("tidings_backup_under_way", "1 while one is made", ["kind"])
BACKUP_FAILURES = Counter(
    "tidings_backup_failures_total", "What failed, by its step: make, upload, verify, prune, stream", ["kind", "step"]
)
BACKUP_WAL_LAG = Gauge("tidings_backup_wal_lag_seconds", "Age of the oldest commit that is not in the store yet, where WAL is streamed")
DRILL_ENDED = Gauge("tidings_backup_drill_timestamp_seconds", "When the last drill ended", ["drill"])
DRILL_RPO = Gauge("tidings_backup_drill_rpo_seconds", "What the last drill lost", ["drill"])
DRILL_RTO = Gauge("tidings_backup_drill_rto_seconds", "How long the last drill took until Tidings served again", ["drill"])
