"""Service levels: how deliveries ended and how long they took, against what is asked of them."""
