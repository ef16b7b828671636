"""A service of Apprise, made from its URL. Imports Apprise and all its services, which takes seconds: for a thread."""

import logging
import sys

import requests
from apprise import Apprise, AppriseAsset, NotifyBase, OverflowMode

# Its own texts show URLs with their tokens.
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class NotOverHttp(Exception):
    """The service speaks by mail, MQTT, XMPP or something else that the outbound client does not."""


def service_of(url: str) -> NotifyBase | None:
    """None for what Apprise does not understand. Raises NotOverHttp."""
    # Nothing is kept between notifications: not in files, and not for another project.
    asset = AppriseAsset(storage_mode="memory", secure_logging=True, app_id="Tidings", app_desc="Tidings", app_url="", http_redirects=False)
    service = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if not isinstance(service, NotifyBase):
        return None
    if not speaks_http(type(service)):
        raise NotOverHttp
    # Otherwise what is too long goes out as it is, for the service to refuse.
    if service.overflow_mode == OverflowMode.UPSTREAM:
        service.overflow_mode = OverflowMode.TRUNCATE
    # A service waits between its requests for as long as its own limits say; whoever is limited comes back later.
    service.throttle = lambda *_, **__: None  # type: ignore[method-assign]
    return service


def speaks_http(service: type) -> bool:
    """By what its modules import: whoever sends by `requests` is carried, and the fence refuses all else."""
    return any(getattr(sys.modules[part.__module__], "requests", None) is requests for part in service.__mro__)
