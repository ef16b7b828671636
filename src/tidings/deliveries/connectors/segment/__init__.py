"""Twilio Segment, by its HTTP Tracking API."""
