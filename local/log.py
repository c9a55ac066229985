"""Log lines, and never what was said in them: an error's text may repeat what it was given."""

import logging
import traceback
from types import TracebackType

from typing_extensions import override


class _Lines(logging.Formatter):
    @override
    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Which error, and where."""
        kind, _, trace = ei
        name = f"{kind.__module__}.{kind.__qualname__}" if kind is not None else "an error"
        return "".join([*traceback.format_tb(trace), name])


def configure() -> None:
    """Send them to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
