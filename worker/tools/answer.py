"""What a user's server answers, as far as it is of use to a language model: a bounded text."""

import json

import aiohttp

from worker.tools.failed import ToolFailed

MAX_ANSWER = 16_000  # bytes: what is longer would crowd the conversation out of a small model
MAX_QUOTED = 500  # characters of what a server says to a failure
EMPTY = "Done; the server said nothing more."


async def read_text(response: aiohttp.ClientResponse, limit: int = MAX_ANSWER) -> str:
    """The body. Raises ToolFailed if it has more bytes than `limit`, or is no text."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ToolFailed("the answer is compressed, which was not asked for")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise ToolFailed(f"the answer has more than {limit} bytes")
    try:
        text = body.decode(response.charset or "utf-8")
    except (UnicodeDecodeError, LookupError):
        raise ToolFailed("the answer is no text") from None
    if "\x00" in text:
        raise ToolFailed("the answer is no text")
    return text


def checked(text: str, content_type: str) -> str:
    """A text that is what it says. Raises ToolFailed for JSON that is none."""
    if text.strip() and (content_type == "application/json" or content_type.endswith("+json")):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            raise ToolFailed("the answer says that it is JSON, and is not") from None
    return text.strip() or EMPTY
