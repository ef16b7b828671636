"""The doors of projects and recipients, for connectors that keep something in the database."""

from in_process import api, database, state_dir

__all__ = ["api", "database", "state_dir"]
