"""E-mail over SMTP (RFC 5321), to the server of a provider or of one's own."""
