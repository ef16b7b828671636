"""What SES tells through SNS: letters that bounced, and people who complained."""
