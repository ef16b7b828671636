"""What processes say: lines for people, or JSON. The name of the process is in each; credentials are in none."""

import json
import logging
import re
import sys
from typing import Any

from loguru import logger

from tidings.settings import Settings

# A password in a URL, a bearer credential, a key or ticket in a query.
SECRETS = (
    (re.compile(r"(\w[\w+.-]*://)[^\s/@]*@"), r"\1***@"),
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
}


def configure_logging(settings: Settings, process: str, *, prefixed: bool = False) -> None:
    """Call once, first thing in a process.

    prefixed: a supervisor puts the name of the process before each line of text.
    """
    logger.remove()
    logger.configure(extra={"process": process})
    if settings.log_format == "json":
        logger.add(write_json, level=settings.log_level, format="{message}", diagnose=False, backtrace=False)
    else:
        # diagnose would print the values of variables, and with them whatever credential is in one.
        colour = sys.stderr.isatty()
        logger.add(write_text, level=settings.log_level, format=text_format(prefixed), diagnose=False, backtrace=False, colorize=colour)
    logging.basicConfig(handlers=[Intercepted()], level=logging.INFO, force=True)
    for name, level in QUIET.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(level)


def text_format(prefixed: bool) -> str:
    name = "" if prefixed else "<cyan>{extra[process]: <11}</cyan> "
    return "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> " + name + "{message}"


def write_text(message: Any) -> None:
    sys.stderr.write(without_secrets(str(message)))


def without_secrets(text: str) -> str:
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


def write_json(message: Any) -> None:
    record = message.record
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "process": record["extra"]["process"],
        "message": without_secrets(record["message"]),
        "where": f"{record['name']}:{record['line']}",
    }
    line |= {key: value for key, value in record["extra"].items() if key != "process"}
    if record["exception"] is not None:
        # The text after the message is the traceback, as loguru has formatted it.
        line["exception"] = without_secrets(str(message).partition(record["message"])[2].strip())
    sys.stderr.write(json.dumps(line, default=str) + "\n")


class Intercepted(logging.Handler):
    """Hands what the standard library's loggers get to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.opt(depth=6, exception=record.exc_info).log(level, "{}", record.getMessage())
