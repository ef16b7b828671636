"""Latencies as counts by bucket, and percentiles of them.

The bounds grow by a tenth, as in HdrHistogram or Prometheus' native histograms: the first bucket ends at 5 ms, the 250th takes all above
two years. A percentile is told as the geometric middle of its bucket, so it is at most 4.9 % off; in the first bucket, at most 5 ms.
`tidings_latency_bucket` in the migration of `service_tallies` is the same in SQL.
"""

from collections.abc import Sequence
from itertools import accumulate

FIRST_S = 0.005
GROWTH = 1.1
# Half a bucket, as a factor: √1.1 = 1.0488.
ERROR = GROWTH**0.5 - 1

Histogram = Sequence[int]


def percentile(counts: Histogram, share: float) -> float | None:
    """The latency in seconds within which this share of deliveries arrived (nearest rank); None when there are none.

    counts: of the buckets, from the first one.
    """
    total = sum(counts)
    if total == 0:
        return None
    # The least rank that holds the share; 1e-9 because 0.07 * 100 is 7.000000000000001.
    rank = max(1, -int(-(share * total - 1e-9) // 1))
    return middle(next(bucket for bucket, below in enumerate(accumulate(counts)) if below >= rank))


def middle(bucket: int) -> float:
    """bucket: from 0."""
    return FIRST_S if bucket == 0 else FIRST_S * GROWTH ** (bucket - 0.5)


def upper_bound(bucket: int) -> float:
    """bucket: from 0."""
    return FIRST_S * GROWTH**bucket


def slower_than(counts: Histogram, seconds: float) -> int:
    """How many took longer for sure: those in the bucket of that time itself, a tenth wide, count as in time."""
    return sum(count for bucket, count in enumerate(counts) if bucket > 0 and upper_bound(bucket - 1) >= seconds)


def added(one: Histogram, other: Histogram) -> list[int]:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return [count + (shorter[bucket] if bucket < len(shorter) else 0) for bucket, count in enumerate(longer)]
