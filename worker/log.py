"""How a worker and its job processes log."""

import logging

from calls.log import lines as log
from calls.settings import Settings


def configure_log(settings: Settings) -> None:
    """Log as the other processes do, without what is no news."""
    log.configure(settings, "worker")
    agents = logging.getLogger("livekit.agents")
    agents.setLevel(settings.log_level)
    agents.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that speech which came over the OpenAI protocol has no request id: it never has."""
    return not str(record.msg).startswith("no request_id provided")
