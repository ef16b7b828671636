"""Telemetry of a process, as its settings ask for it. What is not asked for is not even imported: Sentry's client alone takes 15 MB."""

import importlib

from tidings.errors import Misconfigured
from tidings.settings import Settings


def begin_telemetry(settings: Settings, process: str) -> None:
    """After logging is configured, and before an application or worker is made: the SDK of Sentry changes their classes.

    Raises Misconfigured where what a setting needs is not installed.
    """
    if settings.sentry_dsn is not None:
        importlib.import_module("tidings.platform.telemetry.sentry").begin(settings, process)
    if settings.otlp_url is not None:
        try:
            otlp = importlib.import_module("tidings.platform.telemetry.otlp")
        except ModuleNotFoundError as error:
            raise Misconfigured(
                f"TIDINGS_OTLP_URL needs what is not installed ({error.name}): pip install 'tidings[telemetry]'."
            ) from error
        otlp.begin(settings, process)
