"""Whether Tidings holds under load: people as they are, thresholds as data, nothing unaccounted for. How fast it is: ../measures."""
