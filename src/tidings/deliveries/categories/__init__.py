"""Categories of notifications, and the channels that a project sends each through."""
