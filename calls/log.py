"""Log lines to stderr, as text or JSON, each with the call that it belongs to and never with what was said."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from calls.settings import Settings

current_call: ContextVar[str | None] = ContextVar("current_call", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "call_id"}
_PRIVATE = "lk.pii."  # livekit-agents names the extras that hold speech or prompts like this


def configure(settings: Settings, process: str) -> None:
    """Send every logger's lines of this process to stderr in the form that the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_call)
    handler.setFormatter(_JsonLines(process) if settings.log_format == "json" else _TextLines(process))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("aiosqlite", "asyncio", "httpx", "httpx2", "httpcore", "httpcore2", "openai"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _add_call(record: logging.LogRecord) -> bool:
    record.call_id = current_call.get()
    return True


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and not name.startswith((_PRIVATE, "_"))
    }


class _JsonLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            "call_id": getattr(record, "call_id", None),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None}, default=str)


class _TextLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__(f"%(asctime)s {process} %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line, *trace = super().format(record).split("\n", 1)
        extras = {"call_id": getattr(record, "call_id", None)} | _extras(record)
        fields = "".join(f" {name}={value}" for name, value in extras.items() if value is not None)
        return "\n".join([line + fields, *trace])
