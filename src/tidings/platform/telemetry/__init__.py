"""What a process tells of itself besides figures: what each line of its log belongs to, failures to Sentry, traces to a collector."""
