"""What processes say: lines for people, or JSON. Each names its process and what it belongs to; credentials are in none."""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from textwrap import indent
from traceback import format_exception
from types import TracebackType
from typing import Any

from loguru import logger

from tidings.platform.telemetry.belonging import NAMES, belonging
from tidings.settings import Settings

# A password in a URL, a bearer credential, a key or ticket in a query. Of a scheme so many letters at most: without a bound, each letter of
# a long word began a search to its end, and 100,000 of them took minutes.
SECRETS = (
    (re.compile(r"\b(\w[\w+.-]{0,40}://)[^\s/]*@"), r"\1***@"),
    (re.compile(r"\b(tdk_)\w{8,}"), r"\1***"),
    (re.compile(r"(?i)(bearer\s+)[\w.~+/=-]{8,}"), r"\1***"),
    (re.compile(r"(?i)([?&](?:ticket|token|key|api_key|access_token)=)[^&\s\"']+"), r"\1***"),
)

# Libraries that tell more than anyone wants to read, once a request or once a connection.
QUIET = {
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "asyncio": logging.WARNING,
    "aiohttp": logging.WARNING,
    # A line for each job.
    "arq": logging.WARNING,
    # Its pools tell of each failed connection with a traceback, every second while PostgreSQL is away. Whoever asks them tells it once.
    "asyncpg": logging.CRITICAL,
    # Each try to reach a collector that is away. Ours says so once (`telemetry/otlp.py`).
    "opentelemetry": logging.CRITICAL,
}

# Container runtimes cut a line at 16 KiB, and what was JSON is none any more. A traceback of ours has 2 to 6 KiB.
MOST_BYTES = 16_000
MOST_TEXT = 8_000
# What would begin a line that nobody logged, or colour or clear the reader's screen: in a traceback, which has lines; in a message.
IN_TRACEBACK = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if chr(number) not in "\t\n"} | {
    0x2028: " ",
    0x2029: " ",
}
CONTROLS = IN_TRACEBACK | {0x0A: "\\n"}


def configure_logging(settings: Settings, process: str, *, prefixed: bool = False) -> None:
    """Call once, first thing in a process.

    prefixed: a supervisor puts the name of the process before each line of text.
    """
    logger.remove()
    logger.configure(extra={"process": process}, patcher=complete)
    if settings.log_format == "json":
        logger.add(write_json, level=settings.log_level, format="{message}", diagnose=False, backtrace=False)
    else:
        # diagnose would print the values of variables, and with them whatever credential is in one.
        colour = sys.stderr.isatty()
        logger.add(write_text, level=settings.log_level, format=text_format(prefixed), diagnose=False, backtrace=False, colorize=colour)
    logging.basicConfig(handlers=[Intercepted()], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    for name, level in QUIET.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(level)
    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread


def complete(record: Any) -> None:
    """Say what the line belongs to, and make a line of the message."""
    if (current := belonging()) is not None:
        record["extra"].update(current.named())
    # Secrets first: half of one would not be known for what it is.
    record["message"] = shortened(without_secrets(record["message"]).translate(CONTROLS), MOST_TEXT)


def text_format(prefixed: bool) -> Callable[[Any], str]:
    process = "" if prefixed else "<cyan>{extra[process]: <11}</cyan> "
    head = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> " + process + "{message}"

    def template(record: Any) -> str:
        belongs = "".join(f" <dim>{name}={{extra[{name}]}}</dim>" for name in NAMES if name in record["extra"])
        return head + belongs + "\n"

    return template


def write_text(message: Any) -> None:
    sys.stderr.write(shortened(without_secrets(str(message) + traceback_of(message.record["exception"])), MOST_BYTES))


def traceback_of(failure: Any) -> str:
    """Indented, so that no line of what the error says looks like one of the log. Not as loguru formats it, which cannot be told so."""
    return "" if failure is None else indent("".join(format_exception(*failure)).translate(IN_TRACEBACK), "  ")


def without_secrets(text: str) -> str:
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


def shortened(text: str, most: int) -> str:
    """At most so many characters and a remark: a third of its beginning, and of its end, where a traceback names the error, the rest."""
    if len(text) <= most:
        return text
    head = most // 3
    return f"{text[:head]} … {len(text) - most} characters are left out … {text[head - most :]}"


def write_json(message: Any) -> None:
    record = message.record
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "process": record["extra"]["process"],
        "message": record["message"],
        "where": f"{record['name']}:{record['line']}",
    }
    line |= {key: value for key, value in record["extra"].items() if key != "process"}
    if record["exception"] is not None:
        # The text after the message is the traceback, as loguru has formatted it.
        line["exception"] = str(message)[len(record["message"]) :].strip()
    sys.stderr.write(encoded({key: plain(value) for key, value in line.items()}) + "\n")


def plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else without_secrets(str(value))


def encoded(line: dict[str, Any]) -> str:
    """In at most MOST_BYTES: the longer members are cut, and what has no room even so is left out."""
    most = MOST_BYTES
    while len(text := json.dumps(line)) > MOST_BYTES:
        most //= 2
        if most < 100:
            line = dict(list(line.items())[: len(line) // 2])
        line = {key: shortened(value, most) if isinstance(value, str) else value for key, value in line.items()}
    return text


class Intercepted(logging.Handler):
    """Hands what the standard library's loggers get to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno

        def place(ours: Any) -> None:
            ours.update(name=record.name, line=record.lineno)

        logger.patch(place).opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """What ends the process is told as everything else, instead of by Python with whatever stands in it."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logger.opt(exception=(kind, error, traceback)).critical("Nobody caught {}", kind.__name__)


def uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
