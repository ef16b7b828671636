"""Mixpanel, by its import API."""
