"""How many events of a shard wait for their position, as far as a process knows.

PostgreSQL is asked now and then, and looks at no more than 2,000 rows for it (0.5 ms; counting 150,000 takes 20): what lies behind them is
estimated from how close their ids lie. Between two answers a process adds what it lets in and takes off what it sees in the log, so the
bound holds for it at once; other processes may pass it by what they let in between two questions.
"""

LOOKED_AT = 2000

WAITING = f"""
SELECT s.shard, s.epoch, s.head,
    (SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox o WHERE o.shard = s.shard AND o.id = looked.first) AS oldest_s,
    looked.count, looked.first, looked.last, CASE WHEN ids.is_called THEN ids.last_value ELSE 0 END AS newest
FROM shards s CROSS JOIN outbox_id_seq ids CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(id) AS first, max(id) AS last
    FROM (SELECT id FROM outbox WHERE outbox.shard = s.shard AND outbox.id >= s.floor ORDER BY id LIMIT {LOOKED_AT}) AS few
) AS looked
"""


def estimate(count: int, first: int | None, last: int | None, newest: int) -> int:
    """Rows in all, when the first `count` of them have the ids from `first` to `last`, and the newest id of all shards is `newest`."""
    if count < LOOKED_AT or first is None or last is None:
        return count
    return max(count, count * (newest - first + 1) // (last - first + 1))


class Backlog:
    """said: what PostgreSQL said when the log ended at `head`.   let_in: events that this process has let in, ever.

    since: of these, those that had surely been committed when PostgreSQL was asked: let in before the question before (`asked`).
    """

    def __init__(self, head: int) -> None:
        self.said = 0
        self.head = head
        self.let_in = 0
        self.asked = 0
        self.since = 0

    def told(self, said: int, head: int, let_in_when_asked: int) -> None:
        self.said = said
        self.head = head
        self.since, self.asked = self.asked, let_in_when_asked

    def at(self, position: int) -> int:
        """Events that wait, when the log is known to go as far as this; rather too many than too few."""
        return max(0, self.said + self.let_in - self.since - max(0, position - self.head))
