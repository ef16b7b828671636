"""A test message to a destination, made while the caller waits, and what the far end really answered. It is in no ledger."""
