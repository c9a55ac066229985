"""Calls of tools as servers of language models really send them, made into what LiveKit's plugin takes for one.

It takes a call that has an id and an index of its own, and only once the answer has ended for that reason. Some servers
give no id or number all calls alike, or end with no reason, or another one: the call would be lost, and a caller who
was told goodbye would wait for the end.
"""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
from typing_extensions import override

_DATA = b"data:"
_CALLS = b'"tool_calls"'
_END = b"[DONE]"
_CUT_SHORT = frozenset({"length", "function_call"})  # as servers say of an answer that ends with a call


class ToolCalls(httpx.AsyncByteStream):
    """The body of an answer that comes in server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._calls: list[_Call] = []
        self._last: dict[str, Any] = {}  # event with a part of a call
        self._is_over = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = b""
        async for piece in self._response.aiter_bytes():
            # Only here do lines of events end: JSON may hold what else is known as an end of lines.
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield b"".join(self._mended(line + b"\n") for line in lines)
        yield self._mended(rest) + self._ended()

    @override
    async def aclose(self) -> None:
        await self._response.aclose()

    def _mended(self, line: bytes) -> bytes:
        data = line.removeprefix(_DATA).strip() if line.startswith(_DATA) else b""
        if data == _END:
            return self._ended() + line
        if not data or not (self._calls or _CALLS in data):
            return line  # nearly all of them
        try:
            event: dict[str, Any] = json.loads(data)
            choices: list[dict[str, Any]] = list(event["choices"])
        except (ValueError, KeyError, TypeError):
            return line
        for choice in choices:
            self._read(event, choice)
        return _event(event)

    def _read(self, event: dict[str, Any], choice: dict[str, Any]) -> None:
        for part in (choice.get("delta") or {}).get("tool_calls") or []:
            self._take(part)
            self._last = event
        reason = choice.get("finish_reason")
        if reason and self._calls:
            if reason in _CUT_SHORT and self._are_whole:
                choice["finish_reason"] = "tool_calls"
            self._is_over = True

    def _take(self, part: dict[str, Any]) -> None:
        """One more call, or more of one: it gets its index, and its id."""
        function = part.get("function") or {}
        if isinstance(function.get("arguments"), dict):  # some do not write them as text
            function["arguments"] = json.dumps(function["arguments"])
        index, given = part.get("index"), part.get("id") or ""
        same = (call for call in reversed(self._calls) if call.given_index == index and given in {"", call.given_id})
        call = next(same, None)
        if call is None or (function.get("name") and call.is_whole and not given):
            call = _Call(index, given, given or f"call_{uuid.uuid4().hex[:12]}")
            self._calls.append(call)
            part["id"] = call.id
        else:
            function.pop("name", None)  # the plugin would begin anew
        call.arguments += function.get("arguments") or ""
        part["index"] = self._calls.index(call)

    def _ended(self) -> bytes:
        """What is missing when nothing more comes."""
        if self._is_over or not self._calls or not self._are_whole:
            return b""
        self._is_over = True
        end = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
        return _event(self._last | {"choices": [end]}) + b"\n"

    @property
    def _are_whole(self) -> bool:
        """Whether no arguments were cut off."""
        return all(call.is_whole for call in self._calls)


class _Call:
    """One call so far; the server gave it that index and id, which may be none."""

    def __init__(self, given_index: int | None, given_id: str, own_id: str) -> None:
        self.given_index = given_index
        self.given_id = given_id
        self.id = own_id
        self.arguments = ""

    @property
    def is_whole(self) -> bool:
        """Whether there may be no more of it."""
        try:
            json.loads(self.arguments or "{}")
        except ValueError:
            return False
        return True


def _event(event: dict[str, Any]) -> bytes:
    return _DATA + b" " + json.dumps(event).encode() + b"\n"
