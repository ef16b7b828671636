"""Where deliveries go: webhook endpoints, as their project sets them up."""
