"""All connectors there are. A further one is one more line."""

from tidings.deliveries.connectors.connector import Connector
from tidings.deliveries.connectors.webhook.connector import Webhook

CONNECTORS: dict[str, Connector] = {connector.name: connector for connector in (Webhook(),)}
NEVER_TWICE = [connector.name for connector in CONNECTORS.values() if not connector.repeats]
