"""The state of an inbox item, as SQL: one place for what "unseen", "unread" and "here" mean.

`i` is a row of inbox, `s` its subscriber's row of inbox_states (or NULLs). A watermark covers every item up to its id, except those
that stand apart; an item's own columns count besides. Archived items are not "here", and only what is here counts.
"""

# The smallest and the largest id, for open ends of a range.
FIRST_ID = "00000000-0000-0000-0000-000000000000"
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

# Where a range begins. CASE and not coalesce(): the planner takes coalesce() for something that might leak a row that row-level security
# hides, and so reads all 100,000 items of an inbox and compares afterwards instead of beginning where the index says.
COUNTED_TO = f"CASE WHEN s.counted_to IS NULL THEN '{FIRST_ID}'::uuid ELSE s.counted_to END"

UNSEEN = f"(i.seen_at IS NULL AND (i.apart OR i.id > coalesce(s.seen_up_to, '{FIRST_ID}')))"
UNREAD = f"(i.read_at IS NULL AND (i.apart OR i.id > coalesce(s.read_up_to, '{FIRST_ID}')))"
SEEN_AT = "coalesce(i.seen_at, CASE WHEN NOT i.apart AND i.id <= s.seen_up_to THEN s.seen_up_to_at END)"
READ_AT = "coalesce(i.read_at, CASE WHEN NOT i.apart AND i.id <= s.read_up_to THEN s.read_up_to_at END)"

HERE = "(i.archived_at IS NULL)"

# The three figures of a set of items.
TOTAL_OF = f"count(i.id) FILTER (WHERE {HERE})"
UNSEEN_OF = f"count(i.id) FILTER (WHERE {HERE} AND {UNSEEN})"
UNREAD_OF = f"count(i.id) FILTER (WHERE {HERE} AND {UNREAD})"
