"""Credentials of projects, sealed so that the database alone opens none (envelope encryption)."""

from tidings.platform.secrets import CannotOpen
from tidings.vault.sealing import Place, Vault, load_vault

__all__ = ["CannotOpen", "Place", "Vault", "load_vault"]
