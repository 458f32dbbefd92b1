"""Logs on stderr, as text or as JSON lines; what is logged within a job carries its id, task and attempt."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from ..core.context import running_message


class Format(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class Level(StrEnum):
    """From which level on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class JobFilter(logging.Filter):
    """Lets everything pass, and adds `job`, `task` and `attempt` of the job that is running: None outside of one."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = running_message()
        record.job = None if message is None else message.id
        record.task = None if message is None else message.task
        record.attempt = None if message is None else message.attempt + 1
        return True


# What every record has; the rest came by `extra=`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "job", "task", "attempt"}


class TextFormatter(logging.Formatter):
    """`2026-03-01 12:30:59.250 INFO    shop [job 01f3…, send_welcome, attempt 2] message`"""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        job = getattr(record, "job", None)
        where = "" if job is None else f" [job {job}, {record.__dict__['task']}, attempt {record.__dict__['attempt']}]"
        line = f"{at}.{int(record.msecs):03d} {record.levelname:<7} {record.name}{where} {record.getMessage()}"
        return "\n".join([line, *_more(self, record).values()])


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("job", "task", "attempt"):
            if (value := getattr(record, name, None)) is not None:
                line[name] = value
        extra = {name: value for name, value in vars(record).items() if name not in _USUAL}
        return _encoded(extra | line | _more(self, record))


def _more(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    found: dict[str, str] = {}
    if record.exc_info:
        record.exc_text = record.exc_text or formatter.formatException(record.exc_info)
    if record.exc_text:
        found["exception"] = record.exc_text
    if record.stack_info:
        found["stack"] = formatter.formatStack(record.stack_info)
    return found


def _encoded(line: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=repr).decode()
    except Exception:  # what somebody passed as `extra` cannot be told; the line itself must not be lost
        return msgspec.json.encode({name: _plain(str(value)) for name, value in line.items()}).decode()


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def configure(level: Level, format: Format) -> None:
    """Write what is logged from this level on to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format is Format.JSON else TextFormatter())
    handler.addFilter(JobFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())


def adopt() -> None:
    """After the user's module was imported, which may have set up logging of its own: that stands, its handlers learn
    of the job too, and our loggers are heard, which logging.config disables unless told otherwise."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, JobFilter) for each in handler.filters):
            handler.addFilter(JobFilter())
    for name, logger in list(logging.getLogger().manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "aioqueue":
            logger.disabled = False
