"""Our own load clients, in C so that they cost less than what they load: publish.c posts, streams.c listens. This runs them."""

from loadtests.client.command import ClientFailed
from loadtests.client.posting import Published, RetryAfter, publish
from loadtests.client.streaming import Source, Streamed, Target, streams

__all__ = ["ClientFailed", "Published", "RetryAfter", "Source", "Streamed", "Target", "publish", "streams"]
