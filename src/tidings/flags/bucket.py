"""Who falls where in a rollout: the first eight bytes of BLAKE2b over `SEED NUL VALUE`, as a share of 2⁶⁴, times 100.

It holds for every version and process, so that nobody changes sides; a variant whose share grows only gains, as long as what stands before
it stays. `tests/flags/test_bucket.py` holds a few results, since another hash would deal everyone anew.
"""

from hashlib import blake2b


def bucket(seed: str, value: str) -> float:
    """From 0 up to, and not including, 100."""
    digest = blake2b(f"{seed}\0{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # 53 bits are what a float holds; all 64 could round to 100.
    return (int.from_bytes(digest) >> 11) * (100 / (1 << 53))
