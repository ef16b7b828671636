"""Whether what is sealed can be opened: the deployment's secret, and the encryption keys. Nothing is made that is missing."""

from tidings.access.signing import newest
from tidings.cli.doctor.deployment.finding import Finding, unknown, well
from tidings.errors import Misconfigured
from tidings.platform.postgres import Connection
from tidings.platform.secrets import FILE as SECRET_FILE
from tidings.platform.secrets import CannotOpen, load_secret
from tidings.settings import Settings
from tidings.vault.data_keys import unwrap
from tidings.vault.ring import FILE as KEYS_FILE
from tidings.vault.ring import Ring, load_ring

RUNBOOK = "docs/runbooks/key-compromised.md"
WRAPPED = "SELECT project, kek, wrapped FROM data_keys ORDER BY project"


async def check_secret(settings: Settings, connection: Connection) -> list[Finding]:
    """By the newest signing key, which is sealed under it."""
    if settings.secret_key is None and not (settings.state_dir / SECRET_FILE).exists():
        return [unknown("secret", "The deployment's secret is not on this machine: run this where a process runs")]
    try:
        load_secret(settings)
    except Misconfigured as error:
        return [Finding("secret", "error", "The secret cannot be read", str(error), ("put it back from where it is kept",), RUNBOOK)]
    if not await connection.fetchval("SELECT count(*) FROM signing_keys"):
        return [unknown("secret", "Nothing was sealed yet under the deployment's secret, so nothing tells whether it is the right one")]
    signer, _ = await newest(connection)
    if signer is None:
        return [
            Finding(
                "secret",
                "error",
                "The secret is another one",
                "No API key and no token made before is accepted.",
                (f"put the one back under which they were made: TIDINGS_SECRET_KEY, or {settings.state_dir / SECRET_FILE}",),
                RUNBOOK,
            )
        ]
    return [well("secret", "The secret opens what it sealed")]


async def check_encryption(settings: Settings, connection: Connection) -> list[Finding]:
    """Each project's data key is unwrapped."""
    is_here = settings.encryption_keys or settings.encryption_keys_file or (settings.state_dir / KEYS_FILE).exists()
    if not is_here:
        return [unknown("encryption keys", "The encryption keys are not on this machine: run this where a process runs")]
    try:
        ring = load_ring(settings)
    except Misconfigured as error:
        return [Finding("encryption keys", "error", "The encryption keys cannot be read", str(error), ("put them back",), RUNBOOK)]
    rows = await connection.fetch(WRAPPED)
    closed = [row["kek"] for row in rows if not opens(ring, row["project"], row["kek"], row["wrapped"])]
    if closed:
        return [
            Finding(
                "encryption keys",
                "error",
                f"The credentials of {len(closed)} of {len(rows)} projects cannot be opened",
                f"Their deliveries wait. Missing: {', '.join(sorted(set(closed))[:5])}.",
                (
                    "put the key back after the newest one in TIDINGS_ENCRYPTION_KEYS(_FILE), and start the processes again",
                    "tidings vault rewrap",
                ),
                RUNBOOK,
            )
        ]
    if old := {row["kek"] for row in rows} - {ring.newest}:
        return [
            Finding(
                "encryption keys",
                "warning",
                "A rotation of the encryption keys is not finished",
                f"Projects are still sealed under {', '.join(sorted(old)[:5])}. Both must be kept until then.",
                ("tidings vault rewrap",),
                RUNBOOK,
            )
        ]
    return [well("encryption keys", f"Credentials of {len(rows)} projects open")]


def opens(ring: Ring, project: int, kek: str, wrapped: bytes) -> bool:
    try:
        unwrap(ring, project, kek, wrapped)
    except CannotOpen:
        return False
    return True
