"""What the tiny model says in a call: sentence by sentence, a few at most, and none that is not whole."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from local.errors import Refused
from local.sentences import whole_sentences

LONGEST = 120  # tokens of a reply; a model that has not come to the end of its first sentence by then does not
_ENOUGH = 60  # characters; the longer the tiny model talks, the less sense it makes


class SpokenReply:
    """Reads llama.cpp's stream of one answer, made with `timings_per_token`; `usage` is how many tokens that took."""

    def __init__(self, lines: AsyncIterable[bytes]) -> None:
        self._lines = lines
        self.usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    async def sentences(self) -> AsyncIterator[str]:
        """The reply in pieces of whole sentences; at least one; raises `Refused` if none comes to its end."""
        text, said, ended = "", "", False
        async for chunk in self._chunks():
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                ended = choice["finish_reason"] == "stop"
            whole = whole_sentences(text, goes_on=not ended, enough=_ENOUGH)
            if len(whole) > len(said):
                yield whole[len(said) :]
                said = whole
            if len(said) >= _ENOUGH or "\n" in said.lstrip():  # a new line begins something else than an answer
                return
        rest = text if ended and not said else whole_sentences(text, enough=_ENOUGH)
        if not rest.strip():
            raise Refused("The model came to the end of no sentence.", status=500, code="no_sentence")
        if rest[len(said) :].strip():
            yield rest[len(said) :]

    async def _chunks(self) -> AsyncIterator[dict[str, Any]]:
        async for line in self._lines:
            data = line.removeprefix(b"data: ").strip()
            if not data or data == b"[DONE]":
                continue
            chunk: dict[str, Any] = json.loads(data)
            if "error" in chunk:
                raise Refused(str(chunk["error"].get("message")), status=500)
            self._count(chunk.get("timings"))
            yield chunk

    def _count(self, timings: dict[str, int] | None) -> None:
        if timings:
            prompt, completion = timings["prompt_n"] + timings.get("cache_n", 0), timings["predicted_n"]
            total = prompt + completion
            self.usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
