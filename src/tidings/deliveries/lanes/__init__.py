"""What is hot of a destination: how fast it may be reached, whether it answers, and what it has failed since when."""
