"""What a restored database is held against: PostgreSQL's own structures, the manifest's figures, and the keys of the deployment."""

import asyncio
import os
from collections.abc import Mapping

from tidings.backups.cluster import Cluster
from tidings.backups.errors import BackupFailed, Damaged, ProgramFailed
from tidings.backups.manifest import Manifest
from tidings.backups.observed import content_of
from tidings.events.log import Head
from tidings.platform.embedded.place import as_runner
from tidings.platform.postgres import Connection
from tidings.push.keys import PRIVATE_KEY
from tidings.vault import CannotOpen, Place, Vault
from tidings.vault.data_keys import find_data_key

# Rows are never deleted from these, so what a base backup restores has at least what was there when it began.
ONLY_GROW = ("projects", "api_keys", "public_keys", "signing_keys", "data_keys", "subscribers")
HOLES = """
SELECT shard, head, max(position) AS last, head - min(position) + 1 - count(*) AS holes
FROM shards JOIN events USING (shard) GROUP BY shard, head
HAVING max(position) <> head OR count(*) <> head - min(position) + 1
"""
# The newest that a project has sealed, of whatever kind.
SEALED = """
SELECT DISTINCT ON (project) project, "table", row, sealed FROM (
    SELECT project, 'destinations' AS "table", key AS row, secrets AS sealed, id FROM destinations
    WHERE secrets <> '' AND deleted_at IS NULL
    UNION ALL SELECT project, 'sources', key, secrets, id FROM sources WHERE secrets <> ''
    UNION ALL SELECT project, 'push_keys', '', private_key, 0 FROM push_keys
) AS every ORDER BY project, id DESC
"""
KEYS = "SELECT project FROM data_keys ORDER BY project"
COLUMNS = {"destinations": "secrets", "sources": "secrets", "push_keys": PRIVATE_KEY.column}
AMCHECK_WITHIN_S = 3600.0


async def check_structure(cluster: Cluster, superuser: str, database: str) -> None:
    """pg_amcheck: every heap and every B-tree. Raises Damaged with what it found."""
    arguments = ("--install-missing", "--jobs=2", f"--host={cluster.socket}", f"--username={superuser}", database)
    process = await asyncio.create_subprocess_exec(
        *(str(cluster.bin / "pg_amcheck"), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"},
        **as_runner(),
    )
    try:
        async with asyncio.timeout(AMCHECK_WITHIN_S):
            said, _ = await process.communicate()
    except BaseException:
        process.kill()
        raise
    words = " ".join(said.decode(errors="replace").split())[:500]
    if process.returncode == 2:
        raise Damaged(f"pg_amcheck found damage: {words}")
    if process.returncode != 0:
        raise ProgramFailed(f"pg_amcheck failed: {words}")


async def check_content(connection: Connection, manifest: Manifest) -> None:
    """Raises Damaged, naming the first table or shard that is not as the manifest says."""
    content = await content_of(connection)
    if manifest.kind == "logical":
        same(manifest.content.rows, content.rows)
        same_heads(manifest.content.heads, content.heads)
    else:
        no_less({name: manifest.content.rows[name] for name in ONLY_GROW if name in manifest.content.rows}, content.rows)
        no_less(positions(manifest.content.heads), positions(content.heads))
    for row in await connection.fetch(HOLES):
        raise Damaged(
            f"The log of shard {row['shard']} has holes: it ends at {row['last']}, its head is {row['head']}, {row['holes']} are missing."
        )


def same(told: Mapping[str, int], found: Mapping[str, int]) -> None:
    for table, rows in told.items():
        if found.get(table) != rows:
            raise Damaged(f"{table} has {found.get(table, 'no')} rows in what was restored; the manifest says {rows}.")


def same_heads(told: Mapping[int, Head], found: Mapping[int, Head]) -> None:
    for shard, head in told.items():
        if found.get(shard) != head:
            raise Damaged(f"The log of shard {shard} ends at {found.get(shard)} in what was restored; the manifest says {head}.")


def no_less(told: Mapping[str, int], found: Mapping[str, int]) -> None:
    for name, least in told.items():
        if found.get(name, -1) < least:
            raise Damaged(f"{name} has {found.get(name, 'nothing')} in what was restored; when the backup began it was {least} already.")


def positions(heads: Mapping[int, Head]) -> dict[str, int]:
    return {f"the log of shard {shard}": head.position for shard, head in heads.items()}


async def check_credentials(connection: Connection, vault: Vault) -> int:
    """Open one of each project; how many projects have any. Raises BackupFailed, naming the project and the key that is missing."""
    sealed = {row["project"]: row for row in await connection.fetch(SEALED)}
    try:
        for (project,) in await connection.fetch(KEYS):
            await find_data_key(connection, vault.ring, project)
            if (row := sealed.get(project)) is not None:
                await vault.open(connection, project, Place(row["table"], row["row"], COLUMNS[row["table"]]), row["sealed"])
    except CannotOpen as error:
        raise BackupFailed(f"A credential does not open with the keys of this deployment: {error}") from error
    return len(sealed)
