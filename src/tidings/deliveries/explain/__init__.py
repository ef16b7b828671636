"""Why did a person get a notification, or not: for each channel, step by step."""
