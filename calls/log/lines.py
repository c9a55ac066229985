"""Log lines to stderr, as text or JSON, each with the call that it belongs to and never with what was said."""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

from typing_extensions import override

from calls.log.source import as_written
from calls.log.unhandled import log_unhandled
from calls.settings import Settings

current_call: ContextVar[str | None] = ContextVar("current_call", default=None)

_OURS = frozenset({"api", "calls", "pipeline", "prompts", "worker"})
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "call_id"}


def configure(settings: Settings, process: str) -> None:
    """Send every logger's lines of this process to stderr in the form that the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_call)
    handler.setFormatter(_JsonLines(process) if settings.log_format == "json" else _TextLines(process))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("aiosqlite", "asyncio", "httpx", "httpx2", "httpcore", "httpcore2", "openai"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    log_unhandled()


def _add_call(record: logging.LogRecord) -> bool:
    record.call_id = getattr(record, "call_id", None) or current_call.get()
    return True


# We put no speech, prompt or number into a line; a library that we call does not know what is private in the words
# that it was given. Of its lines stands here what its author wrote, and no value but numbers.


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _OURS


def _message(record: logging.LogRecord) -> str:
    return record.getMessage() if _is_ours(record) else as_written(record)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    extras = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if not _is_ours(record):
        extras = {name: value for name, value in extras.items() if isinstance(value, (int, float))}
    fields = {"call_id": getattr(record, "call_id", None)} | extras
    return {name: _shown(value) for name, value in fields.items() if value is not None}


def _shown(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def _trace(record: logging.LogRecord) -> list[str]:
    """Which errors, and where. An error's text is nobody's in particular: many repeat what they were given."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return []
    return list(_lines(traceback.TracebackException.from_exception(error, lookup_lines=False, compact=True)))


def _lines(error: traceback.TracebackException) -> Iterator[str]:
    yield f"{error.exc_type.__module__}.{error.exc_type.__qualname__}" if error.exc_type else "an error"
    for frame in error.stack:
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    for one in error.exceptions or ():
        yield "made of"
        yield from _lines(one)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield "after"
        yield from _lines(before)


class _JsonLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": _message(record),
            **_fields(record),
        }
        if trace := _trace(record):
            line["exception"] = "\n".join(trace)
        return json.dumps(line, default=str)


class _TextLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    @override
    def format(self, record: logging.LogRecord) -> str:
        head = f"{self.formatTime(record)} {self._process} {record.levelname:<7} {record.name}: {_message(record)}"
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return "\n".join([head + fields, *_trace(record)])
