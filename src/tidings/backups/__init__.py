"""Backups: made, kept in a store, proven by restoring, and brought back."""
