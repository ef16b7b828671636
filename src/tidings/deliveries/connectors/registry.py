"""All connectors there are. A further one is one more line."""

from tidings.deliveries.connectors.apprise.connector import AppriseService
from tidings.deliveries.connectors.connector import Connector
from tidings.deliveries.connectors.discord.connector import Discord
from tidings.deliveries.connectors.google_analytics.connector import GoogleAnalytics
from tidings.deliveries.connectors.mixpanel.connector import Mixpanel
from tidings.deliveries.connectors.posthog.connector import Posthog
from tidings.deliveries.connectors.segment.connector import Segment
from tidings.deliveries.connectors.ses.connector import Ses
from tidings.deliveries.connectors.slack.connector import Slack
from tidings.deliveries.connectors.smtp.connector import Smtp
from tidings.deliveries.connectors.stripe_meter.connector import StripeMeter
from tidings.deliveries.connectors.teams.connector import Teams
from tidings.deliveries.connectors.twilio.connector import Twilio
from tidings.deliveries.connectors.web_push.connector import WebPush
from tidings.deliveries.connectors.webhook.connector import Webhook

ALL: list[Connector] = [
    Webhook(),
    Smtp(),
    Ses(),
    Slack(),
    Discord(),
    Teams(),
    Twilio(),
    WebPush(),
    Segment(),
    Posthog(),
    Mixpanel(),
    GoogleAnalytics(),
    StripeMeter(),
    AppriseService(),
]
CONNECTORS = {connector.name: connector for connector in ALL}
NEVER_TWICE = [connector.name for connector in ALL if not connector.repeats]
