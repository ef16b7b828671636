"""A real Chromium for the tutorial's reader."""

from chromium import browser

__all__ = ["browser"]
