"""What is the same however e-mail leaves: the message, its addresses, who is not written to. `smtp` and `ses` carry it."""
