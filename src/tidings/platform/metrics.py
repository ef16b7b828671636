"""The figures a process shows at /metrics. Labels are bounded: a shard, a reason, a route; never a project, person or topic."""

from prometheus_client import Counter, Gauge, Histogram

LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("tidings_requests_total", "Answers given", ["status"])
ERRORS = Counter("tidings_errors_total", "Failures nobody foresaw", ["where"])
SPANS = Counter("tidings_spans_total", "Spans of sampled traces, by what became of them: exported, dropped (no room), failed", ["outcome"])

PUBLISHED = Counter("tidings_notifications_accepted_total", "Notifications accepted")
PUBLISH_LATENCY = Histogram("tidings_publish_seconds", "From a publish's arrival to its commit", buckets=LATENCIES_S)
PUBLISH_BATCH = Histogram("tidings_publish_batch", "Publishes that shared a commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500))
PUBLISH_REFUSED = Counter("tidings_publish_refused_total", "Publishes refused because the backlog is full")
INBOX_ROWS = Counter("tidings_inbox_rows_total", "Inbox items written")

EVENTS_SEQUENCED = Counter("tidings_events_sequenced_total", "Events given a position")
SEQUENCER_LAG = Histogram("tidings_sequencer_lag_seconds", "From commit to position", buckets=LATENCIES_S)
SEQUENCER_LEADS = Gauge("tidings_sequencer_leads", "1 where this process leads the shard", ["shard"])
BACKLOG = Gauge("tidings_backlog_events", "Events that wait for their position", ["shard"])

STREAMS = Gauge("tidings_streams", "Open streams")
EVENTS_STREAMED = Counter("tidings_events_streamed_total", "Events written to streams, once for each stream")
STREAM_LAG = Histogram("tidings_stream_lag_seconds", "From commit to the write on the streams", buckets=LATENCIES_S)
STREAMS_CLOSED = Counter("tidings_streams_closed_total", "Streams that Tidings ended", ["reason"])

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
