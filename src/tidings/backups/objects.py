"""Small objects of the store, each sealed as a whole and bound to its path: segments of the WAL, entries of the journal."""

import asyncio

from tidings.backups.drafts import Place
from tidings.backups.sealed import Opener, Sealer
from tidings.vault.ring import Ring


async def put_sealed(place: Place, path: str, plain: bytes) -> None:
    """Raises StoreFailed, DiskFull."""
    await place.store.put(path, await asyncio.to_thread(seal, place.keys, path, plain))


async def get_sealed(place: Place, path: str) -> bytes:
    """Raises Missing, Damaged, WrongKey, StoreFailed."""
    return await asyncio.to_thread(unseal, place.keys, path, await place.store.get(path))


def seal(keys: Ring, path: str, plain: bytes) -> bytes:
    sealer = Sealer(keys, path)
    return sealer.feed(plain) + sealer.end()


def unseal(keys: Ring, path: str, sealed: bytes) -> bytes:
    opener = Opener(keys, path)
    return b"".join((*opener.feed(sealed), *opener.end()))
