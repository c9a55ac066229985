"""Health."""

from api.schema.common import Answer


class Alive(Answer):
    """The process is there (`/healthz`), or can serve (`/readyz`)."""

    status: str = "ok"
