"""E-mail through Amazon SES (API v2), and what it tells of bounces and complaints."""
