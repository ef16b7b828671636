"""SMS by Twilio's Messages API (https://www.twilio.com/docs/messaging/api/message-resource)."""
