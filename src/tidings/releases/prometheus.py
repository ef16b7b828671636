"""The figures of a version, asked of a Prometheus that scrapes its processes."""

import http.client
import json
import math
from typing import Any
from urllib.parse import urlencode, urlsplit

from tidings.errors import Misconfigured, TidingsError, Unavailable
from tidings.releases.figures import Figures

TIMEOUT_S = 15.0
# Shorter, and a scrape interval of 15 s leaves too few points to tell a rise.
LEAST_MINUTES = 1.0

# SELECTOR: of the version's processes.   WINDOW: seconds until now.
QUESTIONS = {
    "requests": "sum(increase(tidings_requests_total{SELECTOR}[WINDOW]))",
    "server_errors": 'sum(increase(tidings_requests_total{SELECTOR,status=~"5.."}[WINDOW]))',
    "refused": 'sum(increase(tidings_requests_total{SELECTOR,status=~"401|403"}[WINDOW]))',
    "writes": "sum(increase(tidings_stream_lag_seconds_count{SELECTOR}[WINDOW]))",
    "in_time": 'sum(increase(tidings_stream_lag_seconds_bucket{SELECTOR,le="1.0"}[WINDOW]))',
    "streams": "sum(avg_over_time(tidings_streams{SELECTOR}[WINDOW]))",
    "opened": "sum(increase(tidings_streams_opened_total{SELECTOR}[WINDOW]))",
    "more_streams": "sum(delta(tidings_streams{SELECTOR}[WINDOW]))",
    "attempts": "sum(increase(tidings_delivery_attempts_total{SELECTOR}[WINDOW]))",
    "failed_attempts": 'sum(increase(tidings_delivery_attempts_total{SELECTOR,outcome!="delivered"}[WINDOW]))',
    "failures": "sum(increase(tidings_errors_total{SELECTOR}[WINDOW]))",
}
PRESENT = "count(tidings_build_info{SELECTOR})"
AWAY = "up{SELECTOR} == 0"
NOBODY = "any process (Prometheus scrapes none of them)"


def figures_of(url: str, selector: str, minutes: float) -> Figures:
    """Of the last minutes, LEAST_MINUTES at least. selector: as in `pod=~"api-7d9f.*"`. Raises Misconfigured, Unavailable."""
    minutes = max(minutes, LEAST_MINUTES)
    asked = {name: number(query(url, filled(question, selector, minutes))) for name, question in QUESTIONS.items()}
    return Figures(
        minutes=minutes,
        requests=asked["requests"],
        server_errors=asked["server_errors"],
        refused=asked["refused"],
        writes=asked["writes"],
        late_writes=max(0.0, asked["writes"] - asked["in_time"]),
        stream_minutes=asked["streams"] * minutes,
        ended_streams=max(0.0, asked["opened"] - asked["more_streams"]),
        attempts=asked["attempts"],
        failed_attempts=asked["failed_attempts"],
        failures=asked["failures"],
        missing=missing(url, selector),
    )


def missing(url: str, selector: str) -> tuple[str, ...]:
    if not number(query(url, filled(PRESENT, selector))):
        return (NOBODY,)
    return tuple(one["metric"].get("pod") or one["metric"].get("instance", "?") for one in query(url, filled(AWAY, selector)))


def filled(question: str, selector: str, minutes: float = LEAST_MINUTES) -> str:
    return question.replace("SELECTOR", selector).replace("WINDOW", f"{round(minutes * 60)}s")


def number(result: list[Any]) -> float:
    """0 where there is no such series, or not yet."""
    value = float(result[0]["value"][1]) if result else 0.0
    return 0.0 if math.isnan(value) else value


def query(url: str, expression: str) -> list[Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured("--prometheus wants an address as in http://prometheus:9090.")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/api/v1/query?{urlencode({'query': expression})}")
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"Prometheus at {parts.hostname} does not answer as it should ({error or type(error).__name__}).") from error
    finally:
        connection.close()
    if response.status != 200:
        raise TidingsError(f"Prometheus refused a question ({response.status}): {answer.get('error', '')}")
    result: list[Any] = answer["data"]["result"]
    return result
