"""The ledger: which deliveries there are, in which state, and every attempt that was made of them."""
