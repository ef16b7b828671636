"""The backup keys, the newest first: what wraps the key of each artefact and signs manifests. Kept elsewhere than the store."""

from tidings.errors import Misconfigured
from tidings.settings import Settings
from tidings.vault.ring import Ring


def load_backup_keys(settings: Settings) -> Ring:
    """Raises Misconfigured. None are made here: a key that lies only on the machine that is backed up is lost with it."""
    if not settings.backup_keys:
        raise Misconfigured(
            "Backups need a key: let TIDINGS_BACKUP_KEYS_FILE name a file with what `openssl rand -base64 32` says (or set "
            "TIDINGS_BACKUP_KEYS), and keep it elsewhere than the backups. Without it nobody restores them."
        )
    return Ring(settings.backup_keys)
