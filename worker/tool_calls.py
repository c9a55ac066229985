"""Calls of tools as servers of language models really send them, made into what LiveKit's plugin takes for one.

It takes a call that has an id, and only once the answer has ended for that reason. Some servers give no id, or end
with no reason, or another one: the call would be lost, and a caller who was told goodbye would wait for the end.
"""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
from typing_extensions import override

_DATA = "data:"
_END = "[DONE]"
_TAKEN = frozenset({"tool_calls", "stop"})
_MENDED = frozenset({None, "", "length", "function_call"})  # with content_filter, nothing is to be done


class ToolCalls(httpx.AsyncByteStream):
    """The body of an answer that comes in server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._arguments: dict[tuple[int, int], str] = {}  # of each call so far, by choice and index
        self._last: dict[str, Any] = {}  # event with a part of a call
        self._is_over = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for line in self._response.aiter_lines():
            for mended in self._mended(line):
                yield f"{mended}\n".encode()
        for mended in self._ended():
            yield f"{mended}\n".encode()

    @override
    async def aclose(self) -> None:
        await self._response.aclose()

    def _mended(self, line: str) -> list[str]:
        data = line.removeprefix(_DATA).strip() if line.startswith(_DATA) else ""
        if data == _END:
            return [*self._ended(), line]
        if not data or not (self._arguments or '"tool_calls"' in data):
            return [line]  # nearly all of them
        try:
            event: dict[str, Any] = json.loads(data)
            choices: list[dict[str, Any]] = list(event["choices"])
        except (ValueError, KeyError, TypeError):
            return [line]
        for choice in choices:
            self._read(event, choice)
        return [f"{_DATA} {json.dumps(event)}"]

    def _read(self, event: dict[str, Any], choice: dict[str, Any]) -> None:
        for number, call in enumerate((choice.get("delta") or {}).get("tool_calls") or []):
            place = (choice.get("index") or 0, call.setdefault("index", number))
            function = call.get("function") or {}
            if function.get("name"):
                call["id"] = call.get("id") or f"call_{uuid.uuid4().hex[:12]}"
            self._arguments[place] = self._arguments.get(place, "") + (function.get("arguments") or "")
            self._last = event
        if not self._arguments:
            return
        reason = choice.get("finish_reason")
        if reason in _MENDED and reason and self._is_whole:
            reason = choice["finish_reason"] = "tool_calls"
        self._is_over |= reason in _TAKEN

    def _ended(self) -> list[str]:
        """What is missing when nothing more comes."""
        if self._is_over or not self._arguments or not self._is_whole:
            return []
        self._is_over = True
        end = self._last | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
        return [f"{_DATA} {json.dumps(end)}", ""]

    @property
    def _is_whole(self) -> bool:
        """Whether no arguments were cut off."""
        return all(_is_json(arguments) for arguments in self._arguments.values())


def _is_json(arguments: str) -> bool:
    try:
        json.loads(arguments or "{}")
    except ValueError:
        return False
    return True
