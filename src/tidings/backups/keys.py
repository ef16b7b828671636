"""The backup keys, the newest first: what wraps the key of each artefact and signs manifests. Kept elsewhere than the store."""

from tidings.errors import Misconfigured
from tidings.settings import Settings
from tidings.vault.ring import Ring, keys_of


def load_backup_keys(settings: Settings) -> Ring:
    """Raises Misconfigured. None are made here: a key that lies only on the machine that is backed up is lost with it."""
    if settings.backup_keys:
        return Ring(settings.backup_keys)
    if settings.backup_keys_file is None:
        raise Misconfigured(
            "Backups need a key: set TIDINGS_BACKUP_KEYS_FILE (or TIDINGS_BACKUP_KEYS) to what `openssl rand -base64 32` says, and keep it "
            "elsewhere than the backups. Without it nobody restores them."
        )
    if settings.backup_url is not None and settings.backup_url.startswith("file://"):
        folder = settings.backup_url.removeprefix("file://").rstrip("/")
        if str(settings.backup_keys_file.resolve()).startswith(folder + "/"):
            raise Misconfigured(
                "TIDINGS_BACKUP_KEYS_FILE lies in the folder of the backups: whoever has that could open them. Keep it elsewhere."
            )
    return Ring(keys_of(settings.backup_keys_file))
