"""A real Chromium for the examples."""

from chromium import browser

__all__ = ["browser"]
