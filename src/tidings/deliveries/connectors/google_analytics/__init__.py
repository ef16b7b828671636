"""Google Analytics 4, by its Measurement Protocol."""
