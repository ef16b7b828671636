"""Where nothing is sent any more: who unsubscribed, and which addresses bounced or complained."""
