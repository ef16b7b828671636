"""What a project sent, metered in Stripe Billing."""
