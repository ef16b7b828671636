"""PostHog, in its clouds or self-hosted, by the capture API."""
