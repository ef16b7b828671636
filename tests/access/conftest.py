"""The doors of the capability, called in this process."""

from in_process import api, database, state_dir

__all__ = ["api", "database", "state_dir"]
