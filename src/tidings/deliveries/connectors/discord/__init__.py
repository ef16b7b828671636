"""Discord, by a channel's webhook (https://docs.discord.com/developers/resources/webhook#execute-webhook)."""
