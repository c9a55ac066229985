"""Errors that nobody handled, and warnings: Python would print their texts, which may repeat what was said."""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

from calls.errors import CallroomError

log = logging.getLogger(__name__)


def log_unhandled() -> None:
    """From here on they go to the log of this process."""
    sys.excepthook = _log_crash
    sys.unraisablehook = lambda args: _log("an error came too late to be handled", args.exc_value)
    threading.excepthook = _log_death
    warnings.showwarning = _log_warning


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        traceback.print_exception(kind, error, trace, chain=False)  # not what was just being handled: it has a text
    else:
        _log("the process ends by an error", error)


def _log_death(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:  # by which a thread may end as it likes
        _log("a thread died", args.exc_value)


def _log(message: str, error: BaseException | None) -> None:
    log.error(message, exc_info=error, extra={"error": "; ".join(_harmless(error)) or None})


def _harmless(error: BaseException | None) -> Iterator[str]:
    """The texts that are our own, or tell of files and addresses."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _harmless(one)
    elif isinstance(error, CallroomError | OSError | ImportError):
        yield str(error)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del message, file, line
    log.warning("a warning", extra={"kind": category.__name__, "place": f"{filename}:{lineno}"})
