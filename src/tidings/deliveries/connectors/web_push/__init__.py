"""Notifications of the system, by the push services of browsers (RFC 8030, 8291, 8292)."""
