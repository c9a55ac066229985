"""JSON bodies of OpenAI's protocol, checked."""

import json
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from local.errors import Refused

M = TypeVar("M", bound=BaseModel)


async def body_of(request: web.Request, shape: type[M]) -> M:
    """Raises `Refused` (400) naming the first field that is wrong and what was expected."""
    try:
        data = json.loads(await request.read())
    except ValueError as error:
        raise Refused("The body is not JSON.", code="invalid_json") from error
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or None
        raise Refused(f"{path or 'The body'}: {first['msg']}.", param=path) from error
