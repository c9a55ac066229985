"""Whether JSON text is valid for a client's schema, in bounded time: in this process only where that is quick.

Also a process: `python -m local.judging` reads [text, schema] and ends with status 0 if the text is valid. A schema can
take for ever, and nothing but its process's end stops it.
"""

import asyncio
import json
import sys
from typing import Any

import jsonschema_rs

_DEEPEST = 64
_QUICK = 1_000_000  # the length of the schema times that of the text: some milliseconds
_DEADLINE_S = 10.0
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

Schema = dict[str, Any]


def problem_of(schema: Schema) -> str | None:
    """What is wrong with a JSON schema, if anything is."""
    if _depth(schema) > _DEEPEST:
        return f"expected at most {_DEEPEST} levels"
    try:
        _validator(schema)
    except ValueError as error:
        return getattr(error, "message", str(error))
    return None


async def is_valid(text: str, schema: Schema) -> bool:
    """Judge an answer. Raises TimeoutError if the schema takes too long for it."""
    written = json.dumps(schema)
    refers = any(keyword in written for keyword in _REFERENCES)
    if not refers and len(written) * len(text) <= _QUICK:
        return _is_valid(text, schema)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.judging", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            await process.communicate(json.dumps([text, schema]).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode == 0


def _is_valid(text: str, schema: Schema) -> bool:
    try:
        return _validator(schema).is_valid(json.loads(text))
    except ValueError:
        return False


def _validator(schema: Schema) -> jsonschema_rs.Validator:
    # Its regular expressions take linear time, and it fetches nothing that a "$ref" points to.
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.Draft202012Validator(schema, pattern_options=options, offline=True)


def _depth(schema: Schema) -> int:
    """How many levels the schema has; it is walked level by level, so that none is too deep for that."""
    level: list[Any] = [schema]
    depth = 0
    while level:
        depth += 1
        items = [item for part in level for item in (part.values() if isinstance(part, dict) else part)]
        level = [item for item in items if isinstance(item, dict | list)]
    return depth


if __name__ == "__main__":
    sys.exit(not _is_valid(*json.load(sys.stdin)))
