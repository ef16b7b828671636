"""Microsoft Teams, by a workflow that posts what a webhook request brings.

Its template is "Send webhook alerts to a channel". Office 365 connectors, which had URLs of webhook.office.com, are retired.
"""
