"""What a worker does: claim, send, settle, and hold its leases meanwhile."""
