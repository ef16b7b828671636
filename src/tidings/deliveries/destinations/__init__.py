"""Where deliveries go: webhook endpoints, and the integrations of all other connectors, as their project sets them up."""
